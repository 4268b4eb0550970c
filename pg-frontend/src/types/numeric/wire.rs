//! The binary form: groups of four digits.

use num_bigint::{BigInt, Sign};

use super::{MAX_SCALE, Numeric, finite, ten};

impl Numeric {
    /// Sign and decimal digits, for the binary form: groups of four digits from the highest, the
    /// first group's weight.
    pub(super) fn groups(&self) -> (bool, i16, Vec<u16>, u16) {
        let Self::Finite { unscaled, scale } = self else {
            return (false, 0, Vec::new(), 0);
        };
        let mut digits = unscaled.magnitude().to_string();
        let scale_usize = *scale as usize;
        while digits.len() <= scale_usize {
            digits.insert(0, '0');
        }
        let (whole, fraction) = digits.split_at(digits.len() - scale_usize);
        let head = whole.len().div_ceil(4) * 4;
        let tail = fraction.len().div_ceil(4) * 4;
        // More zeros than a format's width may be.
        let zeros = |count: usize| "0".repeat(count);
        let padded = format!(
            "{}{whole}{fraction}{}",
            zeros(head - whole.len()),
            zeros(tail - fraction.len())
        );
        let mut groups: Vec<u16> = padded
            .as_bytes()
            .chunks(4)
            .map(|group| {
                group
                    .iter()
                    .fold(0, |value, digit| value * 10 + u16::from(digit - b'0'))
            })
            .collect();
        let mut weight = (head / 4) as i64 - 1;
        let zeros = groups.iter().take_while(|group| **group == 0).count();
        groups.drain(..zeros);
        weight -= zeros as i64;
        while groups.last() == Some(&0) {
            groups.pop();
        }
        if groups.is_empty() {
            weight = 0;
        }
        let negative = unscaled.sign() == Sign::Minus;
        (
            negative,
            i16::try_from(weight).unwrap_or(i16::MAX),
            groups,
            u16::try_from(*scale).unwrap_or(u16::MAX),
        )
    }

    /// Appends the binary form: groups, weight, sign, scale, groups of four digits.
    pub fn write_binary(&self, out: &mut bytes::BytesMut) {
        let (negative, weight, groups, scale) = self.groups();
        let sign: u16 = match self {
            Self::Finite { .. } => {
                if negative {
                    0x4000
                } else {
                    0
                }
            }
            Self::NaN => 0xC000,
            Self::Infinity => 0xD000,
            Self::NegInfinity => 0xF000,
        };
        out.extend_from_slice(
            &u16::try_from(groups.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes(),
        );
        out.extend_from_slice(&weight.to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&scale.to_be_bytes());
        for group in groups {
            out.extend_from_slice(&group.to_be_bytes());
        }
    }

    /// Reads the binary form.
    #[must_use]
    pub fn read_binary(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let count = usize::from(word(0)?);
        let weight = i64::from(word(2)?.cast_signed());
        let sign = word(4)?;
        let scale = u32::from(word(6)?);
        if bytes.len() != 8 + count * 2 || scale > MAX_SCALE {
            return None;
        }
        match sign {
            0xC000 => return Some(Self::NaN),
            0xD000 => return Some(Self::Infinity),
            0xF000 => return Some(Self::NegInfinity),
            0 | 0x4000 => {}
            _ => return None,
        }
        let mut unscaled = BigInt::from(0);
        for index in 0..count {
            let group = word(8 + index * 2)?;
            if group > 9999 {
                return None;
            }
            unscaled = unscaled * 10_000 + group;
        }
        // The last group's place is 10^(4 * (weight - count + 1)).
        let place = 4 * (weight - count as i64 + 1);
        let number = if place >= 0 {
            finite(unscaled * ten(u32::try_from(place).ok()?), 0)
        } else {
            finite(unscaled, u32::try_from(-place).ok()?)
        };
        let number = if sign == 0x4000 { number.neg() } else { number };
        Some(number.trunc(i64::from(scale)))
    }
}

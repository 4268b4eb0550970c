//! Where `FETCH` and `MOVE` go. A cursor stands on a row, before the first one or behind the last one.
//! <https://www.postgresql.org/docs/15/sql-fetch.html>

use std::ops::RangeInclusive;

use crate::error::PgError;
use crate::sql::Direction;

/// What a cursor passes over whose rows can all be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// The rows, counted from 1, the first one first even if they are gone through backwards.
    pub(super) rows: RangeInclusive<i64>,
    /// The last one first.
    pub(super) backwards: bool,
    /// Where it stands then: 0 is before the first row, and one more than there are is behind the last.
    pub(super) stands: i64,
}

impl Way {
    /// From where a cursor stands among `count` rows.
    pub(super) fn of(direction: Direction, stands: i64, count: i64) -> Self {
        let all = i64::MAX;
        match direction {
            Direction::Forward(None) => Self::ahead(stands, all, count),
            Direction::Backward(None) => Self::back(stands, all, count),
            Direction::Forward(Some(0)) | Direction::Backward(Some(0)) => Self::to(stands, count),
            Direction::Forward(Some(many @ 1..)) => Self::ahead(stands, many, count),
            Direction::Forward(Some(many)) => Self::back(stands, many.saturating_neg(), count),
            Direction::Backward(Some(many @ 1..)) => Self::back(stands, many, count),
            Direction::Backward(Some(many)) => Self::ahead(stands, many.saturating_neg(), count),
            Direction::Absolute(row @ 0..) => Self::to(row, count),
            Direction::Absolute(row) => Self::to(row.saturating_add(count + 1), count),
            Direction::Relative(rows) => Self::to(stands.saturating_add(rows), count),
        }
    }

    /// How many rows there are on it.
    pub(super) fn len(&self) -> u64 {
        let (first, last) = (*self.rows.start(), *self.rows.end());
        u64::try_from(last - first + 1).unwrap_or(0)
    }

    fn ahead(stands: i64, many: i64, count: i64) -> Self {
        let last = stands.saturating_add(many);
        Self {
            rows: stands + 1..=last.min(count),
            backwards: false,
            stands: last.min(count + 1),
        }
    }

    fn back(stands: i64, many: i64, _count: i64) -> Self {
        let first = stands.saturating_sub(many);
        Self {
            rows: first.max(1)..=stands - 1,
            backwards: true,
            stands: first.max(0),
        }
    }

    /// To one row.
    fn to(row: i64, count: i64) -> Self {
        let stands = row.clamp(0, count + 1);
        let rows = if (1..=count).contains(&stands) {
            stands..=stands
        } else {
            stands + 1..=stands
        };
        Self {
            rows,
            backwards: false,
            stands,
        }
    }
}

/// The same for a cursor that only goes forward: how many rows it skips, and how many it then takes, none for
/// all. `passed`: rows so far. `ended`: it stands behind the last one.
///
/// # Errors
/// 55000: it would have to go back.
pub(super) fn forward(
    direction: Direction,
    passed: i64,
    ended: bool,
) -> Result<(u64, Option<u64>), PgError> {
    let on_row = passed > 0 && !ended;
    let row = |skipped: i64| Ok((u64::try_from(skipped).unwrap_or(0), Some(1)));
    match direction {
        Direction::Forward(None) => Ok((0, None)),
        Direction::Forward(Some(many @ 1..)) => Ok((0, u64::try_from(many).ok())),
        Direction::Backward(Some(many @ ..=-1)) => {
            Ok((0, u64::try_from(many.saturating_neg()).ok()))
        }
        Direction::Relative(many @ 1..) => row(many - 1),
        Direction::Absolute(row_wanted @ 1..) if row_wanted > passed && !ended => {
            row(row_wanted - passed - 1)
        }
        // Where nothing is left behind, nothing has to be gone back to.
        Direction::Absolute(0) if passed == 0 && !ended => Ok((0, Some(0))),
        Direction::Forward(Some(0)) | Direction::Backward(Some(0)) | Direction::Relative(0)
            if !on_row =>
        {
            Ok((0, Some(0)))
        }
        _ => Err(PgError::new("55000", "cursor can only scan forward")
            .hint("Declare it with SCROLL option to enable backward scan.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_among_five_rows() {
        for (direction, stands, rows, backwards, then) in [
            (Direction::Forward(Some(2)), 0, 1..=2, false, 2),
            (Direction::Forward(Some(2)), 3, 4..=5, false, 5),
            (Direction::Forward(Some(3)), 3, 4..=5, false, 6),
            (Direction::Forward(None), 2, 3..=5, false, 6),
            (Direction::Forward(Some(-2)), 6, 4..=5, true, 4),
            (Direction::Backward(Some(2)), 2, 1..=1, true, 0),
            (Direction::Backward(None), 4, 1..=3, true, 0),
            (Direction::Backward(Some(-1)), 4, 5..=5, false, 5),
            (Direction::Absolute(2), 5, 2..=2, false, 2),
            (Direction::Absolute(-1), 0, 5..=5, false, 5),
            (Direction::Relative(-2), 5, 3..=3, false, 3),
            (Direction::Relative(0), 3, 3..=3, false, 3),
        ] {
            let way = Way::of(direction, stands, 5);
            let told = (way.rows.clone(), way.backwards, way.stands);
            assert_eq!(told, (rows, backwards, then), "{direction:?} from {stands}");
            assert_eq!(way.len(), way.rows.count() as u64);
        }
    }

    #[test]
    fn ways_that_lead_nowhere() {
        for (direction, stands, then) in [
            (Direction::Absolute(0), 3, 0),
            (Direction::Absolute(9), 3, 6),
            (Direction::Absolute(-9), 3, 0),
            (Direction::Absolute(i64::MIN), 3, 0),
            (Direction::Relative(i64::MAX), 3, 6),
            (Direction::Forward(Some(i64::MIN)), 0, 0),
            (Direction::Forward(Some(1)), 6, 6),
            (Direction::Backward(None), 1, 0),
            (Direction::Backward(None), 0, 0),
            (Direction::Relative(0), 6, 6),
            (Direction::Forward(Some(0)), 0, 0),
        ] {
            let way = Way::of(direction, stands, 5);
            assert_eq!(
                (way.len(), way.stands),
                (0, then),
                "{direction:?} from {stands}"
            );
        }
    }

    #[test]
    fn what_only_goes_forward_says_so() {
        assert_eq!(forward(Direction::Absolute(4), 1, false), Ok((2, Some(1))));
        assert_eq!(forward(Direction::Relative(3), 1, false), Ok((2, Some(1))));
        assert_eq!(
            forward(Direction::Backward(Some(0)), 0, false),
            Ok((0, Some(0)))
        );
        for direction in [
            Direction::Absolute(1),
            Direction::Absolute(-1),
            Direction::Backward(None),
            Direction::Forward(Some(0)),
            Direction::Relative(-1),
        ] {
            assert_eq!(forward(direction, 1, false).unwrap_err().code, "55000");
        }
    }
}

//! Procedures in a component: typed by `wit/shop.wit`, so that `proc_create` needs no JSON.

use std::cell::Cell;

use exports::example::shop::procedures::{Guest, GuestGeometricMean, SqlValue, Word};

wit_bindgen::generate!({ world: "shop", path: "wit" });

struct Shop;

impl Guest for Shop {
    type GeometricMean = GeometricMean;

    fn order_total(price: f64, quantity: i32) -> f64 {
        price * f64::from(quantity)
    }

    fn title(name: Option<String>) -> String {
        format!("Dear {}", name.as_deref().unwrap_or("customer"))
    }

    fn parse_amount(text: String) -> Result<f64, String> {
        text.trim()
            .replace(',', ".")
            .parse()
            .map_err(|_| format!("'{text}' is no amount"))
    }

    fn checksum(bytes: Vec<u8>) -> u32 {
        bytes
            .iter()
            .fold(0, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte))
    }

    fn kind(value: SqlValue) -> String {
        match value {
            SqlValue::Null => "null".into(),
            SqlValue::Integer(n) => format!("integer {n}"),
            SqlValue::Real(n) => format!("real {n}"),
            SqlValue::Text(text) => format!("text of {}", text.chars().count()),
            SqlValue::Blob(bytes) => format!("blob of {}", bytes.len()),
        }
    }

    fn words(text: String) -> Vec<Word> {
        let words = text.split_whitespace().map(String::from);
        (1..)
            .zip(words)
            .map(|(position, word)| Word { position, word })
            .collect()
    }
}

/// The sum of the logarithms, and how many there are.
struct GeometricMean(Cell<(f64, u32)>);

impl GuestGeometricMean for GeometricMean {
    fn new() -> Self {
        Self(Cell::new((0.0, 0)))
    }

    fn step(&self, x: f64) {
        let (sum, count) = self.0.get();
        self.0.set((sum + x.ln(), count + 1));
    }

    fn finish(&self) -> Option<f64> {
        let (sum, count) = self.0.get();
        (count > 0).then(|| (sum / f64::from(count)).exp())
    }
}

export!(Shop);

//! Tables: the parts of a text, one row each.

use sqlbridge_procedure::{Rows, table};

table! {
    fn split(text: &str, separator: &str) -> Result<Rows<(i64, String)>, String> {
        if separator.is_empty() {
            return Err("the separator is empty".into());
        }
        let parts: Vec<String> = text.split(separator).map(String::from).collect();
        Ok(Box::new((1..).zip(parts)))
    }
}

table! {
    /// One column.
    fn letters(text: &str) -> Rows<(String,)> {
        let letters: Vec<char> = text.chars().collect();
        Box::new(letters.into_iter().map(|letter| (String::from(letter),)))
    }
}

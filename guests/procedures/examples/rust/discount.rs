//! The first procedure: numbers in, a number out, nothing else needed.
//!
//!     rustc --target wasm32-unknown-unknown --crate-type cdylib -O discount.rs

#[unsafe(no_mangle)]
pub extern "C" fn calculate_discount(price: f64, tier: i32) -> f64 {
    match tier {
        1 => price * 0.95,
        2 => price * 0.90,
        3 => price * 0.85,
        _ => price,
    }
}

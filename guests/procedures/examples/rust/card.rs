//! Is this a credit card's number? Luhn's check of its digits.

#[unsafe(no_mangle)]
pub extern "C" fn validate_credit_card(number: i64) -> i32 {
    if !(1_000_000_000_000..10_000_000_000_000_000).contains(&number) {
        return 0;
    }
    let mut sum = 0;
    let mut rest = number;
    let mut second = false;
    while rest > 0 {
        let digit = rest % 10 * if second { 2 } else { 1 };
        sum += digit / 10 + digit % 10;
        rest /= 10;
        second = !second;
    }
    i32::from(sum % 10 == 0)
}

//! Fibonacci's numbers the slow way: something that takes as long as one likes.

#[unsafe(no_mangle)]
pub extern "C" fn fib(n: i64) -> i64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

//! The calls to and from the host.
//!
//! Used by the macros; only [`fail`], [`Input`] and [`Output`] are of interest elsewhere.

pub use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::fmt::Display;

use crate::{Row, Rows, Value};

#[cfg(target_arch = "wasm32")]
mod host {
    #[link(wasm_import_module = "sqlbridge")]
    unsafe extern "C" {
        pub(super) safe fn null();
        pub(super) safe fn fail(address: *const u8, length: usize);
    }
}

/// Off WebAssembly, for tests of procedures: a failure panics, and nobody asks for NULL.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    pub(super) fn null() {}

    pub(super) fn fail(address: *const u8, length: usize) {
        // SAFETY: `super::fail` gives a string that it still holds.
        let sentence = unsafe { core::slice::from_raw_parts(address, length) };
        panic!("{}", alloc::string::String::from_utf8_lossy(sentence));
    }
}

/// Ends the statement with this sentence, behind the procedure's name.
pub fn fail(sentence: impl Display) -> ! {
    let sentence = sentence.to_string();
    host::fail(sentence.as_ptr(), sentence.len());
    unreachable!("the host does not return from a failure")
}

/// What each export does first: from then on a panic ends the statement with its own message.
#[inline]
pub fn enter() {
    #[cfg(all(feature = "std", target_arch = "wasm32"))]
    {
        use core::sync::atomic::{AtomicBool, Ordering};
        static ENTERED: AtomicBool = AtomicBool::new(false);
        if !ENTERED.load(Ordering::Relaxed) {
            ENTERED.store(true, Ordering::Relaxed);
            std::panic::set_hook(Box::new(|panic| fail(panic)));
        }
    }
}

/// Where the host writes an argument. It keeps the block, and never gives it back.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
extern "C" fn sqlbridge_alloc(size: usize) -> *mut u8 {
    match core::alloc::Layout::from_size_align(size.max(1), 8) {
        // SAFETY: the size is not zero.
        Ok(layout) => unsafe { alloc::alloc::alloc(layout) },
        Err(_) => core::ptr::null_mut(),
    }
}

/// The result that the host is copying. The next one takes its place, so that no result needs to be
/// given back.
struct Lent(UnsafeCell<Vec<u8>>);

// SAFETY: a module has one thread.
unsafe impl Sync for Lent {}

static LENT: Lent = Lent(UnsafeCell::new(Vec::new()));

/// Keeps the bytes until the next result: address in the upper 32 bits, length in the lower.
pub fn lend(bytes: Vec<u8>) -> i64 {
    let packed = ((bytes.as_ptr() as usize as u64) << 32) | bytes.len() as u64;
    // SAFETY: a module has one thread, and no reference into it outlives a statement.
    unsafe { *LENT.0.get() = bytes };
    packed.cast_signed()
}

/// A text argument.
///
/// # Safety
/// The host wrote `length` bytes of UTF-8 there, and leaves them until the export returns.
#[inline]
pub unsafe fn text<'a>(address: *const u8, length: usize) -> &'a str {
    // SAFETY: as this function's own; the host passes no other text.
    unsafe { core::str::from_utf8_unchecked(bytes(address, length)) }
}

/// A blob argument.
///
/// # Safety
/// The host wrote `length` bytes there, and leaves them until the export returns.
#[inline]
pub unsafe fn bytes<'a>(address: *const u8, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[]; // its address may be anything
    }
    // SAFETY: as this function's own.
    unsafe { core::slice::from_raw_parts(address, length) }
}

/// An ANY argument.
///
/// # Safety
/// As for [`bytes`].
pub unsafe fn value<'a>(address: *const u8, length: usize) -> Value<'a> {
    // SAFETY: as this function's own.
    let mut encoded = unsafe { bytes(address, length) };
    Value::decode(&mut encoded).unwrap_or_else(|error| fail(error))
}

/// An argument that comes as one number.
pub trait Input {
    /// As it comes.
    type Raw;
    /// As the procedure wants it.
    fn from_raw(raw: Self::Raw) -> Self;
}

/// A result.
pub trait Output {
    /// As it goes.
    type Raw: Default;
    /// Hands it to the host.
    fn into_raw(self) -> Self::Raw;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Input for $type {
            type Raw = Self;
            #[inline]
            fn from_raw(raw: Self) -> Self {
                raw
            }
        }

        impl Output for $type {
            type Raw = Self;
            #[inline]
            fn into_raw(self) -> Self {
                self
            }
        }
    )*};
}

numbers! { i32 i64 f32 f64 }

impl Input for bool {
    type Raw = i32;
    #[inline]
    fn from_raw(raw: i32) -> Self {
        raw != 0
    }
}

impl Output for bool {
    type Raw = i32;
    #[inline]
    fn into_raw(self) -> i32 {
        self.into()
    }
}

impl Output for () {
    type Raw = ();
    #[inline]
    fn into_raw(self) {}
}

impl Output for String {
    type Raw = i64;
    fn into_raw(self) -> i64 {
        lend(self.into_bytes())
    }
}

impl Output for Vec<u8> {
    type Raw = i64;
    fn into_raw(self) -> i64 {
        lend(self)
    }
}

impl Output for &str {
    type Raw = i64;
    fn into_raw(self) -> i64 {
        lend(self.as_bytes().to_vec())
    }
}

impl Output for &[u8] {
    type Raw = i64;
    fn into_raw(self) -> i64 {
        lend(self.to_vec())
    }
}

impl Output for Value<'_> {
    type Raw = i64;
    fn into_raw(self) -> i64 {
        let mut out = Vec::new();
        self.encode(&mut out);
        lend(out)
    }
}

impl<T: Output> Output for Option<T> {
    type Raw = T::Raw;
    fn into_raw(self) -> T::Raw {
        match self {
            Some(result) => result.into_raw(),
            None => {
                host::null();
                T::Raw::default()
            }
        }
    }
}

impl<T: Output, E: Display> Output for Result<T, E> {
    type Raw = T::Raw;
    fn into_raw(self) -> T::Raw {
        match self {
            Ok(result) => result.into_raw(),
            Err(error) => fail(error),
        }
    }
}

/// What a table procedure returns: its rows, or a `Result` of them.
pub trait Table {
    /// A row.
    type Row: Row;
    /// Begins the scan.
    fn rows(self) -> Rows<Self::Row>;
}

impl<R: Row> Table for Rows<R> {
    type Row = R;
    fn rows(self) -> Self {
        self
    }
}

impl<T: Table, E: Display> Table for Result<T, E> {
    type Row = T::Row;
    fn rows(self) -> Rows<T::Row> {
        self.unwrap_or_else(|error| fail(error)).rows()
    }
}

/// Some rows of a scan, as many as make this many bytes. Few, for what a `LIMIT` leaves unread is
/// made for nothing.
const BATCH: usize = 4096;

/// The next rows of a scan, encoded; empty at its end.
pub fn next_rows<R: Row>(rows: &mut Rows<R>) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < BATCH {
        match rows.next() {
            Some(row) => row.encode(&mut out),
            None => break,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_batches_and_then_an_empty_one() {
        let mut rows: Rows<(i64,)> = Box::new((0..1000i64).map(|n| (n,)));
        let mut batches = 0;
        let mut seen = Vec::new();
        loop {
            let batch = next_rows(&mut rows);
            if batch.is_empty() {
                break;
            }
            batches += 1;
            let mut rest = &batch[..];
            while !rest.is_empty() {
                seen.push(Value::decode(&mut rest).unwrap().into_owned());
            }
        }
        assert_eq!(seen, (0..1000i64).map(Value::from).collect::<Vec<_>>());
        assert_eq!(batches, 3, "9000 bytes");
    }

    #[test]
    #[should_panic(expected = "no such thing")]
    fn an_error_is_a_failure() {
        let result: Result<i64, &str> = Err("no such thing");
        result.into_raw();
    }
}

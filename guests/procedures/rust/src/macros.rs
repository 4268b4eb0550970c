//! The macros: they make the exports of the calling convention around plain Rust functions.

/// A scalar procedure: a function, exported under its own name.
///
/// ```
/// sqlbridge_procedure::procedure! {
///     fn calculate_discount(price: f64, tier: i32) -> f64 {
///         if tier == 2 { price * 0.9 } else { price }
///     }
/// }
/// # fn main() { assert_eq!(calculate_discount(100.0, 2), 90.0) }
/// ```
#[macro_export]
macro_rules! procedure {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arguments:tt)*) $body:block) => {
        $crate::procedure! { $(#[$meta])* $vis fn $name($($arguments)*) -> () $body }
    };
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arguments:tt)*) -> $result:ty $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arguments)*) -> $result $body

        const _: () = {
            $crate::__export! { [scalar $name, $result] [] [] $($arguments)*, }
        };
    };
}

/// An aggregate procedure: a state with `Default`, a method `step` that takes the arguments, and a
/// method `value(&self)` that gives the result.
///
/// ```
/// #[derive(Default)]
/// struct Longest(String);
///
/// impl Longest {
///     fn step(&mut self, text: &str) {
///         if text.len() > self.0.len() { self.0 = text.into() }
///     }
///     fn value(&self) -> String { self.0.clone() }
/// }
///
/// sqlbridge_procedure::aggregate!(Longest as fn longest(text: &str) -> String);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! aggregate {
    ($state:ty as fn $name:ident($($arguments:tt)*) -> $result:ty) => {
        const _: () = {
            #[unsafe(export_name = concat!(stringify!($name), "_init"))]
            extern "C" fn init() -> *mut $state {
                $crate::abi::enter();
                $crate::abi::Box::into_raw($crate::abi::Box::default())
            }

            #[unsafe(export_name = concat!(stringify!($name), "_final"))]
            unsafe extern "C" fn finish(state: *mut $state) -> <$result as $crate::Output>::Raw {
                // SAFETY: the host gives each state of `init` back once.
                let state = unsafe { $crate::abi::Box::from_raw(state) };
                $crate::Output::into_raw(state.value())
            }

            $crate::__export! { [step $state, concat!(stringify!($name), "_step")] [] [] $($arguments)*, }
        };
    };
}

/// An aggregate procedure that also works with `OVER`: as [`aggregate!`], with one method more,
/// `inverse`, that takes back the oldest row.
#[macro_export]
macro_rules! window {
    ($state:ty as fn $name:ident($($arguments:tt)*) -> $result:ty) => {
        $crate::aggregate!($state as fn $name($($arguments)*) -> $result);

        const _: () = {
            #[unsafe(export_name = concat!(stringify!($name), "_value"))]
            unsafe extern "C" fn value(state: *mut $state) -> <$result as $crate::Output>::Raw {
                // SAFETY: a state of `init` that was not given back.
                $crate::Output::into_raw(unsafe { &*state }.value())
            }

            $crate::__export! { [inverse $state, concat!(stringify!($name), "_inverse")] [] [] $($arguments)*, }
        };
    };
}

/// A table procedure: a function that gives [`Rows`](crate::Rows). They are made after it has
/// returned, so they own what they need of the arguments.
///
/// ```
/// use sqlbridge_procedure::{Rows, table};
///
/// table! {
///     fn letters(text: &str) -> Rows<(i64, String)> {
///         let letters: Vec<char> = text.chars().collect();
///         Box::new((1..).zip(letters).map(|(n, letter)| (n, letter.to_string())))
///     }
/// }
/// # fn main() { assert_eq!(letters("ab").count(), 2) }
/// ```
#[macro_export]
macro_rules! table {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arguments:tt)*) -> $result:ty $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arguments)*) -> $result $body

        const _: () = {
            type Scan = $crate::Rows<<$result as $crate::abi::Table>::Row>;

            #[unsafe(export_name = concat!(stringify!($name), "_next"))]
            unsafe extern "C" fn next(scan: *mut Scan) -> i64 {
                // SAFETY: a scan of `open` that was not closed.
                $crate::abi::lend($crate::abi::next_rows(unsafe { &mut *scan }))
            }

            #[unsafe(export_name = concat!(stringify!($name), "_close"))]
            unsafe extern "C" fn close(scan: *mut Scan) {
                // SAFETY: the host closes each scan of `open` once.
                drop(unsafe { $crate::abi::Box::from_raw(scan) });
            }

            $crate::__export! { [open $name, concat!(stringify!($name), "_open")] [] [] $($arguments)*, }
        };
    };
}

/// Makes an export: takes one argument after the other, and for each adds what WebAssembly passes
/// to the first list and what the procedure gets to the second. Names that a step of it adds are
/// its own, so each `length` is another one.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($what:tt $raw:tt $given:tt ,) => { $crate::__export! { $what $raw $given } };

    ($what:tt [$($raw:tt)*] [$($given:tt)*] $name:ident: &str, $($rest:tt)*) => {
        $crate::__export! { $what
            [$($raw)* address: *const u8, length: usize,]
            // SAFETY: the host's text, as the convention says.
            [$($given)* unsafe { $crate::abi::text(address, length) },]
            $($rest)*
        }
    };
    ($what:tt [$($raw:tt)*] [$($given:tt)*] $name:ident: &[u8], $($rest:tt)*) => {
        $crate::__export! { $what
            [$($raw)* address: *const u8, length: usize,]
            // SAFETY: the host's blob, as the convention says.
            [$($given)* unsafe { $crate::abi::bytes(address, length) },]
            $($rest)*
        }
    };
    ($what:tt [$($raw:tt)*] [$($given:tt)*] $name:ident: Value $(<'_>)?, $($rest:tt)*) => {
        $crate::__export! { $what
            [$($raw)* address: *const u8, length: usize,]
            // SAFETY: the host's value, as the convention says.
            [$($given)* unsafe { $crate::abi::value(address, length) },]
            $($rest)*
        }
    };
    ($what:tt [$($raw:tt)*] [$($given:tt)*] $name:ident: Option<&str>, $($rest:tt)*) => {
        $crate::__export! { $what
            [$($raw)* present: i32, address: *const u8, length: usize,]
            // SAFETY: the host's text, as the convention says.
            [$($given)* (present != 0).then(|| unsafe { $crate::abi::text(address, length) }),]
            $($rest)*
        }
    };
    ($what:tt [$($raw:tt)*] [$($given:tt)*] $name:ident: Option<&[u8]>, $($rest:tt)*) => {
        $crate::__export! { $what
            [$($raw)* present: i32, address: *const u8, length: usize,]
            // SAFETY: the host's blob, as the convention says.
            [$($given)* (present != 0).then(|| unsafe { $crate::abi::bytes(address, length) }),]
            $($rest)*
        }
    };
    ($what:tt [$($raw:tt)*] [$($given:tt)*] $name:ident: Option<$type:ty>, $($rest:tt)*) => {
        $crate::__export! { $what
            [$($raw)* present: i32, number: <$type as $crate::Input>::Raw,]
            [$($given)* (present != 0).then(|| <$type as $crate::Input>::from_raw(number)),]
            $($rest)*
        }
    };
    ($what:tt [$($raw:tt)*] [$($given:tt)*] $name:ident: $type:ty, $($rest:tt)*) => {
        $crate::__export! { $what
            [$($raw)* number: <$type as $crate::Input>::Raw,]
            [$($given)* <$type as $crate::Input>::from_raw(number),]
            $($rest)*
        }
    };

    ([scalar $name:ident, $result:ty] [$($raw:tt)*] [$($given:tt)*]) => {
        #[unsafe(export_name = stringify!($name))]
        extern "C" fn call($($raw)*) -> <$result as $crate::Output>::Raw {
            $crate::abi::enter();
            $crate::Output::into_raw($name($($given)*))
        }
    };
    ([step $state:ty, $export:expr] [$($raw:tt)*] [$($given:tt)*]) => {
        #[unsafe(export_name = $export)]
        unsafe extern "C" fn step(state: *mut $state, $($raw)*) {
            // SAFETY: a state of `init` that was not given back.
            unsafe { &mut *state }.step($($given)*);
        }
    };
    ([inverse $state:ty, $export:expr] [$($raw:tt)*] [$($given:tt)*]) => {
        #[unsafe(export_name = $export)]
        unsafe extern "C" fn inverse(state: *mut $state, $($raw)*) {
            // SAFETY: a state of `init` that was not given back.
            unsafe { &mut *state }.inverse($($given)*);
        }
    };
    ([open $name:ident, $export:expr] [$($raw:tt)*] [$($given:tt)*]) => {
        #[unsafe(export_name = $export)]
        extern "C" fn open($($raw)*) -> *mut Scan {
            $crate::abi::enter();
            $crate::abi::Box::into_raw($crate::abi::Box::new($crate::abi::Table::rows($name($($given)*))))
        }
    };
}

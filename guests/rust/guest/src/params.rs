//! Values for parameters.

use crate::error::Result;
use crate::messagepack::Encoder;
use crate::value::ToSql;

/// Values for the parameters of a statement: `()`, an array, a slice, a tuple, or what
/// [`params!`](crate::params) makes. Each parameter needs a value.
pub trait Params {
    /// Writes a list, or a map with names.
    ///
    /// # Errors
    /// If SQLite cannot hold one of the values.
    #[doc(hidden)]
    fn encode(&self, encoder: &mut Encoder) -> Result<()>;
}

/// Values with names, as `params! { "id": 1 }` makes them. The names may be with or without `:`,
/// `@` or `$`.
#[derive(Clone, Copy)]
pub struct Named<'a>(pub &'a [(&'a str, &'a dyn ToSql)]);

impl std::fmt::Debug for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Values of different types: `params![1, "text", None::<i64>]`, by position, or
/// `params! { "id": 1, "name": "text" }`, by name.
#[macro_export]
macro_rules! params {
    () => { () };
    ($($name:tt : $value:expr),+ $(,)?) => { $crate::Named(&[$(($name, &$value as &dyn $crate::ToSql)),+]) };
    ($($value:expr),+ $(,)?) => { &[$(&$value as &dyn $crate::ToSql),+][..] };
}

impl Params for () {
    fn encode(&self, encoder: &mut Encoder) -> Result<()> {
        encoder.list(0);
        Ok(())
    }
}

impl<T: ToSql> Params for [T] {
    fn encode(&self, encoder: &mut Encoder) -> Result<()> {
        encoder.list(self.len());
        self.iter().try_for_each(|value| value.encode(encoder))
    }
}

impl<T: ToSql, const N: usize> Params for [T; N] {
    fn encode(&self, encoder: &mut Encoder) -> Result<()> {
        self[..].encode(encoder)
    }
}

impl<T: ToSql> Params for Vec<T> {
    fn encode(&self, encoder: &mut Encoder) -> Result<()> {
        self[..].encode(encoder)
    }
}

impl Params for Named<'_> {
    fn encode(&self, encoder: &mut Encoder) -> Result<()> {
        encoder.map(self.0.len());
        self.0.iter().try_for_each(|(name, value)| {
            encoder.text(name);
            value.encode(encoder)
        })
    }
}

impl<P: Params + ?Sized> Params for &P {
    fn encode(&self, encoder: &mut Encoder) -> Result<()> {
        (**self).encode(encoder)
    }
}

macro_rules! tuples {
    ($($count:literal: $($name:ident)+;)*) => {$(
        impl<$($name: ToSql),+> Params for ($($name,)+) {
            fn encode(&self, encoder: &mut Encoder) -> Result<()> {
                #[expect(non_snake_case, reason = "the names of the types serve as names of the values")]
                let ($($name,)+) = self;
                encoder.list($count);
                $($name.encode(encoder)?;)+
                Ok(())
            }
        }
    )*};
}

tuples! {
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
    8: A B C D E F G H;
}

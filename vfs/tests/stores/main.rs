//! Remote stores, tested from outside.
//!
//! | module | what |
//! | --- | --- |
//! | [`real`] | conformance against real servers, started by [`servers`] |
//! | [`judged`] | what each misbehaviour is taken for, against a [`scripted`] server |

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "all of it is test code, helpers included, and waits in real time"
)]

mod judged;
mod real;
mod scripted;
mod servers;

use std::sync::Arc;

use bytes::Bytes;
use sqlbridge_vfs::env::System;
use sqlbridge_vfs::store::{Body, Options, Store, open};

/// Opens a store with these parameters and no environment.
fn opened(url: &str, parameters: &[(&str, &str)]) -> Arc<dyn Store> {
    let own = parameters
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    open(url, &Options::new(own, |_| None), Arc::new(System)).unwrap()
}

fn body(text: &str) -> Body {
    Body::Memory(Bytes::copy_from_slice(text.as_bytes()))
}

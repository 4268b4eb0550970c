//! `config.yaml`: understood or refused, and what is understood can be printed and read again.

#![no_main]

use pg_frontend::config::{build, show, sources, values::Values};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let nothing = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let mut given = Values::default();
    if sources::file(&mut given, "config.yaml", text).is_err() || build(&given, &nothing).is_err() {
        return;
    }
    let mut again = Values::default();
    let printed = show::yaml(&given);
    assert!(sources::file(&mut again, "printed", &printed).is_ok(), "{printed}");
});

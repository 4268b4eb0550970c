//! `config.yaml`, as text.

use std::path::Path;

use pg_frontend::config::{build, show, sources, table::SETTINGS, values::Values};

/// It is understood, or refused in a sentence; what is understood is printed as a file that says the same.
pub fn file(text: &str) {
    let mut given = Values::default();
    if let Err(error) = sources::file(&mut given, "config.yaml", text) {
        assert!(error.to_string().contains("config.yaml"), "{error}");
        return;
    }
    let nothing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let built = build(&given, &nothing);
    if let Err(error) = &built {
        assert!(!error.to_string().is_empty());
        return;
    }
    let printed = show::yaml(&given);
    let mut again = Values::default();
    if let Err(error) = sources::file(&mut again, "printed", &printed) {
        panic!("{error}\n{printed}");
    }
    // Secrets are not printed.
    let shown = SETTINGS
        .iter()
        .filter(|setting| !matches!(setting.kind, pg_frontend::config::table::Kind::Secret));
    for setting in shown {
        let (before, after) = (given.text(setting.key), again.text(setting.key));
        assert_eq!(
            before.map(str::trim),
            after.map(str::trim),
            "{}\n{printed}",
            setting.key
        );
    }
}

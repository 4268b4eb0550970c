use super::*;

fn options(parameters: &[(&str, &str)], environment: &[(&str, &str)]) -> Options {
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    };
    let environment: BTreeMap<String, String> = own(environment).into_iter().collect();
    Options::new(own(parameters), move |name| environment.get(name).cloned())
}

#[test]
fn the_table_is_sound() {
    for (i, option) in OPTIONS.iter().enumerate() {
        let name = option.name;
        assert!(
            !OPTIONS[..i].iter().any(|other| other.name == name),
            "{name} stands twice"
        );
        assert!(
            !option.applies_to.is_empty() && !option.env.is_empty(),
            "{name}"
        );
        assert!(
            option.meaning.ends_with('.') && !option.meaning.contains("  "),
            "{name}"
        );
    }
}

#[test]
fn a_parameter_wins_over_the_environment_and_the_first_variable_over_the_next() {
    let environment = [
        ("AWS_REGION", "env"),
        ("AWS_DEFAULT_REGION", "later"),
        ("S3_REGION", ""),
    ];
    assert_eq!(
        options(&[], &environment).get("s3_region").as_deref(),
        Some("env")
    );
    let both = options(&[("s3_region", "uri")], &environment);
    assert_eq!(both.get("s3_region").as_deref(), Some("uri"));
    assert_eq!(
        options(&[("s3_region", "")], &environment)
            .get("s3_region")
            .as_deref(),
        Some("env")
    );
    assert_eq!(options(&[], &[]).get("s3_region"), None);
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    let refused = |name: &str, kind| options(&[(name, "x")], &[]).check(kind).unwrap_err().0;
    assert_eq!(
        refused("s3_acess_key", StoreKind::S3),
        "there is no option s3_acess_key; did you mean s3_access_key?"
    );
    assert!(refused("xyzzy", StoreKind::S3).contains("reference of URI parameters"));
    assert_eq!(
        refused("s3_region", StoreKind::Azure),
        "the option s3_region means nothing to this kind of store (Azure)"
    );
    let foreign = options(&[("as_of", "x")], &[]).with_foreign(&["as_of", "max_staleness"]);
    foreign.check(StoreKind::Local).unwrap();
    let misspelt = options(&[("max_stalenes", "x")], &[]).with_foreign(&["max_staleness"]);
    assert!(
        misspelt
            .check(StoreKind::S3)
            .unwrap_err()
            .0
            .ends_with("did you mean max_staleness?")
    );
}

#[test]
fn values_of_the_wrong_form_are_refused() {
    let given = options(
        &[
            ("single_writer", "maybe"),
            ("timeout", "soon"),
            ("allow_http", "ON"),
        ],
        &[],
    );
    assert!(
        given
            .flag("single_writer")
            .unwrap_err()
            .0
            .contains("0 or 1, not 'maybe'")
    );
    assert!(given.duration("timeout").unwrap_err().0.contains("500ms"));
    assert_eq!(given.flag("allow_http"), Ok(Some(true)));
    for (text, ms) in [("250ms", 250), ("3", 3000), ("3s", 3000), ("2m", 120_000)] {
        assert_eq!(
            parse_duration(text),
            Some(Duration::from_millis(ms)),
            "{text}"
        );
    }
    for text in ["", "-1s", "1.5s", "s", "99999999999999999999"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
    assert!(
        options(&[("timeout", "0s")], &[])
            .duration("timeout")
            .is_err()
    );
}

#[test]
fn debug_shows_no_value() {
    let shown = format!("{:?}", options(&[("s3_secret_key", "hush")], &[]));
    assert!(shown.contains("s3_secret_key") && !shown.contains("hush"));
}

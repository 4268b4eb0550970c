use std::path::Path;

use proptest::prelude::*;

use super::error::Error;
use super::values::Values;
use super::{Settings, build, show, sources, table};
use crate::databases::Place;
use crate::protocol::auth::Method;
use crate::server::settings::TransactionMode;

/// The `config.yaml` of the specification.
const SPECIFIED: &str = "
server:
  port: 5432
  host: 0.0.0.0
  authentication:
    user: postgres
    password: mysecretpassword

database:
  name: myapp
  sqlite_path: /tmp/myapp.sqlite
  transaction_mode: deferred  # deferred, immediate, exclusive

storage:
  backend: local  # local, s3, azure
  local:
    base_path: ./data
  s3:
    bucket: my-databases
    region: us-east-1
    prefix: sqlite-dbs/
  azure:
    account: myaccount
    container: sqlite-dbs
    use_managed_identity: true

logging:
  level: info
  format: json
";

fn no_files(_: &Path) -> std::io::Result<String> {
    Err(std::io::ErrorKind::NotFound.into())
}

fn values(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Values, Error> {
    let mut values = Values::default();
    sources::file(&mut values, "config.yaml", file)?;
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment: Vec<_> = environment.iter().map(owned).collect();
    sources::environment(&mut values, &environment)?;
    let flags = flags.iter().map(|(flag, value)| {
        let setting = table::SETTINGS.iter().find(|setting| setting.flag == *flag);
        (setting.expect("a flag"), (*value).to_owned())
    });
    sources::flags(&mut values, flags);
    Ok(values)
}

fn settings(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Settings, Error> {
    build(&values(file, environment, flags)?, &no_files)
}

fn sentence(file: &str, environment: &[(&str, &str)]) -> String {
    match settings(file, environment, &[]) {
        Ok(settings) => panic!("accepted: {settings:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn nothing_given_is_a_local_server() {
    let settings = settings("", &[], &[]).unwrap();
    assert_eq!(
        (settings.clients.host.as_str(), settings.clients.port),
        ("127.0.0.1", 5432)
    );
    assert_eq!(settings.clients.method, Method::Trust);
    assert_eq!(settings.clients.version, "13.0");
    assert_eq!(settings.clients.pool_size, 10);
    assert_eq!(settings.database, "myapp");
    assert_eq!(settings.place.describe(), "./data");
    assert_eq!(settings.admin.unwrap().port, 8080);
    assert!(settings.captures.everything.is_none());
    assert!(settings.warnings.is_empty());
}

#[test]
fn the_specified_file_is_understood() {
    let settings = settings(SPECIFIED, &[], &[]).unwrap();
    assert_eq!(settings.clients.host, "0.0.0.0");
    assert_eq!(settings.clients.method, Method::Scram);
    assert!(settings.logs.json);
    assert_eq!(settings.clients.transaction_mode, TransactionMode::Deferred);
    match &settings.place {
        Place::Files { paths, .. } => assert_eq!(paths["myapp"], Path::new("/tmp/myapp.sqlite")),
        Place::Store(_) => panic!("a store"),
    }
}

#[test]
fn later_sources_win() {
    let file = "server: {port: 1000, host: '127.0.0.2'}\ndatabase: {name: from_file}";
    let environment = [
        ("PG_PORT", "2000"),
        ("DB_NAME", "from_environment"),
        ("PG_USER", ""),
    ];
    let settings = settings(file, &environment, &[("port", "3000")]).unwrap();
    assert_eq!(settings.clients.port, 3000);
    assert_eq!(settings.database, "from_environment");
    assert_eq!(settings.clients.host, "127.0.0.2");
    assert_eq!(settings.clients.user, "postgres");
}

#[test]
fn the_first_variable_that_is_set_counts() {
    let environment = [("AWS_REGION", "eu-west-1"), ("S3_REGION", "eu-north-1")];
    let values = values("", &environment, &[]).unwrap();
    assert_eq!(values.text("storage.s3.region"), Some("eu-north-1"));
}

#[cfg(feature = "extension")]
#[test]
fn a_bucket_becomes_a_store() {
    let environment = [
        ("STORAGE", "s3"),
        ("S3_BUCKET", "my-databases"),
        ("S3_PREFIX", "sqlite-dbs/"),
        ("S3_ENDPOINT", "http://127.0.0.1:9000"),
        ("S3_ACCESS_KEY", "key"),
        ("S3_SECRET_KEY", "hush"),
        ("DB_PATH", "/var/cache/app.sqlite"),
    ];
    let settings = settings("", &environment, &[]).unwrap();
    let Place::Store(store) = &settings.place else {
        panic!("files");
    };
    assert_eq!(store.url, "s3://my-databases/sqlite-dbs");
    let parameter = |name: &str| {
        let found = store.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(parameter("s3_secret_key"), Some("hush"));
    assert_eq!(parameter("offline_reads"), Some("1"));
    assert_eq!(parameter("timeout"), Some("30000ms"));
    assert_eq!(parameter("cache_dir"), Some("/var/cache/app.sqlite-cache"));
    assert!(!format!("{settings:?}").contains("hush"));
}

#[test]
fn without_a_password_nobody_else_is_listened_to() {
    let said = sentence("", &[("PG_HOST", "0.0.0.0")]);
    assert!(said.contains("set PG_PASSWORD"), "{said}");
    assert!(settings("", &[("PG_HOST", "0.0.0.0"), ("PG_PASSWORD", "x")], &[]).is_ok());
    assert!(settings("", &[("PG_HOST", "localhost")], &[]).is_ok());
    assert!(settings("", &[("PG_HOST", "::1")], &[]).is_ok());
    let said = sentence("", &[("ADMIN_HOST", "0.0.0.0")]);
    assert!(said.contains("ADMIN_TOKEN"), "{said}");
}

#[test]
fn unknown_names_come_with_what_may_have_been_meant() {
    for (file, expected) in [
        (
            "server:\n  prot: 1",
            "no setting 'server.prot'; did you mean 'server.port'?",
        ),
        (
            "sever:\n  port: 1",
            "no setting 'sever'; did you mean 'server'?",
        ),
        ("port: 1", "no setting 'port'; did you mean 'server.port'?"),
        (
            "storage:\n  s3:\n    buckt: x",
            "did you mean 'storage.s3.bucket'?",
        ),
        (
            "server:\n  zzzzzzzzzz: 1",
            "config.yaml: there is no setting 'server.zzzzzzzzzz'",
        ),
    ] {
        let said = sentence(file, &[]);
        assert!(said.contains(expected), "{said}");
    }
    let said = sentence("", &[("PG_PASSWROD", "x")]);
    assert_eq!(
        said,
        "the environment: there is no setting 'PG_PASSWROD'; did you mean 'PG_PASSWORD'?"
    );
    assert!(
        settings(
            "",
            &[("PG_MAJOR", "15"), ("PATH", "/bin"), ("PGPORT", "1")],
            &[]
        )
        .is_ok()
    );
}

#[test]
fn values_are_checked() {
    for (file, expected) in [
        (
            "server: {port: 70000}",
            "server.port (config.yaml) is '70000', and should be a port",
        ),
        ("server: {port: x}", "server.port (config.yaml) is 'x'"),
        ("server: 5432", "server should be a section"),
        ("server: {port: [1, 2]}", "server.port should be one value"),
        (
            "server: {authentication: {password: 0123}}",
            "password should be text; put it in quotes",
        ),
        (
            "server: {version: 13.10}",
            "server.version should be text; put it in quotes",
        ),
        (
            "database: {transaction_mode: serial}",
            "deferred, immediate, exclusive",
        ),
        ("database: {name: ../x}", "cannot be the name of a database"),
        (
            "performance: {connection_pool_size: 0}",
            "a whole number from 1 on",
        ),
        ("storage: {timeout: soon}", "a time such as"),
        ("logging: {level: loud}", "debug, info, warn, error"),
        ("server:\n  port: 1\n  port: 2", "is not YAML"),
        ("a: [", "is not YAML"),
    ] {
        let said = match file.starts_with("storage: {timeout") {
            true if cfg!(not(feature = "extension")) => continue,
            true => sentence(file, &[("STORAGE", "file")]),
            false => sentence(file, &[]),
        };
        assert!(said.contains(expected), "{file}: {said}");
    }
}

#[test]
fn contradictions_are_refused() {
    let mut cases = vec![
        (
            vec![("PG_AUTH_METHOD", "md5")],
            "there is none: set PG_PASSWORD",
        ),
        (
            vec![("PG_AUTH_METHOD", "trust"), ("PG_PASSWORD", "x")],
            "leave one of them out",
        ),
        (
            vec![("PG_PASSWORD", "x"), ("PG_PASSWORD_FILE", "/p")],
            "leave one of them out",
        ),
        (
            vec![("PG_PASSWORD_FILE", "/nowhere")],
            "cannot read the password file /nowhere",
        ),
        (vec![("PG_TLS_CERT_FILE", "/c")], "belong together"),
        (vec![("PG_TLS_REQUIRED", "true")], "there is no certificate"),
        (vec![("ADMIN_PORT", "5432")], "both 5432"),
        (vec![("CAPTURE_TABLES", "a")], "capture.file"),
    ];
    if cfg!(feature = "extension") {
        cases.extend([
            (vec![("STORAGE", "s3")], "set S3_BUCKET"),
            (
                vec![("STORAGE", "s3"), ("S3_BUCKET", "b"), ("S3_PREFIX", "/")],
                "root of a bucket",
            ),
            (
                vec![
                    ("STORAGE", "s3"),
                    ("S3_BUCKET", "b"),
                    ("S3_ACCESS_KEY", "a"),
                ],
                "belong together",
            ),
            (vec![("STORAGE", "azure")], "set AZURE_STORAGE_ACCOUNT"),
            (
                vec![
                    ("STORAGE", "azure"),
                    ("AZURE_STORAGE_ACCOUNT", "a"),
                    ("AZURE_STORAGE_CONTAINER", "c"),
                    ("AZURE_STORAGE_KEY", "k"),
                    ("AZURE_USE_MANAGED_IDENTITY", "true"),
                ],
                "leave one of them out",
            ),
            (vec![("STORAGE", "gcs")], "set GCS_BUCKET"),
        ]);
    }
    for (environment, expected) in cases {
        let said = sentence("", &environment);
        assert!(said.contains(expected), "{environment:?}: {said}");
    }
}

#[test]
fn a_password_may_come_from_a_file() {
    let values = values("", &[("PG_PASSWORD_FILE", "/run/secret")], &[]).unwrap();
    let settings = build(&values, &|_| Ok("hush\nmore".to_owned())).unwrap();
    assert_eq!(settings.clients.password.unwrap().0, "hush");
    assert!(build(&values, &|_| Ok("\n".to_owned())).is_err());
}

#[test]
fn what_is_printed_can_be_read_and_tells_no_secret() {
    let environment = [
        ("PG_PASSWORD", "hush-1"),
        ("ADMIN_TOKEN", "hush-2"),
        ("S3_SECRET_KEY", "hush-3"),
        ("DB_NAME", "app"),
        ("CAPTURE_TABLES", "a,b"),
        ("S3_PREFIX", "a: \"b\" # c"),
    ];
    let given = values("", &environment, &[("port", "1234")]).unwrap();
    let yaml = show::yaml(&given);
    assert!(!yaml.contains("hush"), "{yaml}");
    assert!(yaml.contains("  port: 1234  # --port\n"), "{yaml}");
    assert!(
        yaml.contains("    # password: set by PG_PASSWORD, not shown\n"),
        "{yaml}"
    );
    let again = values(&yaml, &[], &[]).unwrap();
    for setting in table::SETTINGS {
        if setting.kind != table::Kind::Secret {
            assert_eq!(
                again.text(setting.key),
                given.text(setting.key),
                "{}",
                setting.key
            );
        }
    }
}

#[test]
fn the_table_is_in_order() {
    let mut names = Vec::new();
    for setting in table::SETTINGS {
        names.push(setting.key);
        names.extend(setting.env);
        names.extend(Some(setting.flag).filter(|flag| !flag.is_empty()));
        let secret = setting.kind == table::Kind::Secret;
        assert!(
            !secret || setting.flag.is_empty(),
            "{}: others see a process's flags",
            setting.key
        );
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name is used twice");
    super::command::command().debug_assert();
}

proptest! {
    /// Whatever a file says, it is understood or refused, and what is understood can be printed.
    #[test]
    fn no_file_is_too_strange(text in "[-a-z0-9:{}\\[\\],.'\"#&*!|>%@ \n\t]{0,200}") {
        let _ = settings(&text, &[], &[]);
    }

    #[test]
    fn no_value_is_too_strange(at in 0..table::SETTINGS.len(), text in "\\PC{0,40}") {
        let setting = &table::SETTINGS[at];
        let mut given = Values::default();
        given.give(setting, text, super::values::Origin::Flag(setting.flag));
        let understood = build(&given, &no_files).is_ok();
        if understood && setting.kind != table::Kind::Secret {
            let again = values(&show::yaml(&given), &[], &[]).unwrap();
            let plain = |values: &Values| values.text(setting.key).map(|text| text.trim().to_owned());
            prop_assert_eq!(plain(&again), plain(&given));
        }
    }
}

/// The page's table is this table; `UPDATE_REFERENCE=1` writes it.
#[test]
fn the_reference_has_all_settings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pg-frontend.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- generated: settings -->\n", "<!-- end -->");
    let (head, rest) = page.split_once(begin).expect("the mark");
    let (now, tail) = rest.split_once(end).expect("the end's mark");
    let mut table = "\n| in `config.yaml` | environment | flag | default | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for setting in table::SETTINGS {
        let code = |text: &str| format!("`{text}`");
        let or_dash = |text: String| {
            if text.is_empty() {
                "–".to_owned()
            } else {
                text
            }
        };
        let variables: Vec<_> = setting.env.iter().map(|name| code(name)).collect();
        let flag = Some(setting.flag).filter(|flag| !flag.is_empty());
        let words = match setting.kind {
            table::Kind::Choice(words) => format!(" ({})", words.join(", ")),
            _ => String::new(),
        };
        table.push_str(&format!(
            "| `{}` | {} | {} | {} | {}{words} |\n",
            setting.key,
            variables.join(", "),
            or_dash(
                flag.map(|flag| code(&format!("--{flag}")))
                    .unwrap_or_default()
            ),
            or_dash(setting.default.to_owned()),
            setting.meaning,
        ));
    }
    table.push('\n');
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
    } else {
        assert_eq!(now, table, "run the tests with UPDATE_REFERENCE=1");
    }
}

//! From values to settings. What does not go together is refused here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::values::Values;
use super::{Admin, Clients, Logs, Secret, Settings, is_loopback};
use crate::capture::{Captures, Everything, outbox};
use crate::databases::{Place, Store, check_name};
use crate::protocol::auth::Method;
use crate::server::settings::{Tls, TransactionMode};

/// Reads a file, for passwords.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> std::io::Result<String>;

/// Makes settings of values.
///
/// # Errors
/// A value that is none of its setting's; settings that do not go together.
pub fn build(values: &Values, read_file: ReadFile<'_>) -> Result<Settings> {
    let clients = clients(values, read_file)?;
    let database = values.required("database.name");
    check_name(&database).map_err(|error| {
        refuse(format!(
            "database.name: {error}. {}",
            error.hint.as_deref().unwrap_or("")
        ))
    })?;
    let mut warnings = Vec::new();
    let place = place(values, &database, &mut warnings)?;
    Ok(Settings {
        admin: admin(values, &clients)?,
        captures: captures(values, &database)?,
        watch_every: values.minutes("performance.cache_ttl_minutes")?,
        logs: logs(values)?,
        clients,
        database,
        place,
        warnings,
    })
}

fn refuse(sentence: impl Into<String>) -> Error {
    Error::Contradiction(sentence.into())
}

fn clients(values: &Values, read_file: ReadFile<'_>) -> Result<Clients> {
    let password = password(values, read_file)?;
    let host = values.required("server.host");
    let method = method(values, password.is_some())?;
    if method == Method::Trust && !is_loopback(&host) {
        return Err(refuse(format!(
            "server.host is {host}, but there is no password, so clients are trusted and only this machine's may connect: set PG_PASSWORD, or leave PG_HOST at 127.0.0.1"
        )));
    }
    Ok(Clients {
        host,
        port: values.port("server.port")?,
        socket_directory: values.path("server.socket_directory"),
        max_message: values
            .size("server.max_message")?
            .try_into()
            .unwrap_or(usize::MAX),
        time_zone: values.required("server.time_zone"),
        user: values.required("server.authentication.user"),
        password,
        method,
        tls: tls(values)?,
        version: values.required("server.version"),
        statement_timeout: values.duration("server.statement_timeout")?,
        idle_in_transaction_timeout: values.duration("server.idle_in_transaction_timeout")?,
        send_timeout: values.duration("server.send_timeout")?,
        shutdown_timeout: values.duration("server.shutdown_timeout")?,
        pool_size: values.count("performance.connection_pool_size")?,
        pool_wait: values.duration("performance.connection_wait")?,
        lock_wait: values.duration("performance.lock_wait")?,
        transaction_mode: values
            .choice(
                "database.transaction_mode",
                &[
                    ("deferred", TransactionMode::Deferred),
                    ("immediate", TransactionMode::Immediate),
                    ("exclusive", TransactionMode::Exclusive),
                ],
            )?
            .unwrap_or_default(),
        slow_query: values.duration("logging.slow_query")?,
    })
}

fn password(values: &Values, read_file: ReadFile<'_>) -> Result<Option<Secret>> {
    let given = values.text("server.authentication.password");
    let file = values.path("server.authentication.password_file");
    match (given, file) {
        (Some(_), Some(_)) => Err(refuse(
            "server.authentication.password and password_file are both set: leave one of them out",
        )),
        (Some(password), None) => Ok(Some(Secret(password.to_owned()))),
        (None, Some(path)) => {
            let unreadable = |problem: String| Error::Unreadable {
                what: "the password file",
                path: path.display().to_string(),
                problem,
            };
            let text = read_file(&path).map_err(|error| unreadable(error.to_string()))?;
            let first = text.lines().next().unwrap_or_default();
            if first.is_empty() {
                return Err(unreadable("its first line is empty".to_owned()));
            }
            Ok(Some(Secret(first.to_owned())))
        }
        (None, None) => Ok(None),
    }
}

fn method(values: &Values, has_password: bool) -> Result<Method> {
    let words = [
        ("trust", Method::Trust),
        ("password", Method::Password),
        ("md5", Method::Md5),
        ("scram-sha-256", Method::Scram),
    ];
    match values.choice("server.authentication.method", &words)? {
        None if has_password => Ok(Method::Scram),
        None => Ok(Method::Trust),
        Some(Method::Trust) if has_password => Err(refuse(
            "server.authentication.method is trust, but there is a password: leave one of them out",
        )),
        Some(Method::Trust) => Ok(Method::Trust),
        Some(method) if has_password => Ok(method),
        Some(_) => Err(refuse(
            "server.authentication.method asks for a password, but there is none: set PG_PASSWORD",
        )),
    }
}

fn tls(values: &Values) -> Result<Option<Tls>> {
    let required = values.switch("server.tls.required")?.unwrap_or(false);
    match (
        values.path("server.tls.certificate"),
        values.path("server.tls.key"),
    ) {
        (Some(certificate), Some(key)) => Ok(Some(Tls {
            certificate,
            key,
            required,
        })),
        (None, None) if required => Err(refuse(
            "server.tls.required is true, but there is no certificate: set server.tls.certificate and server.tls.key",
        )),
        (None, None) => Ok(None),
        _ => Err(refuse(
            "server.tls.certificate and server.tls.key belong together: one of them is missing",
        )),
    }
}

fn logs(values: &Values) -> Result<Logs> {
    let levels = [
        ("debug", tracing::Level::DEBUG),
        ("info", tracing::Level::INFO),
        ("warn", tracing::Level::WARN),
        ("error", tracing::Level::ERROR),
    ];
    Ok(Logs {
        level: values
            .choice("logging.level", &levels)?
            .unwrap_or(tracing::Level::INFO),
        json: values
            .choice("logging.format", &[("text", false), ("json", true)])?
            .unwrap_or(false),
    })
}

fn admin(values: &Values, clients: &Clients) -> Result<Option<Admin>> {
    let port = values.port("admin.port")?;
    if port == 0
        && values
            .given("admin.port")
            .is_some_and(|given| given.text == "0")
    {
        return Ok(None);
    }
    let host = values.required("admin.host");
    let token = values
        .text("admin.token")
        .map(|token| Secret(token.to_owned()));
    if token.is_none() && clients.password.is_none() && !is_loopback(&host) {
        return Err(refuse(format!(
            "admin.host is {host}, but there is neither a password nor a token: set PG_PASSWORD or ADMIN_TOKEN, or leave ADMIN_HOST at 127.0.0.1"
        )));
    }
    if port == clients.port && host == clients.host {
        return Err(refuse(format!(
            "server.port and admin.port are both {port}: set another ADMIN_PORT (0: none)"
        )));
    }
    Ok(Some(Admin {
        host,
        port,
        token,
        body_limit: values
            .size("admin.body_limit")?
            .try_into()
            .unwrap_or(usize::MAX),
    }))
}

fn captures(values: &Values, database: &str) -> Result<Captures> {
    let tables = values.names("capture.tables");
    let everything = match values.path("capture.file") {
        None if tables.is_empty() => None,
        None => {
            return Err(refuse(
                "capture.tables is set, but not capture.file: say where the changeset goes",
            ));
        }
        Some(file) => {
            needs_extension("capture.file")?;
            let name = outbox::name(&file).map_err(|error| refuse(error.message.clone()))?;
            Some(Everything {
                database: database.to_owned(),
                file,
                name,
                tables,
            })
        }
    };
    Ok(Captures {
        everything,
        directory: values.path("capture.directory").unwrap_or_default(),
    })
}

fn place(values: &Values, database: &str, warnings: &mut Vec<String>) -> Result<Place> {
    #[derive(Clone, Copy, PartialEq)]
    enum Backend {
        Local,
        File,
        S3,
        Azure,
        Gcs,
    }
    let backends = [
        ("local", Backend::Local),
        ("file", Backend::File),
        ("s3", Backend::S3),
        ("azure", Backend::Azure),
        ("gcs", Backend::Gcs),
    ];
    let backend = values
        .choice("storage.backend", &backends)?
        .unwrap_or(Backend::Local);
    let sqlite_path = values.path("database.sqlite_path");
    let base = values.path("storage.local.base_path").unwrap_or_default();
    if backend == Backend::Local {
        let mut paths = BTreeMap::new();
        if let Some(path) = sqlite_path {
            if path.starts_with(std::env::temp_dir()) {
                warnings.push(format!(
                    "database {database} lies in {}, a temporary directory: it may be gone after a restart of the machine",
                    path.display()
                ));
            }
            paths.insert(database.to_owned(), path);
        }
        return Ok(Place::Files {
            directory: base,
            paths,
        });
    }
    needs_extension("storage.backend")?;
    let mut parameters = common(values, sqlite_path)?;
    let url = match backend {
        Backend::S3 => s3(values, &mut parameters)?,
        Backend::Azure => azure(values, &mut parameters)?,
        Backend::Gcs => gcs(values, &mut parameters)?,
        Backend::File | Backend::Local => directory(&base)?,
    };
    Ok(Place::Store(Store { url, parameters }))
}

fn needs_extension(key: &str) -> Result<()> {
    if cfg!(feature = "extension") {
        return Ok(());
    }
    Err(refuse(format!(
        "{key} needs the extension, which this program was built without: leave it out"
    )))
}

/// Parameters for every kind of store. While it is out of reach, reads go on with what is known.
fn common(values: &Values, sqlite_path: Option<PathBuf>) -> Result<Vec<(String, String)>> {
    let timeout = values.duration("storage.timeout")?;
    let mut parameters = vec![
        ("offline_reads".to_owned(), "1".to_owned()),
        ("timeout".to_owned(), format!("{}ms", timeout.as_millis())),
        (
            "cache_size".to_owned(),
            values.size("storage.cache_size")?.to_string(),
        ),
    ];
    if values.given("storage.max_staleness").is_some() {
        let milliseconds = values.milliseconds("storage.max_staleness")?;
        parameters.push(("max_staleness".to_owned(), milliseconds.to_string()));
    }
    if values.given("storage.retention").is_some() {
        let retention = values.duration("storage.retention")?;
        parameters.push((
            "retention".to_owned(),
            format!("{}ms", retention.as_millis()),
        ));
    }
    let beside = sqlite_path.map(|path| {
        let mut path = path.into_os_string();
        path.push("-cache");
        PathBuf::from(path)
    });
    if let Some(directory) = values.path("storage.cache_dir").or(beside) {
        parameters.push(("cache_dir".to_owned(), directory.display().to_string()));
    }
    Ok(parameters)
}

/// Passes on what was given, under the name that the extension has for it.
fn pass(values: &Values, parameters: &mut Vec<(String, String)>, names: &[(&str, &str)]) {
    for (key, name) in names {
        if let Some(given) = values.given(key) {
            parameters.push(((*name).to_owned(), given.text.clone()));
        }
    }
}

/// `scheme://bucket/prefix`.
fn bucket(values: &Values, scheme: &str, bucket: (&str, &str), prefix: &str) -> Result<String> {
    let (key, variable) = bucket;
    let Some(name) = values.text(key) else {
        return Err(refuse(format!(
            "storage.backend is {}, but {key} is not set: set {variable}",
            values.required("storage.backend")
        )));
    };
    let given = values.required(prefix);
    let trimmed = given.trim_matches('/');
    if trimmed.is_empty() {
        return Err(refuse(format!(
            "{prefix} is '{given}': databases cannot lie at the root of a bucket, give a prefix such as sqlite-dbs/"
        )));
    }
    Ok(format!("{scheme}://{name}/{trimmed}"))
}

fn s3(values: &Values, parameters: &mut Vec<(String, String)>) -> Result<String> {
    let has = |key: &str| values.given(key).is_some();
    if has("storage.s3.access_key") != has("storage.s3.secret_key") {
        return Err(refuse(
            "storage.s3.access_key and secret_key belong together: one of them is missing",
        ));
    }
    pass(
        values,
        parameters,
        &[
            ("storage.s3.endpoint", "s3_endpoint"),
            ("storage.s3.region", "s3_region"),
            ("storage.s3.access_key", "s3_access_key"),
            ("storage.s3.secret_key", "s3_secret_key"),
            ("storage.s3.session_token", "s3_session_token"),
        ],
    );
    if let Some(on) = values.switch("storage.s3.path_style")? {
        parameters.push(("s3_path_style".to_owned(), u8::from(on).to_string()));
    }
    bucket(
        values,
        "s3",
        ("storage.s3.bucket", "S3_BUCKET"),
        "storage.s3.prefix",
    )
}

fn azure(values: &Values, parameters: &mut Vec<(String, String)>) -> Result<String> {
    let has = |key: &str| values.given(key).is_some();
    let by_key = has("storage.azure.key") || has("storage.azure.sas");
    match values.switch("storage.azure.use_managed_identity")? {
        Some(true) if by_key => {
            return Err(refuse(
                "storage.azure.use_managed_identity is true, but there is a key or a signature: leave one of them out",
            ));
        }
        Some(false) if !by_key => {
            return Err(refuse(
                "storage.azure.use_managed_identity is false, but there is neither a key nor a signature: set AZURE_STORAGE_KEY",
            ));
        }
        _ => {}
    }
    if !has("storage.azure.account") && !has("storage.azure.endpoint") {
        return Err(refuse(
            "storage.backend is azure, but storage.azure.account is not set: set AZURE_STORAGE_ACCOUNT",
        ));
    }
    pass(
        values,
        parameters,
        &[
            ("storage.azure.account", "azure_account"),
            ("storage.azure.key", "azure_key"),
            ("storage.azure.sas", "azure_sas"),
            ("storage.azure.client_id", "azure_client_id"),
            ("storage.azure.endpoint", "azure_endpoint"),
        ],
    );
    let container = ("storage.azure.container", "AZURE_STORAGE_CONTAINER");
    bucket(values, "az", container, "storage.azure.prefix")
}

fn gcs(values: &Values, parameters: &mut Vec<(String, String)>) -> Result<String> {
    pass(
        values,
        parameters,
        &[
            ("storage.gcs.service_account", "gcs_service_account"),
            ("storage.gcs.endpoint", "gcs_endpoint"),
        ],
    );
    bucket(
        values,
        "gs",
        ("storage.gcs.bucket", "GCS_BUCKET"),
        "storage.gcs.prefix",
    )
}

/// `file:///directory`.
fn directory(base: &Path) -> Result<String> {
    let absolute = std::path::absolute(base).map_err(|error| {
        refuse(format!(
            "storage.local.base_path is {}: {error}",
            base.display()
        ))
    })?;
    let text = absolute.to_str().ok_or_else(|| {
        refuse(format!(
            "storage.local.base_path is {}, which is not UTF-8",
            base.display()
        ))
    })?;
    let kept = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    let mut url = "file://".to_owned();
    for byte in text.bytes() {
        match kept(&byte) {
            true => url.push(char::from(byte)),
            false => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}

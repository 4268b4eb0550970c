//! The table of settings: one row each, from which come the flags, what is read from the environment,
//! what a file may say, `--print-config` and the page of the reference.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its place in `config.yaml`, with points between.
    pub key: &'static str,
    /// Environment variables; the first that is set counts.
    pub env: &'static [&'static str],
    /// Its flag, without the dashes; none where there is no flag.
    pub flag: &'static str,
    /// What holds where it is not given; empty: nothing, or what the meaning says.
    pub default: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// One sentence for the reference and `--help`.
    pub meaning: &'static str,
}

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A path.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A port; 0 where the meaning says so.
    Port,
    /// A whole number from 1 on.
    Count,
    /// `500ms`, `30s`, `5m`, `1h`; a bare number is seconds; 0 is none.
    Duration,
    /// As `Duration`, but a bare number is milliseconds.
    Milliseconds,
    /// A number of minutes.
    Minutes,
    /// `64MB`, `2GB`, in powers of 1024.
    Size,
    /// Names: a list in the file, else with commas between.
    Names,
}

impl Kind {
    /// For the sentence that refuses a value, and for the reference.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Text | Self::Secret => "text".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Choice(words) => words.join(", "),
            Self::Switch => "true or false".to_owned(),
            Self::Port => "a port, 0 to 65535".to_owned(),
            Self::Count => "a whole number from 1 on".to_owned(),
            Self::Duration | Self::Milliseconds => "a time such as 500ms, 30s, 5m".to_owned(),
            Self::Minutes => "a whole number of minutes from 1 on".to_owned(),
            Self::Size => "a size such as 64MB, 2GB".to_owned(),
            Self::Names => "names with commas between".to_owned(),
        }
    }
}

const fn row(
    key: &'static str,
    env: &'static [&'static str],
    flag: &'static str,
    default: &'static str,
    kind: Kind,
    meaning: &'static str,
) -> Setting {
    Setting {
        key,
        env,
        flag,
        default,
        kind,
        meaning,
    }
}

/// All settings, in the order of the reference.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    row("server.port", &["PG_PORT"], "port", "5432", Kind::Port, "Port for Postgres clients"),
    row("server.host", &["PG_HOST"], "host", "127.0.0.1", Kind::Text, "Address or name to listen on; 0.0.0.0 for all, which needs a password"),
    row("server.socket_directory", &["PG_SOCKET_DIRECTORY"], "socket-directory", "", Kind::Path, "A directory for a Unix socket as well, for clients that name it as their host"),
    row("server.authentication.user", &["PG_USER"], "user", "postgres", Kind::Text, "The user's name"),
    row("server.authentication.password", &["PG_PASSWORD"], "", "", Kind::Secret, "The user's password; without one, clients on this machine are trusted and others are not listened to"),
    row("server.authentication.password_file", &["PG_PASSWORD_FILE"], "password-file", "", Kind::Path, "A file whose first line is the password"),
    row("server.authentication.method", &["PG_AUTH_METHOD"], "auth-method", "", Kind::Choice(&["trust", "password", "md5", "scram-sha-256"]), "How clients prove the password; scram-sha-256 with a password, else trust"),
    row("server.tls.certificate", &["PG_TLS_CERT_FILE"], "tls-cert", "", Kind::Path, "Certificate chain in PEM; with it and the key, clients may use TLS"),
    row("server.tls.key", &["PG_TLS_KEY_FILE"], "tls-key", "", Kind::Path, "Private key in PEM"),
    row("server.tls.required", &["PG_TLS_REQUIRED"], "tls-required", "false", Kind::Switch, "Refuse clients without TLS"),
    row("server.version", &["PG_SERVER_VERSION"], "server-version", "13.0", Kind::Text, "What clients are told as server_version"),
    row("server.time_zone", &["PG_TIME_ZONE"], "time-zone", "UTC", Kind::Text, "TimeZone of sessions that set none"),
    row("server.max_message", &["PG_MAX_MESSAGE"], "max-message", "256MB", Kind::Size, "Longest message of a client: a query with its parameters, a row of COPY"),
    row("server.statement_timeout", &["PG_STATEMENT_TIMEOUT"], "statement-timeout", "0", Kind::Duration, "Longest time of a statement; sessions may SET another"),
    row("server.idle_in_transaction_timeout", &["PG_IDLE_IN_TRANSACTION_TIMEOUT"], "idle-in-transaction-timeout", "30s", Kind::Duration, "A client silent for so long inside a transaction is rolled back and disconnected"),
    row("server.send_timeout", &["PG_SEND_TIMEOUT"], "send-timeout", "5m", Kind::Duration, "A client that takes nothing of what is sent to it for so long is rolled back and disconnected; one that has written, after idle_in_transaction_timeout; 0: never"),
    row("server.shutdown_timeout", &["PG_SHUTDOWN_TIMEOUT"], "shutdown-timeout", "10s", Kind::Duration, "How long sessions may finish their work at a shutdown"),
    row("database.name", &["DB_NAME"], "database", "myapp", Kind::Text, "A database that exists from the first start on, besides postgres"),
    row("database.sqlite_path", &["DB_PATH"], "database-path", "", Kind::Path, "With the backend local, the file of that database; with the others, its directory holds the cache"),
    row("database.transaction_mode", &["TRANSACTION_MODE"], "transaction-mode", "deferred", Kind::Choice(&["deferred", "immediate", "exclusive"]), "What a BEGIN without a mode begins"),
    row("storage.backend", &["STORAGE"], "storage", "local", Kind::Choice(&["local", "file", "s3", "azure", "gcs"]), "Where databases lie: plain SQLite files; the layout of a store in a local directory; a bucket"),
    row("storage.local.base_path", &["DATA_DIR"], "data-dir", "./data", Kind::Path, "The directory of the backends local and file"),
    row("storage.s3.bucket", &["S3_BUCKET"], "s3-bucket", "", Kind::Text, "The bucket"),
    row("storage.s3.region", &["S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"], "s3-region", "us-east-1", Kind::Text, "The bucket's region"),
    row("storage.s3.prefix", &["S3_PREFIX"], "s3-prefix", "sqlite-dbs/", Kind::Text, "What keys begin with"),
    row("storage.s3.endpoint", &["S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"], "s3-endpoint", "", Kind::Text, "URL of an S3-compatible server; Amazon's without"),
    row("storage.s3.path_style", &["S3_PATH_STYLE"], "s3-path-style", "", Kind::Switch, "The bucket's name in the path instead of the host name; true with an endpoint"),
    row("storage.s3.access_key", &["S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID"], "", "", Kind::Text, "Access key ID; without one, the roles and profiles that AWS tools know"),
    row("storage.s3.secret_key", &["S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"], "", "", Kind::Secret, "Secret access key"),
    row("storage.s3.session_token", &["S3_SESSION_TOKEN", "AWS_SESSION_TOKEN"], "", "", Kind::Secret, "Session token of temporary keys"),
    row("storage.azure.account", &["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"], "azure-account", "", Kind::Text, "The storage account"),
    row("storage.azure.container", &["AZURE_STORAGE_CONTAINER"], "azure-container", "", Kind::Text, "The container"),
    row("storage.azure.prefix", &["AZURE_STORAGE_PREFIX"], "azure-prefix", "sqlite-dbs/", Kind::Text, "What names of blobs begin with"),
    row("storage.azure.key", &["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"], "", "", Kind::Secret, "The account's key"),
    row("storage.azure.sas", &["AZURE_STORAGE_SAS_TOKEN"], "", "", Kind::Secret, "Shared access signature"),
    row("storage.azure.use_managed_identity", &["AZURE_USE_MANAGED_IDENTITY"], "azure-managed-identity", "", Kind::Switch, "The machine's identity instead of a key; true without key and signature"),
    row("storage.azure.client_id", &["AZURE_IDENTITY_CLIENT_ID", "AZURE_CLIENT_ID"], "azure-client-id", "", Kind::Text, "Client ID of a user-assigned identity"),
    row("storage.azure.endpoint", &["AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"], "azure-endpoint", "", Kind::Text, "URL of the blob service, for other clouds and emulators"),
    row("storage.gcs.bucket", &["GCS_BUCKET"], "gcs-bucket", "", Kind::Text, "The bucket"),
    row("storage.gcs.prefix", &["GCS_PREFIX"], "gcs-prefix", "sqlite-dbs/", Kind::Text, "What names of objects begin with"),
    row("storage.gcs.service_account", &["GCS_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT"], "gcs-service-account", "", Kind::Path, "File with a service account's key in JSON; without, the application default credentials"),
    row("storage.gcs.endpoint", &["GCS_ENDPOINT", "STORAGE_EMULATOR_HOST"], "gcs-endpoint", "", Kind::Text, "URL of the storage service"),
    row("storage.timeout", &["SQLBRIDGE_TIMEOUT"], "storage-timeout", "30s", Kind::Duration, "How long a request to the store, or a COMMIT with its retries, may take"),
    row("storage.max_staleness", &["SQLBRIDGE_MAX_STALENESS"], "max-staleness", "1s", Kind::Milliseconds, "For how long a read may trust what is known without asking the store; 0 asks each time; a bare number is milliseconds; with file 0"),
    row("storage.retention", &[], "retention", "24h", Kind::Duration, "For how long files stay after they were merged; recorded when a database is made"),
    row("storage.cache_dir", &["SQLBRIDGE_CACHE_DIR"], "cache-dir", "", Kind::Path, "Directory for cached pages; the user's cache directory without"),
    row("storage.cache_size", &["SQLBRIDGE_CACHE_SIZE"], "cache-size", "1GB", Kind::Size, "Most bytes of pages cached, for each database"),
    row("logging.level", &["LOG_LEVEL"], "log-level", "info", Kind::Choice(&["debug", "info", "warn", "error"]), "The least that is logged"),
    row("logging.format", &["LOG_FORMAT"], "log-format", "text", Kind::Choice(&["text", "json"]), "How"),
    row("logging.slow_query", &["LOG_SLOW_QUERY"], "log-slow-query", "100ms", Kind::Duration, "Statements that take longer are logged; 0: none"),
    row("performance.connection_pool_size", &["CONNECTION_POOL_SIZE"], "pool-size", "10", Kind::Count, "Clients served at a time"),
    row("performance.connection_wait", &["CONNECTION_WAIT"], "pool-wait", "30s", Kind::Duration, "How long a client beyond them waits before it is told 53300"),
    row("performance.lock_wait", &["LOCK_WAIT"], "lock-wait", "5s", Kind::Duration, "How long a statement waits for another's lock before it is told 40001"),
    row("performance.cache_ttl_minutes", &["CACHE_TTL_MINUTES"], "cache-ttl-minutes", "5", Kind::Minutes, "How often the store is asked whether it is there; commits are in the store when they return"),
    row("admin.port", &["ADMIN_PORT"], "admin-port", "8080", Kind::Port, "Port for metrics, health and the procedure API; 0: none"),
    row("admin.host", &["ADMIN_HOST"], "admin-host", "127.0.0.1", Kind::Text, "Address to listen on for it; others than this machine's need a password or a token"),
    row("admin.token", &["ADMIN_TOKEN"], "", "", Kind::Secret, "A bearer token for it, besides the user and password"),
    row("admin.body_limit", &["ADMIN_BODY_LIMIT"], "admin-body-limit", "64MB", Kind::Size, "Largest body of a request to it"),
    row("capture.file", &["CAPTURE_FILE"], "capture", "", Kind::Path, "What all clients change in the database of database.name is added to this file at a clean stop, as a changeset"),
    row("capture.tables", &["CAPTURE_TABLES"], "capture-tables", "", Kind::Names, "Only these tables are captured; all without"),
    row("capture.directory", &["CAPTURE_DIRECTORY"], "capture-directory", "./captures", Kind::Path, "Where the files of SELECT capture_start('file') are made"),
];

/// The setting with a key.
#[must_use]
pub fn by_key(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

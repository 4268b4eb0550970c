//! The options of stores: one table, and the lookup that serves it.
//!
//! A value comes from the URI parameter of that name, else from the first of its
//! environment variables that is set. Whoever calls brings both along as plain
//! data and a closure, so that a test needs no process environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// S3 and compatibles.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Gcs,
    /// A directory.
    Local,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S3 => "S3",
            Self::Azure => "Azure",
            Self::Gcs => "GCS",
            Self::Local => "local directory",
        })
    }
}

/// One option: a row of the reference.
#[derive(Debug, Clone, Copy)]
pub struct OptionDoc {
    /// The URI parameter.
    pub name: &'static str,
    /// Environment variables, the first that is set counts.
    pub env: &'static [&'static str],
    /// Where it has a meaning.
    pub applies_to: &'static [StoreKind],
    /// What holds without it; empty for nothing.
    pub default: &'static str,
    /// What it means, a sentence.
    pub meaning: &'static str,
}

const S3: &[StoreKind] = &[StoreKind::S3];
const AZURE: &[StoreKind] = &[StoreKind::Azure];
const GCS: &[StoreKind] = &[StoreKind::Gcs];
const REMOTE: &[StoreKind] = &[StoreKind::S3, StoreKind::Azure, StoreKind::Gcs];
const ALL: &[StoreKind] = &[
    StoreKind::S3,
    StoreKind::Azure,
    StoreKind::Gcs,
    StoreKind::Local,
];

const fn option(
    name: &'static str,
    env: &'static [&'static str],
    applies_to: &'static [StoreKind],
    default: &'static str,
    meaning: &'static str,
) -> OptionDoc {
    OptionDoc {
        name,
        env,
        applies_to,
        default,
        meaning,
    }
}

/// Every option a store understands.
pub const OPTIONS: &[OptionDoc] = &[
    option(
        "single_writer",
        &["SQLBRIDGE_SINGLE_WRITER"],
        ALL,
        "0",
        "1 promises that only one process writes, which lets stores without create-if-absent \
         and network file systems be used.",
    ),
    option(
        "timeout",
        &["SQLBRIDGE_TIMEOUT"],
        ALL,
        "30s",
        "How long one request may take, and how long a failed one is tried again; 500ms, 30s, 2m.",
    ),
    option(
        "allow_http",
        &["SQLBRIDGE_ALLOW_HTTP"],
        REMOTE,
        "0",
        "1 allows http:// endpoints; towards this machine itself they always are.",
    ),
    option(
        "s3_endpoint",
        &[
            "S3_ENDPOINT",
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT",
        ],
        S3,
        "Amazon's, by region",
        "URL of an S3-compatible server.",
    ),
    option(
        "s3_region",
        &["S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"],
        S3,
        "us-east-1",
        "The bucket's region.",
    ),
    option(
        "s3_path_style",
        &["S3_PATH_STYLE"],
        S3,
        "1 with s3_endpoint, else 0",
        "1 puts the bucket's name into the path, 0 into the host name.",
    ),
    option(
        "s3_access_key",
        &["S3_ACCESS_KEY", "AWS_ACCESS_KEY_ID"],
        S3,
        "",
        "Access key ID; without one: web identity, container role, s3_profile, instance role.",
    ),
    option(
        "s3_secret_key",
        &["S3_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"],
        S3,
        "",
        "Secret access key.",
    ),
    option(
        "s3_session_token",
        &["S3_SESSION_TOKEN", "AWS_SESSION_TOKEN"],
        S3,
        "",
        "Session token that goes with temporary keys.",
    ),
    option(
        "s3_profile",
        &["AWS_PROFILE"],
        S3,
        "default",
        "Profile of the shared credentials file whose keys are used where none are given.",
    ),
    option(
        "s3_credentials_file",
        &["AWS_SHARED_CREDENTIALS_FILE"],
        S3,
        "~/.aws/credentials",
        "The shared credentials file, as written by 'aws configure'.",
    ),
    option(
        "s3_role_arn",
        &["AWS_ROLE_ARN"],
        S3,
        "",
        "Role to assume with the web identity token.",
    ),
    option(
        "s3_role_session_name",
        &["AWS_ROLE_SESSION_NAME"],
        S3,
        "WebIdentitySession",
        "Name of the session of that role.",
    ),
    option(
        "s3_web_identity_token_file",
        &["AWS_WEB_IDENTITY_TOKEN_FILE"],
        S3,
        "",
        "File with the web identity token (EKS service accounts set it).",
    ),
    option(
        "s3_sts_endpoint",
        &["AWS_ENDPOINT_URL_STS"],
        S3,
        "Amazon's, by region",
        "URL of the token service for the web identity role.",
    ),
    option(
        "s3_container_credentials_uri",
        &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
        S3,
        "",
        "Path of the ECS task's credentials (ECS sets it).",
    ),
    option(
        "s3_container_credentials_full_uri",
        &["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        S3,
        "",
        "URL of the EKS pod's credentials (EKS sets it).",
    ),
    option(
        "s3_container_token_file",
        &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
        S3,
        "",
        "File with the token for that URL (EKS sets it).",
    ),
    option(
        "s3_metadata_endpoint",
        &["AWS_EC2_METADATA_SERVICE_ENDPOINT"],
        S3,
        "http://169.254.169.254",
        "URL of the instance's metadata service, asked for the instance role.",
    ),
    option(
        "azure_account",
        &["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"],
        AZURE,
        "",
        "Storage account.",
    ),
    option(
        "azure_key",
        &["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"],
        AZURE,
        "",
        "The account's key; without key, token and secret the managed identity is used.",
    ),
    option(
        "azure_sas",
        &["AZURE_STORAGE_SAS_TOKEN"],
        AZURE,
        "",
        "Shared access signature, the part after '?' of such a URL.",
    ),
    option(
        "azure_client_id",
        &["AZURE_IDENTITY_CLIENT_ID", "AZURE_CLIENT_ID"],
        AZURE,
        "the system-assigned identity",
        "Client ID of a user-assigned managed identity, or of the application.",
    ),
    option(
        "azure_client_secret",
        &["AZURE_CLIENT_SECRET"],
        AZURE,
        "",
        "The application's secret, with azure_client_id and azure_tenant_id.",
    ),
    option(
        "azure_tenant_id",
        &["AZURE_TENANT_ID"],
        AZURE,
        "",
        "The application's tenant.",
    ),
    option(
        "azure_federated_token_file",
        &["AZURE_FEDERATED_TOKEN_FILE"],
        AZURE,
        "",
        "File with the token of a workload identity (AKS sets it).",
    ),
    option(
        "azure_identity_endpoint",
        &["IDENTITY_ENDPOINT"],
        AZURE,
        "the instance's",
        "URL that hands out the managed identity's tokens (App Service sets it).",
    ),
    option(
        "azure_endpoint",
        &["AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"],
        AZURE,
        "Azure's, by account",
        "URL of the blob service, for other clouds and emulators \
         (there with the account: http://127.0.0.1:10000/devstoreaccount1).",
    ),
    option(
        "azure_emulator",
        &["AZURE_EMULATOR"],
        AZURE,
        "0",
        "1 uses the emulator's well-known account and key on 127.0.0.1:10000.",
    ),
    option(
        "gcs_service_account",
        &["GCS_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT"],
        GCS,
        "",
        "File with a service account's key in JSON.",
    ),
    option(
        "gcs_service_account_key",
        &["GCS_SERVICE_ACCOUNT_KEY", "GOOGLE_SERVICE_ACCOUNT_KEY"],
        GCS,
        "",
        "That JSON itself.",
    ),
    option(
        "gcs_application_credentials",
        &["GOOGLE_APPLICATION_CREDENTIALS"],
        GCS,
        "gcloud's, else the instance's",
        "File with application default credentials.",
    ),
    option(
        "gcs_endpoint",
        &["GCS_ENDPOINT", "STORAGE_EMULATOR_HOST"],
        GCS,
        "Google's",
        "URL of the storage service.",
    ),
];

/// A store that cannot be opened: a sentence for the user, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(pub(super) String);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where option values come from.
#[derive(Clone)]
pub struct Options {
    parameters: BTreeMap<String, String>,
    environment: Arc<Lookup>,
    foreign: &'static [&'static str],
    state_dir: Option<PathBuf>,
}

/// Names only: values may be secrets.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.parameters.keys()).finish()
    }
}

impl Options {
    /// Options from URI parameters and a view of the environment
    /// (`|name| std::env::var(name).ok()` for the real one).
    pub fn new<N: Into<String>, V: Into<String>>(
        parameters: impl IntoIterator<Item = (N, V)>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let parameters = parameters
            .into_iter()
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        Self {
            parameters,
            environment: Arc::new(environment),
            foreign: &[],
            state_dir: None,
        }
    }

    /// Names of parameters that somebody else understands: they are passed over,
    /// and suggested where one is misspelt.
    #[must_use]
    pub fn with_foreign(self, foreign: &'static [&'static str]) -> Self {
        Self { foreign, ..self }
    }

    /// A directory where a store may leave small notes for later processes.
    #[must_use]
    pub fn with_state_dir(self, directory: PathBuf) -> Self {
        Self {
            state_dir: Some(directory),
            ..self
        }
    }

    pub(super) fn state_dir(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    /// The same with further parameters, which win.
    pub(super) fn with_parameters(&self, more: Vec<(String, String)>) -> Self {
        let mut options = self.clone();
        options.parameters.extend(more);
        options
    }

    /// Refuses parameters that mean nothing to this kind of store.
    pub(super) fn check(&self, kind: StoreKind) -> Result<(), OpenError> {
        let own = || {
            OPTIONS
                .iter()
                .filter(|o| o.applies_to.contains(&kind))
                .map(|o| o.name)
        };
        for name in self.parameters.keys().map(String::as_str) {
            if own()
                .chain(self.foreign.iter().copied())
                .any(|known| known == name)
            {
                continue;
            }
            if OPTIONS.iter().any(|o| o.name == name) {
                return Err(OpenError(format!(
                    "the option {name} means nothing to this kind of store ({kind})"
                )));
            }
            let known = own().chain(self.foreign.iter().copied());
            let hint = match nearest(name, known) {
                Some(near) => format!("did you mean {near}?"),
                None => "the reference of URI parameters lists those there are".to_owned(),
            };
            return Err(OpenError(format!("there is no option {name}; {hint}")));
        }
        Ok(())
    }

    /// The value of an option of the table. Empty counts as not given.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let given = self.parameters.get(name).cloned().filter(|v| !v.is_empty());
        given.or_else(|| {
            let doc = OPTIONS.iter().find(|o| o.name == name)?;
            doc.env
                .iter()
                .find_map(|v| (self.environment)(v).filter(|v| !v.is_empty()))
        })
    }

    /// A variable of the environment that is no option of ours.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|v| !v.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, OpenError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "on" | "yes" => Ok(Some(true)),
            "0" | "false" | "off" | "no" => Ok(Some(false)),
            _ => Err(OpenError(format!(
                "the option {name} is 0 or 1, not '{value}'"
            ))),
        }
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>, OpenError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let duration = parse_duration(&value)
            .filter(|d| !d.is_zero())
            .ok_or_else(|| {
                OpenError(format!(
                    "the option {name} is a time such as 500ms, 30s or 2m, not '{value}'"
                ))
            })?;
        Ok(Some(duration))
    }
}

/// `500ms`, `30s`, `2m`, `1h`; a bare number is seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let ms_per_unit = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(ms_per_unit)
        .map(Duration::from_millis)
}

/// The known name that `name` is most likely a misspelling of.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, near) = known.map(|k| (edit_distance(name, k), k)).min()?;
    (distance <= near.len() / 3 + 1).then_some(near)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

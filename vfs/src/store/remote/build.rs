//! From options to an `object_store` client: which option goes where, and what
//! combination is refused before anything is sent.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as S3Key, S3CopyIfNotExists};
use object_store::azure::{AzureConfigKey as AzureKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as GcsKey};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use reqwest::Url;

use super::outcome::Target;
use super::profile;
use super::transport::{Connector, innermost};
use crate::store::options::{OpenError, Options, StoreKind};

#[cfg(test)]
mod tests;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

const S3_KEYS: &[(&str, S3Key)] = &[
    ("s3_region", S3Key::Region),
    ("s3_access_key", S3Key::AccessKeyId),
    ("s3_secret_key", S3Key::SecretAccessKey),
    ("s3_session_token", S3Key::Token),
    ("s3_role_arn", S3Key::RoleArn),
    ("s3_role_session_name", S3Key::RoleSessionName),
    ("s3_web_identity_token_file", S3Key::WebIdentityTokenFile),
    ("s3_sts_endpoint", S3Key::StsEndpoint),
    (
        "s3_container_credentials_uri",
        S3Key::ContainerCredentialsRelativeUri,
    ),
    (
        "s3_container_credentials_full_uri",
        S3Key::ContainerCredentialsFullUri,
    ),
    (
        "s3_container_token_file",
        S3Key::ContainerAuthorizationTokenFile,
    ),
    ("s3_metadata_endpoint", S3Key::MetadataEndpoint),
];

const AZURE_KEYS: &[(&str, AzureKey)] = &[
    ("azure_account", AzureKey::AccountName),
    ("azure_key", AzureKey::AccessKey),
    ("azure_sas", AzureKey::SasKey),
    ("azure_client_id", AzureKey::ClientId),
    ("azure_client_secret", AzureKey::ClientSecret),
    ("azure_tenant_id", AzureKey::AuthorityId),
    ("azure_federated_token_file", AzureKey::FederatedTokenFile),
    ("azure_identity_endpoint", AzureKey::MsiEndpoint),
    ("azure_endpoint", AzureKey::Endpoint),
];

const GCS_KEYS: &[(&str, GcsKey)] = &[
    ("gcs_service_account", GcsKey::ServiceAccount),
    ("gcs_service_account_key", GcsKey::ServiceAccountKey),
    (
        "gcs_application_credentials",
        GcsKey::ApplicationCredentials,
    ),
    ("gcs_endpoint", GcsKey::BaseUrl),
];

/// Everything a client is made from, again in every process. Holds secrets: no `Debug`.
pub(super) struct Plan {
    blueprint: Blueprint,
    pub(super) target: Target,
    /// The store's identity, without secrets.
    pub(super) url: String,
    pub(super) timeout: Duration,
    /// False where the store is on this machine.
    pub(super) through_proxy: bool,
}

enum Blueprint {
    S3(Box<AmazonS3Builder>),
    Azure(Box<MicrosoftAzureBuilder>),
    Gcs(Box<GoogleCloudStorageBuilder>),
}

/// Checks the options of a store and plans its client.
pub(super) fn plan(
    kind: StoreKind,
    bucket: &str,
    prefix: &str,
    options: &Options,
) -> Result<Plan, OpenError> {
    let timeout = options.duration("timeout")?.unwrap_or(DEFAULT_TIMEOUT);
    let (scheme, identity) = match kind {
        StoreKind::S3 => ("s3", &["s3_endpoint"][..]),
        StoreKind::Azure => ("az", &["azure_account", "azure_endpoint"][..]),
        StoreKind::Gcs | StoreKind::Local => ("gs", &["gcs_endpoint"][..]),
    };
    let given = |name: &&str| Some(format!("{name}={}", options.get(name)?));
    let query: Vec<String> = identity.iter().filter_map(given).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    let url = format!("{scheme}://{bucket}/{prefix}{mark}{}", query.join("&"));
    let emulator = kind == StoreKind::Azure && options.flag("azure_emulator")?.unwrap_or(false);
    let endpoint_name = identity[identity.len() - 1];
    let endpoint = match options.get(endpoint_name) {
        Some(endpoint) => Some(check_endpoint(endpoint_name, &endpoint, options)?),
        None => None,
    };
    let through_proxy = !emulator && !endpoint.as_ref().is_some_and(is_loopback);
    let blueprint = match kind {
        StoreKind::S3 => s3(bucket, endpoint.as_ref(), options)?,
        StoreKind::Azure => azure(bucket, emulator, options)?,
        StoreKind::Gcs | StoreKind::Local => gcs(bucket, options),
    };
    let target = Target {
        kind,
        bucket: bucket.to_owned(),
    };
    Ok(Plan {
        blueprint,
        target,
        url,
        timeout,
        through_proxy,
    })
}

impl Plan {
    /// Makes a client.
    pub(super) fn build(&self, connector: Connector) -> Result<Arc<dyn ObjectStore>, String> {
        // Every retry is ours: one inside would hide that an earlier attempt of
        // the same create may have landed.
        let retry = RetryConfig {
            max_retries: 0,
            retry_timeout: self.timeout,
            backoff: BackoffConfig::default(),
        };
        let options = ClientOptions::new().with_connect_timeout_disabled();
        let built = match &self.blueprint {
            Blueprint::S3(builder) => (**builder)
                .clone()
                .with_retry(retry)
                .with_client_options(options)
                .with_http_connector(connector)
                .build()
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
            Blueprint::Azure(builder) => (**builder)
                .clone()
                .with_retry(retry)
                .with_client_options(options)
                .with_http_connector(connector)
                .build()
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
            Blueprint::Gcs(builder) => (**builder)
                .clone()
                .with_retry(retry)
                .with_client_options(options)
                .with_http_connector(connector)
                .build()
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
        };
        built.map_err(|e| innermost(&e))
    }
}

fn s3(bucket: &str, endpoint: Option<&Url>, options: &Options) -> Result<Blueprint, OpenError> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart);
    for (name, key) in S3_KEYS {
        if let Some(value) = options.get(name) {
            builder = builder.with_config(*key, value);
        }
    }
    match (options.get("s3_access_key"), options.get("s3_secret_key")) {
        (Some(_), None) => return Err(lacks("s3_access_key", "s3_secret_key")),
        (None, Some(_)) => return Err(lacks("s3_secret_key", "s3_access_key")),
        (None, None) => {
            let roles = [
                "s3_role_arn",
                "s3_container_credentials_uri",
                "s3_container_credentials_full_uri",
            ];
            if roles.iter().all(|name| options.get(name).is_none())
                && let Some(keys) = profile::read(options)?
            {
                builder = builder
                    .with_access_key_id(keys.access_key)
                    .with_secret_access_key(keys.secret_key);
                if let Some(token) = keys.session_token {
                    builder = builder.with_token(token);
                }
            }
        }
        (Some(_), Some(_)) => {}
    }
    // A bucket's name with dots fits no certificate as part of a host's name.
    let default_path_style = endpoint.is_some() || bucket.contains('.');
    let path_style = options.flag("s3_path_style")?.unwrap_or(default_path_style);
    builder = builder.with_virtual_hosted_style_request(!path_style);
    if let Some(endpoint) = endpoint {
        let text = endpoint.as_str().trim_end_matches('/');
        let hosted = text.replacen("://", &format!("://{bucket}."), 1);
        builder = builder.with_endpoint(if path_style { text.to_owned() } else { hosted });
    }
    Ok(Blueprint::S3(Box::new(builder)))
}

fn azure(container: &str, emulator: bool, options: &Options) -> Result<Blueprint, OpenError> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(container)
        .with_use_emulator(emulator);
    if options.get("azure_account").is_none() && !emulator {
        return Err(OpenError(
            "an az:// store needs the option azure_account (or AZURE_STORAGE_ACCOUNT)".to_owned(),
        ));
    }
    for (name, key) in AZURE_KEYS {
        if let Some(value) = options.get(name) {
            builder = builder.with_config(*key, value);
        }
    }
    Ok(Blueprint::Azure(Box::new(builder)))
}

fn gcs(bucket: &str, options: &Options) -> Blueprint {
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket);
    for (name, key) in GCS_KEYS {
        if let Some(value) = options.get(name) {
            let value = value.trim_end_matches('/').to_owned();
            builder = builder.with_config(*key, value);
        }
    }
    Blueprint::Gcs(Box::new(builder))
}

fn lacks(given: &str, missing: &str) -> OpenError {
    OpenError(format!("{given} is given without {missing}"))
}

fn check_endpoint(name: &str, endpoint: &str, options: &Options) -> Result<Url, OpenError> {
    let bad = |why: &str| OpenError(format!("the option {name} {why}"));
    let url = Url::parse(endpoint)
        .map_err(|_| bad("is the URL of a server, such as http://127.0.0.1:9000"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            "must hold no credentials; they have options of their own",
        ));
    }
    if url.query().is_some() || url.host_str().is_none_or(str::is_empty) {
        return Err(bad("is the URL of a server, such as http://127.0.0.1:9000"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) || options.flag("allow_http")?.unwrap_or(false) => Ok(url),
        "http" => Err(bad(
            "begins with http://, which sends data and keys in the clear; use https://, or give \
             allow_http=1 if the network is your own",
        )),
        _ => Err(bad("begins with https:// or http://")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

//! Who may ask: with the user and password of Postgres clients, or with a token. Where neither is set,
//! only this machine is listened to, and only by its own names: a page in a browser that leads a foreign
//! name here is turned away.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq as _;

use super::{Office, answer};
use crate::config::{self, Secret, Settings};

/// See the module.
#[derive(Debug, Clone)]
pub struct Access {
    user: String,
    password: Option<Secret>,
    token: Option<Secret>,
}

impl Access {
    /// As the settings have it.
    #[must_use]
    pub fn new(settings: &Settings, admin: &config::Admin) -> Self {
        Self {
            user: settings.clients.user.clone(),
            password: settings.clients.password.clone(),
            token: admin.token.clone(),
        }
    }

    fn allows(&self, headers: &HeaderMap) -> bool {
        if self.password.is_none() && self.token.is_none() {
            return is_for_this_machine(headers);
        }
        let value = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some((scheme, proof)) = value.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        match (
            scheme.to_ascii_lowercase().as_str(),
            &self.password,
            &self.token,
        ) {
            ("bearer", _, Some(token)) => same(proof.trim(), &token.0),
            ("basic", Some(password), _) => {
                let expected = format!("{}:{}", self.user, password.0);
                let given = BASE64.decode(proof.trim()).unwrap_or_default();
                bool::from(given.as_slice().ct_eq(expected.as_bytes()))
            }
            _ => false,
        }
    }
}

fn same(given: &str, expected: &str) -> bool {
    given.as_bytes().ct_eq(expected.as_bytes()).into()
}

/// The name by which a browser or `curl` reached us.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let host = host.to_str().unwrap_or_default();
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    config::is_loopback(without_port)
}

/// Lets a request pass, or answers it.
pub(super) async fn guard(
    State(office): State<Arc<Office>>,
    request: Request,
    next: Next,
) -> Response {
    if office.access.allows(request.headers()) {
        return next.run(request).await;
    }
    tracing::warn!(
        path = request.uri().path(),
        "admin port: a request was refused"
    );
    let error = answer::Failure::new(
        StatusCode::UNAUTHORIZED,
        "UNAUTHORIZED",
        "the user's name and password, or the admin token, are needed",
    );
    let ask = [(
        header::WWW_AUTHENTICATE,
        "Basic realm=\"pg-frontend\", charset=\"UTF-8\"",
    )];
    (ask, error).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(password: Option<&str>, token: Option<&str>) -> Access {
        let secret = |text: &str| Secret(text.to_owned());
        Access {
            user: "postgres".to_owned(),
            password: password.map(secret),
            token: token.map(secret),
        }
    }

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn the_right_proof_is_needed() {
        let both = access(Some("hush"), Some("token-1"));
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text));
        for (proof, fine) in [
            (basic("postgres:hush"), true),
            (basic("postgres:hus"), false),
            (basic("other:hush"), false),
            ("Bearer token-1".to_owned(), true),
            ("bearer token-1".to_owned(), true),
            ("Bearer token-2".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("Basic !".to_owned(), false),
            ("x".to_owned(), false),
        ] {
            assert_eq!(
                both.allows(&with(header::AUTHORIZATION, &proof)),
                fine,
                "{proof}"
            );
        }
        assert!(!both.allows(&HeaderMap::new()));
        assert!(!access(None, Some("t")).allows(&with(header::AUTHORIZATION, &basic("postgres:"))));
    }

    #[test]
    fn without_secrets_only_this_machine_is_answered() {
        let open = access(None, None);
        for (host, fine) in [
            ("localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("127.0.0.1", true),
            ("[::1]:8080", true),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
        ] {
            assert_eq!(open.allows(&with(header::HOST, host)), fine, "{host}");
        }
    }
}

//! From what an operation's requests met to the error its caller acts on.
//!
//! The commit path stands on this: a kind for which
//! [`ErrorKind::surely_not_applied`] holds is given only where the request was
//! never sent, or the store itself said that it refused it.

use super::transport::{Exchange, Met, Trace, innermost};
use crate::store::options::StoreKind;
use crate::store::status::classify;
use crate::store::{ErrorKind, Operation};

/// A failure, judged: its kind and a sentence.
pub(super) type Judgement = (ErrorKind, String);

/// Where an operation went, for the sentences.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) kind: StoreKind,
    pub(super) bucket: String,
}

/// Judges an operation that failed with `error` after what `trace` has.
pub(super) fn judge(
    target: &Target,
    operation: Operation,
    trace: &Trace,
    error: &object_store::Error,
) -> Judgement {
    let exchanges = trace.exchanges();
    let failed = || exchanges.iter().filter(|e| !matches!(e.met, Met::Success));
    // Of several deletions, those of what was not there did not make it fail.
    let telling = |e: &&Exchange| !matches!(e.met, Met::Refused { status: 404, .. });
    let first = match operation {
        Operation::Delete => failed().find(telling).or_else(|| failed().next()),
        _ => failed().next(),
    };
    match first {
        Some(exchange) if exchange.data => judge_exchange(target, operation, exchange),
        Some(exchange) => judge_credentials(target, exchange),
        None if operation == Operation::Delete && error.to_string().contains("AccessDenied") => {
            // One of several deletions in a request that as a whole succeeded.
            (ErrorKind::Denied, innermost(error))
        }
        None if exchanges.iter().any(|e| e.data) => {
            // The store answered well, and its answer broke off or makes no sense.
            (
                ErrorKind::Ambiguous,
                format!("the answer cannot be used ({})", innermost(error)),
            )
        }
        None => (
            ErrorKind::Denied,
            format!("no request could be made ({})", innermost(error)),
        ),
    }
}

/// Judges a copy from a staged object to its name. On S3 that takes three
/// requests, of which only the last can make the object appear.
pub(super) fn judge_copy(target: &Target, trace: &Trace, error: &object_store::Error) -> Judgement {
    let judgement = judge(target, Operation::Create, trace, error);
    let decided = target.kind != StoreKind::S3 || trace.exchanges().iter().any(|e| e.completes);
    if decided {
        judgement
    } else {
        undone(judgement)
    }
}

/// The same failure in a step before the one that decides: it cannot have made the object.
pub(super) fn undone((kind, detail): Judgement) -> Judgement {
    let kind = match kind {
        ErrorKind::Ambiguous | ErrorKind::AlreadyExists => ErrorKind::Throttled,
        kind => kind,
    };
    (
        kind,
        format!("while it was staged, before its name was asked for: {detail}"),
    )
}

fn judge_exchange(target: &Target, operation: Operation, exchange: &Exchange) -> Judgement {
    let host = &exchange.host;
    match &exchange.met {
        // Waiting does not mend it.
        Met::Unsent(why) if why.contains("certificate") => {
            let detail = format!(
                "{host} cannot be trusted: {why}; SSL_CERT_FILE can name a file of further authorities"
            );
            (ErrorKind::Rejected, detail)
        }
        Met::Unsent(why) => (
            ErrorKind::Unreachable,
            format!("{host} cannot be reached: {why}"),
        ),
        Met::NoAnswer(did) => (ErrorKind::Ambiguous, format!("{host} {did}")),
        Met::Success => (ErrorKind::Ambiguous, "the answer cannot be used".to_owned()),
        Met::Refused {
            status,
            code,
            message,
        } => {
            let kind = classify(operation, *status, code);
            let hint = hint(target, operation, kind, *status, code, message);
            (kind, format!("{}{hint}", said(*status, code, message)))
        }
    }
}

/// A request for credentials failed: the store itself was not asked.
fn judge_credentials(target: &Target, exchange: &Exchange) -> Judgement {
    let own = match target.kind {
        StoreKind::S3 => "s3_access_key and s3_secret_key",
        StoreKind::Azure => "azure_account and azure_key",
        StoreKind::Gcs | StoreKind::Local => "gcs_service_account",
    };
    let host = &exchange.host;
    let (kind, why) = match &exchange.met {
        // Not on such a machine at all: asking again will not help.
        Met::Unsent(why) if is_metadata_service(host) => (ErrorKind::Denied, why.clone()),
        Met::Unsent(why) => (ErrorKind::Unreachable, why.clone()),
        Met::NoAnswer(did) => (ErrorKind::Unreachable, format!("it {did}")),
        Met::Refused {
            status,
            code,
            message,
        } if *status < 500 && *status != 429 => (ErrorKind::Denied, said(*status, code, message)),
        Met::Refused {
            status,
            code,
            message,
        } => (ErrorKind::Unreachable, said(*status, code, message)),
        Met::Success => (ErrorKind::Denied, "its answer cannot be used".to_owned()),
    };
    let detail = format!(
        "no credentials: none are given ({own}), and {host}, asked for a role's, gave none: {why}"
    );
    (kind, detail)
}

fn is_metadata_service(host: &str) -> bool {
    host.starts_with("169.254.") || host.starts_with("metadata.google.internal")
}

fn said(status: u16, code: &str, message: &str) -> String {
    match (code, message) {
        ("", "") => format!("HTTP status {status}"),
        (code, "") => format!("HTTP status {status}, {code}"),
        ("", message) => format!("HTTP status {status}, {message}"),
        (code, message) => format!("HTTP status {status}, {code}: {message}"),
    }
}

/// What a person should do about it, where that is known.
fn hint(
    target: &Target,
    operation: Operation,
    kind: ErrorKind,
    status: u16,
    code: &str,
    message: &str,
) -> String {
    let bucket = &target.bucket;
    let s3 = target.kind == StoreKind::S3;
    let no_bucket = matches!(code, "NoSuchBucket" | "ContainerNotFound")
        || (kind == ErrorKind::NotFound && message.contains("bucket does not exist"));
    let text = match code {
        _ if no_bucket => {
            let noun = if target.kind == StoreKind::Azure {
                "container"
            } else {
                "bucket"
            };
            return format!("; there is no {noun} '{bucket}'");
        }
        "SignatureDoesNotMatch" => "; the secret key does not belong to the access key",
        "InvalidAccessKeyId" | "NotSignedUp" => "; the store does not know the access key",
        "ExpiredToken" | "TokenRefreshRequired" => "; the temporary credentials have expired",
        "RequestTimeTooSkewed" => "; this machine's clock is wrong",
        "AuthorizationHeaderMalformed"
        | "PermanentRedirect"
        | "IllegalLocationConstraintException" => "; s3_region does not fit the bucket",
        _ if s3 && (300..400).contains(&status) => {
            "; s3_region or s3_endpoint does not fit the bucket"
        }
        _ if s3 && kind == ErrorKind::Denied && operation == Operation::Get => {
            "; S3 says this of a missing object too, where the credentials lack s3:ListBucket \
             on the bucket: grant it, it is needed to tell 'not there' from 'not allowed'"
        }
        _ => "",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            kind: StoreKind::S3,
            bucket: "data".to_owned(),
        }
    }

    fn exchange(data: bool, completes: bool, met: Met) -> Exchange {
        let host = if data {
            "s3.example"
        } else {
            "169.254.169.254"
        };
        let host = host.to_owned();
        Exchange {
            data,
            completes,
            host,
            met,
            date_ms: None,
            object_size: None,
            pending: false,
        }
    }

    fn refused(status: u16, code: &str) -> Met {
        Met::Refused {
            status,
            code: code.to_owned(),
            message: String::new(),
        }
    }

    fn generic() -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: "root cause".into(),
        }
    }

    fn judged(operation: Operation, exchanges: Vec<Exchange>) -> Judgement {
        judge(
            &target(),
            operation,
            &Trace::of(operation, exchanges),
            &generic(),
        )
    }

    #[test]
    fn a_refusal_by_the_credentials_service_is_not_the_stores() {
        let imds = judged(
            Operation::Create,
            vec![exchange(false, false, Met::Unsent("no route".to_owned()))],
        );
        assert_eq!(imds.0, ErrorKind::Denied);
        assert!(
            imds.1.contains("s3_access_key") && imds.1.contains("no route"),
            "{}",
            imds.1
        );
        let busy = judged(
            Operation::Create,
            vec![exchange(false, false, refused(503, ""))],
        );
        assert_eq!(busy.0, ErrorKind::Unreachable);
        let no_answer = Met::NoAnswer("did not answer in time".to_owned());
        let slow = judged(Operation::Create, vec![exchange(false, false, no_answer)]);
        assert_eq!(
            slow.0,
            ErrorKind::Unreachable,
            "nothing was sent to the store"
        );
    }

    #[test]
    fn the_first_failure_counts_and_success_with_a_broken_answer_is_ambiguous() {
        let both = judged(
            Operation::Create,
            vec![
                exchange(
                    true,
                    false,
                    Met::NoAnswer("broke the connection".to_owned()),
                ),
                exchange(true, false, refused(404, "NoSuchUpload")),
            ],
        );
        assert_eq!(both.0, ErrorKind::Ambiguous);
        let odd = judged(Operation::Create, vec![exchange(true, false, Met::Success)]);
        assert_eq!(
            odd,
            (
                ErrorKind::Ambiguous,
                "the answer cannot be used (root cause)".into()
            )
        );
        assert_eq!(judged(Operation::Create, vec![]).0, ErrorKind::Denied);
    }

    #[test]
    fn only_the_completing_request_of_a_copy_can_have_made_the_object() {
        let copy = |exchanges| {
            judge_copy(
                &target(),
                &Trace::of(Operation::Create, exchanges),
                &generic(),
            )
            .0
        };
        let lost = || Met::NoAnswer("broke the connection".to_owned());
        assert_eq!(
            copy(vec![exchange(true, false, lost())]),
            ErrorKind::Throttled
        );
        assert_eq!(
            copy(vec![
                exchange(true, false, Met::Success),
                exchange(true, true, lost())
            ]),
            ErrorKind::Ambiguous
        );
        assert_eq!(
            copy(vec![exchange(
                true,
                true,
                refused(412, "PreconditionFailed")
            )]),
            ErrorKind::AlreadyExists
        );
        assert_eq!(
            copy(vec![exchange(true, true, Met::Success)]),
            ErrorKind::Ambiguous
        );
    }

    #[test]
    fn a_host_that_cannot_be_trusted_is_not_asked_again() {
        let unsent = |why: &str| exchange(true, false, Met::Unsent(why.to_owned()));
        let untrusted = judged(
            Operation::Get,
            vec![unsent("invalid peer certificate: UnknownIssuer")],
        );
        assert_eq!(untrusted.0, ErrorKind::Rejected);
        assert!(untrusted.1.contains("SSL_CERT_FILE"), "{}", untrusted.1);
        let refused = judged(Operation::Get, vec![unsent("connection refused")]);
        assert_eq!(refused.0, ErrorKind::Unreachable);
    }

    #[test]
    fn people_are_told_what_to_do() {
        for (operation, status, code, part) in [
            (Operation::Create, 404, "NoSuchBucket", "no bucket 'data'"),
            (Operation::Get, 403, "AccessDenied", "s3:ListBucket"),
            (Operation::Get, 403, "SignatureDoesNotMatch", "secret key"),
            (
                Operation::Create,
                403,
                "NotSignedUp",
                "does not know the access key",
            ),
            (Operation::Get, 301, "", "s3_region"),
            (
                Operation::Create,
                400,
                "AuthorizationHeaderMalformed",
                "s3_region",
            ),
        ] {
            let (_, detail) = judged(
                operation,
                vec![exchange(true, false, refused(status, code))],
            );
            assert!(detail.contains(part), "{code}: {detail}");
        }
    }
}

//! What an HTTP status says about a request's effect: the one table behind
//! every remote store and the simulated one.

use super::{ErrorKind, Operation};

/// Classifies a response that is not a success.
///
/// `code` is the store's own error code where the body has one
/// (`BlobAlreadyExists`, `ConditionalRequestConflict`, `SlowDown`...).
///
/// What must hold: a kind for which [`ErrorKind::surely_not_applied`] is true
/// is only given where the store itself said that it did nothing. A 5xx may
/// come from a proxy after the store applied the request.
#[must_use]
pub fn classify(operation: Operation, status: u16, code: &str) -> ErrorKind {
    let writes = matches!(operation, Operation::Create | Operation::Put);
    match status {
        404 | 410 => ErrorKind::NotFound,
        401 | 403 => ErrorKind::Denied,
        400 if matches!(
            code,
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired"
        ) =>
        {
            ErrorKind::Denied
        }
        412 | 304 if operation == Operation::Create => ErrorKind::AlreadyExists,
        409 if operation == Operation::Create && code == "BlobAlreadyExists" => {
            ErrorKind::AlreadyExists
        }
        // S3's ConditionalRequestConflict and OperationAborted, Azure's pending
        // copies and leases: a rival was in the way, nothing was done.
        409 => ErrorKind::Throttled,
        429 => ErrorKind::Throttled,
        503 if !writes => ErrorKind::Throttled,
        // The server gave up waiting for the rest of the request, or so it says.
        408 => ErrorKind::Ambiguous,
        400..=499 => ErrorKind::Rejected,
        // Redirects come of a wrong region or endpoint and are not followed; 501 is how
        // some servers answer a condition that they do not know.
        300..=399 | 501 => ErrorKind::Rejected,
        _ => ErrorKind::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::*;
    use Operation::*;

    #[test]
    fn the_table() {
        let table = [
            (Create, 412, "PreconditionFailed", AlreadyExists),
            (Create, 409, "BlobAlreadyExists", AlreadyExists),
            (Create, 409, "ConditionalRequestConflict", Throttled),
            (Create, 429, "", Throttled),
            (Create, 503, "SlowDown", Ambiguous),
            (Create, 500, "InternalError", Ambiguous),
            (Create, 504, "", Ambiguous),
            (Create, 501, "NotImplemented", Rejected),
            (Create, 408, "RequestTimeout", Ambiguous),
            (Create, 400, "BadDigest", Rejected),
            (Create, 400, "ExpiredToken", Denied),
            (Create, 413, "EntityTooLarge", Rejected),
            (Create, 404, "NoSuchBucket", NotFound),
            (Create, 403, "SignatureDoesNotMatch", Denied),
            (Create, 301, "PermanentRedirect", Rejected),
            (Put, 503, "SlowDown", Ambiguous),
            (Put, 412, "", Rejected),
            (Get, 503, "SlowDown", Throttled),
            (Get, 500, "", Ambiguous),
            (Get, 404, "NoSuchKey", NotFound),
            (Get, 401, "", Denied),
            (List, 503, "", Throttled),
            (Delete, 429, "", Throttled),
        ];
        for (operation, status, code, kind) in table {
            assert_eq!(
                classify(operation, status, code),
                kind,
                "{operation} {status} {code}"
            );
        }
    }

    #[test]
    fn no_write_is_called_undone_on_a_server_error() {
        for status in (500..600).filter(|s| *s != 501) {
            assert!(
                !classify(Create, status, "SlowDown").surely_not_applied(),
                "{status}"
            );
            assert!(
                !classify(Put, status, "SlowDown").surely_not_applied(),
                "{status}"
            );
        }
    }
}

//! The functions of the host, module `sqlproxy`: the only unsafe code. Elsewhere than in a database
//! there is no host; then each request is answered with an error that says so.

/// What an answer is to the host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text = 0,
    Blob = 1,
    Error = 2,
    Null = 3,
}

#[cfg(target_family = "wasm")]
mod host {
    use super::Kind;

    #[link(wasm_import_module = "sqlproxy")]
    unsafe extern "C" {
        fn host_db_query(pointer: *const u8, length: i32) -> i32;
        fn host_copy_result(pointer: *mut u8, most: i32) -> i32;
        fn host_copy_request(pointer: *mut u8, most: i32) -> i32;
        fn host_respond(kind: i32, pointer: *const u8, length: i32);
    }

    /// Lengths of 2 GiB do not occur: a guest's memory is smaller by default, and the host refuses
    /// what is not in it.
    fn length(bytes: &[u8]) -> i32 {
        bytes.len().try_into().unwrap_or(i32::MAX)
    }

    pub(crate) fn query(request: &[u8]) -> Vec<u8> {
        // SAFETY: the host reads the request's bytes during the call, and nothing else.
        let size = unsafe { host_db_query(request.as_ptr(), length(request)) };
        // SAFETY: `copy` gives a pointer to `most` bytes that are ours to be written.
        copy(size, |pointer, most| unsafe {
            host_copy_result(pointer, most)
        })
    }

    pub(crate) fn request(size: i32) -> Vec<u8> {
        // SAFETY: as above.
        copy(size, |pointer, most| unsafe {
            host_copy_request(pointer, most)
        })
    }

    pub(crate) fn respond(kind: Kind, bytes: &[u8]) {
        // SAFETY: the host reads the answer's bytes during the call, and nothing else.
        unsafe { host_respond(kind as i32, bytes.as_ptr(), length(bytes)) }
    }

    fn copy(size: i32, write: impl FnOnce(*mut u8, i32) -> i32) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let written = write(bytes.as_mut_ptr(), length(&bytes));
        bytes.truncate(usize::try_from(written).unwrap_or(0));
        bytes
    }
}

#[cfg(not(target_family = "wasm"))]
mod host {
    use super::Kind;
    use crate::messagepack::Encoder;

    pub(crate) fn query(_request: &[u8]) -> Vec<u8> {
        let mut answer = Encoder::default();
        answer.map(1);
        answer.text("error");
        answer.map(3);
        answer.text("code");
        answer.text("SQLITE_CANTOPEN");
        answer.text("extended");
        answer.integer(14);
        answer.text("message");
        answer.text("there is no database around this program: sqlproxy_serve runs it in one");
        answer.into_bytes()
    }

    pub(crate) fn request(_size: i32) -> Vec<u8> {
        Vec::new()
    }

    pub(crate) fn respond(_kind: Kind, _bytes: &[u8]) {}
}

pub(crate) use host::{query, request, respond};

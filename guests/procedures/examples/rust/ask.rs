//! A procedure that queries: SQL on the calling connection, in its transaction. It needs the grant
//! `"sql": "read"`, or `"write"` to change something.

use sqlbridge_procedure::procedure;

#[link(wasm_import_module = "sqlproxy")]
unsafe extern "C" {
    /// Takes a request, and gives the length of the response.
    safe fn host_db_query(address: *const u8, length: usize) -> i32;
    /// Copies the response.
    safe fn host_copy_result(address: *mut u8, max: usize) -> i32;
}

procedure! {
    /// Runs `sql` with one parameter, and gives the host's answer as it is, in JSON.
    fn ask(sql: &str, parameter: i64) -> Result<String, String> {
        let request = format!(r#"{{"command":"query","sql":{},"args":[{parameter}]}}"#, quoted(sql));
        let length = host_db_query(request.as_ptr(), request.len());
        let length = usize::try_from(length).map_err(|_| format!("the host answers {length}"))?;
        let mut response = vec![0; length];
        host_copy_result(response.as_mut_ptr(), length);
        String::from_utf8(response).map_err(|error| error.to_string())
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..' ' => out += &format!("\\u{:04x}", u32::from(c)),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

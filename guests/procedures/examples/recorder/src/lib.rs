//! A component that runs SQL and records what it changes. It needs the grant `"sql": "write"`.

use sqlbridge::procedures::session::{self, SqliteError};
use sqlbridge::procedures::sqlproxy;

wit_bindgen::generate!({ world: "recorder", path: ["../../wit", "wit"], generate_all });

struct Recorder;

impl Guest for Recorder {
    fn recorded(sql: String) -> Result<Vec<u8>, String> {
        let session = session::create("main").map_err(sentence)?;
        let changeset = record(session, &sql);
        session::delete(session).map_err(sentence)?;
        changeset
    }
}

fn record(session: u64, sql: &str) -> Result<Vec<u8>, String> {
    session::attach(session, None).map_err(sentence)?;
    let quoted = sql.replace('\\', "\\\\").replace('"', "\\\"");
    let request = format!(r#"{{"command":"exec","sql":"{quoted}"}}"#);
    let answer = String::from_utf8_lossy(&sqlproxy::query(request.as_bytes())).into_owned();
    if answer.contains("\"error\"") {
        return Err(answer);
    }
    session::changeset(session).map_err(sentence)
}

fn sentence(error: SqliteError) -> String {
    format!("{} ({})", error.message, error.extended_code)
}

export!(Recorder);

//! What the user should know but no call returns: to SQLite's log, and to stderr where asked for.

use std::sync::OnceLock;

use sqlite_abi::Code;

/// A warning: something was made good, or will fail later.
pub fn warn(message: &str) {
    write(Code::WARNING, message);
}

/// An error, with the code SQLite was given.
pub fn error(code: Code, message: &str) {
    write(code, message);
}

fn write(code: Code, message: &str) {
    sqlite_abi::log(code, &format!("sqlbridge: {message}"));
    static TO_STDERR: OnceLock<bool> = OnceLock::new();
    let wanted = || std::env::var("SQLBRIDGE_LOG").is_ok_and(|value| value == "stderr");
    if *TO_STDERR.get_or_init(wanted) {
        // A closed stderr is no reason to fail.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("sqlbridge: {message}\n").as_bytes(),
        );
    }
}

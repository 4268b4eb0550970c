//! Text made of bytes, so that a mutation of one byte is a mutation of one word.
//!
//! Bytes below 128 stand for themselves, each other one for a word of a list in `words/`. So a plain text
//! is a seed as it is, and nothing is lost on parsers that would refuse a random text at its first letter.

/// A list of words, one a line: the file's text.
pub struct Words(pub &'static str);

/// Queries.
pub const SQL: Words = Words(include_str!("../words/sql.txt"));
/// Tables, and the commands of Postgres and SQLite.
pub const DDL: Words = Words(include_str!("../words/ddl.txt"));
/// Requests of guests in JSON.
pub const REQUEST: Words = Words(include_str!("../words/request.txt"));
/// Options of programs, definitions of procedures.
pub const OPTIONS: Words = Words(include_str!("../words/options.txt"));
/// WebAssembly as text.
pub const WAT: Words = Words(include_str!("../words/wat.txt"));
/// `config.yaml`
pub const CONFIG: Words = Words(include_str!("../words/config.txt"));

impl Words {
    /// The text that bytes stand for. `FUZZ_SHOW=1` prints it: what made a target fail, to read.
    #[must_use]
    pub fn text(&self, bytes: &[u8]) -> String {
        let words: Vec<&str> = self.0.lines().collect();
        let mut text = String::with_capacity(bytes.len() * 4);
        for byte in bytes {
            match byte.checked_sub(0x80) {
                None => text.push(char::from(*byte)),
                // `\n` in a word is a line's end, as in a text of several lines.
                Some(index) => {
                    text.push_str(&words[usize::from(index) % words.len()].replace("\\n", "\n"))
                }
            }
        }
        if std::env::var_os("FUZZ_SHOW").is_some() {
            eprintln!("{text}");
        }
        text
    }
}

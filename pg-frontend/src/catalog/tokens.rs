//! SQL of SQLite's as tokens, which the reader of statements ([`ddl`](super::ddl)) walks over.

#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// An identifier, out of its quotes.
    pub(super) fn name(&self) -> String {
        let mut characters = self.text.chars();
        let close = match characters.next() {
            Some('[') => ']',
            Some(quote @ ('"' | '`' | '\'')) => quote,
            _ => return self.text.to_owned(),
        };
        let inner = characters
            .as_str()
            .strip_suffix(close)
            .unwrap_or(characters.as_str());
        inner.replace(&format!("{close}{close}"), &close.to_string())
    }
}

/// Words, quoted names, strings and single other characters; no spaces, no comments.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = find(bytes, at, b"\n");
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = find(bytes, at + 2, b"*/");
                continue;
            }
            b'"' | b'`' | b'\'' => quoted(bytes, at, byte),
            b'[' => find(bytes, at, b"]"),
            _ if is_word(byte) => {
                at + bytes[at..]
                    .iter()
                    .position(|&byte| !is_word(byte))
                    .unwrap_or(bytes.len() - at)
            }
            _ => at + 1,
        };
        out.push(Token {
            text: &sql[start..at],
            start,
        });
    }
    out
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte == b'.' || byte >= 0x80
}

/// The byte after the next `end`, or the text's end.
fn find(bytes: &[u8], from: usize, end: &[u8]) -> usize {
    bytes[from.min(bytes.len())..]
        .windows(end.len())
        .position(|window| window == end)
        .map_or(bytes.len(), |found| from + found + end.len())
}

/// The byte after a quoted piece; a doubled quote stands for itself.
fn quoted(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == quote {
            if bytes.get(at) != Some(&quote) {
                break;
            }
            at += 1;
        }
    }
    at
}

/// Where the parenthesis opened at `open` closes; the end where it does not.
pub(super) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" => depth += 1,
            ")" => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The items between commas outside of parentheses.
pub(super) fn split<'t, 's>(tokens: &'t [Token<'s>]) -> impl Iterator<Item = &'t [Token<'s>]> {
    let mut depth = 0_usize;
    tokens.split(move |token| {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.text == ","
    })
}

/// The text that tokens cover.
pub(super) fn text<'a>(sql: &'a str, tokens: &[Token<'_>]) -> &'a str {
    match tokens {
        [] => "",
        [first, .., last] => &sql[first.start..last.start + last.text.len()],
        [only] => &sql[only.start..only.start + only.text.len()],
    }
}

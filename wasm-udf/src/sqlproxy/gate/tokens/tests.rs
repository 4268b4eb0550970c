use super::{Kind, tokenize};

/// Tokens, as `kind:text`.
fn shown(sql: &str) -> String {
    match tokenize(sql) {
        Ok(tokens) => {
            let shown = tokens.iter().map(|token| match token.kind {
                Kind::Word => format!("w:{}", token.text),
                Kind::Quoted => format!("q:{}", token.text),
                Kind::Text => format!("t:{}", token.text),
                Kind::Blob => format!("b:{}", token.text),
                Kind::Number => format!("n:{}", token.text),
                Kind::Parameter => format!("p:{}", token.text),
                Kind::Mark => token.text.to_owned(),
            });
            shown.collect::<Vec<_>>().join(" ")
        }
        Err(illegal) => format!("{}: {}", illegal.at, illegal.what),
    }
}

#[test]
fn every_kind() {
    for (sql, expected) in [
        ("a_1$é", "w:a_1$é"),
        ("\"a\"\"b\" [c] `d```", "q:\"a\"\"b\" q:[c] q:`d```"),
        ("'it''s'", "t:'it''s'"),
        (
            "x'0aF' X'0A'",
            "0: a blob that is not x'…' with an even number of hexadecimal digits",
        ),
        ("X'0A'x", "b:X'0A' w:x"),
        (
            "1 1. .5 1.5e-3 1e5 0x1F 1_0",
            "n:1 n:1. n:.5 n:1.5e-3 n:1e5 n:0x1F n:1_0",
        ),
        ("1e", "0: a number that runs into a name"),
        ("0xg", "0: a number that runs into a name"),
        ("?12:a@b$c $d", "p:?12 p::a p:@b$c p:$d"),
        ("a->b->>c-d--e\n-f", "w:a -> w:b ->> w:c - w:d - w:f"),
        (
            "a||b|c<>d<=e<<f==g=h!=i>=j>>k",
            "w:a || w:b | w:c <> w:d <= w:e << w:f == w:g = w:h != w:i >= w:j >> w:k",
        ),
        ("a/**/(/*/ not yet */)/*", "w:a ( ) / *"),
        ("a/* no end", "w:a"),
        ("-- only\n/* comments */ ", ""),
        ("\u{feff}SELECT", "w:SELECT"),
        (" \u{b}a", "w:a"),
    ] {
        assert_eq!(shown(sql), expected, "{sql}");
    }
}

#[test]
fn what_sqlite_has_not_is_illegal() {
    for sql in [
        "'a", "\"a", "`a", "[a", "x'0", "1a", "#1", ":", "$", "@", "!", "a^b", "{", "\\", "$a(b)",
        "$a::b", "\0", "\u{b}a",
    ] {
        assert!(tokenize(sql).is_err(), "{sql}: {}", shown(sql));
    }
}

#[test]
fn names_are_what_sqlite_takes_them_for() {
    for (sql, name) in [
        ("Load_Extension", "load_extension"),
        ("\"Load\"\"X\"", "load\"x"),
        ("[A\"\"B]", "a\"\"b"),
        ("`a``b`", "a`b"),
        ("'it''s'", "it's"),
        ("\"\"", ""),
        ("É", "É"),
    ] {
        let tokens = tokenize(sql).unwrap();
        assert_eq!(tokens[0].name().as_deref(), Some(name), "{sql}");
    }
}

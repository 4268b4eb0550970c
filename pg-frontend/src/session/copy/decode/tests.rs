use proptest::prelude::*;

use super::*;

fn text() -> CopyFormat {
    CopyFormat::Text {
        delimiter: b'\t',
        null: "\\N".to_owned(),
        header: false,
    }
}

fn csv(escape: u8) -> CopyFormat {
    CopyFormat::Csv {
        delimiter: b',',
        null: String::new(),
        header: false,
        quote: b'"',
        escape,
        force_quote: Vec::new(),
        force_not_null: vec![1],
        force_null: vec![2],
    }
}

fn column(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        ty: crate::types::Type::TEXT,
        table: 0,
        number: 0,
    }
}

type Rows = Vec<Vec<Option<Vec<u8>>>>;

/// Decodes data that comes in chunks of these sizes, again and again.
fn decode(format: &CopyFormat, columns: usize, data: &[u8], sizes: &[usize]) -> Result<Rows> {
    let columns = vec![column("x"); columns];
    let mut decoder = Decoder::new(format, "t", &columns, 1 << 20);
    let mut rows = Vec::new();
    let mut take = |row: &Row<'_>| {
        rows.push(
            (0..row.len())
                .map(|index| row.field(index).map(<[u8]>::to_vec))
                .collect(),
        );
        Ok(())
    };
    let mut rest = data;
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
        decoder.feed(&rest[..size], &mut take)?;
        rest = &rest[size..];
    }
    decoder.finish(&mut take)?;
    Ok(rows)
}

fn show(rows: &Rows) -> Vec<Vec<Option<String>>> {
    let field = |field: &Option<Vec<u8>>| {
        field
            .as_ref()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    rows.iter()
        .map(|row| row.iter().map(field).collect())
        .collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts
        .iter()
        .map(|text| (*text != "NULL").then(|| (*text).to_owned()))
        .collect()
}

#[test]
fn text_is_unescaped() {
    let data = b"a\t\\N\nb\\tc\\\\\t\\x41\\101\\q\\\n!\r\nlast\t\n\\.\nignored";
    for size in [1, 2, 3, 7, 1000] {
        let rows = decode(&text(), 2, data, &[size]).unwrap();
        let expected = [
            some(&["a", "NULL"]),
            some(&["b\tc\\", "AAq\n!"]),
            some(&["last", ""]),
        ];
        assert_eq!(show(&rows), expected, "{size}");
    }
}

#[test]
fn csv_is_unquoted() {
    let data = b"a,,\n\"x\"\"y\",\"\",\"\"\r\n\"two\nlines\",b\"c\"d,NULL";
    for size in [1, 2, 3, 7, 1000] {
        let rows = decode(&csv(b'"'), 3, data, &[size]).unwrap();
        let expected = [some(&["a", "", "NULL"]), some(&["x\"y", "", "NULL"])];
        assert_eq!(show(&rows)[..2], expected, "{size}");
        assert_eq!(rows[2][0].as_deref(), Some(&b"two\nlines"[..]));
        assert_eq!(rows[2][1].as_deref(), Some(&b"bcd"[..]));
    }
}

#[test]
fn csv_may_have_another_escape() {
    let data = b"\"a\\\"b\\\\\",\"c\nd\\x\",e\n";
    for size in [1, 2, 5, 1000] {
        let rows = decode(&csv(b'\\'), 3, data, &[size]).unwrap();
        assert_eq!(show(&rows), [some(&["a\"b\\", "c\nd\\x", "e"])], "{size}");
    }
}

#[test]
fn binary_is_read() {
    let mut data = super::super::binary::HEAD.to_vec();
    data.extend(b"\0\x02\0\0\0\x03abc\xff\xff\xff\xff\xff\xff");
    for size in [1, 2, 5, 1000] {
        let rows = decode(&CopyFormat::Binary, 2, &data, &[size]).unwrap();
        assert_eq!(show(&rows), [some(&["abc", "NULL"])]);
    }
    let cut = decode(&CopyFormat::Binary, 2, &data[..data.len() - 2], &[9]).unwrap_err();
    assert_eq!(cut.code, "22P04");
}

#[test]
fn errors_have_their_lines() {
    for (format, data, place) in [
        (text(), &b"1\t2\n1\n"[..], "2: \"1\""),
        (text(), b"1\t2\n1\t2\n1\t2\t3\n", "3: \"1\t2\t3\""),
        (csv(b'"'), b"1,\"\n\n\"\n1,2,3\n", "4: \"1,2,3\""),
        (csv(b'"'), b"1,\"2\n", "2: \"1,\"2\n\""),
    ] {
        let error = decode(&format, 2, data, &[4]).unwrap_err();
        assert_eq!(error.code, "22P04");
        assert_eq!(
            error.context,
            Some(format!("COPY t, line {place}")),
            "{error:?}"
        );
    }
}

/// As `COPY TO` would write it.
fn written(rows: &[[Option<String>; 2]], format: &CopyFormat) -> Vec<u8> {
    use bytes::BytesMut;
    use rusqlite::types::ValueRef;
    let copy = crate::sql::Copy {
        sql: "".into(),
        from: false,
        table: String::new(),
        columns: vec![column("a"), column("b")],
        format: format.clone(),
    };
    let style = crate::types::Style::default();
    let mut out = BytesMut::new();
    for row in rows {
        let value = |index: usize| match &row[index] {
            Some(text) => ValueRef::Text(text.as_bytes()),
            None => ValueRef::Null,
        };
        match format {
            CopyFormat::Csv { .. } => {
                super::super::csv::write_row(&mut out, &copy, value, &style).unwrap()
            }
            _ => {
                super::super::text::write_row(&mut out, &copy.columns, value, &style, b'\t', "\\N")
                    .unwrap()
            }
        }
    }
    out.to_vec()
}

fn rows() -> impl Strategy<Value = Vec<[Option<String>; 2]>> {
    let field = prop_oneof![
        Just(None),
        "[a-c\\\\\"',\t\n\r.N]{0,6}".prop_map(Some),
        any::<String>().prop_map(Some)
    ];
    let field = field.boxed();
    proptest::collection::vec((field.clone(), field).prop_map(|(a, b)| [a, b]), 0..8)
}

proptest! {
    #[test]
    fn what_is_written_is_read(rows in rows(), sizes in proptest::collection::vec(1usize..9, 1..4)) {
        let plain = CopyFormat::Csv {
            delimiter: b',', null: String::new(), header: false, quote: b'"', escape: b'"',
            force_quote: Vec::new(), force_not_null: Vec::new(), force_null: Vec::new(),
        };
        for format in [text(), plain] {
            let data = written(&rows, &format);
            let read = decode(&format, 2, &data, &sizes).unwrap();
            let expected: Rows = rows.iter()
                .map(|row| row.iter().map(|field| field.clone().map(String::into_bytes)).collect())
                .collect();
            prop_assert_eq!(read, expected, "{:?}", String::from_utf8_lossy(&data));
        }
    }

    #[test]
    fn anything_may_come(data: Vec<u8>, sizes in proptest::collection::vec(1usize..9, 1..4)) {
        for format in [text(), csv(b'"'), csv(b'\\'), CopyFormat::Binary] {
            let whole = decode(&format, 2, &data, &[usize::MAX]);
            let parts = decode(&format, 2, &data, &sizes);
            prop_assert_eq!(whole.map_err(|error| error.code), parts.map_err(|error| error.code));
        }
    }
}

//! Data of COPY in each format: chunks may end anywhere, and must not change what comes out.

#![no_main]

use pg_frontend::session::copy::decode::{Decoder, Row};
use pg_frontend::sql::{Column, CopyFormat};
use pg_frontend::types::Type;

type Rows = Vec<Vec<Option<Vec<u8>>>>;

fn decode(format: &CopyFormat, data: &[u8], size: usize) -> Result<Rows, &'static str> {
    let column = Column {
        name: "x".to_owned(),
        ty: Type::TEXT,
        table: 0,
        number: 0,
    };
    let columns = [column.clone(), column];
    let mut decoder = Decoder::new(format, "t", &columns, 1 << 20);
    let mut rows = Rows::new();
    let mut take = |row: &Row<'_>| {
        rows.push(
            (0..row.len())
                .map(|index| row.field(index).map(<[u8]>::to_vec))
                .collect(),
        );
        Ok(())
    };
    for chunk in data.chunks(size.max(1)) {
        decoder.feed(chunk, &mut take).map_err(|error| error.code)?;
    }
    decoder.finish(&mut take).map_err(|error| error.code)?;
    Ok(rows)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(([which, size, escape], data)) = bytes
        .split_at_checked(3)
        .map(|(head, data)| ([head[0], head[1], head[2]], data))
    else {
        return;
    };
    let format = match which % 3 {
        0 => CopyFormat::Text {
            delimiter: b'\t',
            null: "\\N".to_owned(),
            header: false,
        },
        1 => CopyFormat::Csv {
            delimiter: b',',
            null: String::new(),
            header: false,
            quote: b'"',
            escape: if escape % 2 == 0 { b'"' } else { b'\\' },
            force_quote: Vec::new(),
            force_not_null: vec![0],
            force_null: vec![1],
        },
        _ => CopyFormat::Binary,
    };
    assert_eq!(
        decode(&format, data, usize::MAX),
        decode(&format, data, usize::from(size))
    );
});

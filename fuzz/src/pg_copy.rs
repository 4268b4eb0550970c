//! Data of COPY, in each format.

use pg_frontend::session::copy::decode::{Decoder, Row};
use pg_frontend::sql::{Column, CopyFormat};
use pg_frontend::types::Type;

use crate::postgres::is_a_sentence;

type Rows = Vec<Vec<Option<Vec<u8>>>>;

/// The longest row, which inputs exceed.
const LONGEST: usize = 2000;

/// Chunks may end anywhere, and must not change what comes out. The first three bytes are the format, the size of
/// chunks and the number of columns.
pub fn any(bytes: &[u8]) {
    let Some(([which, size, columns], data)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let format = format(*which);
    let columns = usize::from(columns % 4);
    let whole = decode(&format, columns, data, usize::MAX);
    let parts = decode(&format, columns, data, usize::from(*size));
    // A row that is too long is noticed at a chunk's end only: of one chunk, that is the end of all.
    if data.len() <= LONGEST {
        assert_eq!(whole, parts, "{format:?}");
    }
    if let Ok(rows) = whole {
        let taken: usize = rows.iter().flatten().flatten().map(Vec::len).sum();
        assert!(taken <= data.len(), "more came out than went in");
        assert!(
            rows.iter()
                .all(|row| row.len() == columns || columns == 0 && row.len() <= 1)
        );
    }
}

fn format(which: u8) -> CopyFormat {
    let header = which & 0x80 != 0;
    match which % 3 {
        0 => CopyFormat::Text {
            delimiter: if which & 0x40 == 0 { b'\t' } else { b'|' },
            null: if which & 0x20 == 0 {
                "\\N".to_owned()
            } else {
                String::new()
            },
            header,
        },
        1 => CopyFormat::Csv {
            delimiter: b',',
            null: if which & 0x20 == 0 {
                String::new()
            } else {
                "NULL".to_owned()
            },
            header,
            quote: b'"',
            escape: if which & 0x40 == 0 { b'"' } else { b'\\' },
            force_quote: Vec::new(),
            force_not_null: vec![0],
            force_null: vec![1],
        },
        _ => CopyFormat::Binary,
    }
}

fn decode(
    format: &CopyFormat,
    columns: usize,
    data: &[u8],
    size: usize,
) -> Result<Rows, &'static str> {
    let column = Column {
        name: "x".to_owned(),
        ty: Type::TEXT,
        table: 0,
        number: 0,
    };
    let columns = vec![column; columns];
    let mut decoder = Decoder::new(format, "t", &columns, LONGEST);
    let mut rows = Rows::new();
    let mut take = |row: &Row<'_>| {
        rows.push(
            (0..row.len())
                .map(|index| row.field(index).map(<[u8]>::to_vec))
                .collect(),
        );
        Ok(())
    };
    let mut all = || {
        for chunk in data.chunks(size.max(1)) {
            decoder.feed(chunk, &mut take)?;
        }
        decoder.finish(&mut take)
    };
    match all() {
        Ok(()) => Ok(rows),
        Err(error) => {
            is_a_sentence(&error);
            Err(error.code)
        }
    }
}

//! Requests and answers of the [host interface](https://github.com/sqlbridge/sqlbridge/blob/main/docs/host-interface.md).

use crate::error::{Error, Result};
use crate::messagepack::{Decoder, Encoder};
use crate::value::ValueRef;

/// A request, while it is written.
#[derive(Debug, Default)]
pub(crate) struct Request {
    fields: usize,
    body: Encoder,
}

impl Request {
    pub(crate) fn new(command: &str) -> Self {
        let mut request = Self::default();
        request.field("command").text(command);
        request
    }

    /// Where the value of a field is to be written: exactly one.
    pub(crate) fn field(&mut self, name: &str) -> &mut Encoder {
        self.fields += 1;
        self.body.text(name);
        &mut self.body
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut whole = Encoder::default();
        whole.map(self.fields);
        whole.raw(&self.body.into_bytes());
        whole.into_bytes()
    }
}

/// Names and declared types of a result's columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Columns {
    pub(crate) names: Vec<String>,
    pub(crate) decltypes: Vec<Option<String>>,
}

/// The fields of an answer that say something; rows stay where they are.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) columns: Columns,
    /// Where the first row lies, and how many there are.
    pub(crate) rows: Option<(usize, usize)>,
    pub(crate) cursor: Option<i64>,
    pub(crate) done: bool,
    pub(crate) last_insert_rowid: i64,
    pub(crate) rows_affected: u64,
    pub(crate) statement: Option<i64>,
    pub(crate) parameters: Vec<Option<String>>,
    pub(crate) read_only: bool,
    pub(crate) transaction: Option<i64>,
    /// Where the first answer of a batch lies, and how many there are.
    pub(crate) results: Option<(usize, usize)>,
    /// The version of SQLite.
    pub(crate) sqlite: Option<String>,
    /// Where the answer ends.
    pub(crate) end: usize,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        Self::parse_at(bytes, 0)
    }

    /// The answer that lies at `at`. An error in it is an error here.
    pub(crate) fn parse_at(bytes: &[u8], at: usize) -> Result<Self> {
        let mut decoder = Decoder::at(bytes, at);
        let mut answer = Self::default();
        let mut error = None;
        for _ in 0..decoder.map()? {
            let field = decoder.text()?;
            match field {
                "error" => error = Some(sqlite_error(&mut decoder)?),
                "columns" => {
                    answer.columns.names = texts(&mut decoder)?
                        .into_iter()
                        .map(Option::unwrap_or_default)
                        .collect()
                }
                "decltypes" => answer.columns.decltypes = texts(&mut decoder)?,
                "rows" => answer.rows = Some(items(&mut decoder)?),
                "results" => answer.results = Some(items(&mut decoder)?),
                "cursor_id" => answer.cursor = Some(decoder.integer()?),
                "done" => answer.done = decoder.integer()? != 0,
                "last_insert_id" => answer.last_insert_rowid = decoder.integer()?,
                "rows_affected" => {
                    answer.rows_affected = decoder.integer()?.try_into().unwrap_or(0)
                }
                "stmt_id" => answer.statement = Some(decoder.integer()?),
                "parameters" => answer.parameters = texts(&mut decoder)?,
                "read_only" => answer.read_only = decoder.integer()? != 0,
                "tx_id" => answer.transaction = Some(decoder.integer()?),
                "sqlite" => answer.sqlite = Some(decoder.text()?.to_owned()),
                _ => decoder.skip()?,
            }
        }
        answer.end = decoder.position();
        error.map_or(Ok(answer), Err)
    }

    /// Where the answer at `at` ends, whatever it says.
    pub(crate) fn end_of(bytes: &[u8], at: usize) -> Result<usize> {
        let mut decoder = Decoder::at(bytes, at);
        decoder.skip()?;
        Ok(decoder.position())
    }
}

/// A field that an answer must have.
pub(crate) fn needed<T>(field: Option<T>, name: &str) -> Result<T> {
    field.ok_or_else(|| Error::Answer(format!("it has no {name}")))
}

/// Where the items of a list lie, and how many there are.
fn items(decoder: &mut Decoder<'_>) -> Result<(usize, usize)> {
    let mut inside = *decoder;
    let length = inside.list()?;
    decoder.skip()?;
    Ok((inside.position(), length))
}

fn texts(decoder: &mut Decoder<'_>) -> Result<Vec<Option<String>>> {
    let length = decoder.list()?;
    let mut texts = Vec::new();
    for _ in 0..length {
        texts.push(match decoder.value()? {
            ValueRef::Text(text) => Some(text.to_owned()),
            _ => None,
        });
    }
    Ok(texts)
}

fn sqlite_error(decoder: &mut Decoder<'_>) -> Result<Error> {
    let (mut code, mut extended, mut message) = (String::new(), 1, String::new());
    let mut row = None;
    for _ in 0..decoder.map()? {
        match decoder.text()? {
            "code" => code = decoder.text()?.to_owned(),
            "extended" => extended = decoder.integer()?.try_into().unwrap_or(1),
            "message" => message = decoder.text()?.to_owned(),
            "row" => row = usize::try_from(decoder.integer()?).ok(),
            _ => decoder.skip()?,
        }
    }
    Ok(Error::Sqlite {
        code,
        extended,
        message,
        row,
    })
}

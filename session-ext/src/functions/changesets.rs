//! Functions on changesets and patchsets.

use std::borrow::Cow;

use base64::Engine;
use sqlite_abi::{
    Aggregate, Arguments, Code, Column, Connection, Context, Error, FunctionError, FunctionFlags,
    Scan, TableFunction, Value, ValueRef,
};

use super::{FunctionDoc, doc};
use crate::changeset::{self, Change, Field, Group, Position, Reader, check};
use crate::{apply, json};

pub(super) const FUNCTIONS: &[FunctionDoc] = &[
    doc(
        "changeset_apply(changeset [, policy])",
        "JSON: applied, replaced, skipped, mismatched, rebase",
        "applies a changeset or patchset to the main database, all of it or nothing; the policy says what to do about conflicts",
    ),
    doc(
        "changeset_invert(changeset)",
        "blob",
        "the changeset that undoes it",
    ),
    doc(
        "changeset_concat(a, b)",
        "blob",
        "both as one changeset, with at most one change of each row",
    ),
    doc(
        "changeset_group(changeset)",
        "blob",
        "aggregate: all as one changeset, in the order of the rows",
    ),
    doc(
        "changeset_rebase(local, rebase, ...)",
        "blob",
        "the local changeset as if made after others' changes; `rebase` is what `changeset_apply` returned, as base64 or blob",
    ),
    doc(
        "changeset_each(changeset)",
        "table: table, op, indirect, pk, old, new, columns, kind",
        "its changes; pk, old and new are JSON arrays, see below",
    ),
    doc(
        "changeset_check(changeset)",
        "text",
        "`ok`, or the first thing that is wrong with it",
    ),
];

type Answer = Result<Value, FunctionError>;
type Body = fn(&Connection<'_>, &Arguments<'_>) -> Answer;

/// Functions that only compute: name, number of arguments, function.
const PURE: &[(&str, i32, Body)] = &[
    ("changeset_invert", 1, invert),
    ("changeset_concat", 2, concat),
    ("changeset_rebase", -1, rebase),
    ("changeset_check", 1, check_changeset),
];

pub(super) fn register(connection: &Connection<'_>) -> Result<(), Error> {
    for arguments in [1, 2] {
        let flags = FunctionFlags::DIRECTONLY;
        connection.create_scalar("changeset_apply", arguments, flags, apply_changeset)?;
    }
    let pure = FunctionFlags::DETERMINISTIC | FunctionFlags::INNOCUOUS;
    for (name, arguments, body) in PURE {
        connection.create_scalar(name, *arguments, pure, *body)?;
    }
    connection.create_aggregate("changeset_group", 1, pure, false, GroupFunction)?;
    connection.create_table_function(Each)
}

impl From<changeset::Error> for FunctionError {
    fn from(error: changeset::Error) -> Self {
        Self::new(error.to_string()).with_code(error.code())
    }
}

impl From<changeset::Malformed> for FunctionError {
    fn from(malformed: changeset::Malformed) -> Self {
        changeset::Error::from(malformed).into()
    }
}

impl From<apply::Error> for FunctionError {
    fn from(error: apply::Error) -> Self {
        Self::new(error.to_string()).with_code(error.code())
    }
}

/// The first argument; NULL answers NULL.
fn with_changeset(arguments: &Arguments<'_>, body: impl FnOnce(&[u8]) -> Answer) -> Answer {
    match arguments.blob(0)? {
        Some(changeset) => body(changeset),
        None => Ok(Value::Null),
    }
}

fn apply_changeset(connection: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    let policy = arguments.text(1)?;
    with_changeset(arguments, |changeset| {
        let report = apply::apply(connection, changeset, policy)?;
        Ok(Value::from(report.to_json()))
    })
}

fn invert(_: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    with_changeset(arguments, |changeset| {
        Ok(Value::Blob(changeset::invert(changeset)?))
    })
}

/// NULL is no change at all, so that what `LEFT JOIN` or `max()` did not find does no harm.
fn concat(_: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    match (arguments.blob(0)?, arguments.blob(1)?) {
        (None, None) => Ok(Value::Null),
        (a, b) => {
            let [a, b] = [a, b].map(Option::unwrap_or_default);
            Ok(Value::Blob(changeset::concat(a, b)?))
        }
    }
}

fn rebase(_: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    if arguments.is_empty() {
        return Err("changeset_rebase(local, rebase, ...) needs a changeset".into());
    }
    let resolutions: Vec<Cow<'_, [u8]>> = (1..arguments.len())
        .map(|index| resolution(arguments, index))
        .collect::<Result<_, _>>()?;
    with_changeset(arguments, |local| {
        let resolutions = resolutions.iter().map(Cow::as_ref);
        Ok(Value::Blob(changeset::rebase(local, resolutions)?))
    })
}

/// A rebase blob, as it is or in base64. NULL is one without conflicts.
fn resolution<'a>(arguments: &Arguments<'a>, index: usize) -> Result<Cow<'a, [u8]>, FunctionError> {
    match arguments.get(index) {
        ValueRef::Null => Ok(Cow::Borrowed(&[])),
        ValueRef::Text(text) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(text);
            let wrong = |error| {
                let sentence = format!("argument {}: not base64: {error}", index + 1);
                FunctionError::new(sentence).with_code(Code::MISMATCH)
            };
            Ok(Cow::Owned(decoded.map_err(wrong)?))
        }
        _ => Ok(Cow::Borrowed(arguments.blob(index)?.unwrap_or_default())),
    }
}

fn check_changeset(_: &Connection<'_>, arguments: &Arguments<'_>) -> Answer {
    with_changeset(arguments, |changeset| {
        Ok(Value::from(match check(changeset) {
            Ok(()) => "ok".to_owned(),
            Err(problem) => problem.to_string(),
        }))
    })
}

/// `changeset_group`.
struct GroupFunction;

impl Aggregate for GroupFunction {
    type State = Group<'static>;

    fn start(&self, _: &Context<'_>) -> Result<Self::State, FunctionError> {
        Ok(Group::default())
    }

    fn step(
        &self,
        _: &Context<'_>,
        group: &mut Self::State,
        arguments: &Arguments<'_>,
    ) -> Result<(), FunctionError> {
        if let Some(changeset) = arguments.blob(0)? {
            group.add_copy(changeset)?;
        }
        Ok(())
    }

    fn finish(&self, context: &Context<'_>, group: Self::State) -> Result<(), FunctionError> {
        context.set(ValueRef::Blob(&group.output()));
        Ok(())
    }
}

/// `changeset_each`.
struct Each;

const EACH: &[Column] = &[
    Column::new("table", "TEXT"),
    Column::new("op", "TEXT"),
    Column::new("indirect", "INTEGER"),
    Column::new("pk", "TEXT"),
    Column::new("old", "TEXT"),
    Column::new("new", "TEXT"),
    Column::new("columns", "TEXT"),
    Column::new("kind", "TEXT"),
    Column::argument("changeset", "BLOB"),
];

impl TableFunction for Each {
    fn name(&self) -> &'static str {
        "changeset_each"
    }

    fn columns(&self) -> &[Column] {
        EACH
    }

    fn innocuous(&self) -> bool {
        true
    }

    fn scan(
        &self,
        _: &Connection<'_>,
        arguments: &[Option<Value>],
    ) -> Result<Box<dyn Scan>, FunctionError> {
        let bytes = match arguments.first() {
            Some(Some(Value::Blob(bytes))) => bytes.clone(),
            Some(Some(Value::Null)) => Vec::new(),
            _ => return Err("changeset_each(changeset) needs a blob".into()),
        };
        Ok(Box::new(EachScan {
            bytes,
            position: Position::default(),
            row: Vec::new(),
        }))
    }
}

/// One change at a time is decoded.
struct EachScan {
    bytes: Vec<u8>,
    position: Position,
    row: Vec<Value>,
}

impl Scan for EachScan {
    fn advance(&mut self, _: &Connection<'_>) -> Result<bool, FunctionError> {
        let mut reader = Reader::resume(&self.bytes, self.position);
        let change = reader.next().transpose()?;
        self.row = change.as_ref().map(row).unwrap_or_default();
        self.position = reader.position();
        Ok(change.is_some())
    }

    fn value(&self, column: usize) -> ValueRef<'_> {
        self.row.get(column).map_or(ValueRef::Null, Value::as_ref)
    }
}

fn row(change: &Change<'_>) -> Vec<Value> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    change.fields(&mut old, &mut new);
    let record = |fields: &[Field<'_>], exists: bool| {
        let array = json::array(fields.iter().map(|field| field.value()));
        exists.then_some(array)
    };
    let places = change
        .table
        .key
        .iter()
        .map(|place| Some(ValueRef::Integer((*place).into())));
    vec![
        change.table.name.into(),
        change.op.name().into(),
        i64::from(change.indirect).into(),
        json::array(change.keyed().key().map(Field::value)).into(),
        record(&old, change.op != changeset::Op::Insert).into(),
        record(&new, change.op != changeset::Op::Delete).into(),
        json::array(places).into(),
        change.table.kind.name().into(),
    ]
}

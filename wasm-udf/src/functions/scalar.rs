//! `proc_call`, and scalar procedures by their own names.

use sqlite_abi::{
    Arguments, Connection, Context, Error, FunctionError, FunctionFlags, StatementKey, ValueRef,
};

use super::{JSON_SUBTYPE, Running};
use crate::names::Opened;
use crate::signature::Kind;
use crate::types::DataType;

/// Registers `proc_call`, which owns the mark of the open connection.
///
/// # Errors
/// SQLite's.
pub(super) fn register(connection: &Connection<'_>, opened: Opened) -> Result<(), Error> {
    // A statement may call several procedures through `proc_call`.
    let key = StatementKey::<Vec<(String, Running)>>::new();
    let flags = FunctionFlags::RESULT_SUBTYPE | FunctionFlags::DIRECTONLY;
    connection.create_function("proc_call", -1, flags, move |context, arguments| {
        let _ = &opened;
        let Some(name) = arguments.text(0)? else {
            return Err("proc_call needs the name of a procedure as its first argument".into());
        };
        let make = || Ok(Vec::new());
        context.with_statement_data(&key, make, |running| {
            let index = match running.iter().position(|(known, _)| known == name) {
                Some(index) => index,
                None => {
                    let connection = context.connection();
                    let found = Running::start(connection, name, &[Kind::Scalar])?;
                    found.must_be_written(connection, "proc_call")?;
                    running.push((name.to_owned(), found));
                    running.len() - 1
                }
            };
            match running.get_mut(index) {
                Some((_, running)) => call(context, arguments, 1, running),
                None => Ok(()),
            }
        })?
    })
}

/// Registers a scalar procedure under its name.
///
/// # Errors
/// SQLite's.
pub(crate) fn register_named(
    connection: &Connection<'_>,
    name: &str,
    flags: FunctionFlags,
) -> Result<(), Error> {
    let key = StatementKey::<Running>::new();
    let procedure = name.to_owned();
    connection.create_function(name, -1, flags, move |context, arguments| {
        let make = || {
            let connection = context.connection();
            let running = Running::start(connection, &procedure, &[Kind::Scalar])?;
            running.must_be_written(connection, &procedure)?;
            Ok(running)
        };
        context.with_statement_data(&key, make, |running| call(context, arguments, 0, running))?
    })
}

/// Calls with the arguments from `first` on.
#[inline]
fn call(
    context: &Context<'_>,
    arguments: &Arguments<'_>,
    first: usize,
    running: &mut Running,
) -> Result<(), FunctionError> {
    let count = arguments.len() - first;
    let mut sink = |value: ValueRef<'_>, data_type| {
        context.set(value);
        if data_type == DataType::Json {
            context.set_subtype(JSON_SUBTYPE);
        }
    };
    Ok(running.scalar(
        context.connection(),
        count,
        |index| arguments.get(index + first),
        &mut sink,
    )?)
}

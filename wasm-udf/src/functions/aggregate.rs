//! Aggregate and window procedures by their own names.

use std::sync::{Arc, Mutex};

use sqlite_abi::{
    Aggregate, Arguments, Connection, Context, Error, FunctionError, FunctionFlags, StatementKey,
    ValueRef,
};

use super::{JSON_SUBTYPE, Running};
use crate::instance::State;
use crate::process::lock;
use crate::signature::Kind;
use crate::types::DataType;

/// Registers an aggregate procedure under its name.
///
/// # Errors
/// SQLite's.
pub(crate) fn register_named(
    connection: &Connection<'_>,
    name: &str,
    flags: FunctionFlags,
    window: bool,
) -> Result<(), Error> {
    let aggregate = Named {
        name: name.to_owned(),
        key: StatementKey::new(),
    };
    connection.create_aggregate(name, -1, flags, window, aggregate)
}

struct Named {
    name: String,
    key: StatementKey<Arc<Mutex<Running>>>,
}

/// A group: the instance it lives in, which all groups of the statement share, and its state there.
struct Group {
    running: Arc<Mutex<Running>>,
    state: State,
}

impl Named {
    fn step(
        &self,
        context: &Context<'_>,
        group: &Group,
        backwards: bool,
        arguments: &Arguments<'_>,
    ) -> Result<(), FunctionError> {
        let connection = context.connection();
        let mut running = lock(&group.running);
        running.procedure.must_take(arguments.len())?;
        Ok(alive(&mut running, |running| {
            running.with_instance(connection, |instance| {
                instance.step(connection, group.state, backwards, |index| {
                    arguments.get(index)
                })
            })
        })?)
    }

    fn result(&self, context: &Context<'_>, group: &Group, end: bool) -> Result<(), FunctionError> {
        let connection = context.connection();
        let mut sink = |value: ValueRef<'_>, data_type| {
            context.set(value);
            if data_type == DataType::Json {
                context.set_subtype(JSON_SUBTYPE);
            }
        };
        let mut running = lock(&group.running);
        Ok(alive(&mut running, |running| {
            running.with_instance(connection, |instance| {
                instance.value(connection, group.state, end, &mut sink)
            })
        })?)
    }
}

/// The states of an instance that failed are gone with it: what still comes for them, as SQLite
/// ends the statement, has nothing to do.
fn alive(
    running: &mut Running,
    body: impl FnOnce(&mut Running) -> crate::error::Result<()>,
) -> crate::error::Result<()> {
    if running.has_instance() {
        body(running)
    } else {
        Ok(())
    }
}

impl Aggregate for Named {
    type State = Group;

    fn start(&self, context: &Context<'_>) -> Result<Group, FunctionError> {
        let connection = context.connection();
        let make = || {
            let kinds = [Kind::Aggregate, Kind::Window];
            let running = Running::start(connection, &self.name, &kinds)?;
            running.must_be_written(connection, &self.name)?;
            Ok(Arc::new(Mutex::new(running)))
        };
        let running =
            context.with_statement_data(&self.key, make, |running| Arc::clone(running))?;
        let state =
            lock(&running).with_instance(connection, |instance| instance.init(connection))?;
        Ok(Group { running, state })
    }

    fn step(
        &self,
        context: &Context<'_>,
        group: &mut Group,
        arguments: &Arguments<'_>,
    ) -> Result<(), FunctionError> {
        self.step(context, group, false, arguments)
    }

    fn finish(&self, context: &Context<'_>, group: Group) -> Result<(), FunctionError> {
        self.result(context, &group, true)
    }

    fn value(&self, context: &Context<'_>, group: &mut Group) -> Result<(), FunctionError> {
        self.result(context, group, false)
    }

    fn inverse(
        &self,
        context: &Context<'_>,
        group: &mut Group,
        arguments: &Arguments<'_>,
    ) -> Result<(), FunctionError> {
        self.step(context, group, true, arguments)
    }
}

//! Plans of statements, kept with the SQLite statements made of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, Statement};

use super::Session;
use super::failure::Result;
use super::generations::Generations;
use crate::error::PgError;
use crate::sql::{self, Action, Column, Parsed, Plan, Tag};
use crate::types::{Oid, Type};

/// Texts kept; twice as many at most.
const KEPT: usize = 256;
/// Longer texts are not worth the memory: they are hardly ever sent twice.
const LONGEST: usize = 32 * 1024;

/// A plan with what is needed to know whether it still holds.
#[derive(Debug)]
pub(super) struct Planned<'s> {
    pub(super) plan: Plan,
    /// Types that the client gave.
    given: Vec<Oid>,
    schema: u64,
    settings: u64,
    /// A SQLite statement that nobody uses at the moment.
    idle: RefCell<Option<Statement<'s>>>,
}

impl<'s> Planned<'s> {
    /// A statement of SQLite's for it: the one from last time, or a new one.
    pub(super) fn take(
        &self,
        connection: &'s Connection,
        sql: &str,
    ) -> rusqlite::Result<Statement<'s>> {
        match self.idle.take() {
            Some(statement) => Ok(statement),
            None => prepare(connection, sql),
        }
    }

    /// Keeps a statement for the next time. It has been reset.
    pub(super) fn give_back(&self, mut statement: Statement<'s>) {
        statement.clear_bindings();
        *self.idle.borrow_mut() = Some(statement);
    }

    /// It changes the schema.
    pub(super) fn changes_schema(&self) -> bool {
        match (&self.plan.action, &self.plan.tag) {
            (Action::Script(_), _) => true,
            (Action::Run(_), Tag::Plain(_)) => !self.plan.read_only,
            _ => false,
        }
    }
}

fn prepare<'s>(connection: &'s Connection, sql: &str) -> rusqlite::Result<Statement<'s>> {
    connection.prepare_with_flags(sql, rusqlite::PrepFlags::SQLITE_PREPARE_PERSISTENT)
}

/// See the module.
#[derive(Debug)]
pub(super) struct Plans<'s> {
    /// Statements of a text.
    texts: Generations<Rc<[Parsed]>>,
    /// Plans of a statement, one for each list of types that clients gave.
    plans: Generations<Rc<RefCell<Vec<Rc<Planned<'s>>>>>>,
}

impl Plans<'_> {
    pub(super) fn new() -> Self {
        Self {
            texts: Generations::new(KEPT),
            plans: Generations::new(KEPT),
        }
    }

    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.plans.clear();
    }
}

impl<'s> Session<'s> {
    /// The statements of a text.
    pub(super) fn parse(&mut self, text: &str) -> Result<Rc<[Parsed]>> {
        if let Some(parsed) = self.plans.texts.get(text) {
            return Ok(parsed);
        }
        let parsed: Rc<[Parsed]> = sql::parse(text)?.into();
        if text.len() <= LONGEST {
            self.plans.texts.insert(text.into(), Rc::clone(&parsed));
        }
        Ok(parsed)
    }

    /// A plan that holds now.
    pub(super) fn plan(&mut self, parsed: &Parsed, given: &[Oid]) -> Result<Rc<Planned<'s>>> {
        let Some(known) = self.plans.plans.get(&parsed.text) else {
            let planned = Rc::new(self.make_plan(parsed, given)?);
            if parsed.text.len() <= LONGEST {
                let plans = Rc::new(RefCell::new(vec![Rc::clone(&planned)]));
                self.plans.plans.insert(Box::from(&*parsed.text), plans);
            }
            return Ok(planned);
        };
        let place = known
            .borrow()
            .iter()
            .position(|planned| planned.given == given);
        if let Some(place) = place {
            let planned = Rc::clone(&known.borrow()[place]);
            if self.holds(&planned) {
                return Ok(planned);
            }
        }
        let planned = Rc::new(self.make_plan(parsed, given)?);
        let mut plans = known.borrow_mut();
        match place {
            Some(place) => plans[place] = Rc::clone(&planned),
            None => plans.push(Rc::clone(&planned)),
        }
        Ok(planned)
    }

    /// Nothing has changed on which the plan depends.
    pub(super) fn holds(&self, planned: &Planned<'_>) -> bool {
        planned.schema == self.common.schema.load(Ordering::Acquire)
            && planned.settings == self.state.borrow().plan_version()
    }

    fn make_plan(&self, parsed: &Parsed, given: &[Oid]) -> Result<Planned<'s>> {
        // Read first: a change that comes while the plan is made makes it stale.
        let schema = self.common.schema.load(Ordering::Acquire);
        let state = self.state.borrow();
        let mut plan = if parsed.text.is_empty() {
            nothing()
        } else {
            state.known.hold(self.connection, schema)?;
            sql::plan(self.connection, &state, parsed, given)
                .map_err(|error| moved(error, parsed.offset))?
        };
        let mut idle = None;
        if let (Action::Run(sql), None) = (&plan.action, &plan.columns) {
            let statement = prepare(self.connection, sql)?;
            if statement.column_count() > 0 {
                plan.columns = Some(as_they_are(&statement));
            }
            idle = Some(statement);
        }
        Ok(Planned {
            plan,
            given: given.to_vec(),
            schema,
            settings: state.plan_version(),
            idle: RefCell::new(idle),
        })
    }

    /// What a statement's result looks like, also where it is that of another one.
    pub(super) fn columns(&mut self, planned: &Planned<'s>) -> Result<Option<Arc<[Column]>>> {
        let of_portal = |portal: Option<&super::portal::Portal<'s>>| {
            portal.and_then(|portal| portal.columns.clone())
        };
        Ok(match &planned.plan.action {
            Action::Fetch {
                name,
                discard: false,
                ..
            } => of_portal(self.portals.get(name.as_str())),
            Action::Execute { name, .. } => match self.prepared.get(name) {
                Ok(prepared) => {
                    let planned = Rc::clone(&prepared.planned);
                    self.columns(&planned)?
                }
                Err(_) => None,
            },
            Action::Show(name) => Some(super::settings::shown_columns(name).into()),
            _ => planned.plan.columns.clone().map(Arc::from),
        })
    }
}

/// The plan of an empty text.
fn nothing() -> Plan {
    Plan {
        action: Action::Empty,
        tag: Tag::Plain(String::new()),
        parameters: Vec::new(),
        columns: None,
        read_only: true,
    }
}

/// An error's position within the whole text.
pub(super) fn moved(mut error: PgError, offset: usize) -> PgError {
    error.position = error.position.map(|position| position + offset);
    error
}

/// Columns as SQLite names them, for statements that the planner does not know.
fn as_they_are(statement: &Statement<'_>) -> Vec<Column> {
    statement
        .column_names()
        .map(|name| Column {
            name: name.to_owned(),
            ty: Type::TEXT,
            table: 0,
            number: 0,
        })
        .collect()
}

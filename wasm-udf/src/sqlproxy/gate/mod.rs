//! Which SQL a procedure may run.
//!
//! The text comes from a program nobody trusts, and runs with the rights of the host's own
//! statements: SQLite's authorizer belongs to the host, and can be neither chained nor put back.
//! So the text is judged before SQLite sees it, by its tokens:
//!
//! | looked at | refused |
//! | --- | --- |
//! | the verb | all but reading, and with the grant `write` changing, tables |
//! | every name before `(` that is not a table's with its columns, and the operators that call functions | functions that are not innocuous, or direct-only, unless they are procedures |
//! | every name | virtual tables that reach outside of the database |
//! | every name of a statement that writes | the schema's own tables, the procedures' table |
//! | what its tables are made of, and theirs | more than the thread has stack for, or what takes long to compile |
//!
//! Names are compared wherever they stand: what a name means is SQLite's to say, and may change
//! when it compiles a statement again. So a refused name is refused as a column's too.

mod catalog;
mod depth;
mod positions;
mod tokens;

use sqlite_abi::Code;

use crate::nesting;

pub(crate) use catalog::{Age, Catalog};
use depth::Reach;
pub use tokens::{Illegal, Kind, Token, tokenize};

/// What a procedure may do with SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// `"sql": "read"`.
    Read,
    /// `"sql": "write"`.
    Write,
}

/// The table that procedures are kept in.
const PROCEDURES: &str = "sqlbridge_procedures";

/// Functions that are refused also where they do not exist yet: what a procedure writes into the
/// schema may be read by another program.
const FUNCTIONS: [&str; 5] = [
    "edit",
    "fts3_tokenizer",
    "load_extension",
    "readfile",
    "writefile",
];

/// Operators that call the function of their name, and words that are calls without `(`.
const OPERATORS: [&str; 9] = [
    "->",
    "->>",
    "current_date",
    "current_time",
    "current_timestamp",
    "glob",
    "like",
    "match",
    "regexp",
];

const READING: [&str; 3] = ["select", "values", "with"];
const CHANGING: [&str; 9] = [
    "insert", "update", "delete", "replace", "create", "drop", "alter", "analyze", "reindex",
];
/// The PRAGMAs whose value says what is to be described; that of others is set.
const PRAGMAS_OF_SOMETHING: [&str; 10] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];
/// The one that may be set: until the transaction ends, foreign keys are looked at when it does. Nothing of
/// it lasts, and nothing gets into the database that would not have otherwise.
const DEFERRING: &str = "defer_foreign_keys";
const TRANSACTIONS: [&str; 6] = ["begin", "commit", "end", "rollback", "savepoint", "release"];

/// Most SELECTs of a text. Each may stand inside of the one before, as the tables of a WITH do, and SQLite
/// takes stack for that, and compiles for ever without looking for an interrupt.
const MOST_SELECTS: usize = 500;

/// Most SELECTs of a text and of the views that it reads, each as often as it is compiled. SQLite needs some
/// 100 ms for these, and the square of the time for more.
const MOST_COMPILED: usize = 4000;

/// Most bytes of the values that a statement computes at a time: SQLite looks for no interrupt while it makes
/// them, and their memory is the host's.
const MOST_HELD: usize = 1 << 30;
/// Most values that a statement computes at a time, with 100 KB for each.
const MOST_VALUES: usize = 10_000;

/// Why a text is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the SQL has {} at byte {}", .0.what, .0.at)]
    Illegal(Illegal),
    #[error("the SQL text holds no statement")]
    Empty,
    #[error("the SQL text holds more than one statement; send them one by one, or as a batch")]
    Several,
    #[error("the SQL has more than {} SELECTs", MOST_SELECTS)]
    Selects,
    #[error(
        "the views of this statement, and the views that they are made of, come to more than {} SELECTs",
        MOST_COMPILED
    )]
    Compiled,
    #[error(
        "the statement's views, or triggers, stand more than {} deep inside of each other",
        MOST_SELECTS
    )]
    Deep,
    #[error(
        "the statement, with the views and triggers that it leads to, computes more than {} values",
        MOST_VALUES
    )]
    Values,
    #[error(
        "SQLite may need {} KB of stack for this statement, with the views, triggers, foreign keys and \
         expressions that it leads to; the calling thread has less than that left",
        .0 >> 10
    )]
    Stack(usize),
    #[error("{0} is not for guests")]
    Verb(String),
    #[error(
        "this statement changes the database, and its grant is \"sql\": \"read\"; \
         it needs \"sql\": \"write\""
    )]
    ReadOnly,
    #[error("the function {0}() is not for guests, because SQLite does not know it as innocuous")]
    Function(String),
    #[error(
        "{0} is the name of a virtual table that is not for guests; a table or column of that \
         name is out of reach too (a string of that name has to be a parameter)"
    )]
    Module(String),
    #[error("{table} is a virtual table of the kind {module}, which is not for guests")]
    VirtualTable { table: String, module: String },
    #[error("a guest may not change {0}, nor read it in a statement that changes something")]
    Protected(String),
    #[error("ROLLBACK as an answer to a conflict would end the transaction of the caller")]
    RollsBack,
    #[error(
        "this program's SQLite was built without PRAGMA {0}, which is needed to tell what a guest may use"
    )]
    NoIntrospection(&'static str),
    #[error(transparent)]
    Sqlite(#[from] sqlite_abi::Error),
}

impl Refusal {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Illegal(_) => Code::ERROR,
            Self::Empty | Self::Several => Code::MISUSE,
            Self::Selects | Self::Compiled | Self::Deep | Self::Values => Code::TOOBIG,
            Self::Stack(_) => Code::NOMEM,
            Self::Sqlite(error) => error.code,
            _ => Code::AUTH,
        }
    }
}

/// A text as it was read.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    tokens: Vec<Token<'a>>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(sql: &'a str) -> Result<Self, Refusal> {
        let tokens: Vec<_> = tokenize(sql).map_err(Refusal::Illegal)?;
        let statements = tokens.iter().position(|token| !token.is(";"));
        let begin = statements.ok_or(Refusal::Empty)?;
        let selects = tokens.iter().filter(|token| token.is("select")).count();
        if selects > MOST_SELECTS {
            return Err(Refusal::Selects);
        }
        Ok(Self {
            tokens: tokens.into_iter().skip(begin).collect(),
        })
    }

    /// The words of a command that begins or ends a transaction; none for other statements.
    pub(crate) fn transaction(&self) -> Option<Result<Vec<&Token<'a>>, Refusal>> {
        let first = self.tokens.first()?;
        if !TRANSACTIONS.iter().any(|verb| first.is(verb)) {
            return None;
        }
        let end = self.tokens.iter().position(|token| token.is(";"));
        let (words, rest) = self.tokens.split_at(end.unwrap_or(self.tokens.len()));
        Some(if rest.iter().all(|token| token.is(";")) {
            Ok(words.iter().collect())
        } else {
            Err(Refusal::Several)
        })
    }

    /// Whether it may make a schema deeper than it was.
    pub(crate) fn deepens(&self) -> bool {
        depth::deepens(&self.tokens)
    }

    /// How far it looks beyond what it names.
    fn reach(&self) -> Option<Reach> {
        let statement = self.explained();
        let verb = statement.first()?;
        let mut names = statement.iter().filter_map(Token::name);
        if verb.is("alter") || verb.is("pragma") || names.any(|name| name.starts_with("pragma_")) {
            return Some(Reach::Views);
        }
        // These may delete rows of tables, or compute what is in an index.
        let others = ["drop", "create", "analyze", "reindex"];
        others
            .iter()
            .any(|other| verb.is(other))
            .then_some(Reach::Any)
    }

    /// The statement without EXPLAIN.
    fn explained(&self) -> &[Token<'a>] {
        match self.tokens.as_slice() {
            [explain, query, plan, rest @ ..]
                if explain.is("explain") && query.is("query") && plan.is("plan") =>
            {
                rest
            }
            [explain, rest @ ..] if explain.is("explain") => rest,
            all => all,
        }
    }
}

/// Checks that SQLite left nothing of a text but white space.
pub(crate) fn only(rest: &str) -> Result<(), Refusal> {
    match tokenize(rest)
        .map_err(Refusal::Illegal)?
        .iter()
        .all(|token| token.is(";"))
    {
        true => Ok(()),
        false => Err(Refusal::Several),
    }
}

/// What a text is judged by.
pub(crate) struct Gate<'a> {
    pub(crate) grant: Grant,
    pub(crate) catalog: &'a Catalog,
    /// Whether a name is a procedure that may be called.
    pub(crate) callable: &'a dyn Fn(&str) -> bool,
    /// A kind of virtual tables that is not refused.
    pub(crate) tables: Option<&'static str>,
}

impl Gate<'_> {
    /// Judges a text that is no transaction command, before SQLite compiles it.
    pub(crate) fn admit(&self, text: &Text<'_>) -> Result<(), Refusal> {
        self.verb(text)?;
        for index in 0..text.tokens.len() {
            self.token(&text.tokens, index)?;
        }
        self.must_fit(text)
    }

    /// Judges whether SQLite can compile a text on this thread. To be asked wherever it does.
    fn must_fit(&self, text: &Text<'_>) -> Result<(), Refusal> {
        if depth::is_only_read(text.explained()) {
            return Ok(());
        }
        let cost = self.catalog.depths.cost(text.explained(), text.reach());
        if cost.selects > MOST_COMPILED {
            return Err(Refusal::Compiled);
        }
        if cost.levels > MOST_SELECTS {
            return Err(Refusal::Deep);
        }
        if cost.values > MOST_VALUES {
            return Err(Refusal::Values);
        }
        if nesting::has_stack(cost.stack) {
            Ok(())
        } else {
            Err(Refusal::Stack(cost.stack))
        }
    }

    /// The most that a value of a compiled text may have, so that the host has memory for all that it computes
    /// at a time.
    pub(crate) fn most_bytes(&self, text: &Text<'_>, columns: usize) -> usize {
        let cost = self.catalog.depths.cost(text.explained(), None);
        MOST_HELD / cost.values.max(columns).max(1)
    }

    /// Whether a text may use a virtual table of the kind that is not refused, by its name, through a view (of
    /// the temporary schema, which SQLite trusts) or in a trigger.
    pub(crate) fn leads_to_table(&self, text: &Text<'_>) -> bool {
        let mut names = text.tokens.iter().filter_map(Token::name);
        names.any(|name| self.catalog.refused_table(&name).is_some())
            || self.catalog.depths.cost(text.explained(), None).refused
    }

    /// Judges the same text when SQLite has said whether it changes a database.
    pub(crate) fn admit_compiled(&self, text: &Text<'_>, readonly: bool) -> Result<(), Refusal> {
        if readonly {
            return Ok(());
        }
        self.changing(text)
    }

    /// Judges a statement that changes something.
    fn changing(&self, text: &Text<'_>) -> Result<(), Refusal> {
        if self.grant == Grant::Read {
            return Err(Refusal::ReadOnly);
        }
        let names = text.tokens.iter().filter_map(Token::name);
        let protected = names.into_iter().find(|name| is_protected(name));
        protected.map_or(Ok(()), |name| Err(Refusal::Protected(name.into_owned())))
    }

    fn verb(&self, text: &Text<'_>) -> Result<(), Refusal> {
        let statement = text.explained();
        let verb = statement.first().ok_or(Refusal::Empty)?;
        if READING.iter().any(|reading| verb.is(reading)) {
            return Ok(());
        }
        if verb.is("pragma") {
            return self.pragma(statement);
        }
        if !CHANGING.iter().any(|changing| verb.is(changing)) {
            let shown: String = verb.text.chars().take(32).collect();
            return Err(Refusal::Verb(shown.to_ascii_uppercase()));
        }
        if verb.is("create") && statement.get(1).is_some_and(|next| next.is("virtual")) {
            return Err(Refusal::Verb("CREATE VIRTUAL TABLE".to_owned()));
        }
        self.changing(text)
    }

    /// `PRAGMA schema.name`, `PRAGMA name(value)`, `PRAGMA name = value`: of those that describe,
    /// and a value only where it says what of.
    fn pragma(&self, statement: &[Token<'_>]) -> Result<(), Refusal> {
        let end = statement.iter().position(|token| token.is(";"));
        let words = &statement[1..end.unwrap_or(statement.len())];
        let (name, value) = match words {
            [_, dot, name, value @ ..] if dot.is(".") => (name, value),
            [name, value @ ..] => (name, value),
            [] => return Err(Refusal::Verb("PRAGMA".to_owned())),
        };
        let known = name.name().unwrap_or_default();
        let asks = if value.is_empty() {
            catalog::PRAGMAS.contains(&&*known)
        } else {
            PRAGMAS_OF_SOMETHING.contains(&&*known)
        };
        if asks {
            return Ok(());
        }
        if known == DEFERRING {
            return match self.grant {
                Grant::Write => Ok(()),
                Grant::Read => Err(Refusal::ReadOnly),
            };
        }
        let shown: String = known.chars().take(32).collect();
        Err(Refusal::Verb(if catalog::PRAGMAS.contains(&&*known) {
            format!("setting PRAGMA {shown}")
        } else {
            format!("PRAGMA {shown}")
        }))
    }

    fn token(&self, tokens: &[Token<'_>], index: usize) -> Result<(), Refusal> {
        let (before, after) = tokens.split_at(index);
        let [token, after @ ..] = after else {
            return Ok(());
        };
        let before = before.last();
        if token.is("rollback")
            && before
                .is_some_and(|before| ["or", "conflict", "("].iter().any(|word| before.is(word)))
        {
            return Err(Refusal::RollsBack);
        }
        if OPERATORS.iter().any(|operator| token.is(operator)) {
            self.function(&token.text.to_ascii_lowercase())?;
        }
        let Some(name) = token.name() else {
            return Ok(());
        };
        if token.kind != Kind::Text
            && after.first().is_some_and(|after| after.is("("))
            && !positions::names_a_table(tokens, index)
        {
            self.function(&name)?;
        }
        if token.kind == Kind::Text && before.is_some_and(precedes_value) {
            return Ok(());
        }
        self.table(&name)
    }

    fn function(&self, name: &str) -> Result<(), Refusal> {
        let harmless = self.catalog.function(name).unwrap_or(true) && !FUNCTIONS.contains(&name);
        if harmless || (self.callable)(name) {
            Ok(())
        } else {
            Err(Refusal::Function(name.to_owned()))
        }
    }

    fn table(&self, name: &str) -> Result<(), Refusal> {
        if self.catalog.is_refused_module(name) && !(self.callable)(name) {
            return Err(Refusal::Module(name.to_owned()));
        }
        match self.catalog.refused_table(name) {
            Some(module) if self.tables == Some(module) => Ok(()),
            Some(module) => Err(Refusal::VirtualTable {
                table: name.to_owned(),
                module: module.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Whether a text after this token is surely a value. SQLite takes a text for a name where only a
/// name can stand: `FROM 'csv'`, `UPDATE OR IGNORE 'csv'`, `main.'csv'`, …
fn precedes_value(token: &Token<'_>) -> bool {
    const WORDS: [&str; 22] = [
        "select",
        "distinct",
        "all",
        "where",
        "having",
        "and",
        "not",
        "is",
        "between",
        "like",
        "glob",
        "match",
        "regexp",
        "escape",
        "case",
        "when",
        "then",
        "else",
        "default",
        "limit",
        "offset",
        "returning",
    ];
    match token.kind {
        Kind::Mark => !["(", ",", ".", ";"].contains(&token.text),
        _ => WORDS.iter().any(|word| token.is(word)),
    }
}

fn is_protected(name: &str) -> bool {
    const SCHEMA: [&str; 4] = [
        "sqlite_master",
        "sqlite_schema",
        "sqlite_temp_master",
        "sqlite_temp_schema",
    ];
    name == PROCEDURES || SCHEMA.contains(&name)
}

//! What a connection has: its functions, its kinds of virtual tables, and the virtual tables in
//! its schemas. Asked for with PRAGMA statements: a table-valued `pragma_…` could be shadowed by a
//! table of that name in a hostile database.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use sqlite_abi::{Connection, Value};

use super::Refusal;
use super::depth::Depths;
use super::tokens::{Kind, Token, Tokens};

/// Kinds of virtual tables that reach nothing but their arguments and the database.
const MODULES: [&str; 13] = [
    "fts3",
    "fts4",
    "fts4aux",
    "fts5",
    "fts5vocab",
    "generate_series",
    "geopoly",
    "json_each",
    "json_tree",
    "jsonb_each",
    "jsonb_tree",
    "rtree",
    "rtree_i32",
];

/// The PRAGMAs that describe a database and change nothing, also as table-valued functions. The others
/// are refused: `pragma_optimize` writes.
pub(super) const PRAGMAS: [&str; 25] = [
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "quick_check",
    "schema_version",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Placeholders that full-text search makes for its functions. They do something inside a query of
/// such a table only, where the table puts its own function in their place. They cannot be told
/// from a host's own functions of these names, which pass.
const PLACEHOLDERS: [&str; 6] = [
    "bm25",
    "highlight",
    "match",
    "matchinfo",
    "offsets",
    "snippet",
];

/// `SQLITE_INNOCUOUS` and `SQLITE_DIRECTONLY`.
const INNOCUOUS: i64 = 0x20_0000;
const DIRECT_ONLY: i64 = 0x8_0000;

/// What a connection has. Names are in lower case.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Every function, and whether all that have its name are harmless.
    functions: HashMap<String, bool>,
    /// Kinds of virtual tables that are not for guests.
    modules: HashSet<String>,
    /// Virtual tables of such kinds, with their kind.
    tables: HashMap<String, String>,
    pub(super) depths: Depths,
    /// Of which time the schemas are.
    age: Age,
}

/// How often guests of this process have made schemas deeper. What was judged at another age is to be judged
/// again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(u64);

static AGE: AtomicU64 = AtomicU64::new(0);

impl Age {
    pub(crate) fn now() -> Self {
        Self(AGE.load(Ordering::Acquire))
    }

    /// A guest is about to make a schema deeper.
    pub(crate) fn ends() {
        AGE.fetch_add(1, Ordering::AcqRel);
    }
}

impl Catalog {
    /// Asks the connection.
    pub(crate) fn load(connection: &Connection<'_>) -> Result<Self, Refusal> {
        let mut catalog = Self::default();
        catalog.load_functions(connection)?;
        catalog.load_modules(connection)?;
        catalog.load_tables(connection)?;
        Ok(catalog)
    }

    /// Asks again what guests may have made deeper since.
    pub(crate) fn refresh(&mut self, connection: &Connection<'_>) -> Result<(), Refusal> {
        if self.age == Age::now() {
            return Ok(());
        }
        self.load_tables(connection)
    }

    /// Whether a function is harmless; none if there is no such function.
    pub(crate) fn function(&self, name: &str) -> Option<bool> {
        self.functions.get(name).copied()
    }

    /// Whether a name is that of a kind of virtual tables which is not for guests. SQLite makes
    /// those for PRAGMAs when they are first named, so they are in no list.
    pub(crate) fn is_refused_module(&self, name: &str) -> bool {
        match name.strip_prefix("pragma_") {
            Some(pragma) => !PRAGMAS.contains(&pragma),
            None => self.modules.contains(name),
        }
    }

    /// The kind of a virtual table that is not for guests.
    pub(crate) fn refused_table(&self, name: &str) -> Option<&str> {
        self.tables.get(name).map(String::as_str)
    }

    fn load_functions(&mut self, connection: &Connection<'_>) -> Result<(), Refusal> {
        let columns = ["name", "builtin", "flags"];
        let mut rows = Pragma::new(connection, "function_list", &columns)?;
        while let Some([name, builtin, flags]) = rows.next()? {
            let (Value::Text(name), Value::Integer(flags)) = (name, flags) else {
                return Err(Refusal::NoIntrospection("function_list"));
            };
            let name = name.to_ascii_lowercase();
            let harmless = match flags & (INNOCUOUS | DIRECT_ONLY) {
                INNOCUOUS => true,
                0 if builtin == Value::Integer(1) => is_json(&name),
                0 => PLACEHOLDERS.contains(&name.as_str()),
                _ => false,
            };
            *self.functions.entry(name).or_insert(true) &= harmless;
        }
        if self.functions.is_empty() {
            return Err(Refusal::NoIntrospection("function_list"));
        }
        Ok(())
    }

    fn load_modules(&mut self, connection: &Connection<'_>) -> Result<(), Refusal> {
        let mut rows = Pragma::new(connection, "module_list", &["name"])?;
        while let Some([name]) = rows.next()? {
            let Value::Text(name) = name else {
                return Err(Refusal::NoIntrospection("module_list"));
            };
            let name = name.to_ascii_lowercase();
            if !MODULES.contains(&name.as_str()) {
                self.modules.insert(name);
            }
        }
        Ok(())
    }

    /// SQLite goes by the text of a schema's entry, whatever else the entry says about itself.
    fn load_tables(&mut self, connection: &Connection<'_>) -> Result<(), Refusal> {
        let age = Age::now();
        let mut schemas = Vec::new();
        let mut rows = Pragma::new(connection, "database_list", &["name"])?;
        while let Some([name]) = rows.next()? {
            if let Value::Text(name) = name {
                schemas.push(name);
            }
        }
        for schema in schemas {
            let schema = schema.replace('"', "\"\"");
            let mut entries =
                connection.prepare(&format!("SELECT sql FROM \"{schema}\".sqlite_master"))?;
            while entries.step()? {
                let Value::Text(sql) = entries.column(0).unwrap_or_default() else {
                    continue;
                };
                let tokens: Vec<_> = Tokens::new(&sql).map_while(Result::ok).collect();
                if let Some((table, module)) = virtual_table(&tokens) {
                    self.depths.refuse(&table);
                    self.tables.insert(table, module);
                }
                self.depths.add(&tokens);
            }
        }
        self.depths.settle();
        self.age = age;
        Ok(())
    }
}

/// SQLite before 3.41 forgets to call its JSON functions innocuous.
fn is_json(name: &str) -> bool {
    name.starts_with("json") || name == "->" || name == "->>"
}

/// The name and the kind of the virtual table that an entry of a schema creates, if it is not for
/// procedures.
fn virtual_table(tokens: &[Token<'_>]) -> Option<(String, String)> {
    let mut tokens = tokens.iter();
    if !(tokens.next()?.is("create") && tokens.next()?.is("virtual") && tokens.next()?.is("table"))
    {
        return None;
    }
    let mut table = tokens.next()?;
    if table.is("if") {
        table = tokens.nth(2)?;
    }
    let mut next = tokens.next()?;
    if next.is(".") {
        table = tokens.next()?;
        next = tokens.next()?;
    }
    let table = table.name()?.into_owned();
    let module = if next.is("using") {
        tokens.next()?.name()?.into_owned()
    } else {
        return Some((table, "unknown".to_owned()));
    };
    // These two options of the full-text tables call functions by name.
    let mut calls = tokens.filter(|token| token.kind == Kind::Word);
    let calls = calls.any(|word| word.is("compress") || word.is("uncompress"));
    (calls || !MODULES.contains(&module.as_str())).then_some((table, module))
}

/// The rows of a PRAGMA that lists something.
struct Pragma<'c, const N: usize> {
    statement: sqlite_abi::Statement<'c>,
    columns: [usize; N],
}

impl<'c, const N: usize> Pragma<'c, N> {
    fn new(
        connection: &'c Connection<'c>,
        name: &'static str,
        columns: &[&str; N],
    ) -> Result<Self, Refusal> {
        let statement = connection.prepare(&format!("PRAGMA {name}"))?;
        let names: Vec<String> = (0..statement.column_count())
            .map(|index| statement.column_name(index))
            .collect();
        let mut places = [0; N];
        for (place, column) in places.iter_mut().zip(columns) {
            *place = names
                .iter()
                .position(|name| name == column)
                .ok_or(Refusal::NoIntrospection(name))?;
        }
        Ok(Self {
            statement,
            columns: places,
        })
    }

    fn next(&mut self) -> Result<Option<[Value; N]>, Refusal> {
        if !self.statement.step()? {
            return Ok(None);
        }
        let mut row = [const { Value::Null }; N];
        for (value, column) in row.iter_mut().zip(self.columns) {
            *value = self.statement.column(column)?;
        }
        Ok(Some(row))
    }
}

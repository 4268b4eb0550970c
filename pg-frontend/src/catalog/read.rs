//! Reads the [`Model`] from the database.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _};

use super::ddl::{self, ConstraintText, Rule};
use super::model::{Class, Column, Identity, Model, Namespace, Sequence, Table, Trigger};
use super::oids::{Allocator, INFORMATION_SCHEMA, Kind, PG_CATALOG, PUBLIC};
use super::read_keys::TableTexts;
use super::text;
use crate::sql::schema::{self, Key};
use crate::types::Oid;

/// The schema of temporary tables.
const TEMPORARY: &str = "pg_temp_1";

/// Reads everything that the catalog describes. `version` is the schema cookie that it was asked for.
///
/// A table or view that SQLite cannot describe (a view of a dropped table) has no columns.
pub(super) fn read(connection: &Connection, version: i64) -> rusqlite::Result<Model> {
    let mut reader = Reader {
        connection,
        ids: Allocator::default(),
        taken: HashSet::new(),
        model: Model {
            version,
            ..Model::default()
        },
    };
    reader.namespaces()?;
    reader.tables()?;
    reader.sequences()?;
    reader.enums()?;
    reader.comments()?;
    Ok(reader.model)
}

pub(super) struct Reader<'c> {
    pub(super) connection: &'c Connection,
    pub(super) ids: Allocator,
    /// Names of relations that are taken, by schema.
    taken: HashSet<(Oid, String)>,
    pub(super) model: Model,
}

/// A row of `sqlite_schema`.
struct Object {
    kind: String,
    name: String,
    sql: String,
}

/// `sqlite_schema`, sorted out.
#[derive(Default)]
struct Texts {
    /// Tables and views, in the order of their creation.
    tables: Vec<Object>,
    /// By name.
    indexes: HashMap<String, String>,
    /// By their table's name.
    triggers: HashMap<String, Vec<Object>>,
}

impl Reader<'_> {
    fn namespaces(&mut self) -> rusqlite::Result<()> {
        let built_in = [
            (PG_CATALOG, "pg_catalog"),
            (99, "pg_toast"),
            (PUBLIC, "public"),
        ];
        let built_in = built_in.map(|(oid, name)| (oid, name.to_owned()));
        self.model.namespaces = built_in
            .into_iter()
            .chain([(INFORMATION_SCHEMA, "information_schema".to_owned())])
            .map(|(oid, name)| Namespace { oid, name })
            .collect();
        let made = if self.has("pg_frontend_schemas")? {
            self.strings("SELECT name FROM pg_frontend_schemas ORDER BY name")?
        } else {
            Vec::new()
        };
        for name in made {
            if self.model.namespaces.iter().all(|each| each.name != name) {
                let oid = self.ids.take(Kind::Namespace, &name);
                self.model.namespaces.push(Namespace { oid, name });
            }
        }
        Ok(())
    }

    /// The main database has a table of this name.
    pub(super) fn has(&self, table: &str) -> rusqlite::Result<bool> {
        self.connection
            .query_row(
                "SELECT 1 FROM main.sqlite_schema WHERE name = ?1",
                [table],
                |_| Ok(()),
            )
            .optional()
            .map(|found| found.is_some())
    }

    pub(super) fn strings(&self, sql: &str) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect()
    }

    /// The schema and the name in it of what SQLite calls `stored`.
    pub(super) fn place(&self, stored: &str) -> (Oid, String) {
        if let Some((schema, name)) = stored.split_once('.') {
            let mut namespaces = self.model.namespaces.iter();
            if let Some(found) = namespaces.find(|each| each.name == schema) {
                return (found.oid, name.to_owned());
            }
        }
        (PUBLIC, stored.to_owned())
    }

    fn tables(&mut self) -> rusqlite::Result<()> {
        let estimates = self.estimates()?;
        for schema in ["main", "temp"] {
            let texts = self.texts(schema)?;
            // First all tables' names: an index that has a table's name gets another.
            let places: Vec<(Oid, String)> = texts
                .tables
                .iter()
                .map(|object| self.place_in(schema, &object.name))
                .collect();
            self.taken.extend(places.iter().cloned());
            for (object, (namespace, name)) in texts.tables.iter().zip(places) {
                let stored = object.name.clone();
                let temporary = schema == "temp";
                let key = key(schema, &stored);
                let view = object.kind == "view";
                let mut table = Table {
                    oid: self.ids.take(Kind::Relation, &key),
                    row_type: self.ids.take(Kind::RowType, &key),
                    row_array: self.ids.take(Kind::ArrayOfRows, &key),
                    rule: if view {
                        self.ids.take(Kind::Rule, &key)
                    } else {
                        0
                    },
                    namespace,
                    name,
                    rows: estimates.get(&stored).copied().unwrap_or(-1.0),
                    stored,
                    view,
                    temporary,
                    columns: Vec::new(),
                    indexes: Vec::new(),
                    constraints: Vec::new(),
                    triggers: Vec::new(),
                    sql: object.sql.clone(),
                };
                self.fill(&mut table, schema, &key, &texts)?;
                self.add(table);
            }
        }
        Ok(())
    }

    /// The statements of a schema, but for SQLite's own, the server's own, and tables that virtual
    /// tables keep their data in.
    fn texts(&self, schema: &str) -> rusqlite::Result<Texts> {
        let sql = format!(
            "SELECT s.type, s.name, s.tbl_name, s.sql FROM {schema}.sqlite_schema s
             WHERE s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND s.name NOT LIKE 'pg\\_frontend\\_%' ESCAPE '\\'
             AND s.name NOT IN (SELECT name FROM pragma_table_list WHERE schema = ?1 AND type = 'shadow')
             ORDER BY s.rowid"
        );
        let mut texts = Texts::default();
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([schema])?;
        while let Some(row) = rows.next()? {
            let object = Object {
                kind: row.get(0)?,
                name: row.get(1)?,
                sql: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            };
            match &*object.kind {
                "index" => {
                    texts.indexes.insert(object.name, object.sql);
                }
                "trigger" => texts.triggers.entry(row.get(2)?).or_default().push(object),
                _ => texts.tables.push(object),
            }
        }
        Ok(texts)
    }

    fn place_in(&mut self, schema: &str, stored: &str) -> (Oid, String) {
        if schema != "temp" {
            return self.place(stored);
        }
        let mut namespaces = self.model.namespaces.iter();
        let known = namespaces
            .find(|each| each.name == TEMPORARY)
            .map(|each| each.oid);
        let oid = known.unwrap_or_else(|| {
            let oid = self.ids.take(Kind::Namespace, TEMPORARY);
            let name = TEMPORARY.to_owned();
            self.model.namespaces.push(Namespace { oid, name });
            oid
        });
        (oid, stored.to_owned())
    }

    fn add(&mut self, table: Table) {
        let at = self.model.tables.len();
        let model = &mut self.model;
        model.classes.insert(table.oid, Class::Table(at));
        model
            .names
            .insert((table.namespace, table.name.clone()), table.oid);
        for (number, index) in table.indexes.iter().enumerate() {
            model.classes.insert(index.oid, Class::Index(at, number));
            model
                .names
                .insert((table.namespace, index.name.clone()), index.oid);
        }
        model.tables.push(table);
    }

    /// `ANALYZE`'s counts of rows.
    fn estimates(&self) -> rusqlite::Result<HashMap<String, f64>> {
        if !self.has("sqlite_stat1")? {
            return Ok(HashMap::new());
        }
        let mut statement = self.connection.prepare(
            "SELECT tbl, max(CAST(stat AS INTEGER)) FROM main.sqlite_stat1 WHERE stat IS NOT NULL GROUP BY tbl",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    fn fill(
        &mut self,
        table: &mut Table,
        schema: &str,
        key: &str,
        texts: &Texts,
    ) -> rusqlite::Result<()> {
        self.triggers(table, key, texts);
        let parsed = if table.view {
            ddl::TableText::default()
        } else {
            ddl::table(&table.sql)
        };
        let Ok((primary, rowid)) = self.columns(table, schema, key, &parsed.constraints) else {
            return Ok(());
        };
        if !table.view {
            let of_table = TableTexts {
                schema,
                key,
                constraints: &parsed.constraints,
                indexes: &texts.indexes,
            };
            let by_index = self.indexes(table, &of_table, &primary)?;
            if let ([number], false) = (&*primary, by_index) {
                self.number_rows(table, key, *number, rowid);
            }
            self.other_constraints(table, key, &parsed.constraints);
        }
        Ok(())
    }

    /// Returns the primary key's columns in its order, and what the rowid is if it is one of them.
    fn columns(
        &mut self,
        table: &mut Table,
        schema: &str,
        key: &str,
        texts: &[ConstraintText],
    ) -> rusqlite::Result<(Vec<i16>, Key)> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, ?2) WHERE hidden <> 1",
        )?;
        let mut rows = statement.query([&*table.stored, schema])?;
        let mut primary = Vec::new();
        let view_types = if table.view {
            schema::read_view_header(&table.sql)
        } else {
            None
        };
        let view_types = view_types.map_or_else(Vec::new, |(types, _)| types);
        let mut rowid = Key::Rowid;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let declared: String = row.get::<_, Option<String>>(1)?.unwrap_or_default();
            let place: i16 = row.get(4)?;
            let generated = row.get::<_, i64>(5)? > 1;
            let number = i16::try_from(table.columns.len() + 1).unwrap_or(i16::MAX);
            let mut ty = match view_types.get(table.columns.len()) {
                Some(&ty) => ty,
                None => schema::declared_type(self.connection, &declared),
            };
            let default: Option<String> = row.get(3)?;
            let of_rowid = default.as_deref().and_then(schema::read_key);
            if let Some((key, declared)) = of_rowid {
                rowid = key;
                ty = declared;
            }
            if place > 0 {
                primary.push((place, number));
            }
            let expression: Option<String> = if generated {
                let mut generated = texts.iter().filter(|text| text.columns == [&*name]);
                generated.find_map(|text| match &text.rule {
                    Rule::Generated(expression) => Some(text::expression(expression)),
                    _ => None,
                })
            } else {
                let default = default.filter(|_| of_rowid.is_none());
                default.map(|sql| text::default(&sql, ty))
            };
            let default = expression
                .map(|text| (self.ids.take(Kind::Default, &format!("{key}.{name}")), text));
            table.columns.push(Column {
                number,
                ty,
                not_null: row.get::<_, bool>(2)? || place > 0,
                default,
                generated,
                identity: None,
                name,
            });
        }
        primary.sort_unstable();
        let primary = primary.into_iter().map(|(_, number)| number).collect();
        Ok((primary, rowid))
    }

    /// What gives a table's rowid its value where an `INSERT` gives none: a sequence, for Postgres.
    fn number_rows(&mut self, table: &mut Table, key: &str, number: i16, kind: Key) {
        let Some(column) = usize::try_from(number - 1)
            .ok()
            .and_then(|at| table.columns.get_mut(at))
        else {
            return;
        };
        if kind == Key::Plain {
            return;
        }
        let name = self.free(table.namespace, &table.name, &column.name, "seq");
        match kind {
            Key::Serial => {
                let sequence = text::quote_literal(&text::quote_ident(&name));
                let oid = self
                    .ids
                    .take(Kind::Default, &format!("{key}.{}", column.name));
                column.default = Some((oid, format!("nextval({sequence}::regclass)")));
            }
            Key::Identity { always: true } => column.identity = Some(Identity::Always),
            _ => column.identity = Some(Identity::ByDefault),
        }
        let column = (table.stored.clone(), column.name.clone());
        self.model.sequences.push(Sequence::of_rows(
            self.ids.take(Kind::Relation, &format!("{key}.{name}")),
            table.namespace,
            name,
            column,
            table.columns[usize::try_from(number - 1).unwrap_or_default()]
                .ty
                .oid,
        ));
    }

    fn triggers(&mut self, table: &mut Table, key: &str, texts: &Texts) {
        for trigger in texts.triggers.get(&table.stored).into_iter().flatten() {
            table.triggers.push(Trigger {
                oid: self
                    .ids
                    .take(Kind::Trigger, &format!("{key}.{}", trigger.name)),
                bits: ddl::trigger(&trigger.sql),
                name: trigger.name.clone(),
                sql: trigger.sql.clone(),
            });
        }
    }

    /// A name for a relation that no other has.
    pub(super) fn free(
        &mut self,
        namespace: Oid,
        first: &str,
        second: &str,
        label: &str,
    ) -> String {
        let taken = &mut self.taken;
        let name = text::object_name(first, second, label, |name| {
            taken.contains(&(namespace, name.to_owned()))
        });
        taken.insert((namespace, name.clone()));
        name
    }
}

/// By what an object's id is told from others'.
pub(super) fn key(schema: &str, stored: &str) -> String {
    if schema == "temp" {
        format!("temp.{stored}")
    } else {
        stored.to_owned()
    }
}

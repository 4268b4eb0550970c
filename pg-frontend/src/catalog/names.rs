//! Names to object ids and back: the search path, `regclass`, `regtype` and their kin.

use super::model::{Model, Sequence};
use super::oids::{PG_CATALOG, PUBLIC};
use super::relations;
use super::rows::Cell;
use super::text::{quote_ident, quote_literal};
use crate::session::state::State;
use crate::types::{self, Oid, Type};

/// The schemas in which an unqualified name is looked for, in order.
#[derive(Debug)]
pub(super) struct Path(Vec<Oid>);

impl Path {
    /// Temporary tables and `pg_catalog` come first where the setting does not name them.
    pub(super) fn new(model: &Model, state: &State) -> Self {
        let setting = state.settings.get("search_path");
        let named: Vec<Oid> = setting
            .map_or("\"$user\", public", String::as_str)
            .split(',')
            .map(|name| name.trim().trim_matches('"'))
            .map(|name| if name == "$user" { &*state.user } else { name })
            .filter_map(|name| namespace(model, name))
            .collect();
        let temporary = model
            .namespaces
            .iter()
            .filter(|each| each.name.starts_with("pg_temp_"));
        let implied = temporary.map(|each| each.oid).chain([PG_CATALOG]);
        let implied: Vec<Oid> = implied.filter(|oid| !named.contains(oid)).collect();
        Self([implied, named].concat())
    }

    /// The relation of a name, qualified or not.
    pub(super) fn relation(&self, model: &Model, parts: &[String]) -> Option<Oid> {
        match parts {
            [name] => self
                .0
                .iter()
                .find_map(|&schema| relation_in(model, schema, name)),
            [.., schema, name] => relation_in(model, namespace(model, schema)?, name),
            [] => None,
        }
    }

    /// A relation is what its bare name means.
    pub(super) fn sees(&self, model: &Model, relation: Oid) -> bool {
        let found = relation_name(model, relation);
        found.is_some_and(|(_, name)| self.relation(model, &[name.to_owned()]) == Some(relation))
    }

    /// Names in a schema need not be qualified.
    pub(super) fn has(&self, namespace: Oid) -> bool {
        self.0.contains(&namespace)
    }
}

/// A schema's oid.
pub(super) fn namespace(model: &Model, name: &str) -> Option<Oid> {
    let mut namespaces = model.namespaces.iter();
    namespaces
        .find(|each| each.name == name)
        .map(|each| each.oid)
}

fn relation_in(model: &Model, schema: Oid, name: &str) -> Option<Oid> {
    let of_database = model.names.get(&(schema, name.to_owned())).copied();
    of_database.or_else(|| {
        let relation = relations::by_name(name)?;
        (namespace(model, relation.schema) == Some(schema)).then_some(relation.oid)
    })
}

/// A relation's schema and name.
pub(super) fn relation_name(model: &Model, oid: Oid) -> Option<(Oid, &str)> {
    model.name_of(oid).or_else(|| {
        let relation = relations::by_oid(oid)?;
        Some((namespace(model, relation.schema)?, relation.name))
    })
}

/// `schema.name`, each quoted where it must be.
pub(super) fn qualified(model: &Model, namespace: Oid, name: &str) -> String {
    let schema = model.namespace_name(namespace).unwrap_or("public");
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

/// A relation as `regclass` is written: qualified where the search path does not find it.
pub(super) fn regclass(model: &Model, path: &Path, oid: Oid) -> Option<String> {
    let (namespace, name) = relation_name(model, oid)?;
    Some(if path.sees(model, oid) {
        quote_ident(name)
    } else {
        qualified(model, namespace, name)
    })
}

/// The sequence that a default is the next value of.
pub(super) fn sequence_of<'m>(model: &'m Model, default: &str) -> Option<&'m Sequence> {
    let name = default
        .strip_prefix("nextval('")?
        .strip_suffix("'::regclass)")?;
    let parts = parse(&name.replace("''", "'"))?;
    let schema = match &*parts {
        [schema, _] => namespace(model, schema)?,
        // As SQLite has it: an unqualified name is one of `public`, a dot in it is after a schema.
        _ => PUBLIC,
    };
    let mut sequences = model.sequences.iter();
    sequences.find(|sequence| sequence.namespace == schema && Some(&sequence.name) == parts.last())
}

/// An expression of the catalog, names in it qualified where the search path does not find them.
pub(super) fn expression(model: &Model, path: &Path, text: &str) -> String {
    match sequence_of(model, text).and_then(|sequence| regclass(model, path, sequence.oid)) {
        Some(name) => format!("nextval({}::regclass)", quote_literal(&name)),
        None => text.to_owned(),
    }
}

/// The parts of a dotted name, folded to lower case outside of quotes. None: it is no name.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = if let Some(inner) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut characters = inner.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') if inner[at + 1..].starts_with('"') => {
                        name.push('"');
                        characters.next();
                    }
                    (at, '"') => break at + 1,
                    (_, character) => name.push(character),
                }
            };
            (name, &inner[end..])
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].trim().to_lowercase(), &rest[end..])
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        rest = after.trim();
        if rest.is_empty() {
            return Some(parts);
        }
        rest = rest.strip_prefix('.')?.trim_start();
    }
}

/// `format_type` of a type that needs no look at the database.
pub(super) fn format_builtin(oid: Oid, modifier: Option<i32>) -> Option<String> {
    match (oid, modifier) {
        (0, _) => Some("-".to_owned()),
        (1042, None) => Some("character".to_owned()),
        (1014, None) => Some("character[]".to_owned()),
        // Without a length it is any, where `bit` is one.
        (1560, Some(-1)) => Some("\"bit\"".to_owned()),
        (1561, Some(-1)) => Some("\"bit\"[]".to_owned()),
        _ => types::names::format(Type {
            oid,
            modifier: modifier.unwrap_or(-1),
        }),
    }
}

/// `format_type`: a type as SQL names it. `modifier` none: the type itself, whatever its length.
pub(super) fn format_type(model: &Model, path: &Path, oid: Oid, modifier: Option<i32>) -> String {
    if let Some(name) = format_builtin(oid, modifier) {
        return name;
    }
    let named = |namespace: Oid, name: &str| {
        if path.has(namespace) {
            quote_ident(name)
        } else {
            qualified(model, namespace, name)
        }
    };
    if let Some(found) = model.enumeration(oid) {
        let array = if found.array == oid { "[]" } else { "" };
        return named(found.namespace, &found.name) + array;
    }
    for table in &model.tables {
        if table.row_type == oid {
            return named(table.namespace, &table.name);
        }
        if table.row_array == oid {
            return named(table.namespace, &table.name) + "[]";
        }
    }
    let types = relations::get("pg_type").builtin_rows();
    let Some(place) = types.first("oid", &oid.into()) else {
        return "???".to_owned();
    };
    let element = types
        .get(place, "typelem")
        .as_integer()
        .and_then(|oid| Oid::try_from(oid).ok());
    if let (Some(element @ 1..), Some("A")) = (element, types.get(place, "typcategory").as_str()) {
        return format_type(model, path, element, modifier) + "[]";
    }
    let schema = types
        .get(place, "typnamespace")
        .as_integer()
        .and_then(|oid| Oid::try_from(oid).ok());
    named(
        schema.unwrap_or(PG_CATALOG),
        types.get(place, "typname").as_str().unwrap_or("???"),
    )
}

/// The type of a name as SQL writes it or as `pg_type` has it.
pub(super) fn type_named(model: &Model, path: &Path, text: &str) -> Option<Oid> {
    let text = text.trim();
    // Upper case is SQLite's INTEGER in a declaration; in a query it is Postgres's.
    if let Some(ty) = types::parse_name(&text.to_lowercase()) {
        return Some(ty.oid);
    }
    let (text, array) = text
        .strip_suffix("[]")
        .map_or((text, false), |element| (element, true));
    let parts = parse(text)?;
    let name = parts.last()?;
    let schema = match &*parts {
        [schema, _] => Some(namespace(model, schema)?),
        _ => None,
    };
    let reached =
        |namespace: Oid| schema.map_or_else(|| path.has(namespace), |wanted| wanted == namespace);
    if let Some(found) = model
        .enums
        .iter()
        .find(|each| &each.name == name && reached(each.namespace))
    {
        return Some(if array { found.array } else { found.oid });
    }
    if let Some(table) = model
        .tables
        .iter()
        .find(|each| &each.name == name && reached(each.namespace))
    {
        return Some(if array {
            table.row_array
        } else {
            table.row_type
        });
    }
    let types = relations::get("pg_type").builtin_rows();
    let place = types.first("typname", &name.clone().into())?;
    let column = if array { "typarray" } else { "oid" };
    types
        .get(place, column)
        .as_integer()
        .and_then(|oid| Oid::try_from(oid).ok())
}

/// The name of a built-in function or operator by its oid; the oid of the first with a name.
pub(super) fn builtin(relation: &'static str, from: &str, value: &Cell, to: &str) -> Option<Cell> {
    let rows = relations::get(relation).builtin_rows();
    rows.first(from, value)
        .map(|place| rows.get(place, to).clone())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dotted_names() {
        let name = |parts: &[&str]| {
            Some(
                parts
                    .iter()
                    .map(|&part| part.to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(parse("Public.T"), name(&["public", "t"]));
        assert_eq!(parse(" \"A.\"\"b\" . c"), name(&["A.\"b", "c"]));
        assert_eq!(parse("a..b"), None);
        assert_eq!(parse("\"a"), None);
        assert_eq!(parse(""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-zA-Z\". é]{0,20}") {
            let _ = parse(&text);
        }
    }
}

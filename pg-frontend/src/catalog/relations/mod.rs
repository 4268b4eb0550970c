//! The relations of `pg_catalog` and `information_schema`: all of PostgreSQL 15's, with its columns
//! (`data/columns.tsv`). Those of which SQLite has nothing are empty.
//!
//! | module | what |
//! | --- | --- |
//! | [`objects`], [`attributes`], [`dependencies`] | schemas, tables, sequences; columns; what needs what |
//! | [`keys`] | indexes, constraints, triggers |
//! | [`kinds`] | types and enums |
//! | [`server`] | databases, roles, settings, activity |
//! | [`views`] | `pg_tables`, `pg_indexes`, statistics |
//! | [`information_schema`], [`standard_columns`], [`standard_constraints`], [`standard_privileges`] | the standard's views |

mod attributes;
mod dependencies;
mod information_schema;
mod keys;
mod kinds;
mod objects;
mod server;
mod standard_columns;
mod standard_constraints;
mod standard_privileges;
mod views;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::rows::Lifetime::{Model, Statement};
use super::rows::{Cell, Column, Fill, Lifetime, Relation};
use crate::types::Oid;

pub(super) use kinds::facts;
pub(super) use server::role_name;

/// Rows that are always there.
const BUILTIN: &[(&str, &str)] = &[
    ("pg_aggregate", include_str!("../data/pg_aggregate.tsv")),
    ("pg_am", include_str!("../data/pg_am.tsv")),
    ("pg_amop", include_str!("../data/pg_amop.tsv")),
    ("pg_amproc", include_str!("../data/pg_amproc.tsv")),
    ("pg_cast", include_str!("../data/pg_cast.tsv")),
    ("pg_collation", include_str!("../data/pg_collation.tsv")),
    ("pg_language", include_str!("../data/pg_language.tsv")),
    ("pg_opclass", include_str!("../data/pg_opclass.tsv")),
    ("pg_operator", include_str!("../data/pg_operator.tsv")),
    ("pg_opfamily", include_str!("../data/pg_opfamily.tsv")),
    ("pg_proc", include_str!("../data/pg_proc.tsv")),
    ("pg_range", include_str!("../data/pg_range.tsv")),
    ("pg_tablespace", include_str!("../data/pg_tablespace.tsv")),
    (
        "pg_timezone_abbrevs",
        include_str!("../data/pg_timezone_abbrevs.tsv"),
    ),
    ("pg_type", include_str!("../data/pg_type.tsv")),
];

/// What all rows of a data file have that it does not say.
const CONSTANTS: &[(&str, &[(&str, Cell)])] = &[
    (
        "pg_aggregate",
        &[
            ("aggfinalmodify", Cell::Static("r")),
            ("aggmfinalmodify", Cell::Static("r")),
        ],
    ),
    (
        "pg_collation",
        &[("collnamespace", Cell::Integer(11)), ("collowner", OWNER)],
    ),
    ("pg_language", &[("lanowner", OWNER)]),
    (
        "pg_opclass",
        &[("opcnamespace", Cell::Integer(11)), ("opcowner", OWNER)],
    ),
    (
        "pg_operator",
        &[("oprnamespace", Cell::Integer(11)), ("oprowner", OWNER)],
    ),
    (
        "pg_opfamily",
        &[("opfnamespace", Cell::Integer(11)), ("opfowner", OWNER)],
    ),
    ("pg_proc", &[("proowner", OWNER)]),
    ("pg_tablespace", &[("spcowner", OWNER)]),
    (
        "pg_type",
        &[("typowner", OWNER), ("typisdefined", Cell::Integer(1))],
    ),
];

const OWNER: Cell = Cell::Integer(super::oids::OWNER as i64);

/// Rows that depend on the database or the session.
const FILLED: &[(&str, Lifetime, Fill)] = &[
    ("pg_attrdef", Model, objects::defaults),
    ("pg_attribute", Model, attributes::attributes),
    ("pg_class", Model, objects::classes),
    ("pg_constraint", Model, keys::constraints),
    ("pg_depend", Model, dependencies::dependencies),
    ("pg_description", Model, objects::descriptions),
    ("pg_index", Model, keys::indexes),
    ("pg_init_privs", Model, objects::first_privileges),
    ("pg_namespace", Model, objects::namespaces),
    ("pg_rewrite", Model, keys::rules),
    ("pg_sequence", Model, objects::sequences),
    ("pg_trigger", Model, keys::triggers),
    ("pg_type", Model, kinds::types),
    ("pg_enum", Model, kinds::enums),
    ("pg_authid", Model, server::roles),
    ("pg_roles", Model, server::roles),
    ("pg_user", Model, server::users),
    ("pg_shadow", Model, server::users),
    ("pg_group", Model, server::groups),
    ("pg_auth_members", Model, server::members),
    ("pg_database", Statement, server::databases),
    (
        "pg_prepared_statements",
        Statement,
        server::prepared_statements,
    ),
    ("pg_settings", Statement, server::settings),
    ("pg_stat_activity", Statement, server::activity),
    ("pg_stat_database", Statement, server::database_statistics),
    ("pg_timezone_names", Statement, server::time_zones),
    ("pg_tables", Model, views::tables),
    ("pg_views", Model, views::views),
    ("pg_indexes", Model, views::indexes),
    ("pg_sequences", Statement, views::sequences),
    ("pg_stat_user_tables", Model, views::table_statistics),
    ("pg_stat_all_tables", Model, views::table_statistics),
    ("pg_statio_user_tables", Model, views::table_statistics),
    ("pg_statio_all_tables", Model, views::table_statistics),
    ("pg_stat_user_indexes", Model, views::index_statistics),
    ("pg_stat_all_indexes", Model, views::index_statistics),
    ("pg_statio_user_indexes", Model, views::index_statistics),
    ("pg_statio_all_indexes", Model, views::index_statistics),
    (
        "information_schema_catalog_name",
        Model,
        information_schema::catalog_name,
    ),
    ("schemata", Model, information_schema::schemata),
    ("tables", Model, information_schema::tables),
    ("columns", Model, standard_columns::columns),
    ("element_types", Model, standard_columns::element_types),
    ("views", Model, information_schema::views),
    (
        "table_constraints",
        Model,
        standard_constraints::table_constraints,
    ),
    (
        "key_column_usage",
        Model,
        standard_constraints::key_column_usage,
    ),
    (
        "referential_constraints",
        Model,
        standard_constraints::referential_constraints,
    ),
    (
        "constraint_column_usage",
        Model,
        standard_constraints::constraint_column_usage,
    ),
    (
        "constraint_table_usage",
        Model,
        standard_constraints::constraint_table_usage,
    ),
    (
        "check_constraints",
        Model,
        standard_constraints::check_constraints,
    ),
    ("sequences", Model, information_schema::sequences),
    ("triggers", Model, information_schema::triggers),
    (
        "table_privileges",
        Model,
        standard_privileges::table_privileges,
    ),
    (
        "role_table_grants",
        Model,
        standard_privileges::table_privileges,
    ),
    (
        "column_privileges",
        Model,
        standard_privileges::column_privileges,
    ),
    (
        "role_column_grants",
        Model,
        standard_privileges::column_privileges,
    ),
    ("enabled_roles", Model, information_schema::enabled_roles),
    ("character_sets", Model, information_schema::character_sets),
];

/// All of them.
pub(super) fn all() -> &'static [Relation] {
    static ALL: OnceLock<Vec<Relation>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut columns: HashMap<&str, Vec<Column>> = HashMap::new();
        for line in records(include_str!("../data/columns.tsv")) {
            if let [_, relation, name, ty, not_null] = *line {
                columns.entry(relation).or_default().push(Column {
                    name,
                    ty: ty.parse().unwrap_or_default(),
                    not_null: not_null == "1",
                });
            }
        }
        let mut relations = Vec::new();
        for line in records(include_str!("../data/relations.tsv")) {
            if let [oid, schema, name, kind] = *line {
                let columns = columns.remove(name).unwrap_or_default();
                let oid = oid.parse().unwrap_or_default();
                let mut relation = Relation::new(oid, schema, name, kind == "v", columns);
                let constants = CONSTANTS
                    .iter()
                    .find(|each| each.0 == name)
                    .map_or(&[][..], |each| each.1);
                if let Some((_, file)) = BUILTIN.iter().find(|each| each.0 == name) {
                    relation.builtin(file, constants);
                }
                if let Some(&(_, lifetime, fill)) = FILLED.iter().find(|each| each.0 == name) {
                    relation.filled(lifetime, fill);
                }
                relations.push(relation);
            }
        }
        relations
    })
}

fn records(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines().skip(1).map(|line| line.split('\t').collect())
}

/// The relation of a name; no two schemas have one of the same name.
pub(super) fn by_name(name: &str) -> Option<&'static Relation> {
    static NAMES: OnceLock<HashMap<&str, &Relation>> = OnceLock::new();
    let names = NAMES.get_or_init(|| all().iter().map(|each| (each.name, each)).collect());
    names.get(name).copied()
}

/// The relation with an oid.
pub(super) fn by_oid(oid: Oid) -> Option<&'static Relation> {
    static OIDS: OnceLock<HashMap<Oid, &Relation>> = OnceLock::new();
    let oids = OIDS.get_or_init(|| all().iter().map(|each| (each.oid, each)).collect());
    oids.get(&oid).copied()
}

/// A relation that is known to exist.
pub(super) fn get(name: &'static str) -> &'static Relation {
    static NOTHING: OnceLock<Relation> = OnceLock::new();
    by_name(name).unwrap_or_else(|| {
        NOTHING.get_or_init(|| Relation::new(0, "pg_catalog", "", false, Vec::new()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_relations_that_exist() {
        for name in BUILTIN
            .iter()
            .map(|each| each.0)
            .chain(FILLED.iter().map(|each| each.0))
        {
            assert!(by_name(name).is_some(), "{name}");
        }
        for (name, constants) in CONSTANTS {
            for (column, _) in *constants {
                assert!(get(name).position(column).is_some(), "{name}.{column}");
            }
        }
    }

    #[test]
    fn names_are_of_one_schema() {
        let names: std::collections::HashSet<&str> = all().iter().map(|each| each.name).collect();
        assert_eq!(names.len(), all().len());
    }
}

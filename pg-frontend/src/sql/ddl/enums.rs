//! `CREATE TYPE … AS ENUM` and `ALTER TYPE`: enums are rows of a table of ours.

use crate::error::{PgError, Result};
use crate::sql::command::words::Words;
use crate::sql::command::{plain, script};
use crate::sql::names::literal;
use crate::sql::query::unsupported;
use crate::sql::schema::{self, ENUMS};
use crate::sql::{Action, Plan};
use crate::types::{USER_TYPES, array};
use rusqlite::Connection;
use rusqlite::types::Value;

pub(super) fn create_type(words: &mut Words<'_>, connection: &Connection) -> Result<Plan> {
    let name = words.qualified()?.in_sqlite();
    if !words.accept("AS ENUM") {
        return Err(unsupported("CREATE TYPE other than AS ENUM"));
    }
    words.expect("(")?;
    let mut labels = Vec::new();
    while words.is_string() {
        labels.push(words.string()?);
        if !words.accept(",") {
            break;
        }
    }
    words.expect(")")?;
    if schema::enum_type(connection, &name).is_some() || crate::types::parse_name(&name).is_some() {
        return Err(PgError::new(
            "42710",
            format!("type \"{name}\" already exists"),
        ));
    }
    Ok(script(
        vec![
            format!(
                "CREATE TABLE IF NOT EXISTS {ENUMS} (oid INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, labels TEXT NOT NULL)"
            ),
            format!(
                "INSERT INTO {ENUMS}(oid, name, labels) VALUES ((SELECT ifnull(max(oid) + 1, {USER_TYPES}) FROM {ENUMS}), {}, {})",
                literal(&name),
                literal(&json_list(&labels))
            ),
        ],
        "CREATE TYPE",
    ))
}

fn json_list(labels: &[String]) -> String {
    let mut json = String::from("[");
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        array::push_value(&Value::Text(label.clone()), &mut json);
    }
    json.push(']');
    json
}

pub(super) fn alter_type(words: &mut Words<'_>, connection: &Connection) -> Result<Plan> {
    let name = words.qualified()?.in_sqlite();
    let ty = schema::enum_type(connection, &name)
        .ok_or_else(|| PgError::new("42704", format!("type \"{name}\" does not exist")))?;
    let (_, mut labels) = schema::enum_labels(connection, ty).unwrap_or_default();
    if words.accept("ADD VALUE") {
        let if_not_exists = words.accept("IF NOT EXISTS");
        let label = words.string()?;
        if labels.contains(&label) {
            if if_not_exists {
                return Ok(plain(
                    Action::Nothing(Some(format!(
                        "enum label \"{label}\" already exists, skipping"
                    ))),
                    "ALTER TYPE",
                ));
            }
            return Err(PgError::new(
                "42710",
                format!("enum label \"{label}\" already exists"),
            ));
        }
        let behind = words.accept("AFTER");
        if behind || words.accept("BEFORE") {
            let neighbour = words.string()?;
            let at = labels
                .iter()
                .position(|other| *other == neighbour)
                .ok_or_else(|| {
                    PgError::new(
                        "22023",
                        format!("\"{neighbour}\" is not an existing enum label"),
                    )
                })?;
            labels.insert(at + usize::from(behind), label);
        } else {
            labels.push(label);
        }
    } else if words.accept("RENAME TO") {
        let new = words.name()?;
        return Ok(script(
            vec![format!(
                "UPDATE {ENUMS} SET name = {} WHERE name = {}",
                literal(&new),
                literal(&name)
            )],
            "ALTER TYPE",
        ));
    } else if words.accept("OWNER TO") {
        return Ok(plain(Action::Nothing(None), "ALTER TYPE"));
    } else {
        return Err(unsupported("this form of ALTER TYPE"));
    }
    Ok(script(
        vec![
            format!(
                "UPDATE {ENUMS} SET labels = {} WHERE name = {}",
                literal(&json_list(&labels)),
                literal(&name)
            ),
            // Plans are made again when the schema's version has changed.
            "CREATE TABLE pg_frontend_touch(x)".to_owned(),
            "DROP TABLE pg_frontend_touch".to_owned(),
        ],
        "ALTER TYPE",
    ))
}

//! Functions that give rows, in `FROM` and in select lists.
//!
//! Each is made a JSON array that SQLite's `json_each` walks; a row of several columns is an array in it.

use sqlparser::ast::Expr;
use sqlparser::ast::Spanned as _;
use sqlparser::tokenizer::Span;

use super::coerce::{Context, common};
use super::scope::RowSource;
use super::{Compiler, Typed};
use crate::error::Result;
use crate::types::Type;

/// Rows as a JSON array.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) array: String,
    /// Names (none: the function's or its alias's) and types.
    pub(crate) columns: Vec<(Option<&'static str>, Type)>,
    /// Start, stop and step of a series of integers, which needs no array.
    pub(crate) series: Option<[String; 3]>,
}

impl Rows {
    fn one(array: String, ty: Type) -> Self {
        Self {
            array,
            columns: vec![(None, ty)],
            series: None,
        }
    }
}

impl Compiler<'_> {
    /// A call in a select list: its row source is joined to the `FROM`.
    pub(crate) fn row_source(
        &mut self,
        name: &str,
        arguments: &[&Expr],
        span: Span,
    ) -> Result<Option<Typed>> {
        if !is_row_function(name) {
            return Ok(None);
        }
        if self.scope().row_sources.is_none() {
            return Err(self.error_at(
                span,
                "0A000",
                "set-returning functions are not allowed here",
            ));
        }
        let Some(rows) = self.rows_of(name, arguments, span)? else {
            return Ok(None);
        };
        let alias = self.fresh("r");
        let value = format!("\"{alias}\".\"value\"");
        if let Some(sources) = &mut self.scope().row_sources {
            sources.push(RowSource {
                alias,
                array: rows.array,
            });
        }
        if let [(_, ty)] = rows.columns.as_slice() {
            return Ok(Some(self.array_item(&value, *ty)));
        }
        let mut out = Typed::new(value.clone(), Type::RECORD);
        out.kind = super::Kind::Row(
            rows.columns
                .iter()
                .enumerate()
                .map(|(index, (name, ty))| {
                    (
                        name.unwrap_or("f1").to_owned(),
                        Typed::new(format!("({value} ->> {index})"), *ty),
                    )
                })
                .collect(),
        );
        Ok(Some(out))
    }

    /// The rows of a function; none where it gives no rows.
    pub(crate) fn rows_of(
        &mut self,
        name: &str,
        arguments: &[&Expr],
        span: Span,
    ) -> Result<Option<Rows>> {
        if !is_row_function(name) {
            return Ok(None);
        }
        let mut typed = Vec::new();
        for expr in arguments {
            typed.push(self.expr(expr)?);
        }
        let spans: Vec<Span> = arguments.iter().map(|expr| expr.span()).collect();
        let at = |index: usize| spans.get(index).copied().unwrap_or(span);
        let rows = match (name, typed.as_slice()) {
            ("unnest", [array]) => {
                let array = if array.is_unknown() {
                    self.coerce(array.clone(), Type::TEXT_ARRAY, Context::Implicit, at(0))?
                } else {
                    array.clone()
                };
                let Some(element) = array.ty.element() else {
                    return Err(self.no_function(name, &typed, span));
                };
                Rows::one(format!("pg_flatten({})", array.sql), element.bare())
            }
            ("unnest", [_, _, ..]) => {
                let mut parts = Vec::new();
                let mut columns = Vec::new();
                for (index, array) in typed.iter().enumerate() {
                    let array = if array.is_unknown() {
                        self.coerce(
                            array.clone(),
                            Type::TEXT_ARRAY,
                            Context::Implicit,
                            at(index),
                        )?
                    } else {
                        array.clone()
                    };
                    columns.push((None, array.ty.element().unwrap_or(Type::TEXT).bare()));
                    parts.push(array.sql);
                }
                Rows {
                    array: format!("pg_zip({})", parts.join(", ")),
                    columns,
                    series: None,
                }
            }
            ("generate_series", [start, stop, rest @ ..]) => {
                self.series(start, stop, rest.first(), span)?
            }
            ("generate_subscripts", [array, _, rest @ ..]) => {
                let base = i32::from(!matches!(array.ty.oid, 22 | 30));
                let down = match rest.first() {
                    Some(flag) => {
                        self.coerce(flag.clone(), Type::BOOL, Context::Implicit, span)?
                            .sql
                    }
                    None => "0".to_owned(),
                };
                Rows::one(
                    format!("pg_subscripts({}, {base}, {down})", array.sql),
                    Type::INT4,
                )
            }
            ("_pg_expandarray" | "information_schema._pg_expandarray", [array]) => Rows {
                array: format!("pg_expand({})", array.sql),
                columns: vec![
                    (Some("x"), array.ty.element().unwrap_or(Type::TEXT)),
                    (Some("n"), Type::INT4),
                ],
                series: None,
            },
            ("json_array_elements" | "jsonb_array_elements", [json]) => {
                let binary = name.starts_with("jsonb");
                let ty = if binary { Type::JSONB } else { Type::JSON };
                let json = self.coerce(json.clone(), ty, Context::Implicit, at(0))?;
                Rows {
                    array: format!("pg_json_elements({}, 0)", json.sql),
                    columns: vec![(Some("value"), ty)],
                    series: None,
                }
            }
            ("json_array_elements_text" | "jsonb_array_elements_text", [json]) => {
                let json = self.coerce(json.clone(), Type::JSONB, Context::Explicit, at(0))?;
                Rows {
                    array: format!("pg_json_elements({}, 1)", json.sql),
                    columns: vec![(Some("value"), Type::TEXT)],
                    series: None,
                }
            }
            ("json_each" | "jsonb_each" | "json_each_text" | "jsonb_each_text", [json]) => {
                let ty = match name {
                    _ if name.ends_with("text") => Type::TEXT,
                    "json_each" => Type::JSON,
                    _ => Type::JSONB,
                };
                let own = if name.starts_with("jsonb") {
                    Type::JSONB
                } else {
                    Type::JSON
                };
                let json = self.coerce(json.clone(), own, Context::Implicit, at(0))?;
                let flag = i32::from(name.ends_with("text"));
                Rows {
                    array: format!("pg_json_members({}, {flag})", json.sql),
                    columns: vec![(Some("key"), Type::TEXT), (Some("value"), ty)],
                    series: None,
                }
            }
            ("json_object_keys" | "jsonb_object_keys", [json]) => {
                let own = if name.starts_with("jsonb") {
                    Type::JSONB
                } else {
                    Type::JSON
                };
                let json = self.coerce(json.clone(), own, Context::Implicit, at(0))?;
                Rows::one(format!("pg_json_keys({})", json.sql), Type::TEXT)
            }
            ("jsonb_path_query", [json, path, ..]) => {
                let (json, path) = (json.clone(), path.clone());
                let json = self.coerce(json, Type::JSONB, Context::Implicit, at(0))?;
                let path = self.text(path, at(1))?;
                Rows::one(
                    format!(
                        "pg_json_elements(pg_jsonb_path_query_array({}, {}), 0)",
                        json.sql, path.sql
                    ),
                    Type::JSONB,
                )
            }
            ("regexp_matches" | "regexp_split_to_table" | "string_to_table", [_, _, ..]) => {
                let ty = if name == "regexp_matches" {
                    Type::TEXT_ARRAY
                } else {
                    Type::TEXT
                };
                let mut parts = Vec::new();
                for (index, item) in typed.iter().enumerate() {
                    parts.push(self.text(item.clone(), at(index))?.sql);
                }
                let function = match name {
                    "regexp_split_to_table" => "pg_regexp_split_to_array",
                    "string_to_table" => "pg_string_to_array",
                    _ => "pg_regexp_matches",
                };
                Rows::one(format!("{function}({})", parts.join(", ")), ty)
            }
            ("aclexplode", _) => Rows {
                array: "'[]'".to_owned(),
                columns: vec![
                    (Some("grantor"), Type::OID),
                    (Some("grantee"), Type::OID),
                    (Some("privilege_type"), Type::TEXT),
                    (Some("is_grantable"), Type::BOOL),
                ],
                series: None,
            },
            ("pg_options_to_table", _) => Rows {
                array: "'[]'".to_owned(),
                columns: vec![
                    (Some("option_name"), Type::TEXT),
                    (Some("option_value"), Type::TEXT),
                ],
                series: None,
            },
            ("pg_partition_ancestors", [table]) => Rows {
                array: format!("json_array({})", table.sql),
                columns: vec![(Some("relid"), Type::REGCLASS)],
                series: None,
            },
            _ => return Err(self.no_function(name, &typed, span)),
        };
        Ok(Some(rows))
    }

    fn series(
        &mut self,
        start: &Typed,
        stop: &Typed,
        step: Option<&Typed>,
        span: Span,
    ) -> Result<Rows> {
        let mut ty = common(start.ty, stop.ty).ok_or_else(|| {
            self.no_function("generate_series", &[start.clone(), stop.clone()], span)
        })?;
        if ty.oid == Type::UNKNOWN.oid {
            ty = if step.is_some_and(|step| step.ty.oid == Type::INTERVAL.oid) {
                Type::TIMESTAMPTZ
            } else {
                Type::INT4
            };
        }
        if ty.oid == Type::DATE.oid {
            ty = Type::TIMESTAMPTZ;
        }
        if let Some(step) = step.filter(|step| {
            !step.is_unknown() && ty.oid != Type::TIMESTAMP.oid && ty.oid != Type::TIMESTAMPTZ.oid
        }) {
            ty = common(ty, step.ty).ok_or_else(|| {
                self.no_function(
                    "generate_series",
                    &[start.clone(), stop.clone(), step.clone()],
                    span,
                )
            })?;
        }
        let ty = ty.bare();
        let a = self.coerce(start.clone(), ty, Context::Implicit, span)?.sql;
        let b = self.coerce(stop.clone(), ty, Context::Implicit, span)?.sql;
        if matches!(ty.oid, 1114 | 1184) {
            let Some(step) = step else {
                return Err(self.no_function(
                    "generate_series",
                    &[start.clone(), stop.clone()],
                    span,
                ));
            };
            let step = self
                .coerce(step.clone(), Type::INTERVAL, Context::Implicit, span)?
                .sql;
            let zoned = i32::from(ty.oid == 1184);
            return Ok(Rows::one(
                format!("pg_series_time({a}, {b}, {step}, {zoned})"),
                ty,
            ));
        }
        let step = match step {
            Some(step) => self.coerce(step.clone(), ty, Context::Implicit, span)?.sql,
            None => "1".to_owned(),
        };
        if ty.oid == 1700 {
            return Ok(Rows::one(
                format!("pg_series_numeric({a}, {b}, {step})"),
                ty,
            ));
        }
        Ok(Rows {
            array: format!("pg_series({a}, {b}, {step})"),
            columns: vec![(None, ty)],
            series: Some([a, b, step]),
        })
    }
}

/// Whether a function gives rows.
pub(crate) fn is_row_function(name: &str) -> bool {
    matches!(
        name,
        "unnest"
            | "generate_series"
            | "generate_subscripts"
            | "_pg_expandarray"
            | "information_schema._pg_expandarray"
            | "json_array_elements"
            | "jsonb_array_elements"
            | "json_array_elements_text"
            | "jsonb_array_elements_text"
            | "json_each"
            | "jsonb_each"
            | "json_each_text"
            | "jsonb_each_text"
            | "json_object_keys"
            | "jsonb_object_keys"
            | "jsonb_path_query"
            | "regexp_matches"
            | "regexp_split_to_table"
            | "string_to_table"
            | "aclexplode"
            | "pg_options_to_table"
            | "pg_partition_ancestors"
    )
}

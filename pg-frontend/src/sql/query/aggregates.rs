//! Aggregates and window functions.

use super::call::Arguments;
use super::coerce::Context;
use super::{Compiler, Kind, Typed, unsupported};
use crate::error::Result;
use crate::sql::names::literal;
use crate::types::Type;
use sqlparser::ast::{
    Function, FunctionArgumentClause, FunctionArguments, OrderByExpr, Spanned as _,
};
use sqlparser::tokenizer::Span;

/// What follows an aggregate's arguments.
pub(super) struct Tail {
    order: String,
    pub(super) filter: String,
    pub(super) over: String,
    windowed: bool,
}

const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "string_agg",
    "array_agg",
    "bool_and",
    "bool_or",
    "every",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "bit_and",
    "bit_or",
    "percentile_cont",
    "percentile_disc",
    "mode",
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_slope",
    "regr_intercept",
    "regr_count",
    "any_value",
];

/// Whether a function is an aggregate, by its name.
pub(crate) fn is_aggregate(name: &sqlparser::ast::ObjectName) -> bool {
    super::expr::function_name(name).is_ok_and(|name| AGGREGATES.contains(&name.as_str()))
}

impl Compiler<'_> {
    /// An aggregate's call; none where the function is none.
    pub(crate) fn aggregate(
        &mut self,
        name: &str,
        function: &Function,
        span: Span,
    ) -> Result<Option<Typed>> {
        if !AGGREGATES.contains(&name) {
            return Ok(None);
        }
        let level = self.scopes.len().saturating_sub(1);
        if function.over.is_none() {
            if self.scope().in_aggregate > 0 {
                return Err(self.error_at(
                    span,
                    "42803",
                    "aggregate function calls cannot be nested",
                ));
            }
            self.scope().aggregates = true;
            self.scopes[level].in_aggregate += 1;
        }
        let out = self.aggregate_inner(name, function, span);
        if function.over.is_none() {
            self.scopes[level].in_aggregate -= 1;
        }
        out.map(Some)
    }

    fn aggregate_inner(&mut self, name: &str, function: &Function, span: Span) -> Result<Typed> {
        let arguments = Arguments::of(function)?;
        let tail = self.tail(function)?;
        if matches!(name, "percentile_cont" | "percentile_disc" | "mode") {
            return self.ordered_set(name, &arguments, function, &tail, span);
        }
        if name == "count" && (arguments.star || arguments.exprs.is_empty()) {
            return Ok(
                Typed::new(format!("count(*){}{}", tail.filter, tail.over), Type::INT8).not_null(),
            );
        }
        let mut typed = Vec::new();
        for expr in &arguments.exprs {
            let value = self.expr(expr)?;
            typed.push(self.settled(value, expr.span())?);
        }
        let Some(first) = typed.first().cloned() else {
            return Err(self.no_function(name, &[], span));
        };
        let distinct = if arguments.distinct { "DISTINCT " } else { "" };
        // Postgres finds equal values by sorting, and they stay sorted.
        let mut tail = tail;
        if arguments.distinct
            && tail.order.is_empty()
            && matches!(name, "array_agg" | "string_agg")
            && self.as_item(&first) == first.sql
        {
            tail.order = format!(" ORDER BY {} NULLS LAST", first.sql);
        }
        let wrap = |function: &str, argument: &str| {
            format!(
                "{function}({distinct}{argument}{}){}{}",
                tail.order, tail.filter, tail.over
            )
        };
        let ty = first.ty;
        Ok(match name {
            "count" => {
                let argument = match &first.kind {
                    Kind::Row(_) => "1".to_owned(),
                    _ if arguments.distinct => self.sortable(&first),
                    _ => first.sql.clone(),
                };
                Typed::new(wrap("count", &argument), Type::INT8).not_null()
            }
            "sum" | "avg" => self.sum(name, &first, distinct, &tail, span)?,
            "min" | "max" => self.min_max(name, &first, &tail),
            "any_value" => Typed::new(wrap("min", &first.sql), ty),
            "bool_and" | "every" | "bool_or" => {
                let first = self.coerce(first, Type::BOOL, Context::Implicit, span)?;
                Typed::new(
                    wrap(if name == "bool_or" { "max" } else { "min" }, &first.sql),
                    Type::BOOL,
                )
            }
            "bit_and" | "bit_or" => Typed::new(wrap(&format!("pg_{name}_agg"), &first.sql), ty),
            "string_agg" => {
                let [_, separator] = typed.as_slice() else {
                    return Err(self.no_function(name, &typed, span));
                };
                let value = self.text(first, span)?;
                let separator = self.text(separator.clone(), span)?;
                if arguments.distinct {
                    let list = wrap("json_group_array", &value.sql);
                    return Ok(Typed::new(
                        format!(
                            "pg_array_to_string(nullif({list}, '[]'), 25, {})",
                            separator.sql
                        ),
                        Type::TEXT,
                    ));
                }
                Typed::new(
                    wrap("group_concat", &format!("{}, {}", value.sql, separator.sql)),
                    Type::TEXT,
                )
            }
            "array_agg" => {
                let item = if ty.element().is_some() {
                    format!("json({})", first.sql)
                } else {
                    self.as_item(&first)
                };
                let array = if ty.element().is_some() {
                    ty.bare()
                } else {
                    ty.bare().array()
                };
                Typed::new(
                    format!("nullif({}, '[]')", wrap("json_group_array", &item)),
                    array,
                )
            }
            "json_agg" | "jsonb_agg" => {
                let binary = name == "jsonb_agg";
                let item = self.json_or_null(&first, binary)?;
                let separator = if matches!(first.kind, Kind::Row(_)) && !binary {
                    "', ' || char(10) || ' '"
                } else {
                    "', '"
                };
                let list = if arguments.distinct {
                    format!(
                        "pg_array_to_string({}, 25, ', ')",
                        wrap("json_group_array", &format!("{item} || ''"))
                    )
                } else {
                    wrap("group_concat", &format!("{item}, {separator}"))
                };
                Typed::new(
                    format!("('[' || {list} || ']')"),
                    if binary { Type::JSONB } else { Type::JSON },
                )
            }
            "json_object_agg" | "jsonb_object_agg" => {
                let binary = name == "jsonb_object_agg";
                let [_, value] = typed.as_slice() else {
                    return Err(self.no_function(name, &typed, span));
                };
                let value = self.json_or_null(&value.clone(), binary)?;
                let key = self.shown(first, span)?;
                let list = wrap(
                    "group_concat",
                    &format!("pg_json_quote({}) || ' : ' || {value}, ', '", key.sql),
                );
                if binary {
                    Typed::new(format!("pg_jsonb('{{' || {list} || '}}')"), Type::JSONB)
                } else {
                    Typed::new(format!("('{{ ' || {list} || ' }}')"), Type::JSON)
                }
            }
            "corr" | "covar_pop" | "covar_samp" | "regr_slope" | "regr_intercept"
            | "regr_count" => {
                let [y, x] = typed.as_slice() else {
                    return Err(self.no_function(name, &typed, span));
                };
                let (y, x) = (y.clone(), x.clone());
                let y = self.coerce(y, Type::FLOAT8, Context::Implicit, span)?;
                let x = self.coerce(x, Type::FLOAT8, Context::Implicit, span)?;
                let result = if name == "regr_count" {
                    Type::INT8
                } else {
                    Type::FLOAT8
                };
                Typed::new(
                    wrap(
                        "pg_regression",
                        &format!("{}, {}, {}", literal(name), y.sql, x.sql),
                    ),
                    result,
                )
            }
            _ => {
                // Deviation and variance.
                let result = if ty.is_float() {
                    Type::FLOAT8
                } else {
                    Type::NUMERIC
                };
                if !ty.is_float() && !ty.is_int() && ty.oid != 1700 {
                    return Err(self.no_function(name, &typed, span));
                }
                let first = self.scaled(first);
                Typed::new(
                    wrap("pg_deviation", &format!("{}, {}", literal(name), first.sql)),
                    result,
                )
            }
        })
    }

    fn sum(
        &mut self,
        name: &str,
        first: &Typed,
        distinct: &str,
        tail: &Tail,
        span: Span,
    ) -> Result<Typed> {
        let wrap = |function: &str, argument: &str| {
            format!(
                "{function}({distinct}{argument}{}){}{}",
                tail.order, tail.filter, tail.over
            )
        };
        let sum = name == "sum";
        let x = first.sql.as_str();
        Ok(match first.ty.oid {
            21 | 23 if sum => Typed::new(wrap("sum", x), Type::INT8),
            20 | 21 | 23 if !tail.windowed => Typed::new(
                wrap(if sum { "pg_sum" } else { "pg_avg" }, x),
                Type::NUMERIC,
            ),
            20 | 21 | 23 => {
                let total = wrap("sum", x);
                if sum {
                    let mut out = Typed::new(total, Type::NUMERIC);
                    out.native = true;
                    out
                } else {
                    Typed::new(
                        format!("pg_numeric_div({total}, nullif({}, 0))", wrap("count", x)),
                        Type::NUMERIC,
                    )
                }
            }
            1700 => {
                if tail.windowed {
                    // Whole numbers of the last digit: exact, and SQLite's own.
                    let scale = crate::types::names::precision_and_scale(first.ty.modifier)
                        .map(|(_, scale)| scale);
                    let (Some(scale), true) = (scale.filter(|scale| *scale >= 0), first.native)
                    else {
                        let total = wrap("sum", &format!("CAST({x} AS REAL)"));
                        let total = format!("pg_cast({total}, 701, -1, 1700, -1, 1)");
                        return Ok(if sum {
                            Typed::new(total, Type::NUMERIC)
                        } else {
                            Typed::new(
                                format!("pg_numeric_div({total}, nullif({}, 0))", wrap("count", x)),
                                Type::NUMERIC,
                            )
                        });
                    };
                    let total = wrap("sum", &format!("CAST(round({x} * 1e{scale}) AS INTEGER)"));
                    let total = format!("pg_numeric_scaled({total}, {scale})");
                    return Ok(if sum {
                        Typed::new(total, Type::NUMERIC)
                    } else {
                        Typed::new(
                            format!("pg_numeric_div({total}, nullif({}, 0))", wrap("count", x)),
                            Type::NUMERIC,
                        )
                    });
                }
                let scale = crate::types::names::precision_and_scale(first.ty.modifier)
                    .map_or(-1, |(_, scale)| scale);
                let value = if first.native && scale >= 0 {
                    format!("pg_numeric_text({x}, {scale})")
                } else {
                    x.to_owned()
                };
                Typed::new(
                    wrap(if sum { "pg_sum" } else { "pg_avg" }, &value),
                    Type::NUMERIC,
                )
            }
            700 | 701 => Typed::new(
                wrap(name, x),
                if first.ty.oid == 700 && sum {
                    Type::FLOAT4
                } else {
                    Type::FLOAT8
                },
            ),
            1186 => Typed::new(
                wrap(
                    if sum {
                        "pg_interval_sum"
                    } else {
                        "pg_interval_avg"
                    },
                    x,
                ),
                Type::INTERVAL,
            ),
            _ => return Err(self.no_function(name, std::slice::from_ref(first), span)),
        })
    }

    fn min_max(&mut self, name: &str, first: &Typed, tail: &Tail) -> Typed {
        let mut out = match first.ty.oid {
            1700 if !self.is_native(first) => Typed::new(
                format!(
                    "{name}({} COLLATE pg_numeric){}{}",
                    first.sql, tail.filter, tail.over
                ),
                first.ty,
            ),
            1186 => Typed::new(
                format!(
                    "pg_interval_{name}({}){}{}",
                    first.sql, tail.filter, tail.over
                ),
                first.ty,
            ),
            _ if first.ty.is_enum() => {
                let labels = self.labels_literal(first.ty);
                Typed::new(
                    format!(
                        "({labels} ->> ({name}(pg_enum_rank({}, {labels})){}{}))",
                        first.sql, tail.filter, tail.over
                    ),
                    first.ty,
                )
            }
            _ => Typed::new(
                format!("{name}({}){}{}", first.sql, tail.filter, tail.over),
                first.ty,
            ),
        };
        out.native = first.native;
        if first.ty.oid == 1700 {
            out = self.scaled(out);
        }
        out.ty = if first.ty.oid == 1043 {
            Type::TEXT
        } else {
            first.ty.bare()
        };
        out
    }

    /// `percentile_cont(0.5) WITHIN GROUP (ORDER BY x)`, `mode()`.
    fn ordered_set(
        &mut self,
        name: &str,
        arguments: &Arguments<'_>,
        function: &Function,
        tail: &Tail,
        span: Span,
    ) -> Result<Typed> {
        let [order] = function.within_group.as_slice() else {
            return Err(self.error_at(
                span,
                "42809",
                format!("WITHIN GROUP is required for ordered-set aggregate {name}"),
            ));
        };
        let descending = super::order::is_descending(order);
        let value = self.expr(&order.expr)?;
        let value = self.settled(value, order.expr.span())?;
        let mut value = self.scaled(value);
        let mut ty = value.ty.bare();
        if name == "percentile_cont" && ty.oid != Type::INTERVAL.oid {
            value = self.coerce(value, Type::FLOAT8, Context::Implicit, span)?;
            ty = Type::FLOAT8;
        }
        let fraction = match arguments.exprs.as_slice() {
            [fraction] => self.expr_as(fraction, Type::FLOAT8)?.sql,
            _ => "0".to_owned(),
        };
        let key = self
            .order_key(ty, true)
            .map_or_else(|| value.sql.clone(), |key| key.of(&value.sql));
        Ok(Typed::new(
            format!(
                "pg_ordered({}, {fraction}, {}, {key}, {}){}",
                literal(name),
                value.sql,
                i32::from(descending),
                tail.filter
            ),
            ty,
        ))
    }

    pub(super) fn tail(&mut self, function: &Function) -> Result<Tail> {
        let mut order = String::new();
        if let FunctionArguments::List(list) = &function.args {
            for clause in &list.clauses {
                match clause {
                    FunctionArgumentClause::OrderBy(items) => {
                        order = format!(" ORDER BY {}", self.order_items(items)?);
                    }
                    other => return Err(unsupported(other)),
                }
            }
        }
        let filter = match &function.filter {
            Some(filter) => format!(" FILTER (WHERE {})", self.condition(filter, "FILTER")?.sql),
            None => String::new(),
        };
        let over = match &function.over {
            Some(window) => format!(" OVER {}", self.window(window)?),
            None => String::new(),
        };
        Ok(Tail {
            order,
            filter,
            windowed: !over.is_empty(),
            over,
        })
    }

    /// Keys of an `ORDER BY` that has no ordinals.
    pub(crate) fn order_items(&mut self, items: &[OrderByExpr]) -> Result<String> {
        let mut parts = Vec::new();
        for item in items {
            let typed = self.expr(&item.expr)?;
            let typed = self.settled(typed, item.expr.span())?;
            parts.push(self.order_term(&self.sortable(&typed), typed.not_null, item));
        }
        Ok(parts.join(", "))
    }
}

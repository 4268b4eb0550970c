//! Function calls: the name and the arguments' types choose which function of SQLite's it is.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Spanned as _,
};
use sqlparser::tokenizer::Span;

use super::coerce::{Context, common};
use super::expr::function_name;
use super::signatures::{self, Signature, letter};
use super::{Compiler, Kind, Typed, unsupported};
use crate::error::{PgError, Result};
use crate::types::Type;

/// The arguments of a call as they are written.
pub(crate) struct Arguments<'a> {
    pub(crate) exprs: Vec<&'a Expr>,
    pub(crate) star: bool,
    pub(crate) distinct: bool,
}

impl<'a> Arguments<'a> {
    pub(crate) fn of(function: &'a Function) -> Result<Self> {
        let mut out = Self {
            exprs: Vec::new(),
            star: false,
            distinct: false,
        };
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => {}
            FunctionArguments::List(list) => {
                out.distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => out.exprs.push(expr),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => out.star = true,
                        FunctionArg::Named {
                            arg: FunctionArgExpr::Expr(expr),
                            ..
                        }
                        | FunctionArg::ExprNamed {
                            arg: FunctionArgExpr::Expr(expr),
                            ..
                        } => out.exprs.push(expr),
                        other => return Err(unsupported(format!("the argument {other}"))),
                    }
                }
            }
        }
        Ok(out)
    }
}

/// The extension's functions that change the database. A query that calls one waits for its turn to
/// write, as `INSERT` does.
const WRITERS: &[&str] = &[
    "changeset_apply",
    "proc_create",
    "proc_drop",
    "sqlproxy_request",
    "sqlproxy_run",
];

impl Compiler<'_> {
    /// A call.
    pub(crate) fn call(&mut self, function: &Function, span: Span) -> Result<Typed> {
        let name = self.place(function_name(&function.name), span)?;
        if let Some(out) = self.aggregate(&name, function, span)? {
            return Ok(out);
        }
        if function.over.is_some() {
            return self.window_call(&name, function, span);
        }
        if let FunctionArguments::Subquery(query) = &function.args {
            if name == "array" {
                return self.array_of_query(query, span);
            }
            return Err(unsupported(format!("{name}(SELECT …)")));
        }
        if function.filter.is_some() {
            return Err(self.error_at(
                span,
                "42809",
                format!("FILTER specified, but {name} is not an aggregate function"),
            ));
        }
        let named = named_arguments(function);
        let arguments = Arguments::of(function)?;
        if name == "make_interval" {
            let positional = arguments.exprs.len() - named.len();
            let names = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
            let mut all: Vec<(String, &Expr)> = names
                .iter()
                .zip(&arguments.exprs[..positional])
                .map(|(name, expr)| ((*name).to_owned(), *expr))
                .collect();
            all.extend(named);
            return self.make_interval(&all, span);
        }
        self.call_by_name(&name, &arguments.exprs, span)
    }

    /// A call of a function by its name.
    pub(crate) fn call_by_name(
        &mut self,
        name: &str,
        arguments: &[&Expr],
        span: Span,
    ) -> Result<Typed> {
        if let Some(out) = self.special(name, arguments, span)? {
            return Ok(out);
        }
        if let Some(out) = self.row_source(name, arguments, span)? {
            return Ok(out);
        }
        let typed = arguments
            .iter()
            .map(|expr| self.expr(expr))
            .collect::<Result<Vec<_>>>()?;
        self.call_typed(name, typed, span)
    }

    /// A call with compiled arguments.
    pub(crate) fn call_typed(
        &mut self,
        name: &str,
        arguments: Vec<Typed>,
        span: Span,
    ) -> Result<Typed> {
        let candidates = signatures::of(name).unwrap_or(&[]);
        let best = candidates
            .iter()
            .filter_map(|signature| Some((self.score(signature, &arguments)?, signature)))
            .max_by_key(|(score, _)| *score);
        if let Some((_, signature)) = best {
            return self.apply(signature, arguments, span);
        }
        // `name(x)` may be a cast.
        if let [only] = arguments.as_slice()
            && candidates.is_empty()
            && let Some(ty) = crate::types::parse_name(name)
            && ty.oid != Type::RECORD.oid
        {
            return self.coerce(only.clone(), ty, Context::Explicit, span);
        }
        if candidates.is_empty() && self.sqlite_has(name) {
            self.writes |= WRITERS.contains(&name);
            let mut parts = Vec::new();
            for mut argument in arguments {
                // It knows SQLite's values only: no decimal numbers as text.
                if argument.ty.bare() == Type::NUMERIC {
                    argument = self.coerce(argument, Type::FLOAT8, Context::Explicit, span)?;
                }
                parts.push(self.settled(argument, span)?.sql);
            }
            let ty = self.returned(name);
            return Ok(Typed::new(
                format!("{}({})", crate::sql::names::quote(name), parts.join(", ")),
                ty,
            ));
        }
        Err(self.no_function(name, &arguments, span))
    }

    pub(crate) fn no_function(&self, name: &str, arguments: &[Typed], span: Span) -> PgError {
        let types: Vec<String> = arguments
            .iter()
            .map(|argument| self.type_name(argument.ty))
            .collect();
        self.error_at(span, "42883", format!("function {name}({}) does not exist", types.join(", "))).hint(
            "No function matches the given name and argument types. You might need to add explicit type casts.",
        )
    }

    /// What a procedure returns; text where a function does not say.
    fn returned(&self, name: &str) -> Type {
        let declared = self
            .connection
            .prepare_cached("SELECT return_type FROM proc_list WHERE name = ?1 COLLATE NOCASE")
            .and_then(|mut statement| statement.query_row([name], |row| row.get::<_, String>(0)));
        match declared.unwrap_or_default().to_ascii_uppercase().as_str() {
            "BIGINT" | "INT" | "INTEGER" | "SMALLINT" | "TINYINT" => Type::INT8,
            "BOOL" | "BOOLEAN" => Type::BOOL,
            "DOUBLE" | "FLOAT" | "REAL" => Type::FLOAT8,
            "BLOB" | "BYTES" => Type::BYTEA,
            "JSON" => Type::JSON,
            _ => Type::TEXT,
        }
    }

    /// A function that SQLite has and the table does not: a procedure, an extension's, one of its own.
    fn sqlite_has(&self, name: &str) -> bool {
        self.connection
            .prepare_cached("SELECT 1 FROM pragma_function_list WHERE name = ?1 LIMIT 1")
            .and_then(|mut statement| statement.exists([name]))
            .unwrap_or(false)
    }

    /// How well arguments fit a signature; none where they do not.
    fn score(&self, signature: &Signature, arguments: &[Typed]) -> Option<u32> {
        let most = signature.arguments.len();
        if arguments.len() < signature.required || !signature.variadic && arguments.len() > most {
            return None;
        }
        let mut score = 0;
        let mut array = None;
        for (index, argument) in arguments.iter().enumerate() {
            let code = signature.arguments[index.min(most - 1)];
            score += match code {
                b'a' | b'w' => 1,
                b'A' => match (argument.ty.element(), argument.is_unknown()) {
                    (Some(element), _) => {
                        array = Some(element);
                        4
                    }
                    (None, true) => 1,
                    (None, false) => return None,
                },
                b'e' => match array {
                    Some(element) if !argument.is_unknown() => {
                        u32::from(common(element, argument.ty).is_some())
                    }
                    _ => 1,
                },
                _ => fit(letter(code)?, argument)?,
            };
        }
        Some(score)
    }

    fn apply(&mut self, signature: &Signature, arguments: Vec<Typed>, span: Span) -> Result<Typed> {
        let most = signature.arguments.len();
        let mut parts = Vec::new();
        let mut array: Option<Type> = None;
        let first = arguments.first().map_or(Type::TEXT, |argument| argument.ty);
        // The element type that both array and elements agree on.
        for (index, argument) in arguments.iter().enumerate() {
            match signature.arguments[index.min(most - 1)] {
                b'A' if argument.ty.element().is_some() => array = Some(argument.ty.bare()),
                b'e' if array.is_none() && !argument.is_unknown() => {
                    array = Some(argument.ty.bare().array())
                }
                _ => {}
            }
        }
        let array = array.unwrap_or(Type::TEXT_ARRAY);
        let strict_not_null =
            arguments.iter().all(|argument| argument.not_null) && !arguments.is_empty();
        let _ = strict_not_null;
        for (index, argument) in arguments.into_iter().enumerate() {
            let argument = match signature.arguments[index.min(most - 1)] {
                b'a' => self.settled(argument, span)?,
                // As it is written for a client: booleans are t and f.
                b'w' if argument.ty.oid == Type::BOOL.oid => Typed::new(
                    format!(
                        "(CASE {} WHEN 1 THEN 't' WHEN 0 THEN 'f' END)",
                        argument.sql
                    ),
                    Type::TEXT,
                ),
                b'w' => {
                    let argument = self.padded(argument);
                    self.shown(argument, span)?
                }
                b'A' => self.coerce(argument, array, Context::Implicit, span)?,
                b'e' => {
                    let element = array.element().unwrap_or(Type::TEXT);
                    let argument = self.coerce(argument, element, Context::Implicit, span)?;
                    let sql = self.as_item(&argument);
                    Typed { sql, ..argument }
                }
                code => {
                    let ty = letter(code).unwrap_or(Type::TEXT);
                    let argument = self.coerce(argument, ty, Context::Implicit, span)?;
                    self.scaled(argument)
                }
            };
            parts.push(argument.sql);
        }
        let ty = match signature.result {
            b'A' => array,
            b'e' => array.element().unwrap_or(Type::TEXT),
            b'1' => first,
            code => letter(code).unwrap_or(Type::TEXT),
        };
        if matches!(signature.target.as_str(), "pg_nextval" | "pg_setval") {
            self.writes = true;
        }
        Ok(Typed::new(
            format!("{}({})", signature.target, parts.join(", ")),
            ty,
        ))
    }

    /// `ARRAY(SELECT …)`.
    pub(crate) fn array_of_query(
        &mut self,
        query: &sqlparser::ast::Query,
        span: Span,
    ) -> Result<Typed> {
        let compiled = self.subquery(query)?;
        let [column] = compiled.columns.as_slice() else {
            return Err(self.error_at(span, "42601", "subquery must return only one column"));
        };
        let alias = self.fresh("s");
        let ty = if column.ty.oid == Type::UNKNOWN.oid {
            Type::TEXT
        } else {
            column.ty
        };
        let mut item = Typed::new(
            format!("\"{alias}\".{}", crate::sql::names::quote(&column.alias)),
            ty,
        );
        item.native = column.native;
        let item = if ty.element().is_some() {
            format!("json({})", item.sql)
        } else {
            self.as_item(&item)
        };
        Ok(Typed::new(
            format!(
                "(SELECT json_group_array({item}) FROM ({}) AS \"{alias}\")",
                compiled.sql
            ),
            ty.bare().array(),
        )
        .not_null())
    }
}

/// How well one argument fits a type.
fn fit(wanted: Type, argument: &Typed) -> Option<u32> {
    if argument.is_unknown() {
        return Some(if wanted.is_string() { 2 } else { 1 });
    }
    let from = argument.ty;
    if from.oid == wanted.oid {
        return Some(6);
    }
    if from.is_string() && wanted.is_string() {
        return Some(5);
    }
    let same = common(from, wanted).is_some_and(|ty| ty.oid == wanted.oid);
    if !same {
        return if wanted.oid == 25 && (from.is_enum() || from.is_reg())
            || wanted.is_oid() && (from.is_oid() || from.is_int())
            || wanted.oid == 25 && matches!(argument.kind, Kind::Null)
        {
            Some(1)
        } else {
            None
        };
    }
    // The preferred type of its kind wins.
    Some(if matches!(wanted.oid, 701 | 1184 | 25) {
        3
    } else {
        2
    })
}

/// `name => value` arguments.
pub(crate) fn named_arguments(function: &Function) -> Vec<(String, &Expr)> {
    let FunctionArguments::List(list) = &function.args else {
        return Vec::new();
    };
    list.args
        .iter()
        .filter_map(|argument| match argument {
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(expr),
                ..
            } => Some((name.value.to_lowercase(), expr)),
            FunctionArg::ExprNamed {
                name,
                arg: FunctionArgExpr::Expr(expr),
                ..
            } => Some((name.to_string().to_lowercase(), expr)),
            _ => None,
        })
        .collect()
}

impl Compiler<'_> {
    fn make_interval(&mut self, named: &[(String, &Expr)], span: Span) -> Result<Typed> {
        let mut parts = vec!["0".to_owned(); 7];
        let names = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
        for (name, expr) in named {
            let Some(index) = names.iter().position(|known| known == name) else {
                return Err(self.error_at(
                    span,
                    "42883",
                    format!("function make_interval has no argument \"{name}\""),
                ));
            };
            let ty = if index == 6 { Type::FLOAT8 } else { Type::INT4 };
            parts[index] = self.expr_as(expr, ty)?.sql;
        }
        let _ = named.first().map(|(_, expr)| expr.span());
        Ok(Typed::new(
            format!("pg_make_interval({})", parts.join(", ")),
            Type::INTERVAL,
        ))
    }
}

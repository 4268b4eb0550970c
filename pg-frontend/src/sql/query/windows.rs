//! Window functions: `OVER`, window definitions and frames.

use super::call::Arguments;
use super::coerce::Context;
use super::{Compiler, Typed};
use crate::error::Result;
use crate::sql::names::{fold, quote};
use crate::types::Type;
use sqlparser::ast::{
    Expr, Function, Spanned as _, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec,
    WindowType,
};
use sqlparser::tokenizer::Span;

impl Compiler<'_> {
    /// `row_number() OVER …` and its kin.
    pub(crate) fn window_call(
        &mut self,
        name: &str,
        function: &Function,
        span: Span,
    ) -> Result<Typed> {
        let arguments = Arguments::of(function)?;
        let mut typed = Vec::new();
        for expr in &arguments.exprs {
            let value = self.expr(expr)?;
            typed.push(self.settled(value, expr.span())?);
        }
        let ty = match (name, typed.as_slice()) {
            ("row_number" | "rank" | "dense_rank", []) => Type::INT8,
            ("percent_rank" | "cume_dist", []) => Type::FLOAT8,
            ("ntile", [_]) => Type::INT4,
            ("lag" | "lead", [first, ..])
            | ("first_value" | "last_value", [first])
            | ("nth_value", [first, _]) => first.ty,
            _ => return Err(self.no_function(name, &typed, span)),
        };
        if let ("lag" | "lead", [first, _, default]) = (name, typed.as_slice()) {
            let (first, default) = (first.ty, default.clone());
            typed[2] = self.coerce(default, first.bare(), Context::Implicit, span)?;
        }
        let native = typed.first().is_some_and(|first| first.native);
        let tail = self.tail(function)?;
        let parts: Vec<&str> = typed.iter().map(|item| item.sql.as_str()).collect();
        let mut out = Typed::new(
            format!("{name}({}){}{}", parts.join(", "), tail.filter, tail.over),
            ty,
        );
        out.native = native;
        out.not_null = typed.is_empty();
        Ok(out)
    }

    pub(super) fn window(&mut self, window: &WindowType) -> Result<String> {
        match window {
            WindowType::NamedWindow(name) => Ok(quote(&fold(name))),
            WindowType::WindowSpec(spec) => Ok(format!("({})", self.window_spec(spec)?)),
        }
    }

    /// What stands in the parentheses of a window.
    pub(crate) fn window_spec(&mut self, spec: &WindowSpec) -> Result<String> {
        let mut parts = Vec::new();
        if let Some(name) = &spec.window_name {
            parts.push(quote(&fold(name)));
        }
        if !spec.partition_by.is_empty() {
            let mut keys = Vec::new();
            for expr in &spec.partition_by {
                let typed = self.expr(expr)?;
                keys.push(self.sortable(&typed));
            }
            parts.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        if !spec.order_by.is_empty() {
            parts.push(format!("ORDER BY {}", self.order_items(&spec.order_by)?));
        }
        if let Some(frame) = &spec.window_frame {
            parts.push(self.frame(frame)?);
        }
        Ok(parts.join(" "))
    }

    fn frame(&mut self, frame: &WindowFrame) -> Result<String> {
        let units = match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => "GROUPS",
        };
        let start = self.bound(&frame.start_bound)?;
        Ok(match &frame.end_bound {
            Some(end) => format!("{units} BETWEEN {start} AND {}", self.bound(end)?),
            None => format!("{units} {start}"),
        })
    }

    fn bound(&mut self, bound: &WindowFrameBound) -> Result<String> {
        let mut amount = |amount: &Option<Box<Expr>>, word: &str| -> Result<String> {
            Ok(match amount {
                Some(expr) => format!("{} {word}", self.expr_as(expr, Type::INT8)?.sql),
                None => format!("UNBOUNDED {word}"),
            })
        };
        match bound {
            WindowFrameBound::CurrentRow => Ok("CURRENT ROW".to_owned()),
            WindowFrameBound::Preceding(expr) => amount(expr, "PRECEDING"),
            WindowFrameBound::Following(expr) => amount(expr, "FOLLOWING"),
        }
    }
}

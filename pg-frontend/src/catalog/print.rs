//! Conditions as PostgreSQL prints them: each literal with its type, operators in parentheses.
//!
//! `CHECK (price > 0)` comes back as `CHECK ((price > (0)::numeric))`, and pretty, as psql asks for it,
//! `CHECK (price > 0::numeric)`. What is not understood here is printed as it stands.
//!
//! | | |
//! | --- | --- |
//! | [`condition`] | a condition on the columns of a table |
//! | [`argument`] | an expression that an index is over |

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    InTarget, UnaryOperator, Value,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::model::Table;
use super::text::{quote_ident, quote_literal};
use crate::types::{self, Type};

/// A condition on a table's columns, in the parentheses that it has within `CHECK ()` or behind `WHERE`.
pub(super) fn condition(table: &Table, text: &str, pretty: bool) -> String {
    let printer = Printer { table, pretty };
    match (printer.read(text), pretty) {
        (Some(shown), true) => shown.text,
        (Some(shown), false) => printer.operand(shown),
        (None, true) => text.to_owned(),
        (None, false) => format!("({text})"),
    }
}

/// An expression of a table's columns.
pub(super) fn argument(table: &Table, text: &str) -> String {
    let printer = Printer {
        table,
        pretty: false,
    };
    printer
        .read(text)
        .map_or_else(|| text.to_owned(), |shown| shown.text)
}

/// How tightly an expression holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// A name, a literal, a call, a cast.
    Whole,
    /// `+` and its kin.
    Arithmetic,
    /// A comparison, a test.
    Test,
    /// A comparison with an array.
    Any,
    And,
    Or,
}

/// An expression printed.
#[derive(Debug, Clone)]
struct Shown {
    /// Without parentheses around it.
    text: String,
    /// None: a string without a type yet.
    ty: Option<Type>,
    level: Level,
}

impl Shown {
    const fn new(text: String, ty: Type, level: Level) -> Self {
        Self {
            text,
            ty: Some(ty),
            level,
        }
    }
}

struct Printer<'a> {
    table: &'a Table,
    pretty: bool,
}

impl Printer<'_> {
    fn read(&self, text: &str) -> Option<Shown> {
        let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?;
        let expr = parser.parse_expr().ok()?;
        self.shown(&expr)
    }

    /// An expression; none where it is of a form that is not known here.
    fn shown(&self, expr: &Expr) -> Option<Shown> {
        match expr {
            Expr::Identifier(ident) => self.column(ident),
            Expr::Nested(inner) => self.shown(inner),
            Expr::Value(value) => literal(&value.value),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => negative(expr),
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => {
                let inner = self.boolean(expr)?;
                let inner = match inner.level {
                    Level::Test if self.pretty => inner.text,
                    _ => self.operand(inner),
                };
                Some(test(format!("NOT {inner}")))
            }
            Expr::IsNull(inner) => self.null_test(inner, "IS NULL"),
            Expr::IsNotNull(inner) => self.null_test(inner, "IS NOT NULL"),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let (first, second, both) = if *negated {
                    (BinaryOperator::Lt, BinaryOperator::Gt, Level::Or)
                } else {
                    (BinaryOperator::GtEq, BinaryOperator::LtEq, Level::And)
                };
                let low = self.compared(expr, &first, low)?;
                let high = self.compared(expr, &second, high)?;
                Some(self.joined(vec![low, high], both))
            }
            Expr::BinaryOp {
                left,
                op: op @ (BinaryOperator::And | BinaryOperator::Or),
                right,
            } => {
                let mut parts = Vec::new();
                self.flatten(left, op, &mut parts)?;
                self.flatten(right, op, &mut parts)?;
                let level = match op {
                    BinaryOperator::And => Level::And,
                    _ => Level::Or,
                };
                Some(self.joined(parts, level))
            }
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::Like {
                negated,
                expr,
                pattern,
                escape_char: None,
                any: false,
            } => self.matched(expr, if *negated { "!~~" } else { "~~" }, pattern),
            Expr::ILike {
                negated,
                expr,
                pattern,
                escape_char: None,
                any: false,
            } => self.matched(expr, if *negated { "!~~*" } else { "~~*" }, pattern),
            Expr::In {
                expr,
                target: InTarget::List(list),
                negated,
                ..
            } => self.in_list(expr, list, *negated),
            Expr::Function(function) => self.call(function),
            _ => None,
        }
    }

    fn column(&self, ident: &Ident) -> Option<Shown> {
        let name = match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        };
        let column = self.table.column(&name)?;
        Some(Shown::new(
            quote_ident(&column.name),
            column.ty.bare(),
            Level::Whole,
        ))
    }

    fn boolean(&self, expr: &Expr) -> Option<Shown> {
        self.shown(expr)
            .filter(|shown| shown.ty == Some(Type::BOOL))
    }

    fn null_test(&self, expr: &Expr, words: &str) -> Option<Shown> {
        let inner = self.operand(self.shown(expr)?);
        Some(test(format!("{inner} {words}")))
    }

    /// The parts of `a AND b AND c`.
    fn flatten(&self, expr: &Expr, op: &BinaryOperator, parts: &mut Vec<Shown>) -> Option<()> {
        match expr {
            Expr::BinaryOp {
                left,
                op: other,
                right,
            } if other == op => {
                self.flatten(left, op, parts)?;
                self.flatten(right, op, parts)
            }
            Expr::Nested(inner) => self.flatten(inner, op, parts),
            other => {
                parts.push(self.boolean(other)?);
                Some(())
            }
        }
    }

    fn joined(&self, parts: Vec<Shown>, level: Level) -> Shown {
        let word = if level == Level::And { " AND " } else { " OR " };
        let parts: Vec<String> = parts
            .into_iter()
            .map(|part| match part.level {
                Level::Any => self.operand(part),
                Level::Or if level == Level::And => self.operand(part),
                _ if self.pretty => part.text,
                _ => self.operand(part),
            })
            .collect();
        Shown::new(parts.join(word), Type::BOOL, level)
    }

    fn binary(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Shown> {
        use BinaryOperator as B;
        match op {
            B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq => self.compared(left, op, right),
            B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo => {
                let (left, right) = self.alike(self.shown(left)?, self.shown(right)?)?;
                let ty = left.ty.filter(|ty| rank(*ty).is_some())?;
                let (left, right) = (self.operand(left), self.operand(right));
                let text = format!("{left} {op} {right}");
                Some(Shown::new(text, ty, Level::Arithmetic))
            }
            B::StringConcat => {
                let (left, right) = (self.text(left)?, self.text(right)?);
                let text = format!("{} || {}", self.operand(left), self.operand(right));
                Some(Shown::new(text, Type::TEXT, Level::Arithmetic))
            }
            B::PGRegexMatch => self.matched(left, "~", right),
            B::PGRegexIMatch => self.matched(left, "~*", right),
            B::PGRegexNotMatch => self.matched(left, "!~", right),
            B::PGRegexNotIMatch => self.matched(left, "!~*", right),
            _ => None,
        }
    }

    fn compared(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Shown> {
        let (left, right) = self.alike(self.shown(left)?, self.shown(right)?)?;
        let (left, right) = (self.operand(left), self.operand(right));
        Some(test(format!("{left} {op} {right}")))
    }

    fn matched(&self, left: &Expr, op: &str, right: &Expr) -> Option<Shown> {
        let (left, right) = (self.text(left)?, self.text(right)?);
        let (left, right) = (self.operand(left), self.operand(right));
        Some(test(format!("{left} {op} {right}")))
    }

    /// A string as text.
    fn text(&self, expr: &Expr) -> Option<Shown> {
        let shown = self.shown(expr)?;
        match shown.ty {
            None | Some(Type::TEXT) => Some(typed(shown, Type::TEXT)),
            Some(Type::VARCHAR) => Some(self.cast(shown, Type::TEXT)),
            _ => None,
        }
    }

    /// `x = ANY (ARRAY[…])`
    fn in_list(&self, expr: &Expr, list: &[Expr], negated: bool) -> Option<Shown> {
        let left = self.shown(expr)?;
        let ty = left.ty?;
        let mut items = Vec::new();
        for item in list {
            let item = self.shown(item)?;
            let fits = match item.ty {
                None => rank(ty).is_none(),
                Some(own) => own == ty || own.is_int() && ty.is_int(),
            };
            if !fits {
                return None;
            }
            items.push(typed(item, ty).text);
        }
        let mut array = Shown::new(
            format!("ARRAY[{}]", items.join(", ")),
            ty.array(),
            Level::Whole,
        );
        let mut left = left;
        if ty == Type::VARCHAR {
            left = self.cast(left, Type::TEXT);
            let text = if self.pretty {
                format!("{}::text[]", array.text)
            } else {
                format!("({})::text[]", array.text)
            };
            array = Shown::new(text, Type::TEXT_ARRAY, Level::Whole);
        }
        let op = if negated { "<> ALL" } else { "= ANY" };
        let left = self.operand(left);
        let text = format!("{left} {op} ({})", array.text);
        Some(Shown::new(text, Type::BOOL, Level::Any))
    }

    fn call(&self, function: &Function) -> Option<Shown> {
        let name = function.name.to_string().to_lowercase();
        let FunctionArguments::List(list) = &function.args else {
            return None;
        };
        let arguments: Vec<&Expr> = list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let of_text = |result: Type| {
            let arguments: Option<Vec<String>> = arguments
                .iter()
                .map(|argument| Some(self.text(argument)?.text))
                .collect();
            let text = format!("{name}({})", arguments?.join(", "));
            Some(Shown::new(text, result, Level::Whole))
        };
        match (name.as_str(), arguments.len()) {
            ("lower" | "upper" | "initcap" | "md5" | "reverse", 1)
            | ("btrim" | "ltrim" | "rtrim", 1 | 2)
            | ("replace", 3) => of_text(Type::TEXT),
            ("length" | "char_length" | "octet_length", 1) => of_text(Type::INT4),
            ("abs", 1) => {
                let inner = self.shown(arguments[0])?;
                let ty = inner.ty.filter(|ty| rank(*ty).is_some())?;
                let text = format!("abs({})", inner.text);
                Some(Shown::new(text, ty, Level::Whole))
            }
            _ => None,
        }
    }

    /// An expression as an operator's operand.
    fn operand(&self, shown: Shown) -> String {
        match shown.level {
            Level::Whole => shown.text,
            _ => format!("({})", shown.text),
        }
    }

    /// Two operands of one type, as Postgres makes them: casts that it finds by itself are shown.
    fn alike(&self, left: Shown, right: Shown) -> Option<(Shown, Shown)> {
        let (a, b) = match (left.ty, right.ty) {
            (None, None) => (Type::TEXT, Type::TEXT),
            (Some(ty), None) | (None, Some(ty)) if rank(ty).is_none() && ty != Type::BOOL => {
                (ty, ty)
            }
            (Some(a), Some(b)) => (a, b),
            _ => return None,
        };
        let (left, right) = (typed(left, a), typed(right, b));
        if (a, b) == (Type::VARCHAR, Type::VARCHAR)
            || a != b
                && [a, b]
                    .iter()
                    .all(|ty| [Type::TEXT, Type::VARCHAR].contains(ty))
        {
            return Some((self.as_text(left), self.as_text(right)));
        }
        if a == b || a.is_int() && b.is_int() {
            return Some((left, right));
        }
        match (rank(a)?, rank(b)?) {
            (one, other) if one < other => Some((self.cast(left, b), right)),
            _ => Some((left, self.cast(right, a))),
        }
    }

    fn as_text(&self, shown: Shown) -> Shown {
        // A literal becomes text at once.
        if shown.text.starts_with('\'')
            && let Some(text) = shown.text.strip_suffix("::character varying")
        {
            return Shown::new(format!("{text}::text"), Type::TEXT, Level::Whole);
        }
        if shown.ty == Some(Type::TEXT) {
            return shown;
        }
        self.cast(shown, Type::TEXT)
    }

    fn cast(&self, shown: Shown, ty: Type) -> Shown {
        let text = if self.pretty && shown.level == Level::Whole {
            format!("{}::{}", shown.text, name(ty))
        } else {
            format!("({})::{}", shown.text, name(ty))
        };
        Shown::new(text, ty, Level::Whole)
    }
}

fn test(text: String) -> Shown {
    Shown::new(text, Type::BOOL, Level::Test)
}

fn name(ty: Type) -> String {
    types::names::format(ty.bare()).unwrap_or_else(|| "text".to_owned())
}

/// A string gets its type.
fn typed(shown: Shown, ty: Type) -> Shown {
    if shown.ty.is_some() {
        return shown;
    }
    let text = format!("{}::{}", shown.text, name(ty));
    Shown::new(text, ty, Level::Whole)
}

/// Numbers: what is compared with what has a higher rank is made like it.
const fn rank(ty: Type) -> Option<u8> {
    Some(match ty.oid {
        21 => 1,
        23 => 2,
        20 => 3,
        1700 => 4,
        700 => 5,
        701 => 6,
        _ => return None,
    })
}

fn literal(value: &Value) -> Option<Shown> {
    match value {
        Value::Number(digits, _) => Some(number(digits)),
        Value::SingleQuotedString(text) => Some(Shown {
            text: quote_literal(text),
            ty: None,
            level: Level::Whole,
        }),
        Value::Boolean(value) => Some(Shown::new(value.to_string(), Type::BOOL, Level::Whole)),
        _ => None,
    }
}

fn number(digits: &str) -> Shown {
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let (text, ty) = if whole && digits.parse::<i32>().is_ok() {
        (digits.to_owned(), Type::INT4)
    } else if whole && digits.parse::<i64>().is_ok() {
        (format!("'{digits}'::bigint"), Type::INT8)
    } else {
        (digits.to_owned(), Type::NUMERIC)
    };
    Shown::new(text, ty, Level::Whole)
}

fn negative(expr: &Expr) -> Option<Shown> {
    let inner = match expr {
        Expr::Nested(inner) => inner,
        other => other,
    };
    let Expr::Value(value) = inner else {
        return None;
    };
    let Value::Number(digits, _) = &value.value else {
        return None;
    };
    let ty = number(digits).ty?;
    let text = format!("'-{digits}'::{}", name(ty));
    Some(Shown::new(text, ty, Level::Whole))
}

//! Types made to fit: literals and parameters take the type of where they stand, values are cast.
//! <https://www.postgresql.org/docs/15/typeconv.html>

use sqlparser::tokenizer::Span;

use super::{Compiler, Kind, Typed};
use crate::error::{PgError, Result};
use crate::sql::names::literal;
use crate::types::{Type, array, text};
use rusqlite::types::Value;

/// How much a value may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// Where Postgres casts by itself: in operators and functions.
    Implicit,
    /// Into a column.
    Assignment,
    /// `CAST`, `::`.
    Explicit,
}

/// SQLite's text of a value.
pub(crate) fn write_value(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) if *integer == i64::MIN => "(-9223372036854775807-1)".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        // SQLite makes NULL of a NaN: it is text.
        Value::Real(real) if real.is_nan() => "'NaN'".to_owned(),
        Value::Real(real) if real.is_infinite() => {
            if *real > 0.0 { "9e999" } else { "-9e999" }.to_owned()
        }
        Value::Real(real) => {
            let shown = format!("{real:?}");
            if shown.starts_with('-') {
                format!("({shown})")
            } else {
                shown
            }
        }
        Value::Text(text) => literal(text),
        Value::Blob(bytes) => {
            let mut out = String::with_capacity(bytes.len() * 2 + 3);
            out.push_str("x'");
            for byte in bytes {
                out.push_str(&format!("{byte:02x}"));
            }
            out.push('\'');
            out
        }
    }
}

/// Which of the number types holds both.
fn number_rank(oid: u32) -> Option<u8> {
    Some(match oid {
        21 => 1,
        23 => 2,
        20 => 3,
        26 => 3,
        1700 => 4,
        700 => 5,
        701 => 6,
        _ => return None,
    })
}

fn time_rank(oid: u32) -> Option<u8> {
    Some(match oid {
        1082 => 1,
        1114 => 2,
        1184 => 3,
        _ => return None,
    })
}

/// The type that both fit in without a cast being written, as `UNION` and `CASE` choose it.
pub(crate) fn common(a: Type, b: Type) -> Option<Type> {
    if a == b {
        return Some(a);
    }
    if a.oid == b.oid {
        return Some(a.bare());
    }
    if a.oid == Type::UNKNOWN.oid {
        return Some(b);
    }
    if b.oid == Type::UNKNOWN.oid {
        return Some(a);
    }
    if a.is_string() && b.is_string() {
        return Some(match (a.oid, b.oid) {
            // Of name and text, and of varchar and text: whichever came first, without its length.
            (19, _) | (25, 19) | (1043, 25 | 1042) | (25 | 1042, 1043) => a.bare(),
            (_, 19) => Type::NAME,
            _ => Type::TEXT,
        });
    }
    if a.is_oid() && (b.is_int() || b.is_oid()) {
        return Some(if b.is_oid() && b.oid == 26 {
            b
        } else if b.is_int() {
            a
        } else {
            Type::OID
        });
    }
    if b.is_oid() && a.is_int() {
        return Some(b);
    }
    for rank in [number_rank, time_rank] {
        if let (Some(ra), Some(rb)) = (rank(a.oid), rank(b.oid)) {
            return Some(if ra >= rb { a.bare() } else { b.bare() });
        }
    }
    match (a.oid, b.oid) {
        (1083, 1266) | (1266, 1083) => Some(Type::TIMETZ),
        (1083, 1186) | (1186, 1083) => Some(Type::INTERVAL),
        (869, 650) | (650, 869) => Some(Type::of(869)),
        (1560, 1562) | (1562, 1560) => Some(Type::of(1562)),
        (22, 1005) | (1005, 22) => Some(Type::INT2.array()),
        (30, 1028) | (1028, 30) => Some(Type::OID.array()),
        _ => match (a.element(), b.element()) {
            (Some(x), Some(y)) if x.is_string() && y.is_string() => Some(Type::TEXT_ARRAY),
            (Some(x), Some(y)) => common(x, y).map(Type::array),
            _ => None,
        },
    }
}

/// Whether Postgres casts so in such a place.
fn allowed(from: Type, to: Type, context: Context) -> bool {
    if from.oid == to.oid || from.is_string() && to.is_string() {
        return true;
    }
    if let (Some(a), Some(b)) = (number_rank(from.oid), number_rank(to.oid)) {
        return a <= b || context != Context::Implicit;
    }
    if let (Some(a), Some(b)) = (time_rank(from.oid), time_rank(to.oid)) {
        return a <= b || context != Context::Implicit;
    }
    if (from.is_oid() || from.is_int()) && (to.is_oid() || to.is_int()) {
        return to.is_oid() || context != Context::Implicit;
    }
    if let (Some(a), Some(b)) = (from.element(), to.element()) {
        return allowed(a, b, context);
    }
    match (from.oid, to.oid) {
        (1083, 1266 | 1186) | (650, 869) | (1560, 1562) | (1562, 1560) => true,
        (1114 | 1184 | 1186 | 1266, 1083) | (1184, 1266) => context != Context::Implicit,
        (114, 3802) | (3802, 114) => context != Context::Implicit,
        // To text and back: assignments go to text, casts both ways.
        _ if to.is_string() => context != Context::Implicit,
        _ if from.is_string() => context == Context::Explicit,
        (16, 23) | (23, 16) => context == Context::Explicit,
        (3802, 16 | 20 | 21 | 23 | 700 | 701 | 1700) => context == Context::Explicit,
        (2950 | 17, 17 | 2950) => false,
        (20 | 21 | 23, 1560) | (1560 | 1562, 20 | 23) => context == Context::Explicit,
        (20 | 23 | 1700, 790) | (790, 1700) => context != Context::Implicit,
        _ => from.oid == Type::RECORD.oid || from.oid == 2276,
    }
}

impl Compiler<'_> {
    /// An expression made one of a type, or refused.
    pub(crate) fn coerce(
        &mut self,
        typed: Typed,
        to: Type,
        context: Context,
        span: Span,
    ) -> Result<Typed> {
        let from = typed.ty;
        match &typed.kind {
            Kind::Parameter(index) if typed.is_unknown() => {
                let index = *index;
                self.parameters[index - 1] = Some(to.bare());
                if to.is_reg() {
                    // The client may send a name.
                    return Ok(Typed::new(
                        format!("pg_reg_oid({}, {})", typed.sql, to.oid),
                        to,
                    ));
                }
                let mut out = Typed::new(typed.sql, to.bare());
                out.kind = Kind::Parameter(index);
                return if to.modifier >= 0 {
                    self.shape(out, to, context)
                } else {
                    Ok(out)
                };
            }
            Kind::Literal(written) if typed.is_unknown() => {
                let written = written.clone();
                return self.coerce_literal(&written, to, context, span);
            }
            Kind::Null => {
                let mut out = Typed::new("NULL", to);
                out.kind = Kind::Null;
                return Ok(out);
            }
            Kind::Number(digits) if to.oid == 1700 && to.modifier < 0 => {
                let mut out = typed.clone();
                out.sql = literal(digits);
                out.ty = Type::NUMERIC;
                return Ok(out);
            }
            Kind::Number(digits) if to.is_float() => {
                let value = text::input(to, digits, &self.style)?;
                return Ok(Typed::new(write_value(&value), to).not_null());
            }
            _ => {}
        }
        let typed = self.checked(typed);
        if from.oid == to.oid || typed.is_unknown() {
            let mut typed = typed;
            if typed.is_unknown() {
                typed.ty = to.bare();
            }
            if to.modifier >= 0 && typed.ty.modifier != to.modifier {
                return self.shape(typed, to, context);
            }
            return Ok(typed);
        }
        if !allowed(from, to, context) {
            return Err(self.cannot(from, to, context, span));
        }
        self.convert(typed, to, context)
    }

    fn cannot(&self, from: Type, to: Type, context: Context, span: Span) -> PgError {
        let (from, to) = (self.type_name(from), self.type_name(to));
        match context {
            Context::Explicit => {
                self.error_at(span, "42846", format!("cannot cast type {from} to {to}"))
            }
            _ => self
                .error_at(
                    span,
                    "42804",
                    format!("expression is of type {from}, but type {to} is needed here"),
                )
                .hint("You will need to rewrite or cast the expression."),
        }
    }

    /// A literal read as a value of a type.
    fn coerce_literal(
        &mut self,
        written: &str,
        to: Type,
        context: Context,
        span: Span,
    ) -> Result<Typed> {
        if to.oid == Type::UNKNOWN.oid {
            let mut out = Typed::new(literal(written), Type::TEXT);
            out.not_null = true;
            return Ok(out);
        }
        if to.is_reg() {
            return self.reg_literal(written, to);
        }
        if to.is_enum() {
            self.check_label(written, to, span)?;
        }
        let value = self.place(text::input(to, written, &self.style), span)?;
        let value = self.place(
            crate::types::cast::shape(value, to, context == Context::Explicit),
            span,
        )?;
        // What is relative to now or to the session is a matter of each execution.
        let word = written.trim().to_ascii_lowercase();
        let moving = matches!(to.oid, 1082 | 1083 | 1114 | 1184 | 1266)
            && (["now", "today", "tomorrow", "yesterday"]
                .iter()
                .any(|special| word.starts_with(special)));
        let sql = if moving {
            format!(
                "pg_input({}, {}, {})",
                literal(written),
                to.oid,
                to.modifier
            )
        } else {
            write_value(&value)
        };
        let mut out = Typed::new(sql, to).not_null();
        if let (1700, Value::Text(digits)) = (to.oid, &value) {
            out.kind = Kind::Number(digits.clone());
        }
        Ok(out)
    }

    /// A value of one type made one of another, the cast known to be allowed.
    fn convert(&mut self, typed: Typed, to: Type, context: Context) -> Result<Typed> {
        let from = typed.ty;
        let not_null = typed.not_null;
        let sql = &typed.sql;
        let bare = to.bare();
        let mut out = match (from.oid, to.oid) {
            _ if from.is_string() && to.is_string() => Typed::new(sql.clone(), bare),
            // A wider integer holds it.
            (21, 20 | 23) | (23, 20) => Typed::new(sql.clone(), bare),
            (20 | 21 | 23 | 26, 1700) => {
                let mut out = Typed::new(sql.clone(), bare);
                out.native = true;
                out
            }
            (20, 23) => Typed::new(format!("pg_int4({sql})"), bare),
            (20 | 23, 21) => Typed::new(format!("pg_int2({sql})"), bare),
            (20 | 21 | 23 | 1700, 701) | (700, 701) => {
                Typed::new(format!("CAST({sql} AS REAL)"), bare)
            }
            (23, 16) => Typed::new(format!("({sql} <> 0)"), bare),
            (16, 23) | (1082, 1082) => Typed::new(sql.clone(), bare),
            _ if to.is_string() && (from.is_int() || from.oid == 26) => {
                Typed::new(format!("CAST({sql} AS TEXT)"), bare)
            }
            _ if to.is_string() && matches!(from.oid, 2950 | 114 | 3802)
                || to.is_string() && from.is_enum() =>
            {
                Typed::new(sql.clone(), bare)
            }
            _ if from.is_reg() && to.is_string() => {
                Typed::new(format!("pg_reg_name({sql}, {})", from.oid), bare)
            }
            _ if to.is_reg() && from.is_string() => {
                Typed::new(format!("pg_reg_oid({sql}, {})", to.oid), bare)
            }
            _ if (from.is_oid() || from.is_int()) && to.is_oid()
                || from.is_oid() && to.oid == 20 =>
            {
                Typed::new(sql.clone(), bare)
            }
            (1114, 1184) | (1184, 1114) if self.style.zone == crate::types::zone::Zone::UTC => {
                Typed::new(sql.clone(), bare)
            }
            _ if to.is_enum() => Typed::new(
                format!("pg_enum_label({sql}, {})", self.labels_literal(to)),
                bare,
            ),
            _ if from.oid == Type::RECORD.oid => Typed::new(sql.clone(), bare),
            _ if self.same_items(from, to) => Typed::new(sql.clone(), bare),
            _ => {
                let explicit = i32::from(context == Context::Explicit);
                let mut out = Typed::new(
                    format!(
                        "pg_cast({sql}, {}, {}, {}, {}, {explicit})",
                        from.oid, from.modifier, to.oid, to.modifier
                    ),
                    to,
                );
                out.not_null = not_null;
                return Ok(out);
            }
        };
        out.not_null = not_null;
        if to.modifier >= 0 {
            self.shape(out, to, context)
        } else {
            Ok(out)
        }
    }

    /// Arrays whose elements are written alike.
    fn same_items(&self, from: Type, to: Type) -> bool {
        match (from.element(), to.element()) {
            (Some(a), Some(b)) => {
                (a.is_string() || a.is_enum()) && b.is_string()
                    || (a.is_int() && b.is_int() && a.size() <= b.size())
                    || (a.is_int() || a.is_oid()) && b.is_oid()
                    || a.oid == b.oid
            }
            _ => false,
        }
    }

    /// Length or precision of the target applied.
    pub(crate) fn shape(&mut self, typed: Typed, to: Type, context: Context) -> Result<Typed> {
        if let Kind::Number(digits) = &typed.kind
            && to.oid == 1700
        {
            let value = crate::types::cast::shape(Value::Text(digits.clone()), to, true)?;
            let mut out = Typed::new(write_value(&value), to).not_null();
            if let Value::Text(digits) = value {
                out.kind = Kind::Number(digits);
            }
            return Ok(out);
        }
        let explicit = i32::from(context == Context::Explicit);
        let mut out = Typed::new(
            format!(
                "pg_shape({}, {}, {}, {explicit})",
                typed.sql, to.oid, to.modifier
            ),
            to,
        );
        out.not_null = typed.not_null;
        Ok(out)
    }

    /// The range of computed integers checked.
    pub(crate) fn checked(&self, mut typed: Typed) -> Typed {
        if !typed.unchecked {
            return typed;
        }
        typed.unchecked = false;
        let check = match typed.ty.oid {
            21 => "pg_int2",
            23 => "pg_int4",
            _ => "pg_int8",
        };
        typed.sql = format!("{check}({})", typed.sql);
        typed
    }

    /// Unknown literals and parameters become text.
    pub(crate) fn settled(&mut self, typed: Typed, span: Span) -> Result<Typed> {
        if typed.is_unknown() && !matches!(typed.kind, Kind::Null) {
            return self.coerce(typed, Type::TEXT, Context::Implicit, span);
        }
        Ok(self.checked(typed))
    }

    /// All of one type: that of `UNION`, `CASE`, `COALESCE`, `ARRAY[]`.
    pub(crate) fn unify(
        &mut self,
        items: Vec<Typed>,
        what: &str,
        span: Span,
    ) -> Result<(Vec<Typed>, Type)> {
        let mut ty = Type::UNKNOWN;
        // A literal or parameter has no modifier: then the result has none.
        let modified = !items.iter().any(Typed::is_unknown);
        for item in &items {
            ty = common(ty, item.ty).ok_or_else(|| {
                self.error_at(
                    span,
                    "42804",
                    format!(
                        "{what} types {} and {} cannot be matched",
                        self.type_name(ty),
                        self.type_name(item.ty)
                    ),
                )
            })?;
        }
        if ty.oid == Type::UNKNOWN.oid {
            ty = Type::TEXT;
        } else if !modified {
            ty = ty.bare();
        }
        let all_native = items.iter().all(|item| self.is_native(item));
        let items = items
            .into_iter()
            .map(|item| {
                if item.ty == ty {
                    return Ok(self.checked(item));
                }
                if item.ty.oid == ty.oid && ty.modifier < 0 {
                    return Ok(self.checked(item));
                }
                self.coerce(item, ty, Context::Implicit, span)
            })
            .collect::<Result<Vec<_>>>()?;
        let scaled = ty.modifier < 0
            && items
                .iter()
                .any(|item| item.native && precision_scale(item.ty).is_some());
        if ty.oid == 1700 && (!all_native || scaled) {
            // Numbers of both representations: all as text, so that they compare alike.
            let items = items
                .into_iter()
                .map(|item| self.numeric_text(item))
                .collect();
            return Ok((items, ty));
        }
        Ok((items, ty))
    }

    /// A numeric (or integer) that SQLite compares rightly as it lies.
    pub(crate) fn is_native(&self, typed: &Typed) -> bool {
        typed.native || typed.ty.is_int()
    }

    /// A numeric's value as TEXT, whatever it lies as.
    pub(crate) fn numeric_text(&self, mut typed: Typed) -> Typed {
        if typed.native || typed.ty.is_int() {
            typed.sql = match precision_scale(typed.ty) {
                Some(scale) => format!("pg_numeric_text({}, {scale})", typed.sql),
                None => format!("CAST({} AS TEXT)", typed.sql),
            };
            typed.native = false;
            typed.kind = Kind::Value;
        }
        typed
    }

    /// A type's name for messages, users' types too.
    pub(crate) fn type_name(&self, ty: Type) -> String {
        if let Some(name) = crate::types::names::format(ty.bare()) {
            return name;
        }
        match ty.element() {
            Some(element) => format!("{}[]", self.type_name(element)),
            None => crate::sql::schema::enum_labels(self.connection, ty)
                .map_or_else(|| "unknown".to_owned(), |(name, _)| name),
        }
    }

    /// `'pg_class'::regclass`: a number is the oid itself, a name is looked up when it is run.
    fn reg_literal(&mut self, written: &str, to: Type) -> Result<Typed> {
        let trimmed = written.trim();
        if let Ok(oid) = trimmed.parse::<u32>() {
            return Ok(Typed::new(oid.to_string(), to).not_null());
        }
        if trimmed == "-" {
            return Ok(Typed::new("0", to).not_null());
        }
        Ok(Typed::new(format!("pg_reg_oid({}, {})", literal(trimmed), to.oid), to).not_null())
    }

    /// The labels of an enum as a JSON array in quotes.
    pub(crate) fn labels_literal(&self, ty: Type) -> String {
        let (_, labels) = crate::sql::schema::enum_labels(self.connection, ty).unwrap_or_default();
        let mut json = String::from("[");
        for (index, label) in labels.into_iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            array::push_value(&Value::Text(label), &mut json);
        }
        json.push(']');
        literal(&json)
    }

    fn check_label(&self, written: &str, ty: Type, span: Span) -> Result<()> {
        let (name, labels) =
            crate::sql::schema::enum_labels(self.connection, ty).unwrap_or_default();
        if labels.iter().any(|label| label == written) {
            return Ok(());
        }
        Err(self.error_at(
            span,
            "22P02",
            format!("invalid input value for enum {name}: \"{written}\""),
        ))
    }
}

fn precision_scale(ty: Type) -> Option<i32> {
    crate::types::names::precision_and_scale(ty.modifier)
        .filter(|_| ty.oid == 1700)
        .map(|(_, scale)| scale)
}

//! Aggregates that SQLite does not have: exact sums and averages, deviation, ordered sets, intervals.

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};

use super::fail;
use crate::error::PgError;
use crate::types::Type;
use crate::types::interval::Interval;
use crate::types::numeric::Numeric;
use crate::types::text;

/// Makes the aggregates known.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_aggregate_function("pg_sum", 1, flags, Sum { average: false })?;
    connection.create_aggregate_function("pg_avg", 1, flags, Sum { average: true })?;
    connection.create_aggregate_function("pg_deviation", 2, flags, Deviation)?;
    connection.create_aggregate_function("pg_regression", 3, flags, Regression)?;
    connection.create_aggregate_function("pg_ordered", 5, flags, Ordered)?;
    connection.create_aggregate_function("pg_interval_sum", 1, flags, Intervals(Of::Sum))?;
    connection.create_aggregate_function("pg_interval_avg", 1, flags, Intervals(Of::Average))?;
    connection.create_aggregate_function("pg_interval_min", 1, flags, Intervals(Of::Min))?;
    connection.create_aggregate_function("pg_interval_max", 1, flags, Intervals(Of::Max))?;
    connection.create_aggregate_function("pg_bit_and_agg", 1, flags, Bits { and: true })?;
    connection.create_aggregate_function("pg_bit_or_agg", 1, flags, Bits { and: false })
}

fn number(context: &Context<'_>, index: usize) -> Result<Option<Numeric>> {
    match context.get_raw(index) {
        ValueRef::Null => Ok(None),
        value => text::as_numeric(Type::NUMERIC, value)
            .map(Some)
            .map_err(fail),
    }
}

/// `sum` and `avg` of int8 and numeric.
struct Sum {
    average: bool,
}

/// Whole numbers add up in 128 bits; numerics as they are.
#[derive(Default)]
struct Total {
    whole: i128,
    rest: Option<Numeric>,
    count: i64,
}

impl Aggregate<Total, Value> for Sum {
    fn init(&self, _: &mut Context<'_>) -> Result<Total> {
        Ok(Total::default())
    }

    fn step(&self, context: &mut Context<'_>, total: &mut Total) -> Result<()> {
        match context.get_raw(0) {
            ValueRef::Null => return Ok(()),
            ValueRef::Integer(integer) => total.whole += i128::from(integer),
            _ => {
                if let Some(value) = number(context, 0)? {
                    total.rest = Some(match total.rest.take() {
                        Some(rest) => rest.add(&value),
                        None => value,
                    });
                }
            }
        }
        total.count += 1;
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, total: Option<Total>) -> Result<Value> {
        let Some(total) = total.filter(|total| total.count > 0) else {
            return Ok(Value::Null);
        };
        let whole = Numeric::from(total.whole);
        let sum = match total.rest {
            Some(rest) => rest.add(&whole),
            None => whole,
        };
        let out = if self.average {
            sum.div(&Numeric::from(total.count)).map_err(fail)?
        } else {
            sum
        };
        Ok(Value::Text(out.to_string()))
    }
}

/// `stddev`, `variance` and their kin: the name is the first argument.
struct Deviation;

#[derive(Default)]
struct Squares {
    name: String,
    count: i64,
    sum: Option<Numeric>,
    squares: Option<Numeric>,
    // Doubles by Youngs and Cramer, as Postgres does it.
    float: bool,
    x: f64,
    xx: f64,
}

impl Aggregate<Squares, Value> for Deviation {
    fn init(&self, _: &mut Context<'_>) -> Result<Squares> {
        Ok(Squares::default())
    }

    fn step(&self, context: &mut Context<'_>, all: &mut Squares) -> Result<()> {
        if all.name.is_empty() {
            all.name = context.get(0)?;
        }
        if let ValueRef::Real(value) = context.get_raw(1) {
            all.float = true;
            all.count += 1;
            #[allow(clippy::cast_precision_loss, reason = "a count")]
            let n = all.count as f64;
            all.x += value;
            if all.count > 1 {
                let step = value * n - all.x;
                all.xx += step * step / (n * (n - 1.0));
            }
            return Ok(());
        }
        let Some(value) = number(context, 1)? else {
            return Ok(());
        };
        all.count += 1;
        let square = value.mul(&value);
        all.squares = Some(
            all.squares
                .take()
                .map_or(square.clone(), |squares| squares.add(&square)),
        );
        all.sum = Some(all.sum.take().map_or(value.clone(), |sum| sum.add(&value)));
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, all: Option<Squares>) -> Result<Value> {
        let Some(all) = all.filter(|all| all.count > 0) else {
            return Ok(Value::Null);
        };
        let population = all.name.ends_with("_pop");
        let root = all.name.starts_with("std");
        if !population && all.count < 2 {
            return Ok(Value::Null);
        }
        let divisor = if population { all.count } else { all.count - 1 };
        if all.float {
            #[allow(clippy::cast_precision_loss, reason = "a count")]
            let variance = all.xx / divisor as f64;
            return Ok(Value::Real(if root { variance.sqrt() } else { variance }));
        }
        let (Some(sum), Some(squares)) = (all.sum, all.squares) else {
            return Ok(Value::Null);
        };
        let count = Numeric::from(all.count);
        let above = count.mul(&squares).sub(&sum.mul(&sum));
        if above.is_zero() {
            return Ok(Value::Text("0".to_owned()));
        }
        let variance = above
            .div(&count.mul(&Numeric::from(divisor)))
            .map_err(fail)?;
        let out = if root {
            variance.sqrt().map_err(fail)?
        } else {
            variance
        };
        Ok(Value::Text(out.to_string()))
    }
}

/// `corr`, `covar_*`, `regr_*` of y and x; the name is the first argument.
struct Regression;

#[derive(Default)]
struct Pairs {
    name: String,
    values: Vec<(f64, f64)>,
}

impl Aggregate<Pairs, Value> for Regression {
    fn init(&self, _: &mut Context<'_>) -> Result<Pairs> {
        Ok(Pairs::default())
    }

    fn step(&self, context: &mut Context<'_>, pairs: &mut Pairs) -> Result<()> {
        if pairs.name.is_empty() {
            pairs.name = context.get(0)?;
        }
        if let (Some(y), Some(x)) = (
            context.get::<Option<f64>>(1)?,
            context.get::<Option<f64>>(2)?,
        ) {
            pairs.values.push((y, x));
        }
        Ok(())
    }

    #[allow(clippy::cast_precision_loss, reason = "a count")]
    fn finalize(&self, _: &mut Context<'_>, pairs: Option<Pairs>) -> Result<Value> {
        let pairs = pairs.unwrap_or_default();
        let count = pairs.values.len();
        if pairs.name == "regr_count" || pairs.name.is_empty() && count == 0 {
            return Ok(if pairs.name.is_empty() {
                Value::Null
            } else {
                Value::Integer(count as i64)
            });
        }
        if count == 0 {
            return Ok(Value::Null);
        }
        let n = count as f64;
        let (sum_y, sum_x) = pairs
            .values
            .iter()
            .fold((0.0, 0.0), |(a, b), (y, x)| (a + y, b + x));
        let (mean_y, mean_x) = (sum_y / n, sum_x / n);
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        for (y, x) in &pairs.values {
            xx += (x - mean_x) * (x - mean_x);
            yy += (y - mean_y) * (y - mean_y);
            xy += (x - mean_x) * (y - mean_y);
        }
        let out = match pairs.name.as_str() {
            "covar_pop" => xy / n,
            "covar_samp" if count > 1 => xy / (n - 1.0),
            "corr" if xx > 0.0 && yy > 0.0 => xy / (xx * yy).sqrt(),
            "regr_slope" if xx > 0.0 => xy / xx,
            "regr_intercept" if xx > 0.0 => mean_y - xy / xx * mean_x,
            _ => return Ok(Value::Null),
        };
        Ok(Value::Real(out))
    }
}

/// `percentile_cont`, `percentile_disc`, `mode`: name, fraction, value, key, descending.
struct Ordered;

#[derive(Default)]
struct Set {
    name: String,
    fraction: f64,
    descending: bool,
    values: Vec<(Value, Value)>,
}

fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => match (Numeric::parse(a), Numeric::parse(b)) {
            (Some(x), Some(y)) => x.compare(&y),
            _ => a.cmp(b),
        },
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        _ => {
            let real = |value: &Value| match value {
                #[allow(clippy::cast_precision_loss, reason = "for order only")]
                Value::Integer(integer) => *integer as f64,
                Value::Real(real) => *real,
                _ => f64::NAN,
            };
            match (a, b) {
                (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
                _ => real(a).total_cmp(&real(b)),
            }
        }
    }
}

impl Aggregate<Set, Value> for Ordered {
    fn init(&self, _: &mut Context<'_>) -> Result<Set> {
        Ok(Set::default())
    }

    fn step(&self, context: &mut Context<'_>, set: &mut Set) -> Result<()> {
        if set.name.is_empty() {
            set.name = context.get(0)?;
            set.fraction = context.get::<Option<f64>>(1)?.unwrap_or(f64::NAN);
            set.descending = context.get::<i64>(4)? != 0;
        }
        let value: Value = context.get(2)?;
        if value != Value::Null {
            set.values.push((context.get(3)?, value));
        }
        Ok(())
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "places in a list"
    )]
    fn finalize(&self, _: &mut Context<'_>, set: Option<Set>) -> Result<Value> {
        let Some(mut set) = set.filter(|set| !set.values.is_empty()) else {
            return Ok(Value::Null);
        };
        set.values.sort_by(|(a, _), (b, _)| order(a, b));
        if set.descending {
            set.values.reverse();
        }
        if set.name == "mode" {
            let (mut best, mut most, mut run) = (0, 0, 0);
            for index in 0..set.values.len() {
                run = if index > 0 && order(&set.values[index].0, &set.values[index - 1].0).is_eq()
                {
                    run + 1
                } else {
                    1
                };
                if run > most {
                    (best, most) = (index, run);
                }
            }
            return Ok(set.values.swap_remove(best).1);
        }
        if !(0.0..=1.0).contains(&set.fraction) {
            return Err(fail(PgError::new(
                "22003",
                format!("percentile value {} is not between 0 and 1", set.fraction),
            )));
        }
        let count = set.values.len();
        if set.name == "percentile_disc" {
            let place = ((set.fraction * count as f64).ceil() as usize)
                .saturating_sub(1)
                .min(count - 1);
            return Ok(set.values.swap_remove(place).1);
        }
        let place = set.fraction * (count - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        let part = place - place.floor();
        match (&set.values[low].1, &set.values[high].1) {
            (Value::Real(a), Value::Real(b)) => Ok(Value::Real(a + (b - a) * part)),
            (Value::Text(a), Value::Text(b)) => {
                let (a, b) = (
                    Interval::parse(a, None).map_err(fail)?,
                    Interval::parse(b, None).map_err(fail)?,
                );
                let step = b.plus(a.negated()).times(part).map_err(fail)?;
                Ok(Value::Text(a.plus(step).text()))
            }
            (a, _) => Ok(a.clone()),
        }
    }
}

/// What is made of intervals.
enum Of {
    Sum,
    Average,
    Min,
    Max,
}

struct Intervals(Of);

impl Aggregate<Option<(Interval, i64)>, Value> for Intervals {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<(Interval, i64)>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, all: &mut Option<(Interval, i64)>) -> Result<()> {
        let value = context.get_raw(0);
        if value == ValueRef::Null {
            return Ok(());
        }
        let value = text::as_interval(value).map_err(fail)?;
        *all = Some(match *all {
            None => (value, 1),
            Some((so_far, count)) => {
                let next = match self.0 {
                    Of::Sum | Of::Average => so_far.plus(value),
                    Of::Min => {
                        if value.key() < so_far.key() {
                            value
                        } else {
                            so_far
                        }
                    }
                    Of::Max => {
                        if value.key() > so_far.key() {
                            value
                        } else {
                            so_far
                        }
                    }
                };
                (next, count + 1)
            }
        });
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, all: Option<Option<(Interval, i64)>>) -> Result<Value> {
        let Some((interval, count)) = all.flatten() else {
            return Ok(Value::Null);
        };
        #[allow(clippy::cast_precision_loss, reason = "a count")]
        let out = match self.0 {
            Of::Average => interval.times(1.0 / count as f64).map_err(fail)?,
            _ => interval,
        };
        Ok(Value::Text(out.text()))
    }
}

/// `bit_and`, `bit_or`.
struct Bits {
    and: bool,
}

impl Aggregate<Option<i64>, Option<i64>> for Bits {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<i64>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, all: &mut Option<i64>) -> Result<()> {
        if let Some(value) = context.get::<Option<i64>>(0)? {
            *all = Some(match *all {
                None => value,
                Some(so_far) if self.and => so_far & value,
                Some(so_far) => so_far | value,
            });
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, all: Option<Option<i64>>) -> Result<Option<i64>> {
        Ok(all.flatten())
    }
}

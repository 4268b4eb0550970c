//! `PREPARE`, `EXECUTE`, `DEALLOCATE`, `DECLARE`, `FETCH`, `MOVE`, `CLOSE`.

use rusqlite::Connection;

use super::plain;
use super::words::Words;
use crate::error::Result;
use crate::session::state::State;
use crate::sql::query::Compiler;
use crate::sql::query::typenames::data_type;
use crate::sql::{Action, Direction, Parsed, Plan, Tag, parse};
use crate::types::Oid;

/// One of these commands.
pub(crate) fn read(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
    given: &[Oid],
) -> Result<Plan> {
    let first = words.advance().unwrap_or_default();
    match first.as_str() {
        "PREPARE" => prepare(words, connection),
        "EXECUTE" => execute(words, connection, state),
        "DEALLOCATE" => {
            words.accept("PREPARE");
            let name = if words.accept("ALL") {
                None
            } else {
                Some(words.name()?)
            };
            words.end()?;
            let tag = if name.is_none() {
                "DEALLOCATE ALL"
            } else {
                "DEALLOCATE"
            };
            Ok(plain(Action::Deallocate(name), tag))
        }
        "DECLARE" => declare(words, connection, state, given),
        "CLOSE" => {
            let name = if words.accept("ALL") {
                None
            } else {
                Some(words.name()?)
            };
            words.end()?;
            Ok(plain(Action::Close(name), "CLOSE CURSOR"))
        }
        _ => fetch(words, first == "MOVE"),
    }
}

fn prepare(words: &mut Words<'_>, connection: &Connection) -> Result<Plan> {
    let name = words.name()?;
    let mut types = Vec::new();
    if words.accept("(") {
        let list = words.bracketed()?;
        for written in list.split(',') {
            // A type is read as a cast's.
            let cast = format!("SELECT NULL::{written}");
            let ty = match parse::statement(&cast)? {
                sqlparser::ast::Statement::Query(query) => type_of_cast(&query, connection)?,
                _ => 0,
            };
            types.push(ty);
        }
    }
    words.expect("AS")?;
    let text = words.rest();
    if text.is_empty() {
        return Err(words.unexpected());
    }
    Ok(plain(
        Action::Prepare {
            name,
            types,
            text: text.into(),
            whole: words.text.into(),
        },
        "PREPARE",
    ))
}

fn type_of_cast(query: &sqlparser::ast::Query, connection: &Connection) -> Result<u32> {
    use sqlparser::ast::{Expr, SelectItem, SetExpr};
    if let SetExpr::Select(select) = query.body.as_ref()
        && let Some(SelectItem::UnnamedExpr(Expr::Cast {
            data_type: written, ..
        })) = select.projection.first()
    {
        return Ok(data_type(connection, written)?.oid);
    }
    Ok(0)
}

fn execute(words: &mut Words<'_>, connection: &Connection, state: &State) -> Result<Plan> {
    let name = words.name()?;
    let mut arguments = Vec::new();
    if words.accept("(") {
        let list = words.bracketed()?;
        words.end()?;
        if !list.is_empty() {
            // The values, each as an expression of its own.
            let text = format!("SELECT {list}");
            if let sqlparser::ast::Statement::Query(query) = parse::statement(&text)?
                && let sqlparser::ast::SetExpr::Select(select) = query.body.as_ref()
            {
                let mut compiler = Compiler::new(connection, state, &text, &[]);
                let (items, _) = compiler.projection(&select.projection, Some(&[]))?;
                arguments = items.into_iter().map(|item| item.sql).collect();
            }
        }
    }
    words.end()?;
    Ok(plain(Action::Execute { name, arguments }, "EXECUTE"))
}

/// Its parameters are those of its query.
fn declare(
    words: &mut Words<'_>,
    connection: &Connection,
    state: &State,
    given: &[Oid],
) -> Result<Plan> {
    let name = words.name()?;
    let (mut binary, mut hold, mut scroll) = (false, false, false);
    loop {
        if words.accept("BINARY") {
            binary = true;
        } else if words.accept("SCROLL") {
            scroll = true;
        } else if words.accept("INSENSITIVE")
            || words.accept("ASENSITIVE")
            || words.accept("NO SCROLL")
        {
        } else {
            break;
        }
    }
    words.expect("CURSOR")?;
    if words.accept("WITH HOLD") {
        hold = true;
    } else {
        words.accept("WITHOUT HOLD");
    }
    words.expect("FOR")?;
    let text = words.rest();
    if text.is_empty() {
        return Err(words.unexpected());
    }
    let parsed = Parsed {
        text: text.into(),
        offset: 0,
    };
    let parameters = crate::sql::plan(connection, state, &parsed, given)?.parameters;
    let action = Action::Declare {
        name,
        hold,
        binary,
        scroll,
        text: parsed.text,
    };
    Ok(Plan {
        parameters,
        ..plain(action, "DECLARE CURSOR")
    })
}

/// `FETCH [direction] [FROM | IN] name`
fn fetch(words: &mut Words<'_>, discard: bool) -> Result<Plan> {
    // A cursor may be called like a direction.
    let direction = if words.peek_at(1).is_none() {
        Direction::Forward(Some(1))
    } else {
        direction(words)?
    };
    if !words.accept("FROM") {
        words.accept("IN");
    }
    let name = words.name()?;
    words.end()?;
    let word = if discard { "MOVE" } else { "FETCH" };
    let action = Action::Fetch {
        name,
        direction,
        discard,
    };
    let mut plan = plain(action, word);
    plan.tag = Tag::Rows(word);
    Ok(plan)
}

/// `NEXT`, `PRIOR`, `FIRST`, `LAST`, `ABSOLUTE n`, `RELATIVE n`, `n`, `ALL`, `FORWARD [n | ALL]`,
/// `BACKWARD [n | ALL]`, or nothing.
fn direction(words: &mut Words<'_>) -> Result<Direction> {
    let way = words.peek().unwrap_or_default();
    let forward = match way.as_str() {
        "FORWARD" => Direction::Forward,
        "BACKWARD" => Direction::Backward,
        "NEXT" | "PRIOR" | "FIRST" | "LAST" | "ABSOLUTE" | "RELATIVE" => {
            words.advance();
            return Ok(match way.as_str() {
                "NEXT" => Direction::Forward(Some(1)),
                "PRIOR" => Direction::Backward(Some(1)),
                "FIRST" => Direction::Absolute(1),
                "LAST" => Direction::Absolute(-1),
                "ABSOLUTE" => Direction::Absolute(words.integer()?),
                _ => Direction::Relative(words.integer()?),
            });
        }
        _ => return Ok(Direction::Forward(many(words)?)),
    };
    words.advance();
    many(words).map(forward)
}

/// `n`, `ALL`, or nothing, which is one.
fn many(words: &mut Words<'_>) -> Result<Option<i64>> {
    if words.accept("ALL") {
        return Ok(None);
    }
    let number =
        |word: String| word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
    if words.peek().is_some_and(number) {
        return words.integer().map(Some);
    }
    Ok(Some(1))
}

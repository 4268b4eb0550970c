//! A command: prints what was sold in each region in a month. `--month 2026-11`

use std::process::ExitCode;

use serde::Deserialize;
use sqlbridge_guest::{Connection, Optional, params};

#[derive(Deserialize)]
struct Sales {
    region: String,
    orders: i64,
    total: f64,
}

fn main() -> ExitCode {
    match report() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let month = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--month"), Some(month)) => month,
        _ => return Err("which month? --month 2026-11".into()),
    };

    let connection = Connection::open();
    let sales = "SELECT region, count(*) AS orders, sum(amount) AS total FROM orders
                 WHERE strftime('%Y-%m', at) = :month GROUP BY region ORDER BY total DESC, region";
    for row in connection.query_map(sales, params! { "month": month }, |row| row.to::<Sales>())? {
        let Sales {
            region,
            orders,
            total,
        } = row?;
        println!("{region:<8} {orders:>3} {total:>9.2}");
    }

    let best = "SELECT id, amount FROM orders WHERE strftime('%Y-%m', at) = ? ORDER BY amount DESC LIMIT 1";
    let best = connection.query_row(best, [&month], |row| {
        Ok((row.get::<i64>("id")?, row.get::<f64>("amount")?))
    });
    match best.optional()? {
        Some((id, amount)) => println!("the largest is order {id}, {amount:.2}"),
        None => println!("nothing was sold in {month}"),
    }
    Ok(())
}

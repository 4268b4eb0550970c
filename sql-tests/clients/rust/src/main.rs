//! tokio-postgres: everything prepared and binary, pipelines, portals, COPY, a cancel. What it prints must be
//! what it prints on PostgreSQL.

use std::env;
use std::error::Error as _;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt, future};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Error, IsolationLevel, NoTls, SimpleQueryMessage};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let mut client = connect().await?;
    kinds(&client).await?;
    parameters(&client).await?;
    prepared(&client).await?;
    errors(&client).await?;
    simple(&client).await?;
    pipelined(&client).await?;
    transactions(&mut client).await?;
    portals(&mut client).await?;
    streams(&client).await?;
    copies(&client).await?;
    cancelled(&client).await?;
    own_types(&client).await?;
    println!(
        "{:?}",
        client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0)
    );
    Ok(())
}

/// A client whose notices are printed as they come.
async fn connect() -> Result<Client> {
    let word = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let place = format!(
        "host={} port={} user={} dbname={} application_name=tokio",
        word("PGHOST")?,
        word("PGPORT")?,
        word("PGUSER")?,
        word("PGDATABASE")?
    );
    let (client, mut connection) = tokio_postgres::connect(&place, NoTls).await?;
    tokio::spawn(future::poll_fn(move |context| {
        loop {
            match std::task::ready!(connection.poll_message(context)) {
                Some(Ok(AsyncMessage::Notice(notice))) => println!(
                    "notice {} {} {}",
                    notice.severity(),
                    notice.code().code(),
                    notice.message()
                ),
                Some(Ok(other)) => println!("{other:?}"),
                Some(Err(error)) => println!("the connection: {error}"),
                None => return std::task::Poll::Ready(()),
            }
        }
    }));
    Ok(client)
}

/// Microseconds since 1970.
fn microseconds(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_micros() as i128,
        Err(before) => -(before.duration().as_micros() as i128),
    }
}

/// What is known of an error. Of a violated constraint not the sentence: SQLite does not say the values.
fn told(error: &Error) -> String {
    let Some(error) = error.as_db_error() else {
        return match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
    };
    let mut told = format!("{} {}", error.severity(), error.code().code());
    if !error.code().code().starts_with("23") {
        told.push_str(&format!(" {}", error.message()));
    } else if *error.code() != SqlState::FOREIGN_KEY_VIOLATION {
        let names = (error.constraint(), error.column());
        told.push_str(&format!(" {names:?}"));
    }
    if let Some(place) = error.where_() {
        told.push_str(&format!(" | {place}"));
    }
    if let Some(ErrorPosition::Original(position)) = error.position() {
        told.push_str(&format!(" | at {position}"));
    }
    told
}

fn failed<T>(outcome: std::result::Result<T, Error>) {
    match outcome {
        Ok(_) => println!("no error"),
        Err(error) => println!("{}", told(&error)),
    }
}

/// Values of each type that needs no other crate, as they are stored.
async fn kinds(client: &Client) -> Result {
    client
        .batch_execute(include_str!("../../kinds.sql"))
        .await?;
    let statement = client.prepare("SELECT * FROM kinds ORDER BY id").await?;
    for column in statement.columns() {
        println!(
            "{} {} {}",
            column.name(),
            column.type_(),
            column.type_modifier()
        );
    }
    for row in client.query(&statement, &[]).await? {
        println!(
            "{} {:?}",
            row.get::<_, i32>("id"),
            row.get::<_, Option<bool>>("truth")
        );
        println!(
            "{:?} {:?}",
            row.get::<_, Option<i16>>("small"),
            row.get::<_, Option<i32>>("number")
        );
        println!(
            "{:?} {:?}",
            row.get::<_, Option<i64>>("big"),
            row.get::<_, Option<f32>>("single")
        );
        println!(
            "{:?} {:?}",
            row.get::<_, Option<f64>>("double"),
            row.get::<_, Option<&str>>("words")
        );
        println!(
            "{:?} {:?}",
            row.get::<_, Option<&str>>("short"),
            row.get::<_, Option<&str>>("padded")
        );
        println!(
            "{:?}",
            row.get::<_, Option<SystemTime>>("moment").map(microseconds)
        );
        println!(
            "{:?}",
            row.get::<_, Option<SystemTime>>("instant")
                .map(microseconds)
        );
        println!("{:?}", row.get::<_, Option<&[u8]>>("bytes"));
        println!("{:?}", row.get::<_, Option<Vec<Option<i32>>>>("numbers"));
        println!("{:?}", row.get::<_, Option<Vec<Option<&str>>>>("names"));
        if let Err(error) = row.try_get::<_, Option<i64>>("exact") {
            println!("{error}");
        }
    }
    Ok(())
}

/// The same types as parameters; their types are the server's to find.
async fn parameters(client: &Client) -> Result {
    let columns =
        "truth, small, number, big, single, double, words, moment, instant, bytes, numbers, names";
    let values: [&(dyn ToSql + Sync); 12] = [
        &false,
        &7_i16,
        &-1_i32,
        &(1_i64 << 40),
        &0.25_f32,
        &2.5_f64,
        &"it's \\ ü",
        &(UNIX_EPOCH + Duration::from_micros(5)),
        &(UNIX_EPOCH - Duration::from_micros(5)),
        &&[1_u8, 0, 39, 92][..],
        &vec![Some(1), None, Some(-3)],
        &vec![Some("x"), None, Some("a\"b,")],
    ];
    let insert = format!(
        "INSERT INTO kinds ({columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id, {columns}"
    );
    let row = client.query_one(&insert, &values).await?;
    println!(
        "{} {:?} {} {} {} {} {} {:?} {} {} {:?} {:?} {:?}",
        row.get::<_, i32>(0),
        row.get::<_, bool>(1),
        row.get::<_, i16>(2),
        row.get::<_, i32>(3),
        row.get::<_, i64>(4),
        row.get::<_, f32>(5),
        row.get::<_, f64>(6),
        row.get::<_, &str>(7),
        microseconds(row.get(8)),
        microseconds(row.get(9)),
        row.get::<_, &[u8]>(10),
        row.get::<_, Vec<Option<i32>>>(11),
        row.get::<_, Vec<Option<String>>>(12),
    );
    let found = "SELECT id FROM kinds WHERE (double = $1 OR words = ANY($2)) AND bytes IS NOT NULL ORDER BY id";
    for row in client.query(found, &[&2.5_f64, &vec!["a", "b"]]).await? {
        println!("{}", row.get::<_, i32>(0));
    }
    let none: Option<&str> = None;
    let nothing = client
        .query_opt("SELECT id FROM kinds WHERE words = $1", &[&none])
        .await?;
    println!("{:?}", nothing.is_none());
    let row = client
        .query_one(
            "SELECT $1::text IS NULL, $2::int8 + 1, $3::float8 / 3, NOT $4",
            &[&none, &41_i64, &1_f64, &true],
        )
        .await?;
    println!(
        "{} {} {} {}",
        row.get::<_, bool>(0),
        row.get::<_, i64>(1),
        row.get::<_, f64>(2),
        row.get::<_, bool>(3)
    );
    // Of a wrong type: refused by the client, because the server has said what it wants.
    failed(
        client
            .query("SELECT id FROM kinds WHERE id = $1", &[&"one"])
            .await,
    );
    // Types that the client says, without a round trip before.
    let row = client
        .query_typed_one(
            "SELECT $1 || '!', $2 + 1",
            &[(&"a", Type::TEXT), (&1_i32, Type::INT4)],
        )
        .await?;
    println!("{:?} {}", row.get::<_, &str>(0), row.get::<_, i32>(1));
    Ok(())
}

async fn prepared(client: &Client) -> Result {
    client
        .batch_execute(
            "CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL, price float8 CONSTRAINT dear CHECK (price < 1000));
             CREATE TABLE part (item bigint REFERENCES item, number int, UNIQUE (item, number))",
        )
        .await?;
    let insert = client
        .prepare("INSERT INTO item VALUES ($1, $2, $3)")
        .await?;
    println!("{:?} {}", insert.params(), insert.columns().len());
    for id in 1..=20_i64 {
        let done = client
            .execute(&insert, &[&id, &format!("item {id}"), &(id as f64 / 4.0)])
            .await?;
        assert_eq!(done, 1);
    }
    let typed = client.prepare_typed("SELECT $1 + 1", &[Type::INT8]).await?;
    println!("{:?} {}", typed.params(), typed.columns()[0].type_());
    println!(
        "{}",
        client.query_one(&typed, &[&1_i64]).await?.get::<_, i64>(0)
    );
    println!(
        "{}",
        client
            .execute(
                "UPDATE item SET price = price * 2 WHERE id > $1",
                &[&15_i64]
            )
            .await?
    );
    println!(
        "{}",
        client
            .execute(
                "DELETE FROM item WHERE id = ANY($1)",
                &[&vec![19_i64, 20, 21]]
            )
            .await?
    );
    for row in client
        .query(
            "DELETE FROM item WHERE id > 16 RETURNING id, name, price",
            &[],
        )
        .await?
    {
        println!(
            "{} {} {}",
            row.get::<_, i64>(0),
            row.get::<_, &str>(1),
            row.get::<_, f64>(2)
        );
    }
    let upsert = "INSERT INTO item (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING name, price";
    for name in ["first", "second"] {
        let row = client.query_one(upsert, &[&30_i64, &name]).await?;
        println!(
            "{} {:?}",
            row.get::<_, &str>(0),
            row.get::<_, Option<f64>>(1)
        );
    }
    // A statement whose table has got another column since is planned again, or refused if its result is another.
    let all = client.prepare("SELECT * FROM part").await?;
    let some = client.prepare("SELECT number FROM part").await?;
    client
        .batch_execute("ALTER TABLE part ADD COLUMN more text")
        .await?;
    failed(client.query(&all, &[]).await);
    println!("{}", client.query(&some, &[]).await?.len());
    Ok(())
}

async fn errors(client: &Client) -> Result {
    let five: &[&(dyn ToSql + Sync)] = &[&5_i64];
    for (sql, parameters) in [
        ("SELEC 1", &[][..]),
        ("SELECT * FROM nothing", &[]),
        ("SELECT id, colour FROM item WHERE id = $1", five),
        ("SELECT wrong(id) FROM item", &[]),
        ("INSERT INTO item VALUES ($1, 'again', 1)", five),
        ("INSERT INTO item (id) VALUES ($1::int8 + 100)", five),
        (
            "INSERT INTO item VALUES ($1::int8 + 100, 'dear', 1000)",
            five,
        ),
        ("INSERT INTO part VALUES ($1::int8 + 100, 1)", five),
        ("DELETE FROM item WHERE id = $1::int8 / 0", five),
        ("SELECT 1; SELECT 2", &[]),
    ] {
        failed(client.query(sql, parameters).await);
    }
    failed(
        client
            .query_one("SELECT id FROM item WHERE id < $1", five)
            .await,
    );
    failed(client.query("SELECT id FROM item WHERE id = $1", &[]).await);
    Ok(())
}

async fn simple(client: &Client) -> Result {
    let texts =
        "CREATE TABLE scratch (a int, b text); INSERT INTO scratch VALUES (1, 'x'), (2, NULL);
                 SELECT * FROM scratch ORDER BY a; DROP TABLE IF EXISTS never; SELECT WHERE false";
    for message in client.simple_query(texts).await? {
        match message {
            SimpleQueryMessage::Row(row) => println!("{:?} {:?}", row.get(0), row.get(1)),
            SimpleQueryMessage::CommandComplete(count) => println!("{count}"),
            SimpleQueryMessage::RowDescription(columns) => {
                println!(
                    "{:?}",
                    columns
                        .iter()
                        .map(|column| column.name())
                        .collect::<Vec<_>>()
                );
            }
            other => println!("{other:?}"),
        }
    }
    failed(
        client
            .batch_execute("INSERT INTO scratch VALUES (3, 'lost'); SELECT 1/0")
            .await,
    );
    println!(
        "{}",
        client
            .query_one("SELECT count(*) FROM scratch", &[])
            .await?
            .get::<_, i64>(0)
    );
    Ok(())
}

/// Futures that are polled together send their messages without waiting for each other's answers.
async fn pipelined(client: &Client) -> Result {
    let statement = client.prepare("SELECT $1::int8 * 2").await?;
    let numbers: Vec<i64> = (0..50).collect();
    let asked = numbers.iter().map(|number| async {
        client
            .query_one(&statement, &[number])
            .await
            .map(|row| row.get::<_, i64>(0))
    });
    println!("{:?}", future::try_join_all(asked).await?);
    let (first, second, third, fourth) = future::join4(
        client.query_one("SELECT count(*) FROM item", &[]),
        client.execute("INSERT INTO item VALUES (5, 'again', 1)", &[]),
        client.execute("INSERT INTO item VALUES (50, 'fifty', 50)", &[]),
        client.query_one("SELECT name FROM item WHERE id = 50", &[]),
    )
    .await;
    println!("{}", first?.get::<_, i64>(0));
    failed(second);
    println!("{} {}", third?, fourth.is_ok());
    Ok(())
}

async fn transactions(client: &mut Client) -> Result {
    let count = "SELECT count(*) FROM item WHERE id >= 100";
    let transaction = client.transaction().await?;
    transaction
        .execute("INSERT INTO item VALUES (100, 'lost', 1)", &[])
        .await?;
    transaction.rollback().await?;
    let transaction = client.transaction().await?;
    transaction
        .execute("INSERT INTO item VALUES (101, 'dropped', 1)", &[])
        .await?;
    drop(transaction);
    println!("{}", client.query_one(count, &[]).await?.get::<_, i64>(0));

    let mut transaction = client.transaction().await?;
    transaction
        .execute("INSERT INTO item VALUES (102, 'kept', 1)", &[])
        .await?;
    let inner = transaction.savepoint("inner_one").await?;
    inner
        .execute("INSERT INTO item VALUES (103, 'lost', 1)", &[])
        .await?;
    failed(
        inner
            .execute("INSERT INTO item VALUES (102, 'again', 1)", &[])
            .await,
    );
    failed(inner.query("SELECT 1", &[]).await);
    inner.rollback().await?;
    let mut inner = transaction.transaction().await?;
    inner
        .execute("INSERT INTO item VALUES (104, 'kept', 1)", &[])
        .await?;
    let innermost = inner.transaction().await?;
    innermost
        .execute("INSERT INTO item VALUES (105, 'lost', 1)", &[])
        .await?;
    drop(innermost);
    inner.commit().await?;
    println!(
        "{}",
        transaction.query_one(count, &[]).await?.get::<_, i64>(0)
    );
    transaction.commit().await?;
    println!("{}", client.query_one(count, &[]).await?.get::<_, i64>(0));

    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::Serializable)
        .read_only(true)
        .deferrable(true)
        .start()
        .await?;
    println!(
        "{}",
        transaction
            .query_one("SHOW transaction_isolation", &[])
            .await?
            .get::<_, &str>(0)
    );
    failed(transaction.execute("DELETE FROM item", &[]).await);
    failed(transaction.commit().await);
    client.batch_execute("COMMIT").await?;
    Ok(())
}

async fn portals(client: &mut Client) -> Result {
    let transaction = client.transaction().await?;
    let portal = transaction
        .bind("SELECT n FROM generate_series(1, $1::int) AS n", &[&7])
        .await?;
    for most in [3, 3, 3, 3] {
        let rows = transaction.query_portal(&portal, most).await?;
        println!(
            "{:?}",
            rows.iter()
                .map(|row| row.get::<_, i32>(0))
                .collect::<Vec<_>>()
        );
    }
    // Two at a time, and one that is given up.
    let first = transaction
        .bind("SELECT id FROM item ORDER BY id", &[])
        .await?;
    let second = transaction
        .bind("SELECT id FROM item ORDER BY id DESC", &[])
        .await?;
    for portal in [&first, &second, &first, &second] {
        let rows = transaction.query_portal(portal, 2).await?;
        println!(
            "{:?}",
            rows.iter()
                .map(|row| row.get::<_, i64>(0))
                .collect::<Vec<_>>()
        );
    }
    drop(first);
    println!("{}", transaction.query_portal(&second, 0).await?.len());
    transaction.commit().await?;
    Ok(())
}

async fn streams(client: &Client) -> Result {
    let mut rows = pin!(
        client
            .query_raw(
                "SELECT n, repeat('x', 100) FROM generate_series(1, 50000) AS n",
                Vec::<i32>::new()
            )
            .await?
    );
    let (mut count, mut sum) = (0, 0_i64);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum += i64::from(row.get::<_, i32>(0));
    }
    println!("{count} {sum} {:?}", rows.rows_affected());
    // One that is dropped before its end does not disturb the next.
    let mut rows = Box::pin(
        client
            .query_raw(
                "SELECT n FROM generate_series(1, 50000) AS n",
                Vec::<i32>::new(),
            )
            .await?,
    );
    println!(
        "{:?}",
        rows.try_next().await?.map(|row| row.get::<_, i32>(0))
    );
    drop(rows);
    println!(
        "{}",
        client
            .query_one("SELECT 'next'", &[])
            .await?
            .get::<_, &str>(0)
    );
    Ok(())
}

async fn copies(client: &Client) -> Result {
    let mut sink = pin!(client.copy_in("COPY item FROM STDIN").await?);
    for chunk in [
        "1001\tone\t1.5\n1002\tt",
        "wo\t\\N\n",
        "1003\ttab\\there\t0\n",
    ] {
        sink.send(Bytes::from_static(chunk.as_bytes())).await?;
    }
    println!("{}", sink.finish().await?);

    let types = [Type::INT8, Type::TEXT, Type::FLOAT8];
    let sink = client
        .copy_in("COPY item FROM STDIN (FORMAT binary)")
        .await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for id in 1004..1104_i64 {
        writer
            .as_mut()
            .write(&[&id, &"binary", &None::<f64>])
            .await?;
    }
    println!("{}", writer.finish().await?);

    let stream = client
        .copy_out("COPY (SELECT * FROM item WHERE id BETWEEN 1000 AND 1004 ORDER BY id) TO STDOUT")
        .await?;
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    println!("{:?}", String::from_utf8(chunks.concat())?);
    let stream = client
        .copy_out("COPY (SELECT * FROM item WHERE id > 1000 ORDER BY id) TO STDOUT (FORMAT binary)")
        .await?;
    let mut rows = pin!(BinaryCopyOutStream::new(stream, &types));
    let (mut sum, mut prices) = (0, Vec::new());
    while let Some(row) = rows.try_next().await? {
        sum += row.get::<i64>(0);
        prices.extend(row.get::<Option<f64>>(2));
    }
    println!("{sum} {prices:?}");

    // One that the client gives up, one that the server refuses, one in the middle of its data.
    let mut sink = Box::pin(client.copy_in("COPY item FROM STDIN").await?);
    sink.send(Bytes::from_static(b"2001\tlost\t1\n")).await?;
    drop(sink);
    // Not with copy_in: where the server refuses at once, the client loses count of the answers.
    failed(client.batch_execute("COPY nothing FROM STDIN").await);
    let mut sink = pin!(client.copy_in("COPY item FROM STDIN").await?);
    sink.send(Bytes::from_static(b"2002\tlost\t1\n2003\twrong\tmuch\n"))
        .await?;
    failed(sink.finish().await);
    println!(
        "{}",
        client
            .query_one("SELECT count(*) FROM item WHERE id > 2000", &[])
            .await?
            .get::<_, i64>(0)
    );
    Ok(())
}

async fn cancelled(client: &Client) -> Result {
    let token = client.cancel_token();
    let (outcome, cancelled) = future::join(
        client.batch_execute("SELECT count(*) FROM generate_series(1, 1000000000) AS a"),
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            token.cancel_query(NoTls).await
        },
    )
    .await;
    cancelled?;
    failed(outcome);
    client.check_connection().await?;
    Ok(())
}

/// A type that the client does not know: it asks the catalog for it.
async fn own_types(client: &Client) -> Result {
    client.batch_execute("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE person (name text, mood mood); INSERT INTO person VALUES ('a', 'sad')").await?;
    let statement = client
        .prepare("SELECT mood FROM person WHERE name = $1")
        .await?;
    let column = &statement.columns()[0];
    println!(
        "{} {:?} {}",
        column.type_(),
        column.type_().kind(),
        column.type_().schema()
    );
    println!("{:?}", client.query(&statement, &[&"a"]).await?.len());
    Ok(())
}

//! A program that answers requests: accounts, between which money is transferred.
//!
//! Requests and answers are JSON: `{"open": "ann"}`, `{"transfer": {"from": 1, "to": 2, "amount": 5}}`, `"accounts"`.

use serde::{Deserialize, Serialize};
use sqlbridge_guest::{Connection, Error, Result, params, serve};

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Open(String),
    Transfer { from: i64, to: i64, amount: i64 },
    Accounts,
}

#[derive(Deserialize, Serialize)]
struct Account {
    id: i64,
    owner: String,
    balance: i64,
}

fn handle(request: &str) -> Result<String, String> {
    let request: Request = serde_json::from_str(request)
        .map_err(|error| format!("the request is not understood: {error}"))?;
    let answer = match request {
        Request::Open(owner) => open(&owner).map(|id| id.to_string()),
        Request::Transfer { from, to, amount } => {
            transfer(from, to, amount).map(|()| "null".to_owned())
        }
        Request::Accounts => accounts(),
    };
    answer.map_err(|error| match error {
        error if error.is_constraint() => format!("that is not possible: {error}"),
        error => error.to_string(),
    })
}

serve!(handle);

fn open(owner: &str) -> Result<i64> {
    let connection = Connection::open();
    connection.query_row(
        "INSERT INTO accounts(owner) VALUES (?) RETURNING id",
        [owner],
        |row| row.get("id"),
    )
}

/// Both or none: what fails, the transaction rolls back when it is dropped.
fn transfer(from: i64, to: i64, amount: i64) -> Result<()> {
    let mut connection = Connection::open();
    let transaction = connection.transaction()?;
    for (account, change) in [(to, amount), (from, -amount)] {
        let update = "UPDATE accounts SET balance = balance + :change WHERE id = :account";
        if transaction.execute(update, params! { "change": change, "account": account })? == 0 {
            return Err(Error::Unfit(format!("there is no account {account}")));
        }
    }
    transaction.commit()
}

fn accounts() -> Result<String> {
    let accounts = Connection::open()
        .query_as::<Account>("SELECT id, owner, balance FROM accounts ORDER BY id", ())?;
    serde_json::to_string(&accounts).map_err(|error| Error::Unfit(error.to_string()))
}

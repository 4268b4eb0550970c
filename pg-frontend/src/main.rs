//! The program.

use std::collections::BTreeMap;

use pg_frontend::databases::{Databases, Place};
use pg_frontend::protocol::auth::{Authentication, Method};
use pg_frontend::server::{self, Settings, Shutdown};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting =
        |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let databases = Databases::new(Place::Files {
        directory: setting("DATA", "./data").into(),
        paths: BTreeMap::new(),
    });
    databases.ensure("postgres")?;
    let settings = Settings {
        listen: vec![format!("127.0.0.1:{}", setting("PG_PORT", "5432")).parse()?],
        authentication: Authentication {
            method: Method::Trust,
            users: BTreeMap::new(),
        },
        connections: 20,
        ..Settings::default()
    };
    server::run(settings, databases, Shutdown::new()?)?;
    Ok(())
}

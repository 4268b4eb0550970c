//! The program: settings, logs, databases, the admin port, then clients until it is told to end.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use pg_frontend::admin::metrics::Metrics;
use pg_frontend::admin::{self, Admin};
use pg_frontend::capture::outbox;
use pg_frontend::config::Settings;
use pg_frontend::config::command::{self, Task};
use pg_frontend::databases::Databases;
use pg_frontend::databases::health::Watchdog;
use pg_frontend::{logs, server, signals};

/// Always there, besides the one that the settings name: clients connect to it to make others.
const FIRST: &str = "postgres";

/// Wrong settings, as for wrong flags.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let matches = command::command().get_matches();
    let environment = command::environment(std::env::vars_os());
    let task = match command::task(&matches, &environment) {
        Ok(task) => task,
        Err(error) => return end(&format!("{error}"), USAGE),
    };
    let outcome = match task {
        Task::Print(text) => io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| error.to_string()),
        Task::Serve(settings) => serve(*settings),
        Task::Recover(settings, file) => recover(&settings, &file),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => end(&sentence, 1),
    }
}

fn serve(settings: Settings) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    logs::start(settings.logs).map_err(|error| error.to_string())?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let databases = open(&settings)?;
    let shutdown = server::Shutdown::new().map_err(text)?;
    signals::catch(shutdown.clone()).map_err(text)?;
    let watchdog = Watchdog::start(&databases, FIRST, settings.watch_every).map_err(text)?;
    let admin = match &settings.admin {
        Some(port) => {
            let office = admin::Office {
                databases: databases.clone(),
                database: settings.database.clone(),
                health: watchdog.health(),
                // Without the port nobody could read them.
                metrics: Metrics::install().map_err(|error| error.to_string())?,
                access: admin::Access::new(&settings, port),
            };
            Some(Admin::start(port, office).map_err(text)?)
        }
        None => None,
    };
    let clients = settings.clients.for_server().map_err(text)?;
    let bound = server::bind(clients, databases.clone(), shutdown).map_err(text)?;
    greet(&settings, &bound, admin.as_ref()).map_err(text)?;
    bound.serve().map_err(text)?;
    drop(admin);
    drop(watchdog);
    if let Some(all) = &settings.captures.everything {
        outbox::write(&databases, &all.database, &all.file)
            .map_err(|error| error.message.clone())?;
    }
    databases.close().map_err(|error| error.message.clone())?;
    tracing::info!("stopped; every commit is stored");
    Ok(())
}

/// Makes the file of a capture that was not stopped cleanly.
fn recover(settings: &Settings, file: &Path) -> Result<(), String> {
    logs::start(settings.logs).map_err(|error| error.to_string())?;
    let databases = open(settings)?;
    outbox::write(&databases, &settings.database, file).map_err(|error| error.message.clone())?;
    databases.close().map_err(|error| error.message.clone())
}

/// The extension in every connection to come. The first one brings its VFS.
fn extend() -> Result<(), String> {
    #[cfg(feature = "extension")]
    sqlbridge::auto_extend()
        .map_err(|code| format!("the extension cannot be registered: {code:?}"))?;
    let opened = rusqlite::Connection::open_in_memory();
    opened
        .map(drop)
        .map_err(|error| format!("SQLite cannot be used: {error}"))
}

/// The databases that must be there.
fn open(settings: &Settings) -> Result<Databases, String> {
    extend()?;
    let databases = Databases::new(settings.place.clone()).with_captures(settings.captures.clone());
    databases
        .reach(FIRST)
        .map_err(|error| error.message.clone())?;
    for name in [FIRST, &settings.database] {
        databases
            .ensure(name)
            .map_err(|error| error.message.clone())?;
        // Once, so that it stays open.
        databases
            .open(name)
            .map_err(|error| error.message.clone())?;
    }
    if let Some(all) = &settings.captures.everything {
        outbox::prepare(&databases, &all.database).map_err(|error| error.message.clone())?;
    }
    Ok(databases)
}

/// How to connect, as one line on stdout. Nobody may be reading it.
fn greet(settings: &Settings, bound: &server::Bound, admin: Option<&Admin>) -> io::Result<()> {
    let clients = &settings.clients;
    let port = bound
        .addresses()?
        .first()
        .map_or(clients.port, std::net::SocketAddr::port);
    let host = match clients.host.as_str() {
        "0.0.0.0" | "::" => "localhost",
        host => host,
    };
    let place = settings.place.describe();
    let mut line = format!(
        "pg-frontend {} serves {place}; connect with: psql -h {host} -p {port} -U {} {}",
        env!("CARGO_PKG_VERSION"),
        clients.user,
        settings.database
    );
    if let Some(address) = admin.and_then(|admin| admin.addresses().first()) {
        line.push_str(&format!(" (admin: http://{address})"));
    }
    let _ = writeln!(io::stdout(), "{line}");
    let method = format!("{:?}", clients.method).to_lowercase();
    tracing::info!(
        place,
        host = clients.host,
        port,
        method,
        "ready for clients"
    );
    Ok(())
}

/// Says why the program ends. A closed stderr is no reason to say it elsewhere.
fn end(sentence: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "pg-frontend: {sentence}");
    ExitCode::from(code)
}

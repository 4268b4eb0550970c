//! The command line: a flag for each setting that has one, and what else the program does.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::error::{Error, Result};
use super::table::{Kind, SETTINGS, Setting};
use super::values::Values;
use super::{Settings, build, sources};

/// Read where it exists and no other file is named.
const DEFAULT_FILE: &str = "config.yaml";

/// What was asked for.
#[derive(Debug)]
pub enum Task {
    /// To serve.
    Serve(Box<Settings>),
    /// To print settings.
    Print(String),
    /// To write the changeset of captures that were not stopped cleanly.
    Recover(Box<Settings>, PathBuf),
}

/// The command with its flags.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new("pg-frontend")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves SQLite databases, local or in a bucket, to Postgres clients")
        .after_help("Settings come from config.yaml, from environment variables and from flags, of which the last win.")
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .env("PG_FRONTEND_CONFIG")
                .global(true)
                .help("Settings in YAML; config.yaml where there is one"),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print the settings that hold, without secrets, and end"),
        )
        .subcommand(
            Command::new("capture-recover")
                .about("Writes the changeset of a capture that was not stopped cleanly, then forgets the capture")
                .arg(
                    Arg::new("file")
                        .required(true)
                        .value_name("FILE")
                        .value_parser(value_parser!(PathBuf))
                        .help("The file that the capture was to be written to"),
                ),
        );
    for setting in SETTINGS.iter().filter(|setting| !setting.flag.is_empty()) {
        command = command.arg(flag(setting));
    }
    command
}

fn flag(setting: &'static Setting) -> Arg {
    let mut help = setting.meaning.to_owned();
    if !setting.default.is_empty() {
        help.push_str(&format!(" [default: {}]", setting.default));
    }
    if let Some(variable) = setting.env.first() {
        help.push_str(&format!(" [env: {variable}]"));
    }
    let arg = Arg::new(setting.flag)
        .long(setting.flag)
        .value_name(value_name(setting.kind))
        .global(true)
        .help(help);
    match setting.kind {
        Kind::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ => arg,
    }
}

fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Path => "PATH",
        Kind::Port => "PORT",
        Kind::Duration | Kind::Milliseconds => "TIME",
        Kind::Size => "SIZE",
        Kind::Count | Kind::Minutes => "NUMBER",
        Kind::Switch => "BOOL",
        Kind::Names => "NAMES",
        Kind::Text | Kind::Secret | Kind::Choice(_) => "TEXT",
    }
}

/// Reads a command line that `clap` has understood, with the file and the environment that go with it.
///
/// # Errors
/// What is wrong with the settings.
pub fn task(matches: &ArgMatches, environment: &[(String, String)]) -> Result<Task> {
    let mut values = Values::default();
    let outer = matches;
    // Flags may stand after the subcommand as well.
    let matches = outer.subcommand().map_or(outer, |(_, inner)| inner);
    if let Some((name, text)) = file(matches.get_one::<PathBuf>("config"))? {
        sources::file(&mut values, &name, &text)?;
    }
    sources::environment(&mut values, environment)?;
    let flags = SETTINGS.iter().filter(|setting| !setting.flag.is_empty());
    let given = flags.filter_map(|setting| {
        let text = matches.get_one::<String>(setting.flag)?;
        Some((setting, text.clone()))
    });
    sources::flags(&mut values, given.collect::<Vec<_>>());
    let settings = build(&values, &|path| std::fs::read_to_string(path))?;
    if outer.get_flag("print-config") {
        return Ok(Task::Print(super::show::yaml(&values)));
    }
    if outer.subcommand_name() == Some("capture-recover") {
        let file = matches
            .get_one::<PathBuf>("file")
            .cloned()
            .unwrap_or_default();
        return Ok(Task::Recover(Box::new(settings), file));
    }
    Ok(Task::Serve(Box::new(settings)))
}

/// The file's name and text. Only the default one may be missing.
fn file(named: Option<&PathBuf>) -> Result<Option<(String, String)>> {
    let default = PathBuf::from(DEFAULT_FILE);
    let path = named.unwrap_or(&default);
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((name, text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Unreadable {
            what: "the configuration file",
            path: name,
            problem: error.to_string(),
        }),
    }
}

/// The variables that are UTF-8.
#[must_use]
pub fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    variables.filter_map(text).collect()
}

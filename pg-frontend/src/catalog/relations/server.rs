//! The server itself: databases, roles, settings, activity.

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::{OffsetComponents as _, OffsetName as _, TZ_VARIANTS};
use rusqlite::Result;

use crate::catalog::oids::{Kind, OWNER, number};
use crate::catalog::rows::{Cell, Rows, View};
use crate::session::state::State;
use crate::session::variables;
use crate::types::Oid;
use crate::types::time::timestamp_text;
use crate::types::zone::EPOCH_2000;

/// PostgreSQL's own roles, which nobody is a member of.
const ROLES: &str = include_str!("../data/pg_roles.tsv");
/// Settings with their defaults.
const SETTINGS: &str = include_str!("../data/pg_settings.tsv");

/// PostgreSQL's own roles: oid and name.
fn own_roles() -> impl Iterator<Item = (Oid, &'static str)> {
    let lines = ROLES
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'));
    lines.filter_map(|(oid, name)| Some((oid.parse().ok()?, name)))
}

/// The name of one of PostgreSQL's own roles.
pub(in crate::catalog) fn role_name(oid: Oid) -> Option<&'static str> {
    own_roles().find(|role| role.0 == oid).map(|role| role.1)
}

/// The tablespace `pg_default`.
const TABLESPACE: i64 = 1663;

/// A database's oid: the same in each session.
pub(in crate::catalog) fn database_oid(name: &str) -> Oid {
    match name {
        "template1" => 1,
        "postgres" => 5,
        _ => number(Kind::Database, name),
    }
}

pub(super) fn databases(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let (own, all) = view
        .session
        .state(|state| (state.database.clone(), state.databases.clone()));
    // A store that is out of reach still has the database that this connection is to.
    let mut names = all.and_then(|all| all.list().ok()).unwrap_or_default();
    if !names.contains(&own) {
        names.push(own);
    }
    rows.add(
        ["oid", "datname"],
        &[
            ("datdba", OWNER.into()),
            ("encoding", Cell::Integer(6)),
            ("datlocprovider", "c".into()),
            ("datallowconn", true.into()),
            ("datconnlimit", Cell::Integer(-1)),
            ("dattablespace", Cell::Integer(TABLESPACE)),
            ("datcollate", "C".into()),
            ("datctype", "C.UTF-8".into()),
        ],
        names
            .into_iter()
            .map(|name| [database_oid(&name).into(), name.into()]),
    );
    Ok(())
}

/// The owner, and PostgreSQL's own roles.
pub(super) fn roles(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let user = view.session.state(|state| state.user.clone());
    let constants = [
        ("rolconnlimit", Cell::Integer(-1)),
        ("rolinherit", true.into()),
    ];
    rows.add(
        [
            "oid",
            "rolname",
            "rolsuper",
            "rolcreaterole",
            "rolcreatedb",
            "rolcanlogin",
            "rolreplication",
            "rolbypassrls",
        ],
        &constants,
        [[
            OWNER.into(),
            user.into(),
            true.into(),
            true.into(),
            true.into(),
            true.into(),
            true.into(),
            true.into(),
        ]],
    );
    let [connections, inherits] = constants;
    let nothing = [
        "rolsuper",
        "rolcreaterole",
        "rolcreatedb",
        "rolcanlogin",
        "rolreplication",
        "rolbypassrls",
    ];
    let mut constants = vec![connections, inherits];
    constants.extend(nothing.map(|name| (name, false.into())));
    rows.add(
        ["oid", "rolname"],
        &constants,
        own_roles().map(|(oid, name)| [oid.into(), name.into()]),
    );
    Ok(())
}

pub(super) fn users(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let user = view.session.state(|state| state.user.clone());
    rows.add(
        [
            "usename",
            "usesysid",
            "usecreatedb",
            "usesuper",
            "userepl",
            "usebypassrls",
            "passwd",
        ],
        &[],
        [[
            user.into(),
            OWNER.into(),
            true.into(),
            true.into(),
            true.into(),
            true.into(),
            "********".into(),
        ]],
    );
    Ok(())
}

pub(super) fn groups(_: &View<'_>, rows: &mut Rows) -> Result<()> {
    rows.add(
        ["grosysid", "groname", "grolist"],
        &[],
        own_roles().map(|(oid, name)| [oid.into(), name.into(), "[]".into()]),
    );
    Ok(())
}

/// `pg_monitor` has the roles that read, as in a fresh PostgreSQL.
pub(super) fn members(_: &View<'_>, rows: &mut Rows) -> Result<()> {
    const MONITOR: i64 = 3373;
    rows.add(
        ["roleid", "member", "grantor"],
        &[],
        [3374_i64, 3375, 3377].map(|role| [role.into(), MONITOR.into(), OWNER.into()]),
    );
    Ok(())
}

/// What `SHOW ALL` knows, with what PostgreSQL says of each.
pub(super) fn settings(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let mut found = Vec::new();
    for line in SETTINGS.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [
            name,
            _,
            unit,
            category,
            description,
            context,
            kind,
            minimum,
            maximum,
            values,
            initial,
        ] = *fields
        else {
            continue;
        };
        let lower = name.to_lowercase();
        if variables::find(&lower).is_none() {
            continue;
        }
        let optional = |text: &'static str| {
            if text == "\\N" {
                Cell::Null
            } else {
                text.into()
            }
        };
        let (value, set) = view
            .session
            .state(|state| (state.setting(name), state.settings.contains_key(&lower)));
        found.push([
            name.into(),
            // With a unit, numbers are in it, and `SHOW` writes them otherwise.
            if unit == "\\N" || set {
                value.into()
            } else {
                optional(initial)
            },
            optional(unit),
            category.into(),
            description.replace("\\\\", "\\").into(),
            context.into(),
            kind.into(),
            if set { "session" } else { "default" }.into(),
            optional(minimum),
            optional(maximum),
            optional(values),
            optional(initial),
            optional(initial),
        ]);
    }
    rows.add(
        [
            "name",
            "setting",
            "unit",
            "category",
            "short_desc",
            "context",
            "vartype",
            "source",
            "min_val",
            "max_val",
            "enumvals",
            "boot_val",
            "reset_val",
        ],
        &[("pending_restart", false.into())],
        found,
    );
    Ok(())
}

/// The session that asks: others are not its to see.
pub(super) fn activity(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let row = view.session.state(|state: &State| {
        [
            database_oid(&state.database).into(),
            state.database.clone().into(),
            state.pid.into(),
            OWNER.into(),
            state.user.clone().into(),
            state
                .settings
                .get("application_name")
                .cloned()
                .unwrap_or_default()
                .into(),
            "active".into(),
            "client backend".into(),
        ]
    });
    rows.add(
        [
            "datid",
            "datname",
            "pid",
            "usesysid",
            "usename",
            "application_name",
            "state",
            "backend_type",
        ],
        &[],
        [row],
    );
    Ok(())
}

/// The session's prepared statements. How often they were planned in which way is not counted.
pub(super) fn prepared_statements(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let listed: Vec<[Cell; 5]> = view.session.state(|state: &State| {
        let listed = state.listed.iter().map(|(name, statement)| {
            let types: Vec<String> = statement.types.iter().map(Oid::to_string).collect();
            [
                name.to_string().into(),
                (&statement.text).into(),
                timestamp_text(statement.time - EPOCH_2000).into(),
                format!("[{}]", types.join(",")).into(),
                statement.from_sql.into(),
            ]
        });
        listed.collect()
    });
    rows.add(
        [
            "name",
            "statement",
            "prepare_time",
            "parameter_types",
            "from_sql",
        ],
        &[
            ("generic_plans", Cell::Integer(0)),
            ("custom_plans", Cell::Integer(0)),
        ],
        listed,
    );
    Ok(())
}

pub(super) fn database_statistics(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let name = view.session.state(|state| state.database.clone());
    rows.add(
        ["datid", "datname", "numbackends"],
        &[],
        [[database_oid(&name).into(), name.into(), Cell::Integer(1)]],
    );
    Ok(())
}

/// The zones of the IANA database, as they are now.
pub(super) fn time_zones(view: &View<'_>, rows: &mut Rows) -> Result<()> {
    let now = view.session.state(|state| state.statement_time);
    let now = DateTime::from_timestamp_micros(now)
        .unwrap_or_default()
        .naive_utc();
    rows.add(
        ["name", "abbrev", "utc_offset", "is_dst"],
        &[],
        TZ_VARIANTS.iter().map(|zone| {
            let offset = zone.offset_from_utc_datetime(&now);
            let seconds = offset.fix().local_minus_utc();
            let sign = if seconds < 0 { "-" } else { "" };
            let minutes = seconds.abs() / 60;
            [
                zone.name().into(),
                offset.abbreviation().unwrap_or_default().to_owned().into(),
                format!(
                    "{sign}{:02}:{:02}:{:02}",
                    minutes / 60,
                    minutes % 60,
                    seconds.abs() % 60
                )
                .into(),
                (!offset.dst_offset().is_zero()).into(),
            ]
        }),
    );
    Ok(())
}

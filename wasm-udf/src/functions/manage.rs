//! `proc_create` and `proc_drop`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sqlite_abi::{Arguments, Connection, Extension, FunctionError, FunctionFlags, Value, ValueRef};

use crate::binding::Param;
use crate::catalog;
use crate::code::content_hash;
use crate::error::{Error, Result};
use crate::names;
use crate::procedure::Procedure;
use crate::process::{Process, Stack};
use crate::serve;
use crate::signature::{Creation, Kind, Signature};

/// Registers both.
///
/// # Errors
/// SQLite's.
pub(super) fn register<E: Extension>(
    connection: &Connection<'_>,
) -> std::result::Result<(), sqlite_abi::Error> {
    for count in [2, 3] {
        let flags = FunctionFlags::DIRECTONLY;
        connection.create_scalar("proc_create", count, flags, create::<E>)?;
    }
    connection.create_scalar(
        "proc_drop",
        1,
        FunctionFlags::DIRECTONLY,
        |connection, arguments| {
            let Some(name) = arguments.text(0)? else {
                return Err("proc_drop needs the name of a procedure".into());
            };
            let removed = catalog::remove(connection, name)?;
            Process::current().programs.changed();
            Ok(Value::Integer(removed.into()))
        },
    )
}

fn create<E: Extension>(
    connection: &Connection<'_>,
    arguments: &Arguments<'_>,
) -> std::result::Result<Value, FunctionError> {
    let Some(name) = arguments.text(0)? else {
        return Err("proc_create needs the name of the procedure as its first argument".into());
    };
    let refuse = |reason: String| Error::Definition {
        procedure: name.to_owned(),
        reason,
    };
    let module = module(arguments.get(1)).map_err(refuse)?;
    let (signature, creation) = match arguments.text(2)? {
        Some(json) => Signature::parse(json).map_err(refuse)?,
        None => (Signature::default(), Creation::default()),
    };
    names::check_name(name).map_err(refuse)?;
    add::<E>(connection, name, &module, signature, &creation)?;
    Ok(Value::from(name))
}

fn add<E: Extension>(
    connection: &Connection<'_>,
    name: &str,
    module: &[u8],
    mut signature: Signature,
    creation: &Creation,
) -> Result<()> {
    let refuse = |reason: String| Error::Definition {
        procedure: name.to_owned(),
        reason,
    };
    let process = Process::current();
    if !names::is_ours(&process, connection, name, signature.kind) {
        let taken = names::is_taken(connection, name, signature.kind);
        if taken.map_err(|error| refuse(error.message))? {
            return Err(refuse(
                "this connection has a function, table or module of that name, which a procedure must not replace; choose another name".to_owned(),
            ));
        }
    }
    let runtime = process.runtime(Stack::of(signature.kind)).map_err(refuse)?;
    let hash = content_hash(module);
    let code = runtime
        .code
        .get(&runtime.engine, &hash, || Ok::<_, String>(module.to_vec()))
        .map_err(refuse)?;
    if signature.kind == Kind::Guest {
        serve::check(&code).map_err(refuse)?;
    } else {
        let procedure = Procedure::new(name, signature.clone(), &code).map_err(refuse)?;
        complete(&mut signature, &procedure);
    }
    let schema = match &creation.schema {
        Some(schema) => {
            let known = catalog::schemas(connection)?;
            let found = known
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(schema));
            match found {
                None if schema.eq_ignore_ascii_case("temp") => "temp".to_owned(),
                None => return Err(refuse(format!("there is no schema '{schema}'"))),
                Some(found) => found,
            }
        }
        None => "main".to_owned(),
    };
    catalog::store(
        connection,
        &schema,
        name,
        creation.replace,
        &signature,
        module,
        &hash,
    )?;
    process.programs.changed();
    if let Some(stored) = catalog::read(connection, &schema, Some(name))?.first() {
        names::learn(&process, connection, stored);
    }
    if schema != "temp" {
        names::share::<E>(&process, connection, name, &signature);
    }
    Ok(())
}

/// Writes down what was found out about the module, so that what the database stores says all.
fn complete(signature: &mut Signature, procedure: &Procedure) {
    let shape = procedure.shape();
    signature.kind = shape.kind;
    signature.params = Some(shape.params.iter().map(Param::to_parameter).collect());
    if signature.return_type.is_none() {
        signature.return_type = shape.output.map(|output| output.name().to_owned());
    }
    if shape.kind == Kind::Table {
        signature.columns = Some(shape.columns.clone());
    }
}

/// The module of a blob, or of text in base64.
fn module(value: ValueRef<'_>) -> std::result::Result<Vec<u8>, String> {
    match value {
        ValueRef::Blob(module) => Ok(module.to_vec()),
        ValueRef::Text(text) => {
            let packed: Vec<u8> = text
                .iter()
                .copied()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            STANDARD
                .decode(packed)
                .map_err(|error| format!("the module is text, but not base64: {error}"))
        }
        ValueRef::Null => Err("the module is NULL; was the file read?".to_owned()),
        other => Err(format!(
            "the module must be a BLOB, or TEXT in base64, not {}",
            other.type_name()
        )),
    }
}

//! A program ready to run: a module that was found, compiled, and fitted to how it is run.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sqlite_abi::Connection;
use wasmtime::{ExternType, InstancePre, Module as Compiled, ValType};

use super::options::Module;
use super::paths::Paths;
use crate::catalog::{self, Stored};
use crate::code::{Code, ContentHash, content_hash};
use crate::error::{Error, Result};
use crate::guest::{Guest, Role};
use crate::imports::{self, Offer};
use crate::names;
use crate::process::{Process, Stack, lock};
use crate::signature::{Kind, Signature};

/// See the module's documentation.
pub(crate) struct Program {
    /// The name it is known by: its first argument.
    pub(crate) name: Arc<str>,
    /// What it is called in errors.
    pub(crate) title: Arc<str>,
    pub(crate) hash: ContentHash,
    pub(crate) stack: Stack,
    pub(crate) pre: InstancePre<Guest>,
}

/// What the connections of a process share of programs.
#[derive(Default)]
pub(crate) struct Programs {
    pub(crate) paths: Paths,
    ready: Mutex<HashMap<(ContentHash, Fit), InstancePre<Guest>>>,
    /// The modules that were given as blobs last: comparing one is much faster than hashing it.
    blobs: Mutex<VecDeque<(Arc<[u8]>, ContentHash)>>,
    /// How often stored guests have changed.
    changes: AtomicU64,
}

/// How a module is fitted: what it is offered, and its stack.
pub(super) type Fit = (Offer, Stack);

/// Above this all are forgotten but those in use; fitting one again costs microseconds.
const MOST: usize = 256;

/// Most blobs that are remembered, and the largest.
const MOST_BLOBS: usize = 4;
const LARGEST_BLOB: usize = 8 << 20;

impl Programs {
    /// Finds a program. A stored one of `schema` comes before those of other schemas, and before a
    /// file.
    ///
    /// # Errors
    /// There is none, it is not allowed, or it cannot be run like that.
    pub(crate) fn find(
        &self,
        process: &Process,
        connection: &Connection<'_>,
        schema: Option<&str>,
        module: &Module,
        fit_to: Fit,
    ) -> Result<Program> {
        match module {
            Module::Bytes(bytes) => {
                let (hash, content) = (self.hash(bytes), || Ok(bytes.clone()));
                self.ready(
                    process,
                    "program",
                    "the program".into(),
                    hash,
                    content,
                    fit_to,
                )
            }
            Module::Named(name) => {
                let title: Arc<str> = format!("program '{name}'").into();
                // What looks like a path is one: a stranger could give any name to a guest that he stores by hand.
                if names::check_name(name).is_ok()
                    && let Some(stored) = stored(connection, schema, name)?
                {
                    let content = || stored.module(connection).map_err(|error| error.to_string());
                    return self.ready(process, name, title, stored.hash, content, fit_to);
                }
                let failed = |message| Error::Failed {
                    guest: title.to_string(),
                    message,
                };
                let path = self.paths.find(name).map_err(failed)?;
                let (hash, content) = self.paths.read(&path).map_err(failed)?;
                let content = || match content {
                    Some(content) => Ok(content),
                    None => std::fs::read(&path).map_err(|error| error.to_string()),
                };
                self.ready(process, name, Arc::clone(&title), hash, content, fit_to)
            }
        }
    }

    fn ready(
        &self,
        process: &Process,
        name: &str,
        title: Arc<str>,
        hash: ContentHash,
        content: impl FnOnce() -> std::result::Result<Vec<u8>, String>,
        fit_to: Fit,
    ) -> Result<Program> {
        let (offer, stack) = fit_to;
        let known = lock(&self.ready).get(&(hash, fit_to)).cloned();
        let pre = match known {
            Some(pre) => pre,
            None => {
                let fitted = process.runtime(stack).and_then(|runtime| {
                    let code = runtime.code.get(&runtime.engine, &hash, content)?;
                    fit(&code, offer)
                });
                let pre = fitted.map_err(|message| Error::Failed {
                    guest: title.to_string(),
                    message,
                })?;
                let mut ready = lock(&self.ready);
                if ready.len() >= MOST {
                    ready.clear();
                }
                ready.insert((hash, fit_to), pre.clone());
                pre
            }
        };
        Ok(Program {
            name: name.into(),
            title,
            hash,
            stack,
            pre,
        })
    }

    fn hash(&self, blob: &[u8]) -> ContentHash {
        let known = |blobs: &VecDeque<(Arc<[u8]>, ContentHash)>| {
            let same = blobs.iter().find(|(known, _)| **known == *blob);
            same.map(|(_, hash)| *hash)
        };
        if let Some(hash) = known(&lock(&self.blobs)) {
            return hash;
        }
        let hash = content_hash(blob);
        if blob.len() <= LARGEST_BLOB {
            let mut blobs = lock(&self.blobs);
            blobs.truncate(MOST_BLOBS - 1);
            blobs.push_front((blob.into(), hash));
        }
        hash
    }

    /// A stored guest was changed on a connection of this process.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// A number that is another one after a change.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs").finish_non_exhaustive()
    }
}

/// A stored guest of this name.
fn stored(connection: &Connection<'_>, schema: Option<&str>, name: &str) -> Result<Option<Stored>> {
    let near = match schema {
        Some(schema) => catalog::read(connection, schema, Some(name))?.pop(),
        None => None,
    };
    let stored = match near {
        Some(stored) => stored,
        None => match catalog::find(connection, name) {
            Ok(stored) => stored,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        },
    };
    let kind = Signature::stored(&stored.definition).map(|signature| signature.kind);
    if kind == Ok(Kind::Guest) {
        return Ok(Some(stored));
    }
    Err(Error::Failed {
        guest: format!("program '{name}'"),
        message: "the procedure of that name is no guest; create it with '{\"kind\": \"guest\"}'"
            .to_owned(),
    })
}

/// Whether a module can be stored as a guest.
///
/// # Errors
/// Why not, as the rest of a sentence.
pub(crate) fn check(code: &Code) -> std::result::Result<(), String> {
    let offer = |role| Offer { role, sql: true };
    let Code::Core(module) = code else {
        return fit(code, offer(Role::Command)).map(drop);
    };
    let role = if module.get_export(HANDLE).is_some() {
        Role::Reactor
    } else {
        Role::Command
    };
    fit(code, offer(role)).map(drop)
}

/// The export that serves a request.
pub(super) const HANDLE: &str = "sqlproxy_handle";

fn fit(code: &Code, offer: Offer) -> std::result::Result<InstancePre<Guest>, String> {
    let Code::Core(module) = code else {
        return Err(
            "the module is a component; programs are modules of WASI preview 1 (build for wasip1)"
                .to_owned(),
        );
    };
    exports(module, offer.role)?;
    let linker = imports::linker(module, offer)?;
    linker
        .instantiate_pre(module)
        .map_err(|error| format!("the module's imports do not fit: {error:#}"))
}

/// Checks what a module exports.
fn exports(module: &Compiled, role: Role) -> std::result::Result<(), String> {
    let has = |name, params: &[ValType]| match module.get_export(name) {
        Some(ExternType::Func(ty)) => {
            ty.results().len() == 0
                && ty.params().len() == params.len()
                && ty
                    .params()
                    .zip(params)
                    .all(|(ty, param)| ValType::eq(&ty, param))
        }
        _ => false,
    };
    let memory = matches!(module.get_export("memory"), Some(ExternType::Memory(_)));
    match role {
        Role::Reactor if !has(HANDLE, &[ValType::I32]) => Err(format!(
            "the module does not export {HANDLE}(len: i32){}",
            if has("_start", &[]) {
                "; it is a command: run it with SELECT * FROM sqlproxy_serve(…)"
            } else {
                ", as a virtual table needs it"
            }
        )),
        Role::Command if !has("_start", &[]) => Err(format!(
            "the module does not export _start(){}",
            if has(HANDLE, &[ValType::I32]) {
                "; it is a reactor: keep it with CREATE VIRTUAL TABLE … USING sqlproxy_serve(module=…)"
            } else {
                ", as a WASI command does"
            }
        )),
        _ if !memory => Err("the module does not export its memory as \"memory\"".to_owned()),
        _ => Ok(()),
    }
}

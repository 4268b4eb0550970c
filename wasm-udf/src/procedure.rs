//! A procedure ready to run: its definition bound to its compiled module, and the process's cache
//! of those.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sqlite_abi::Connection;
use wasmtime::{InstancePre, component};

use crate::binding::Shape;
use crate::binding::component::ComponentBinding;
use crate::binding::core::CoreBinding;
use crate::catalog::Stored;
use crate::code::{Code, ContentHash};
use crate::error::{Error, Result};
use crate::guest::{Guest, Role, Spent};
use crate::imports::{self, Offer};
use crate::instance::{ComponentInstance, CoreInstance, Instance};
use crate::process::{Process, Stack, lock};
use crate::signature::{Kind, Signature, SqlGrant};
use crate::sqlproxy::{Grant, Limits, Proxy};
use crate::stats::{Count, Stopwatch};

/// See the module's documentation.
pub(crate) struct Procedure {
    pub(crate) name: Arc<str>,
    title: Arc<str>,
    pub(crate) signature: Signature,
    body: Body,
}

enum Body {
    Core {
        pre: InstancePre<Guest>,
        binding: Arc<CoreBinding>,
    },
    Component {
        pre: component::InstancePre<Guest>,
        binding: Arc<ComponentBinding>,
    },
}

impl Procedure {
    /// Fits a definition to compiled code.
    ///
    /// # Errors
    /// What does not fit, as the rest of a sentence.
    pub(crate) fn new(
        name: &str,
        signature: Signature,
        code: &Code,
    ) -> std::result::Result<Self, String> {
        let fits = |error| format!("the module's imports do not fit: {error:#}");
        let body = match code {
            Code::Core(module) => {
                let binding = Arc::new(CoreBinding::new(name, &signature, module)?);
                let offer = Offer {
                    role: Role::Procedure,
                    sql: signature.sql.is_some(),
                };
                let linker = imports::linker(module, offer)?;
                let pre = linker.instantiate_pre(module).map_err(fits)?;
                Body::Core { pre, binding }
            }
            Code::Component(component) => {
                let binding = Arc::new(ComponentBinding::new(name, &signature, component)?);
                let linker = imports::component::linker(component, &signature)?;
                let pre = linker.instantiate_pre(component).map_err(fits)?;
                Body::Component { pre, binding }
            }
        };
        Ok(Self {
            name: name.into(),
            title: format!("procedure '{name}'").into(),
            signature,
            body,
        })
    }

    /// What SQL sees of it.
    #[inline]
    pub(crate) fn shape(&self) -> &Shape {
        match &self.body {
            Body::Core { binding, .. } => &binding.shape,
            Body::Component { binding, .. } => &binding.shape,
        }
    }

    /// A fresh instance.
    ///
    /// # Errors
    /// What its start function ends with, or a limit it is over at once.
    pub(crate) fn instantiate(
        &self,
        process: &Arc<Process>,
        connection: &Connection<'_>,
        count: &Arc<Count>,
        spent: &Arc<Spent>,
    ) -> Result<Instance> {
        let alive = process
            .instance_begins()
            .map_err(|reason| self.internal(reason))?;
        let proxy = self.signature.sql.map(|grant| {
            let grant = match grant {
                SqlGrant::Read => Grant::Read,
                SqlGrant::Write => Grant::Write,
            };
            let name = format!("procedure {}", self.name);
            crate::serve::connected(process, Proxy::new(name, grant, Limits::default()))
        });
        let terms = self.signature.terms();
        let guest = Guest::new(&self.title, Role::Procedure, terms, process, proxy, spent);
        let watch = Stopwatch::new(Arc::clone(count));
        Ok(match &self.body {
            Body::Core { pre, binding } => Instance::Core(Box::new(CoreInstance::new(
                connection, pre, binding, guest, watch, alive,
            )?)),
            Body::Component { pre, binding } => Instance::Component(Box::new(
                ComponentInstance::new(connection, pre, binding, guest, watch, alive)?,
            )),
        })
    }

    /// What it is called in errors.
    pub(crate) fn title(&self) -> String {
        self.title.to_string()
    }

    fn internal(&self, reason: String) -> Error {
        Error::Internal {
            guest: self.title(),
            reason,
        }
    }

    /// Refuses a call that is not this kind's.
    ///
    /// # Errors
    /// How to call it instead.
    pub(crate) fn must_be(&self, kinds: &[Kind]) -> Result<()> {
        let kind = self.shape().kind;
        if kinds.contains(&kind) {
            return Ok(());
        }
        let name = &self.name;
        Err(Error::Kind {
            procedure: name.to_string(),
            kind: kind.name(),
            advice: match kind {
                Kind::Scalar => {
                    format!("call it as SELECT {name}(...) or proc_call('{name}', ...)")
                }
                Kind::Aggregate => format!("call it as SELECT {name}(...) FROM ... GROUP BY ..."),
                Kind::Window => format!("call it as SELECT {name}(...) OVER (...) FROM ..."),
                Kind::Table => {
                    format!("call it as SELECT * FROM {name}(...) or proc_rows('{name}', ...)")
                }
                Kind::Guest => return Err(guest_called(name)),
            },
        })
    }

    /// Refuses a wrong number of arguments.
    ///
    /// # Errors
    /// Which arguments it takes.
    pub(crate) fn must_take(&self, count: usize) -> Result<()> {
        let params = &self.shape().params;
        if params.len() == count {
            return Ok(());
        }
        let list: Vec<String> = params
            .iter()
            .map(|param| format!("{} {}", param.name, param.declared))
            .collect();
        Err(Error::Argument {
            guest: self.title(),
            reason: format!(
                "takes {} argument{} ({}), not {count}",
                params.len(),
                if params.len() == 1 { "" } else { "s" },
                list.join(", ")
            ),
        })
    }
}

impl std::fmt::Debug for Procedure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Procedure")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A guest was called as if it were a procedure.
fn guest_called(name: &str) -> Error {
    Error::Kind {
        procedure: name.to_owned(),
        kind: Kind::Guest.name(),
        advice: format!(
            "run it as SELECT * FROM sqlproxy_serve('{name}'), or keep it with CREATE VIRTUAL TABLE ... USING \
             sqlproxy_serve(module='{name}')"
        ),
    }
}

/// Whether a module can be a procedure of this definition: what `proc_create` does before it
/// stores anything.
///
/// # Errors
/// What is wrong with the module or does not fit, as the rest of a sentence.
pub fn check(name: &str, module: &[u8], signature: &Signature) -> std::result::Result<(), String> {
    let process = Process::current();
    let runtime = process.runtime(Stack::of(signature.kind))?;
    let code = crate::code::compile(&runtime.engine, module)?;
    if signature.kind == Kind::Guest {
        return crate::serve::check(&code);
    }
    Procedure::new(name, signature.clone(), &code).map(drop)
}

/// The process's procedures by name, module and definition: what a database says of a procedure
/// is looked up again for every statement, but fitted once.
#[derive(Debug, Default)]
pub(crate) struct Procedures(Mutex<Ready>);

#[derive(Debug, Default)]
struct Ready {
    procedures: HashMap<Key, Arc<Procedure>>,
    /// Bytes of their code.
    bytes: usize,
}

type Key = (String, ContentHash, String);

/// Above these all are forgotten but those in use; fitting one again costs microseconds.
const MOST: usize = 1024;
const MOST_BYTES: usize = 256 << 20;

impl Procedures {
    /// A stored procedure, ready to run.
    ///
    /// # Errors
    /// What its definition or its module is wrong about.
    pub(crate) fn get(
        &self,
        process: &Process,
        connection: &Connection<'_>,
        stored: &Stored,
    ) -> Result<Arc<Procedure>> {
        let key = (stored.name.clone(), stored.hash, stored.definition.clone());
        if let Some(procedure) = lock(&self.0).procedures.get(&key) {
            return Ok(Arc::clone(procedure));
        }
        let broken = |reason: String| Error::Definition {
            procedure: stored.name.clone(),
            reason: format!(
                "what is stored of it in schema '{}': {reason}",
                stored.schema
            ),
        };
        let signature = Signature::stored(&stored.definition).map_err(broken)?;
        if signature.kind == Kind::Guest {
            return Err(guest_called(&stored.name));
        }
        let runtime = process.runtime(Stack::Small).map_err(broken)?;
        let code = runtime.code.get(&runtime.engine, &stored.hash, || {
            stored.module(connection).map_err(|error| error.to_string())
        });
        let code = code.map_err(broken)?;
        let procedure = Procedure::new(&stored.name, signature, &code)
            .map(Arc::new)
            .map_err(broken)?;
        let mut ready = lock(&self.0);
        if ready.procedures.len() >= MOST || ready.bytes + code.size() > MOST_BYTES {
            *ready = Ready::default();
        }
        ready.bytes += code.size();
        ready.procedures.insert(key, Arc::clone(&procedure));
        Ok(procedure)
    }
}

//! How a definition fits a core module: which exports, and how each value is passed. Checked when
//! the procedure is created, so that a call has nothing left to decide.

use wasmtime::{ExternType, FuncType, Module};

use super::{Param, Shape};
use crate::raw::number;
use crate::signature::{Kind, Parameter, Signature};
use crate::types::{DataType, Number};

/// Export names by what they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roles {
    Scalar(String),
    Aggregate {
        init: String,
        step: String,
        finish: String,
        value: Option<String>,
        inverse: Option<String>,
    },
    Table {
        open: String,
        next: String,
        close: Option<String>,
    },
}

/// The export that gives memory for arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocator {
    /// `f(size) -> address`.
    Plain(&'static str),
    /// `cabi_realloc(0, 0, 8, size) -> address`.
    Realloc,
}

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoreBinding {
    pub(crate) shape: Shape,
    /// The number type of each parameter; none for bytes.
    pub(crate) numbers: Vec<Option<Number>>,
    pub(crate) roles: Roles,
    pub(crate) allocator: Option<Allocator>,
    pub(crate) frees: bool,
    pub(crate) initialises: bool,
}

impl CoreBinding {
    /// Fits a definition to a module.
    ///
    /// # Errors
    /// What does not fit, as the rest of a sentence.
    pub(crate) fn new(
        procedure: &str,
        signature: &Signature,
        module: &Module,
    ) -> Result<Self, String> {
        let exports = Exports { module };
        let (roles, takes, gives) = match signature.kind {
            Kind::Scalar => {
                let name = exports.scalar(procedure, signature.export.as_deref())?;
                let ty = exports.function(&name)?;
                let takes = numbers(&name, ty.params())?;
                (Roles::Scalar(name.clone()), takes, result(&name, &ty)?)
            }
            Kind::Aggregate | Kind::Window => exports.aggregate(procedure, signature)?,
            Kind::Table => exports.table(procedure, signature)?,
            Kind::Guest => return Err("a guest is run, not called".to_owned()),
        };
        let what = roles.taker().to_owned();
        let (params, numbers): (Vec<Param>, Vec<Option<Number>>) =
            params(signature, &takes, &what)?.into_iter().unzip();
        let output = match signature.kind {
            Kind::Table => None,
            _ => output(signature, gives, roles.giver())?,
        };
        let bytes = params.iter().any(|param| param.data_type.is_bytes());
        let returns_bytes = signature.kind == Kind::Table || output.is_some_and(DataType::is_bytes);
        if (bytes || returns_bytes) && !exports.has_memory() {
            return Err(
                "text and blobs need the module to export its memory as \"memory\"".to_owned(),
            );
        }
        let allocator = exports.allocator();
        if bytes && allocator.is_none() {
            return Err(
                "text and blob arguments need an export sqlbridge_alloc(size: i32) -> i32"
                    .to_owned(),
            );
        }
        let kind = match &roles {
            Roles::Aggregate {
                value: Some(_),
                inverse: Some(_),
                ..
            } => Kind::Window,
            _ => signature.kind,
        };
        let shape = Shape {
            kind,
            params,
            output,
            columns: signature.columns.clone().unwrap_or_default(),
        };
        Ok(Self {
            shape,
            numbers,
            roles,
            allocator,
            frees: exports.is(FREE, &[Number::I32, Number::I32], None),
            initialises: exports.is("_initialize", &[], None),
        })
    }
}

/// The optional export that takes results back.
pub(crate) const FREE: &str = "sqlbridge_free";

impl Roles {
    /// The export that takes the arguments.
    fn taker(&self) -> &str {
        match self {
            Self::Scalar(name) => name,
            Self::Aggregate { step, .. } => step,
            Self::Table { open, .. } => open,
        }
    }

    /// The export that gives the result.
    fn giver(&self) -> &str {
        match self {
            Self::Scalar(name) => name,
            Self::Aggregate { finish, .. } => finish,
            Self::Table { next, .. } => next,
        }
    }
}

struct Exports<'m> {
    module: &'m Module,
}

impl Exports<'_> {
    fn function(&self, name: &str) -> Result<FuncType, String> {
        match self.module.get_export(name) {
            Some(ExternType::Func(ty)) => Ok(ty),
            Some(_) => Err(format!("the module's export '{name}' is not a function")),
            None => Err(format!(
                "the module has no export '{name}'; it has {}",
                self.list()
            )),
        }
    }

    /// The functions that a user may have meant.
    fn list(&self) -> String {
        let short = |name: &str| name.chars().take(60).collect();
        let names: Vec<String> = self.functions().take(20).map(short).collect();
        if names.is_empty() {
            "no functions at all".to_owned()
        } else {
            names.join(", ")
        }
    }

    fn functions(&self) -> impl Iterator<Item = &str> {
        self.module
            .exports()
            .filter(|export| matches!(export.ty(), ExternType::Func(_)))
            .map(|export| export.name())
            .filter(|name| !is_runtime(name))
    }

    fn has_memory(&self) -> bool {
        matches!(
            self.module.get_export("memory"),
            Some(ExternType::Memory(_))
        )
    }

    fn is(&self, name: &str, params: &[Number], result: Option<Number>) -> bool {
        self.function(name).is_ok_and(|ty| {
            numbers(name, ty.params()).is_ok_and(|numbers| numbers == params)
                && ty.results().len() == usize::from(result.is_some())
                && ty.result(0).and_then(|ty| number(&ty)) == result
        })
    }

    fn allocator(&self) -> Option<Allocator> {
        use Number::I32;
        ["sqlbridge_alloc", "malloc"]
            .into_iter()
            .find(|name| self.is(name, &[I32], Some(I32)))
            .map(Allocator::Plain)
            .or_else(|| {
                self.is("cabi_realloc", &[I32; 4], Some(I32))
                    .then_some(Allocator::Realloc)
            })
    }

    /// The export of a scalar: the one asked for, else the one of its name, else the only one.
    fn scalar(&self, procedure: &str, asked: Option<&str>) -> Result<String, String> {
        if let Some(name) = asked {
            return self.function(name).map(|_| name.to_owned());
        }
        if self.function(procedure).is_ok() {
            return Ok(procedure.to_owned());
        }
        let mut functions = self.functions();
        match (functions.next(), functions.next()) {
            (Some(only), None) => Ok(only.to_owned()),
            _ => Err(format!(
                "the module has no export '{procedure}'; say which one with \"export\": it has {}",
                self.list()
            )),
        }
    }

    /// `<prefix>_<role>` or `<role>`.
    fn role(&self, procedure: &str, signature: &Signature, role: &str) -> Option<String> {
        let prefix = signature.export.as_deref().unwrap_or(procedure);
        [format!("{prefix}_{role}"), role.to_owned()]
            .into_iter()
            .find(|name| self.function(name).is_ok())
    }

    fn needed(&self, procedure: &str, signature: &Signature, role: &str) -> Result<String, String> {
        self.role(procedure, signature, role).ok_or_else(|| {
            let prefix = signature.export.as_deref().unwrap_or(procedure);
            format!(
                "a procedure of kind \"{}\" needs the export '{prefix}_{role}' or '{role}'; the module has {}",
                signature.kind.name(),
                self.list()
            )
        })
    }

    fn aggregate(&self, procedure: &str, signature: &Signature) -> Result<Found, String> {
        use Number::I32;
        let needed = |role| self.needed(procedure, signature, role);
        let (init, step, finish) = (needed("init")?, needed("step")?, needed("final")?);
        let window = signature.kind == Kind::Window;
        let optional = |role| {
            if window {
                needed(role).map(Some)
            } else {
                Ok(self.role(procedure, signature, role))
            }
        };
        let (value, inverse) = (optional("value")?, optional("inverse")?);
        self.shape(&init, &[], Some(I32))?;
        let ty = self.function(&step)?;
        let mut takes = numbers(&step, ty.params())?;
        if takes.first() != Some(&I32) || ty.results().len() != 0 {
            return Err(format!(
                "the export '{step}' must take the state as an i32, then the arguments, and return nothing"
            ));
        }
        if let Some(inverse) = &inverse {
            self.shape(inverse, &takes, None)?;
        }
        takes.remove(0);
        let ty = self.function(&finish)?;
        let gives = result(&finish, &ty)?;
        for name in std::iter::once(&finish).chain(&value) {
            self.shape(name, &[I32], gives)?;
        }
        let roles = Roles::Aggregate {
            init,
            step,
            finish,
            value,
            inverse,
        };
        Ok((roles, takes, gives))
    }

    fn table(&self, procedure: &str, signature: &Signature) -> Result<Found, String> {
        use Number::{I32, I64};
        if signature.columns.is_none() {
            return Err("a table needs \"columns\": [{\"name\": …, \"data_type\": …}]".to_owned());
        }
        let open = self.needed(procedure, signature, "open")?;
        let next = self.needed(procedure, signature, "next")?;
        let close = self.role(procedure, signature, "close");
        let ty = self.function(&open)?;
        let takes = numbers(&open, ty.params())?;
        self.shape(&open, &takes, Some(I32))?;
        self.shape(&next, &[I32], Some(I64))?;
        if let Some(close) = &close {
            self.shape(close, &[I32], None)?;
        }
        Ok((Roles::Table { open, next, close }, takes, None))
    }

    fn shape(&self, name: &str, params: &[Number], result: Option<Number>) -> Result<(), String> {
        let ty = self.function(name)?;
        if self.is(name, params, result) {
            return Ok(());
        }
        let params: Vec<String> = params.iter().map(Number::to_string).collect();
        Err(format!(
            "the export '{name}' must be ({}) -> {}, not {ty}",
            params.join(", "),
            result.map_or("nothing".to_owned(), |result| result.to_string())
        ))
    }
}

/// The exports, the types of the arguments, the type of the result.
type Found = (Roles, Vec<Number>, Option<Number>);

/// Exports that languages add on their own.
fn is_runtime(name: &str) -> bool {
    name.starts_with('_')
        || name.starts_with("sqlbridge_")
        || name.starts_with("cabi_")
        || name.starts_with("asyncify_")
        || matches!(
            name,
            "malloc" | "free" | "calloc" | "realloc" | "memory" | "alloc" | "dealloc"
        )
}

fn numbers(
    export: &str,
    types: impl Iterator<Item = wasmtime::ValType>,
) -> Result<Vec<Number>, String> {
    types
        .map(|ty| {
            number(&ty).ok_or_else(|| {
                format!("the export '{export}' has the type {ty}, which SQL has no value for")
            })
        })
        .collect()
}

fn result(export: &str, ty: &FuncType) -> Result<Option<Number>, String> {
    let results = numbers(export, ty.results())?;
    match results[..] {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(format!(
            "the export '{export}' has {} results; a procedure has one",
            results.len()
        )),
    }
}

/// How the declared parameters fit what the export takes.
fn params(
    signature: &Signature,
    takes: &[Number],
    export: &str,
) -> Result<Vec<(Param, Option<Number>)>, String> {
    let Some(declared) = &signature.params else {
        return Ok(takes
            .iter()
            .enumerate()
            .map(|(index, number)| undeclared(index, *number))
            .collect());
    };
    let mut rest = takes;
    let mut params = Vec::with_capacity(declared.len());
    let next = |rest: &mut &[Number], parameter: &Parameter| {
        let (first, after) = rest.split_first().ok_or_else(|| {
            format!(
                "the export '{export}' has no parameter for '{}' {}{}",
                parameter.name,
                parameter.data_type,
                if parameter.data_type().is_bytes() {
                    ", which is passed as (i32 address, i32 length)"
                } else {
                    ""
                }
            )
        })?;
        *rest = after;
        Ok::<Number, String>(*first)
    };
    for parameter in declared {
        let data_type = parameter.data_type();
        let wrong = |found: Number, expected: &str| {
            format!(
                "parameter '{}' is declared {}, passed as {expected}, but the export '{export}' takes an {found} there",
                parameter.name, parameter.data_type
            )
        };
        if parameter.nullable && data_type != DataType::Any {
            let found = next(&mut rest, parameter)?;
            if found != Number::I32 {
                return Err(wrong(
                    found,
                    "(i32 present, then the value), because it is nullable",
                ));
            }
        }
        let number = if data_type.is_bytes() {
            for _ in 0..2 {
                let found = next(&mut rest, parameter)?;
                if found != Number::I32 {
                    return Err(wrong(found, "(i32 address, i32 length)"));
                }
            }
            None
        } else {
            let found = next(&mut rest, parameter)?;
            if !data_type.numbers().contains(&found) {
                let expected: Vec<String> =
                    data_type.numbers().iter().map(Number::to_string).collect();
                return Err(wrong(found, &expected.join(" or ")));
            }
            Some(found)
        };
        let param = Param {
            name: parameter.name.clone(),
            declared: parameter.data_type.to_ascii_uppercase(),
            data_type,
            nullable: parameter.nullable,
        };
        params.push((param, number));
    }
    if !rest.is_empty() {
        return Err(format!(
            "the export '{export}' takes {} more WebAssembly parameters than the {} declared ones need",
            rest.len(),
            declared.len()
        ));
    }
    Ok(params)
}

fn undeclared(index: usize, number: Number) -> (Param, Option<Number>) {
    let data_type = DataType::of(number);
    let param = Param {
        name: format!("arg{}", index + 1),
        declared: data_type.name().to_owned(),
        data_type,
        nullable: false,
    };
    (param, Some(number))
}

fn output(
    signature: &Signature,
    gives: Option<Number>,
    export: &str,
) -> Result<Option<DataType>, String> {
    let Some(declared) = &signature.return_type else {
        return Ok(gives.map(DataType::of));
    };
    let data_type = DataType::parse(declared).unwrap_or(DataType::Any);
    let fits = match gives {
        Some(number) if data_type.is_bytes() => number == Number::I64,
        Some(number) => data_type.numbers().contains(&number),
        None => false,
    };
    if fits {
        return Ok(Some(data_type));
    }
    let expected = if data_type.is_bytes() {
        "one i64 with address and length".to_owned()
    } else {
        data_type
            .numbers()
            .iter()
            .map(Number::to_string)
            .collect::<Vec<_>>()
            .join(" or ")
    };
    Err(format!(
        "the result is declared {declared}, which is returned as {expected}, but the export '{export}' returns {}",
        gives.map_or("nothing".to_owned(), |number| format!("an {number}"))
    ))
}

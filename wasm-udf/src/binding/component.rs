//! A component: what it exports, typed by WIT. Nothing needs to be declared.

use wasmtime::Engine;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, ComponentExportIndex};

use super::{Param, Shape};
use crate::signature::{Kind, Parameter, Signature};
use crate::types::DataType;

/// A type of WIT that SQL has values for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wit {
    Bool,
    Integer(Width),
    Float32,
    Float64,
    Char,
    Text,
    Bytes,
    /// The variant of all values of SQL.
    Any,
    Option(Box<Wit>),
}

/// A type of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

/// What a function gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    Nothing,
    Value(Wit),
    /// A list of records or tuples.
    Rows(Vec<Wit>),
}

/// Where the functions of a procedure are.
#[derive(Debug, Clone)]
pub(crate) enum Exports {
    Function(ComponentExportIndex),
    Resource {
        constructor: ComponentExportIndex,
        step: ComponentExportIndex,
        finish: ComponentExportIndex,
        value: Option<ComponentExportIndex>,
        inverse: Option<ComponentExportIndex>,
    },
}

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(crate) struct ComponentBinding {
    pub(crate) shape: Shape,
    pub(crate) params: Vec<Wit>,
    pub(crate) given: Given,
    pub(crate) exports: Exports,
}

/// A function or a resource somewhere in a component.
struct Found {
    parent: Option<String>,
    name: String,
    item: ComponentItem,
}

impl ComponentBinding {
    /// Finds the procedure in a component.
    ///
    /// # Errors
    /// What is missing, or a type that SQL has no value for, as the rest of a sentence.
    pub(crate) fn new(
        procedure: &str,
        signature: &Signature,
        component: &Component,
    ) -> Result<Self, String> {
        let all = exports(component);
        let wanted = signature.export.as_deref().unwrap_or(procedure);
        let dashed = wanted.replace('_', "-");
        let named = |name: &str| {
            all.iter()
                .find(|found| found.name == name || found.name == dashed)
                .or_else(|| {
                    all.iter()
                        .find(|found| found.name.eq_ignore_ascii_case(&dashed))
                })
        };
        let only = match &all[..] {
            [only] if signature.export.is_none() => Some(only),
            _ => None,
        };
        let Some(found) = named(wanted).or(only) else {
            let names: Vec<String> = all
                .iter()
                .map(|found| found.name.chars().take(60).collect())
                .take(20)
                .collect();
            return Err(format!(
                "the component exports no function or resource '{dashed}'; it has {}",
                if names.is_empty() {
                    "none at all".to_owned()
                } else {
                    names.join(", ")
                }
            ));
        };
        match &found.item {
            ComponentItem::ComponentFunc(function) => Self::function(component, found, function),
            _ => Self::resource(component, found),
        }
    }

    fn function(
        component: &Component,
        found: &Found,
        function: &ComponentFunc,
    ) -> Result<Self, String> {
        let (params, types) = params(&found.name, function.params())?;
        let (given, columns) = given(&found.name, function)?;
        let kind = if matches!(given, Given::Rows(_)) {
            Kind::Table
        } else {
            Kind::Scalar
        };
        let index = index(component, found.parent.as_deref(), &found.name)
            .ok_or("the component's export is gone")?;
        Ok(Self {
            shape: Shape {
                kind,
                params,
                output: output(&given),
                columns,
            },
            params: types,
            given,
            exports: Exports::Function(index),
        })
    }

    fn resource(component: &Component, found: &Found) -> Result<Self, String> {
        let name = &found.name;
        let parent = found.parent.as_deref();
        let engine = component.engine();
        let method = |role: &str| {
            let name = format!("[method]{name}.{role}");
            Some((
                index(component, parent, &name)?,
                function(component, engine, parent, &name)?,
            ))
        };
        let needed = |role: &str| {
            method(role).ok_or_else(|| {
                format!("the resource '{name}' has no method '{role}', which an aggregate needs")
            })
        };
        let constructor = index(component, parent, &format!("[constructor]{name}"))
            .ok_or_else(|| format!("the resource '{name}' has no constructor"))?;
        let (step, step_type) = needed("step")?;
        let (finish, finish_type) = needed("finish")?;
        let (value, inverse) = (method("value"), method("inverse"));
        // The first parameter is the resource itself.
        let (params, types) = params(name, step_type.params().skip(1))?;
        let (given, columns) = given(name, &finish_type)?;
        if !columns.is_empty() {
            return Err(format!(
                "'finish' of the resource '{name}' must return one value"
            ));
        }
        let kind = if value.is_some() && inverse.is_some() {
            Kind::Window
        } else {
            Kind::Aggregate
        };
        Ok(Self {
            shape: Shape {
                kind,
                params,
                output: output(&given),
                columns,
            },
            params: types,
            given,
            exports: Exports::Resource {
                constructor,
                step,
                finish,
                value: value.map(|(index, _)| index),
                inverse: inverse.map(|(index, _)| index),
            },
        })
    }
}

/// All functions and resources, also those of exported interfaces.
fn exports(component: &Component) -> Vec<Found> {
    let engine = component.engine();
    let mut all = Vec::new();
    for (name, export) in component.component_type().exports(engine) {
        match export.ty {
            ComponentItem::ComponentInstance(instance) => {
                for (inner, export) in instance.exports(engine) {
                    let wanted = match export.ty {
                        ComponentItem::ComponentFunc(_) => !inner.starts_with('['),
                        ComponentItem::Resource(_) => true,
                        _ => false,
                    };
                    if wanted {
                        all.push(Found {
                            parent: Some(name.to_owned()),
                            name: inner.to_owned(),
                            item: export.ty,
                        });
                    }
                }
            }
            item @ ComponentItem::ComponentFunc(_) => all.push(Found {
                parent: None,
                name: name.to_owned(),
                item,
            }),
            _ => {}
        }
    }
    all
}

fn index(component: &Component, parent: Option<&str>, name: &str) -> Option<ComponentExportIndex> {
    match parent {
        Some(parent) => {
            let parent = component.get_export_index(None, parent)?;
            component.get_export_index(Some(&parent), name)
        }
        None => component.get_export_index(None, name),
    }
}

fn function(
    component: &Component,
    engine: &Engine,
    parent: Option<&str>,
    name: &str,
) -> Option<ComponentFunc> {
    let ty = component.component_type();
    let ComponentItem::ComponentInstance(instance) = ty.get_export(engine, parent?)?.ty else {
        return None;
    };
    match instance.get_export(engine, name)?.ty {
        ComponentItem::ComponentFunc(function) => Some(function),
        _ => None,
    }
}

fn params<'t>(
    export: &str,
    params: impl Iterator<Item = (&'t str, Type)>,
) -> Result<(Vec<Param>, Vec<Wit>), String> {
    let mut shapes = Vec::new();
    let mut types = Vec::new();
    for (name, ty) in params {
        let wit = Wit::new(&ty).map_err(|why| format!("parameter '{name}' of '{export}' {why}"))?;
        let data_type = wit.data_type();
        shapes.push(Param {
            name: name.replace('-', "_"),
            declared: data_type.name().to_owned(),
            data_type,
            nullable: matches!(wit, Wit::Option(_)),
        });
        types.push(wit);
    }
    Ok((shapes, types))
}

fn given(export: &str, function: &ComponentFunc) -> Result<(Given, Vec<Parameter>), String> {
    let Some(mut ty) = function.results().next() else {
        return Ok((Given::Nothing, Vec::new()));
    };
    if let Type::Result(result) = &ty {
        if !matches!(result.err(), None | Some(Type::String)) {
            return Err(format!(
                "the result of '{export}' must have string errors: result<T, string>"
            ));
        }
        match result.ok() {
            None => return Ok((Given::Nothing, Vec::new())),
            Some(ok) => ty = ok,
        }
    }
    let why = |why: String| format!("the result of '{export}' {why}");
    if let Type::List(list) = &ty {
        let columns: Option<Vec<(String, Type)>> = match list.ty() {
            Type::Record(record) => Some(
                record
                    .fields()
                    .map(|field| (field.name.replace('-', "_"), field.ty))
                    .collect(),
            ),
            Type::Tuple(tuple) => Some(
                tuple
                    .types()
                    .enumerate()
                    .map(|(number, ty)| (format!("column{}", number + 1), ty))
                    .collect(),
            ),
            _ => None,
        };
        if let Some(columns) = columns {
            let wits = columns
                .iter()
                .map(|(_, ty)| Wit::new(ty))
                .collect::<Result<Vec<_>, _>>();
            let wits = wits.map_err(why)?;
            let columns = columns
                .into_iter()
                .zip(&wits)
                .map(|((name, _), wit)| Parameter {
                    name,
                    data_type: wit.data_type().name().to_owned(),
                    nullable: false,
                });
            let columns = columns.collect();
            return Ok((Given::Rows(wits), columns));
        }
    }
    Ok((Given::Value(Wit::new(&ty).map_err(why)?), Vec::new()))
}

fn output(given: &Given) -> Option<DataType> {
    match given {
        Given::Value(wit) => Some(wit.data_type()),
        Given::Nothing | Given::Rows(_) => None,
    }
}

impl Wit {
    fn new(ty: &Type) -> Result<Self, String> {
        Ok(match ty {
            Type::Bool => Self::Bool,
            Type::S8 => Self::Integer(Width::S8),
            Type::U8 => Self::Integer(Width::U8),
            Type::S16 => Self::Integer(Width::S16),
            Type::U16 => Self::Integer(Width::U16),
            Type::S32 => Self::Integer(Width::S32),
            Type::U32 => Self::Integer(Width::U32),
            Type::S64 => Self::Integer(Width::S64),
            Type::U64 => Self::Integer(Width::U64),
            Type::Float32 => Self::Float32,
            Type::Float64 => Self::Float64,
            Type::Char => Self::Char,
            Type::String => Self::Text,
            Type::List(list) if list.ty() == Type::U8 => Self::Bytes,
            Type::Option(option) => match Self::new(&option.ty())? {
                Self::Option(_) => return Err("is an option of an option".to_owned()),
                inner => Self::Option(Box::new(inner)),
            },
            Type::Variant(variant) if is_any(variant) => Self::Any,
            other => {
                return Err(format!(
                    "is {}, which SQL has no value for",
                    describe(other)
                ));
            }
        })
    }

    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Bool => DataType::Bool,
            Self::Integer(_) => DataType::Integer,
            Self::Float32 | Self::Float64 => DataType::Real,
            Self::Char | Self::Text => DataType::Text,
            Self::Bytes => DataType::Blob,
            Self::Any => DataType::Any,
            Self::Option(inner) => inner.data_type(),
        }
    }
}

/// Whether it is `variant { null, integer(s64), real(f64), text(string), blob(list<u8>) }`.
fn is_any(variant: &types::Variant) -> bool {
    let expected = |name: &str, ty: &Option<Type>| match (name, ty) {
        ("null", None)
        | ("integer", Some(Type::S64))
        | ("real", Some(Type::Float64))
        | ("text", Some(Type::String)) => true,
        ("blob", Some(Type::List(list))) => list.ty() == Type::U8,
        _ => false,
    };
    variant.cases().len() == 5 && variant.cases().all(|case| expected(case.name, &case.ty))
}

fn describe(ty: &Type) -> &'static str {
    match ty {
        Type::List(_) => "a list of something else than u8, records or tuples",
        Type::Record(_) => "a record",
        Type::Tuple(_) => "a tuple",
        Type::Variant(_) => "a variant",
        Type::Enum(_) => "an enum",
        Type::Flags(_) => "flags",
        Type::Result(_) => "a result inside of another type",
        Type::Own(_) | Type::Borrow(_) => "a resource",
        _ => "of a type",
    }
}

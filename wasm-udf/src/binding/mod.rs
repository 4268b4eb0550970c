//! How a definition fits a module, checked when the procedure is created, so that a call has
//! nothing left to decide: `core` for core modules, `component` for components.

pub(crate) mod component;
pub(crate) mod core;

use crate::signature::{Kind, Parameter};
use crate::types::DataType;

/// What SQL sees of a procedure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) params: Vec<Param>,
    /// None: the result is always NULL.
    pub(crate) output: Option<DataType>,
    /// Of a table.
    pub(crate) columns: Vec<Parameter>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Param {
    pub(crate) name: String,
    /// The declared type, for messages.
    pub(crate) declared: String,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
}

impl Param {
    /// What it is in an error's text: `argument 2 'tier'`.
    pub(crate) fn place(&self, index: usize) -> String {
        format!("argument {} '{}'", index + 1, self.name)
    }

    /// The same as it is declared.
    pub(crate) fn to_parameter(&self) -> Parameter {
        Parameter {
            name: self.name.clone(),
            data_type: self.declared.clone(),
            nullable: self.nullable,
        }
    }

    /// Whether a NULL for it keeps the procedure from being called.
    pub(crate) fn is_strict(&self) -> bool {
        !self.nullable && self.data_type != DataType::Any
    }
}

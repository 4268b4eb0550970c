//! COPY.

use rusqlite::types::Value;

use super::Session;
use super::failure::Result;
use crate::error::PgError;
use crate::sql::Copy;

pub(super) fn copy_in(_: &mut Session<'_>, _: &Copy) -> Result<u64> {
    Err(PgError::new("0A000", "not yet").into())
}

pub(super) fn copy_out(_: &mut Session<'_>, _: &Copy, _: &[Value]) -> Result<u64> {
    Err(PgError::new("0A000", "not yet").into())
}

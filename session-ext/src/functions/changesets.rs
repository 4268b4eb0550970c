//! Functions on changesets.

use sqlite_abi::{Connection, Error};

use super::FunctionDoc;

pub(super) const FUNCTIONS: &[FunctionDoc] = &[];

pub(super) fn register(_connection: &Connection<'_>) -> Result<(), Error> {
    Ok(())
}

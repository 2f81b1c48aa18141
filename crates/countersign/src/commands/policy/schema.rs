//! `countersign policy schema`.

use countersign_core::policy::syntax::form;

use crate::commands::Context;
use crate::error::{CommandError, Exit};

/// Prints the schema as it is committed: it is JSON for everybody.
pub(super) fn run(context: &Context) -> Result<Exit, CommandError> {
    context.output.raw(format!("{:#}\n", form::schema()).as_bytes())?;
    Ok(Exit::Ok)
}

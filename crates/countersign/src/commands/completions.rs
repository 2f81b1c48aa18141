//! `countersign completions SHELL`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Context;
use crate::cli::Cli;
use crate::error::{CommandError, Exit};

/// Prints a completion script.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "countersign", &mut script);
    context.output.raw(&script)?;
    Ok(Exit::Ok)
}

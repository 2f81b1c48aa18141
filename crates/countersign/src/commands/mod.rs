//! The commands, one file each, all of one shape: `Args` says what can be asked, `run` does it.

pub(crate) mod approvals;
pub(crate) mod completions;
pub(crate) mod contract;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod halt;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod model;
pub(crate) mod policy;
mod question;
pub(crate) mod quickstart;
pub(crate) mod receipt;
pub(crate) mod replay;
pub(crate) mod simulate;
pub(crate) mod up;
pub(crate) mod wrap;

use std::path::PathBuf;

use crate::cli::Command;
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::output::Output;
use crate::sample;

/// What every command is given.
pub(crate) struct Context {
    /// Where the configuration is.
    pub(crate) config: PathBuf,
    /// How to speak.
    pub(crate) output: Output,
}

impl Context {
    /// The configuration.
    ///
    /// # Errors
    /// It cannot be read, or is faulty.
    pub(crate) fn config(&self) -> Result<Config, CommandError> {
        Config::load(&self.config)
    }
}

/// Runs a command on a runtime of its own: many threads for the daemon, this one for everything else.
pub(crate) fn run(command: Command, context: &Context) -> Result<Exit, CommandError> {
    let mut builder = match command {
        Command::Up(_) | Command::Quickstart(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| CommandError::bug("the runtime does not start").cause(&error))?;
    runtime.block_on(Box::pin(dispatch(command, context)))
}

async fn dispatch(command: Command, context: &Context) -> Result<Exit, CommandError> {
    match command {
        Command::Up(args) => up::run(args, context).await,
        Command::Wrap(args) => wrap::run(args, context).await,
        Command::Quickstart(args) => quickstart::run(args, context).await,
        Command::Import(args) => import::run(&args, context),
        Command::Keys(args) => keys::run(args, context),
        Command::Policy(args) => policy::run(args, context).await,
        Command::Contract(args) => contract::run(args, context).await,
        Command::Simulate(args) => simulate::run(&args, context),
        Command::Approvals(args) => approvals::run(args, context).await,
        Command::Explain(args) => Box::pin(explain::run(args, context)).await,
        Command::Halt(args) => halt::run(args, context).await,
        Command::Replay(args) => replay::run(args, context).await,
        Command::Receipt(args) => receipt::run(args, context).await,
        Command::Model(args) => model::run(args, context).await,
        Command::Drift(args) => drift::run(args, context).await,
        Command::Doctor(args) => doctor::run(args, context).await,
        Command::Completions(args) => completions::run(&args, context),
        Command::SampleServer(args) => match sample::run(args).await {
            Ok(()) => Ok(Exit::Ok),
            Err(error) => Err(CommandError::usage("the sample server cannot serve").cause(&error)),
        },
    }
}

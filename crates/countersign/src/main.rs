//! Countersign: no action without a countersignature.
//!
//! The binary: the only crate that knows every other.
//!
//! | module | holds |
//! |---|---|
//! | `cli` | the command line |
//! | `commands` | one file a command, all of one shape: `Args`, `run` |
//! | `config` | the configuration file, checked and typed |
//! | `policies` | policy files found and read as a set |
//! | `secrets` | token files |
//! | `wire` | keys, ledger, engine and gateway put together |
//! | `watch`, `fetch` | policy files watched, and policy bundles fetched, while the daemon runs |
//! | `bundle` | a policy set as one signed text |
//! | `client` | asking the running daemon |
//! | `output` | the one module that speaks |
//! | `error` | how commands fail, and exit codes |
//! | `quickstart` | the whole of it in one command |
//! | `sample` | the sample tool server |

mod bundle;
mod cli;
mod client;
mod commands;
mod config;
mod error;
mod fetch;
mod output;
mod policies;
mod quickstart;
mod sample;
mod secrets;
mod shadow;
mod watch;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser as _;

use crate::error::CommandError;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = output::Output::new(cli.json, stream_color(cli.color));
    let context = commands::Context { config: cli.config, output };
    // The panic itself has been reported by then; what is left is to say whose fault it is.
    let done = catch_unwind(AssertUnwindSafe(|| commands::run(cli.command, &context)))
        .unwrap_or_else(|_| Err(CommandError::bug("countersign stopped on a fault of its own")));
    let exit = done.unwrap_or_else(|error| {
        output.error(&error);
        error.exit
    });
    exit.into()
}

const fn stream_color(color: clap::ColorChoice) -> anstream::ColorChoice {
    match color {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    }
}

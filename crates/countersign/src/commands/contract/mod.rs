//! `countersign contract`: what tools do, as it is derived, reviewed and declared.
//!
//! | module | holds |
//! |---|---|
//! | `definitions` | the tools: from a file, or asked from the servers of the configuration |
//! | `list` | all of them, one a line |
//! | `show` | one of them, with every role and reason |
//! | `review` | what a person has to look at, and the file of what was looked at |

mod definitions;
mod list;
mod review;
mod show;

use super::Context;
use crate::error::{CommandError, Exit};

pub(super) use definitions::from_file;

/// What to do with contracts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// List what tools do
    List(list::Args),
    /// Show one tool's contract: the role of every argument, what comes back, and what is in doubt
    Show(show::Args),
    /// Show what is in doubt first, and write the contracts to a file for you to correct
    Review(review::Args),
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    match args {
        Args::List(args) => list::run(&args, context).await,
        Args::Show(args) => show::run(&args, context).await,
        Args::Review(args) => review::run(&args, context).await,
    }
}

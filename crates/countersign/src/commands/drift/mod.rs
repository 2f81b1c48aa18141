//! `countersign drift calibrate`: thresholds for a deployment, from its own recorded sessions.

mod calibrate;
mod rates;
mod sessions;

use super::Context;
use crate::error::{CommandError, Exit};

/// What to do about drift.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// Fit thresholds to recorded sessions and say how often each would have raised an alarm
    Calibrate(calibrate::Args),
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    match args {
        Args::Calibrate(args) => calibrate::run(args, context).await,
    }
}

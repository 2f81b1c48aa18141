//! `countersign policy …`: what the authors of policies work with.
//!
//! | module | holds |
//! |---|---|
//! | `check` | everything that is wrong with a set, or odd about it |
//! | `test` | cases beside the policy, run through the real engine; which rules they touch |
//! | `explain` | why an action gets its ruling |
//! | `apply` | a set put in force by an operator |
//! | `sign` | a set as a signed bundle |
//! | `diff` | how one set differs from another, and what it would rule differently |
//! | `shadow` | what recorded candidates would have done otherwise |
//! | `schema` | the JSON Schema of policy files, for editors |
//! | `format` | policy files in one layout |
//! | `cases` | a session so far, an action, and what is expected: read and run |

mod apply;
mod cases;
mod check;
mod diff;
mod explain;
mod format;
mod schema;
mod shadow;
mod sign;
mod test;

use self::cases::default_named;
use super::Context;
use crate::error::{CommandError, Exit};

pub(crate) use cases::is_cases;
pub(crate) use check::unasked;

/// What to do with policies.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// Load policies as the daemon would, and say everything that is wrong with them
    Check(check::Args),
    /// Run the cases beside the policies through the real engine
    Test(test::Args),
    /// Say why an action gets its ruling: every rule that is asked, and what each of its tests finds
    Explain(explain::Args),
    /// Put a set in force as a whole, as an operator
    Apply(apply::Args),
    /// Sign a set as a bundle that daemons fetch
    Sign(sign::Args),
    /// Say how a set differs from another, and which actions it would rule differently
    Diff(diff::Args),
    /// Say what candidates decided beside the set in force would have done otherwise
    Shadow(shadow::Args),
    /// Print the JSON Schema of policy files, for editors
    Schema,
    /// Put policy files into one layout; comments stay
    Fmt(format::Args),
}

/// A word for a default, as an option takes it.
fn default_word(word: &str) -> Result<&'static str, String> {
    let known = cases::DEFAULTS.into_iter().find(|known| known.eq_ignore_ascii_case(word));
    known.ok_or_else(|| format!("it is one of {}", cases::DEFAULTS.join(", ")))
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    match args {
        Args::Check(args) => check::run(args, context),
        Args::Test(args) => test::run(args, context).await,
        Args::Explain(args) => explain::run(args, context).await,
        Args::Apply(args) => apply::run(args, context).await,
        Args::Sign(args) => sign::run(&args, context),
        Args::Diff(args) => Box::pin(diff::run(args, context)).await,
        Args::Shadow(args) => shadow::run(args, context).await,
        Args::Schema => schema::run(context),
        Args::Fmt(args) => format::run(&args, context),
    }
}

//! `countersign policy explain --policy DIR --action FILE`, `--case FILE#NAME`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::decide::explain::Explanation;

use super::cases::{Bench, Case, Suite};
use crate::commands::Context;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies;

/// Which action, under which policy.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Policy files, or folders of them; without any, those of the case, or of the configuration
    #[arg(long, value_name = "DIR")]
    policy: Vec<PathBuf>,
    /// The action, in YAML or JSON: `action`, and where it matters `session`, `tools` and `identity`
    #[arg(long, value_name = "FILE", required_unless_present = "case", conflicts_with = "case")]
    action: Option<PathBuf>,
    /// A case of a file of cases; the name may be left out where there is but one
    #[arg(long, value_name = "FILE#NAME")]
    case: Option<String>,
    /// What happens to actions of which no rule speaks, where no file says so
    #[arg(long, value_name = "WORD", value_parser = super::default_word)]
    default: Option<&'static str>,
    /// Show arguments, the request and given facts too, not only what kind of thing they are; secrets stay blanked
    #[arg(long)]
    values: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let mut bench = Bench::new(args.values)?;
    let default = args.default.and_then(super::default_named);
    let (case, policy, file) = match (&args.action, &args.case) {
        (Some(file), _) => {
            let policy = if args.policy.is_empty() { context.config()?.policies } else { args.policy };
            (Case::alone(file)?, Arc::new(policies::load_with(&policy, default)?), file.clone())
        }
        (None, Some(named)) => {
            let (file, name) = named.split_once('#').map_or((named.as_str(), None), |(f, n)| (f, Some(n)));
            let mut suite = Suite::read(Path::new(file))?;
            if !args.policy.is_empty() {
                suite.policy = args.policy;
            }
            suite.default = default.or(suite.default);
            let policy = bench.policy(&suite)?;
            (one(suite, name)?, policy, PathBuf::from(file))
        }
        (None, None) => return Err(CommandError::usage("no action is named")),
    };
    let played = bench.play(&case, &policy, &file).await?;
    context.output.show(&Shown(&played.explanation))?;
    Ok(Exit::Ok)
}

/// The case of this name; the only one where no name is given.
fn one(suite: Suite, name: Option<&str>) -> Result<Case, CommandError> {
    let names: Vec<String> = suite.cases.iter().map(|case| case.name.clone()).collect();
    let only = names.len() == 1;
    let found = suite.cases.into_iter().find(|case| name.map_or(only, |name| case.name == name));
    found.ok_or_else(|| {
        let said = match name {
            Some(name) => format!("{} has no case `{name}`", suite.file.display()),
            None => format!("{} has several cases", suite.file.display()),
        };
        CommandError::usage(said).hint(format!("name one as FILE#NAME; there are: {}", names.join("; ")))
    })
}

/// An explanation, for programs and for people.
#[derive(serde::Serialize)]
#[serde(transparent)]
pub(crate) struct Shown<'a>(pub(crate) &'a Explanation);

impl View for Shown<'_> {
    fn show(&self, page: &mut Page) {
        page.line(self.0.to_string().trim_end());
    }
}

//! `countersign policy diff OLD NEW`: how one set differs from another; which recorded or given actions it would rule
//! differently, both being asked the same question.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::decision::Decision;
use countersign_core::policy::{Difference, PolicySet};
use serde::Serialize;

use super::cases::{Bench, Suite, find};
use crate::commands::replay::{Changes, Recordings};
use crate::commands::{Context, simulate};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies;

/// Which sets, and which actions.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The set before: a file or folder, or the digest of a set that was in force here
    #[arg(value_name = "OLD")]
    old: String,
    /// The set after: the same
    #[arg(value_name = "NEW")]
    new: String,
    /// Ask both about every ruling in the ledger
    #[arg(long, conflicts_with_all = ["traces", "cases"])]
    recorded: bool,
    /// Only rulings of this session
    #[arg(long, value_name = "ID", requires = "recorded")]
    session: Option<String>,
    /// Ask both about every call of these sessions: JSON Lines, plain or gzip
    #[arg(long, value_name = "FILE", requires = "tools", conflicts_with = "cases")]
    traces: Option<PathBuf>,
    /// The tools of these sessions as their server lists them
    #[arg(long, value_name = "FILE", requires = "traces")]
    tools: Option<PathBuf>,
    /// Reviewed contracts of these tools, over the derived ones
    #[arg(long, value_name = "FILE", requires = "traces")]
    contracts: Option<PathBuf>,
    /// Keep the user's request from these sessions, as where no host opens them
    #[arg(long, requires = "traces")]
    no_request: bool,
    /// Ask both about the actions of these cases: files, or folders in which `NAME.test.yaml` are looked for
    #[arg(long, value_name = "PATH")]
    cases: Vec<PathBuf>,
    /// What happens to actions of which no rule speaks, where no file of a set says so
    #[arg(long, value_name = "WORD", value_parser = super::default_word)]
    default: Option<&'static str>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let digests = args.old.starts_with(DIGEST) || args.new.starts_with(DIGEST);
    let recordings = match args.recorded || digests {
        true => Some(Recordings::open(&context.config()?).await?),
        false => None,
    };
    let default = args.default.and_then(super::default_named);
    let old = set(&args.old, default.clone(), recordings.as_ref()).await?;
    let new = Arc::new(set(&args.new, default, recordings.as_ref()).await?);
    let mut report = Diff {
        old: Named::of(&old),
        new: Named::of(&new),
        difference: Difference::between(&old, &new),
        actions: None,
    };
    let mut changes = Changes::default();
    match (&args.traces, &args.tools, recordings) {
        (Some(traces), Some(tools), _) => {
            let contracts = args.contracts.as_deref();
            let sessions = simulate::Sessions { traces, tools, contracts, request: !args.no_request };
            let each = |tool: &str, at, old: &_, new: &_| changes.add(tool, at, old, new);
            simulate::beside(&sessions, (old, new), each).await?;
            report.actions = Some(changes);
        }
        (_, _, Some(recordings)) if args.recorded => {
            let session = args.session.as_deref();
            let both = |found: &countersign_engine::replay::Recorded<'_>| {
                changes.between(found, |found| Some((found.under(&old)?, found.under(&new)?)));
            };
            recordings.each(session, both).await?;
            report.actions = Some(changes);
        }
        _ if !args.cases.is_empty() => {
            cases(&args.cases, &old, new, &mut changes).await?;
            report.actions = Some(changes);
        }
        _ => {}
    }
    context.output.show(&report)?;
    Ok(if report.is_none() { Exit::Ok } else { Exit::No })
}

/// How a digest begins.
const DIGEST: &str = "sha256:";

/// A set by its place, or by its digest where it was in force.
async fn set(
    named: &str,
    default: Option<Decision>,
    recordings: Option<&Recordings>,
) -> Result<PolicySet, CommandError> {
    match recordings {
        Some(recordings) if named.starts_with(DIGEST) => recordings.set(named).await,
        _ => policies::load_with(&[PathBuf::from(named)], default),
    }
}

/// Both sets asked about the action of every case, whose session is lived under the old one.
async fn cases(
    paths: &[PathBuf],
    old: &PolicySet,
    new: Arc<PolicySet>,
    changes: &mut Changes,
) -> Result<(), CommandError> {
    let bench = Bench::new(false)?.beside(new);
    let files = find(paths)?;
    if files.is_empty() {
        return Err(CommandError::usage("there are no cases there")
            .hint("name files NAME.test.yaml, or folders of them; docs/src/policy-tools.md shows how"));
    }
    for file in &files {
        for case in &Suite::read(file)?.cases {
            let played = bench.play(case, old, file).await?;
            let Some(beside) = &played.beside else { continue };
            let at = place(file, case.line, &case.name);
            changes.add(&played.tool, at, &played.explanation.ruling, beside);
        }
    }
    Ok(())
}

fn place(file: &Path, line: usize, name: &str) -> String {
    format!("{}:{line} {name}", file.display())
}

#[derive(Serialize)]
struct Diff {
    old: Named,
    new: Named,
    /// How the sets differ as they are written.
    difference: Difference,
    /// What would be ruled differently; absent where no actions were asked about.
    actions: Option<Changes>,
}

#[derive(Serialize)]
struct Named {
    id: String,
    version: String,
    digest: String,
    rules: usize,
}

impl Named {
    fn of(set: &PolicySet) -> Self {
        let reference = set.reference();
        Self {
            id: reference.id.to_string(),
            version: reference.version.to_string(),
            digest: reference.digest.to_string(),
            rules: set.rules().len(),
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} version {}, {} rules, {}", self.id, self.version, self.rules, self.digest)
    }
}

impl Diff {
    /// Whether there is no difference of the kind that was asked for.
    fn is_none(&self) -> bool {
        self.actions.as_ref().map_or_else(|| self.difference.is_empty(), |changes| !changes.any())
    }
}

impl View for Diff {
    fn show(&self, page: &mut Page) {
        page.pair("old", &self.old.to_string());
        page.pair("new", &self.new.to_string());
        let Difference { default, added, removed, changed, other } = &self.difference;
        if let Some((from, to)) = default {
            page.pair("default", &format!("{from} -> {to}"));
        }
        for (name, rules) in [("added", added), ("removed", removed)] {
            if !rules.is_empty() {
                page.pair(name, &rules.join(", "));
            }
        }
        for one in changed {
            let action = one.action.map_or_else(String::new, |(from, to)| format!("; {from} -> {to}"));
            page.pair("changed", &format!("{}: {}{action}", one.rule, one.parts.join(", ")));
        }
        if !other.is_empty() {
            page.pair("also", &other.join(", "));
        }
        if self.difference.is_empty() {
            page.pair("written", "the same rules, defaults and tables");
        }
        if let Some(changes) = &self.actions {
            page.blank();
            page.heading("Both sets asked the same questions, over the sessions as they were:");
            changes.show(page, "old", "new");
        }
    }
}

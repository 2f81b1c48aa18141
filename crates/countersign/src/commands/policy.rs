//! `countersign policy check [PATH...]`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use countersign_core::decision::Decision;
use countersign_core::policy::{Conflict, PolicySet, Rule, RuleAction, Side};
use serde::Serialize;

use super::Context;
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies::{self, Files};

/// What to do with policies.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// Load policies as the daemon would, and say everything that is wrong with them
    Check(Check),
}

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Files or folders that together are the set; without any, those of the configuration
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let Args::Check(Check { paths }) = args;
    // With paths the configuration is not needed; where there is one, it says which approvers and upstreams exist.
    let config = if paths.is_empty() { Some(context.config()?) } else { context.config().ok() };
    let paths = if paths.is_empty() {
        config.as_ref().map(|c| c.policies.clone()).unwrap_or_default()
    } else {
        paths
    };
    let (files, set) = policies::read_and_load(&paths)?;
    let conflicts = conflicts(&set, &files, config.as_ref());
    let groups = config.iter().flat_map(|config| policies::unknown_groups(&set, config.groups()));
    let then = then(config.as_ref());
    let meeting = conflicts.iter().map(|conflict| format!("{conflict}. {then}"));
    let warnings = groups.map(unasked).chain(meeting).collect();
    context.output.show(&Checked::of(&set, warnings, &conflicts))?;
    Ok(Exit::Ok)
}

/// Rules that contradict each other where they meet, at the paths of their files.
fn conflicts(set: &PolicySet, files: &Files, config: Option<&Config>) -> Vec<Conflict> {
    let side = |side: Side| Side { file: files.path_of(&side.file), ..side };
    let placed = |conflict: Conflict| {
        let Conflict { first, second, why } = conflict;
        Conflict { first: side(first), second: side(second), why }
    };
    set.conflicts(&config.map_or_else(BTreeSet::new, Config::upstreams)).into_iter().map(placed).collect()
}

/// What happens to a call for which two such rules hold.
fn then(config: Option<&Config>) -> &'static str {
    match config.map(|config| config.groups().is_empty()) {
        Some(false) => "Where both hold, the call is deferred (DEFER) and put to the approvers at once",
        Some(true) => {
            "Where both hold, the call is deferred (DEFER) and, as there are no approvers, refused when its time is over"
        }
        None => {
            "Where both hold, the call is deferred (DEFER), and put to the approvers at once if there are any"
        }
    }
}

/// In words, that a question would reach nobody.
pub(crate) fn unasked((rule, groups): (std::sync::Arc<str>, String)) -> String {
    format!(
        "rule `{rule}` asks {groups} for approval, and the configuration has no such approver: it waits until it is refused"
    )
}

#[derive(Serialize)]
struct Checked {
    id: String,
    version: String,
    digest: String,
    default: &'static str,
    files: Vec<File>,
    rules: Vec<Line>,
    warnings: Vec<String>,
    conflicts: Vec<Pair>,
}

#[derive(Serialize)]
struct Pair {
    first: Place,
    second: Place,
    why: String,
}

#[derive(Serialize)]
struct Place {
    rule: String,
    action: &'static str,
    file: String,
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct File {
    name: String,
    id: String,
    version: String,
    digest: String,
}

#[derive(Serialize)]
struct Line {
    id: String,
    policy: String,
    action: &'static str,
    priority: i64,
    tools: Vec<String>,
}

impl Checked {
    fn of(set: &PolicySet, warnings: Vec<String>, conflicts: &[Conflict]) -> Self {
        let reference = set.reference();
        let default = match set.default_decision() {
            Decision::Allow => "ALLOW",
            Decision::Deny => "DENY",
            Decision::StepUp(_) => "STEP_UP",
            Decision::Defer(_) => "DEFER",
        };
        let file = |(name, policy): &(std::sync::Arc<str>, countersign_core::decision::PolicyRef)| File {
            name: name.to_string(),
            id: policy.id.to_string(),
            version: policy.version.to_string(),
            digest: policy.digest.to_string(),
        };
        Self {
            id: reference.id.to_string(),
            version: reference.version.to_string(),
            digest: reference.digest.to_string(),
            default,
            files: set.files().iter().map(file).collect(),
            rules: set.rules().iter().map(Line::of).collect(),
            warnings,
            conflicts: conflicts.iter().map(Pair::of).collect(),
        }
    }
}

impl Pair {
    fn of(Conflict { first, second, why }: &Conflict) -> Self {
        Self { first: Place::of(first), second: Place::of(second), why: why.clone() }
    }
}

impl Place {
    fn of(side: &Side) -> Self {
        let (rule, file) = (side.rule.to_string(), side.file.to_string());
        Self { rule, action: side.says.as_str(), file, line: side.line, column: side.column }
    }
}

impl Line {
    fn of(rule: &Rule) -> Self {
        let action = match &rule.action {
            Some(RuleAction::Allow) => "ALLOW",
            Some(RuleAction::Deny) => "DENY",
            Some(RuleAction::Modify(_)) => "MODIFY",
            Some(RuleAction::StepUp(_)) => "STEP_UP",
            Some(RuleAction::Defer) => "DEFER",
            None => "context",
        };
        let tools = rule.tools.iter().map(|pattern| pattern.0.clone()).chain(rule.operations.iter().cloned());
        Self {
            id: rule.id.to_string(),
            policy: rule.policy.id.to_string(),
            action,
            priority: rule.priority,
            tools: tools.collect(),
        }
    }
}

impl View for Checked {
    fn show(&self, page: &mut Page) {
        let row = |rule: &Line| {
            let tools = if rule.tools.is_empty() { "every tool".to_owned() } else { rule.tools.join(", ") };
            [rule.action.to_owned(), rule.priority.to_string(), rule.id.clone(), tools, rule.policy.clone()]
        };
        page.table(["ACTION", "PRIORITY", "RULE", "TOOLS", "POLICY"], self.rules.iter().map(row));
        page.line(&format!("Anything else: {}.", self.default));
        for warning in &self.warnings {
            page.warning(&format!("warning: {warning}"));
        }
        if !self.conflicts.is_empty() {
            page.faint("Give one rule of each pair a higher `priority`, or let them ask for what excludes the other.");
        }
        page.good(&format!(
            "{} version {}: {} in {}, {}",
            self.id,
            self.version,
            count(self.rules.len(), "rule"),
            count(self.files.len(), "file"),
            self.digest
        ));
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

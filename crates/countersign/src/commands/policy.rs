//! `countersign policy check [PATH...]`.

use std::path::PathBuf;

use countersign_core::decision::Decision;
use countersign_core::policy::{PolicySet, Rule, RuleAction};
use serde::Serialize;

use super::Context;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies;

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
    // With paths the configuration is not needed; where there is one, it says which approvers exist.
    let config = if paths.is_empty() { Some(context.config()?) } else { context.config().ok() };
    let paths = if paths.is_empty() {
        config.as_ref().map(|c| c.policies.clone()).unwrap_or_default()
    } else {
        paths
    };
    let set = policies::load(&paths)?;
    let warnings = config
        .iter()
        .flat_map(|config| policies::unknown_groups(&set, config.groups()))
        .map(unasked)
        .collect();
    context.output.show(&Checked::of(&set, warnings))?;
    Ok(Exit::Ok)
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
    fn of(set: &PolicySet, warnings: Vec<String>) -> Self {
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
        }
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

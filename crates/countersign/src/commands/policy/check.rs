//! `countersign policy check [PATH...]`: everything that is wrong with a set; and what loads and may still not be meant.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_core::decision::Decision;
use countersign_core::names::ToolName;
use countersign_core::policy::review::World;
use countersign_core::policy::{Conflict, Fault, Known, PolicySet, Rule, RuleAction, Side};
use serde::Serialize;

use crate::commands::{Context, contract};
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View, fault_json};
use crate::policies::{self, Files};

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders that together are the set; without any, those of the configuration
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What happens to actions of which no rule speaks, where no file says so: for parts of a policy
    #[arg(long, value_name = "WORD", value_parser = super::default_word)]
    default: Option<&'static str>,
    /// What an upstream's server answers to `tools/list`, so that names of tools can be checked; may be given again
    #[arg(long, value_name = "UPSTREAM=FILE")]
    tools: Vec<String>,
}

pub(super) fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let Args { paths, default, tools } = args;
    // With paths the configuration is not needed; where there is one, it says which approvers and upstreams exist.
    let config = if paths.is_empty() { Some(context.config()?) } else { context.config().ok() };
    let paths = if paths.is_empty() {
        config.as_ref().map(|c| c.policies.clone()).unwrap_or_default()
    } else {
        paths
    };
    let (files, set) = policies::read_and_load_with(&paths, default.and_then(super::default_named))?;
    let world = world(config.as_ref(), &tools)?;
    let conflicts = conflicts(&set, &files, &world.upstreams);
    let groups = config.iter().flat_map(|config| policies::unknown_groups(&set, config.groups()));
    let then = then(config.as_ref());
    let meeting = conflicts.iter().map(|conflict| format!("{conflict}. {then}"));
    let warnings = groups.map(unasked).chain(meeting).collect();
    let review = review(&set, &files, &world);
    context.output.show(&Checked::of(&set, warnings, review, &conflicts))?;
    Ok(Exit::Ok)
}

/// What is known of the deployment: from the configuration, and from lists of tools.
fn world(config: Option<&Config>, lists: &[String]) -> Result<World, CommandError> {
    let mut world = config.map(Config::world).unwrap_or_default();
    let mut tools = BTreeSet::new();
    for list in lists {
        let (upstream, file) = list.split_once('=').ok_or_else(|| {
            CommandError::usage(format!("`{list}` names no upstream")).hint("write --tools UPSTREAM=FILE")
        })?;
        tools.extend(listed(Path::new(file))?.into_iter().map(|name| ToolName::new(upstream, name)));
        world.upstreams.insert(upstream.to_owned());
    }
    // All tools are known only where every upstream has told its own.
    let told = |upstream: &String| {
        lists.iter().any(|list| list.split_once('=').is_some_and(|(name, _)| name == upstream))
    };
    if !lists.is_empty() && world.upstreams.iter().all(told) {
        world.tools = Some(tools);
    }
    Ok(world)
}

/// The names of the tools in a list.
fn listed(path: &Path) -> Result<Vec<String>, CommandError> {
    let definitions = contract::from_file(path)?;
    let name = |definition: &serde_json::Map<String, serde_json::Value>| {
        Some(definition.get("name")?.as_str()?.to_owned())
    };
    Ok(definitions.iter().filter_map(name).collect())
}

/// Everything that loads and may not be meant, at the paths of the files.
fn review(set: &PolicySet, files: &Files, world: &World) -> Vec<Fault> {
    let known = Known { upstreams: world.upstreams.clone(), tools: world.tools.clone().unwrap_or_default() };
    let ambiguous = world.tools.iter().flat_map(|_| set.ambiguities(&known)).map(|ambiguity| ambiguity.fault);
    let mut all: Vec<Fault> =
        set.warnings().iter().cloned().chain(set.review(world)).chain(ambiguous).collect();
    all.sort();
    all.dedup();
    all.into_iter().map(|fault| files.placed(fault)).collect()
}

/// Rules that contradict each other where they meet, at the paths of their files.
fn conflicts(set: &PolicySet, files: &Files, upstreams: &BTreeSet<String>) -> Vec<Conflict> {
    let side = |side: Side| Side { file: files.path_of(&side.file), ..side };
    let placed = |conflict: Conflict| {
        let Conflict { first, second, why } = conflict;
        Conflict { first: side(first), second: side(second), why }
    };
    set.conflicts(upstreams).into_iter().map(placed).collect()
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
    /// What loads and may not be meant, with its place.
    #[serde(serialize_with = "faults_json")]
    review: Vec<Fault>,
    conflicts: Vec<Pair>,
}

fn faults_json<S: serde::Serializer>(faults: &[Fault], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(faults.iter().map(fault_json))
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
    fn of(set: &PolicySet, warnings: Vec<String>, review: Vec<Fault>, conflicts: &[Conflict]) -> Self {
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
            review,
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
        for Fault { file, line, column, message, hint } in &self.review {
            page.warning(&format!("warning: {file}:{line}:{column}: {message}"));
            hint.iter().for_each(|hint| page.faint(&format!("      hint: {hint}")));
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

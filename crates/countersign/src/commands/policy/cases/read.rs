//! From the file as written to cases that can be run: everything that can be judged from the file alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::action::{Arguments, Contract, Effect};
use countersign_core::contract::derive::Definition;
use countersign_core::decision::{Approvers, Decision};
use countersign_core::facts::Fact;
use countersign_core::identity;
use countersign_core::names::ToolName;
use countersign_core::session::Intent;
use countersign_core::time::Span;
use countersign_gateway::contracts::Contracts;
use countersign_gateway::settings::ToolDeclaration;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::expect::expected;
use super::{PAGE, file};
use crate::config::Entries;
use crate::config::fault::{Faults, suggest};
use crate::error::CommandError;

/// The upstream of a tool that is named without one.
const UPSTREAM: &str = "tools";
/// Who acts where nothing is said.
const HUMAN: &str = "user@example.org";
const SERVICE: &str = "policy-test";
const AGENT: &str = "agent";

/// A file of cases.
pub(in crate::commands::policy) struct Suite {
    /// The file, as it was found.
    pub(in crate::commands::policy) file: PathBuf,
    /// The policy files that its cases are decided under.
    pub(in crate::commands::policy) policy: Vec<PathBuf>,
    /// The default, where none of these writes one.
    pub(in crate::commands::policy) default: Option<Decision>,
    /// The cases, as written.
    pub(in crate::commands::policy) cases: Vec<Case>,
}

/// One case.
pub(in crate::commands::policy) struct Case {
    /// What it shows.
    pub(in crate::commands::policy) name: String,
    /// Where it is written, counted from 1.
    pub(in crate::commands::policy) line: usize,
    pub(super) identity: identity::Identity,
    pub(super) approvers: Option<Vec<String>>,
    pub(super) session: Session,
    pub(super) action: Call,
    pub(super) expect: file::Expect,
}

/// The session so far.
pub(super) struct Session {
    pub(super) request: Option<Arc<str>>,
    pub(super) intent: Option<Intent>,
    pub(super) inherits: bool,
    pub(super) labels: BTreeSet<Arc<str>>,
    pub(super) before: Vec<(usize, Step)>,
}

/// One thing that happened.
#[expect(clippy::large_enum_variant, reason = "a case has a handful of steps")]
pub(super) enum Step {
    Call { call: Call, outcome: Outcome, approved: bool, expect: Option<file::Expect> },
    Turn(Arc<str>),
    Facts { facts: BTreeMap<Arc<str>, Value>, giver: String, valid: Option<Span> },
    Seen { text: Arc<str>, source: String, labels: BTreeSet<Arc<str>> },
    Wait(Span),
}

/// A proposed action.
pub(super) struct Call {
    pub(super) tool: ToolName,
    pub(super) original: Option<Arc<str>>,
    pub(super) arguments: Arguments,
    pub(super) contract: Arc<Contract>,
}

/// What came back.
pub(super) struct Outcome {
    pub(super) failed: bool,
    pub(super) output: Arc<str>,
    pub(super) labels: BTreeSet<Arc<str>>,
}

impl Suite {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong: then everything that is.
    pub(in crate::commands::policy) fn read(path: &Path) -> Result<Self, CommandError> {
        let (file, mut faults): (file::File, _) = parse(path)?;
        version(&file.version, &mut faults);
        let default = file.default.as_ref().and_then(|written| default_of(written, &mut faults));
        let tools = Tools::of(file.tools, &mut faults);
        if file.cases.value.is_empty() {
            faults.at(&file.cases, "there is no case", "write at least one: `- { name, action, expect }`");
        }
        let mut names = BTreeSet::new();
        let mut cases = Vec::new();
        for case in file.cases.value {
            if !names.insert(case.name.value.clone()) {
                let said = format!("there is a case `{}` before it", case.name.value);
                faults.at(&case.name, said, "give each case a name of its own");
            }
            let who = case.identity.as_ref().unwrap_or(&file.identity);
            expected(&case.expect, &mut faults);
            let session = session(case.session, &tools, &mut faults);
            let Some(action) = tools.proposed(case.action, &mut faults) else { continue };
            cases.push(Case {
                line: line(&case.name),
                name: case.name.value,
                identity: identity(who),
                approvers: file.approvers.clone(),
                session,
                action,
                expect: case.expect.value,
            });
        }
        finished(path, faults)?;
        let policy = policies(path, &file.policy.0);
        Ok(Self { file: path.to_owned(), policy, default, cases })
    }
}

impl Case {
    /// Reads an action by itself, as a case that expects nothing.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong: then everything that is.
    pub(in crate::commands::policy) fn alone(path: &Path) -> Result<Self, CommandError> {
        let (file, mut faults): (file::Alone, _) = parse(path)?;
        if let Some(written) = &file.version {
            version(written, &mut faults);
        }
        let tools = Tools::of(file.tools, &mut faults);
        let (line, name) = (line(&file.action.tool), path.display().to_string());
        let session = session(file.session, &tools, &mut faults);
        let action = tools.proposed(file.action, &mut faults);
        match action.filter(|_| faults.is_empty()) {
            Some(action) => {
                let (identity, approvers) = (identity(&file.identity), file.approvers);
                Ok(Self { name, line, identity, approvers, session, action, expect: file::Expect::default() })
            }
            None => Err(unusable(path, faults)),
        }
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<(T, Faults), CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::usage(format!("{} cannot be read", path.display())).cause(&error))?;
    let mut faults = Faults::of_form(path, PAGE);
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<T>(&text, options) {
        Ok(file) => Ok((file, faults)),
        Err(error) => {
            faults.reader(&error);
            Err(unusable(path, faults))
        }
    }
}

fn finished(path: &Path, faults: Faults) -> Result<(), CommandError> {
    if faults.is_empty() { Ok(()) } else { Err(unusable(path, faults)) }
}

fn unusable(path: &Path, faults: Faults) -> CommandError {
    CommandError::usage(format!("the cases in {} cannot be used", path.display()))
        .faults(faults.into_sorted())
}

fn version(written: &Spanned<u64>, faults: &mut Faults) {
    if written.value != 1 {
        let said = format!("version {} of files of cases is not known here", written.value);
        faults.at(written, said, "this program knows `version: 1`");
    }
}

fn line<T>(place: &Spanned<T>) -> usize {
    usize::try_from(place.referenced.line()).unwrap_or(usize::MAX)
}

/// The words for a default.
pub(in crate::commands::policy) const DEFAULTS: [&str; 3] = ["ALLOW", "DENY", "STEP_UP"];

/// The decision of this word.
pub(in crate::commands::policy) fn default_named(word: &str) -> Option<Decision> {
    match word {
        "ALLOW" => Some(Decision::Allow),
        "DENY" => Some(Decision::Deny),
        "STEP_UP" => Some(Decision::StepUp(Approvers::default())),
        _ => None,
    }
}

fn default_of(written: &Spanned<String>, faults: &mut Faults) -> Option<Decision> {
    let decision = default_named(&written.value);
    if decision.is_none() {
        let said = format!("`default` cannot be `{}`", written.value);
        faults.at(written, said, suggest(&written.value, &DEFAULTS));
    }
    decision
}

/// What is written; else the policy of this name beside the file; else the folder that the file lies in, or the one
/// above where that is called `tests`.
fn policies(path: &Path, written: &[PathBuf]) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !written.is_empty() {
        return written.iter().map(|policy| folder.join(policy)).collect();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".test.yaml").or_else(|| name.strip_suffix(".test.yml")).unwrap_or(&name);
    let beside = ["yaml", "yml"].map(|end| folder.join(format!("{stem}.{end}")));
    if let Some(policy) = beside.into_iter().find(|policy| policy.is_file()) {
        return vec![policy];
    }
    let of_tests = folder.file_name().is_some_and(|name| name == "tests");
    let above = folder.parent().filter(|_| of_tests).unwrap_or(folder);
    vec![if above.as_os_str().is_empty() { PathBuf::from(".") } else { above.to_owned() }]
}

fn identity(written: &file::Identity) -> identity::Identity {
    let party = |party: &file::Party| identity::Party {
        id: party.id.as_str().into(),
        roles: party.roles.clone(),
        scope: party.scope.clone(),
    };
    let or = |written: &Option<file::Party>, name: &str| {
        written.as_ref().map_or_else(|| identity::Party::named(name), party)
    };
    identity::Identity {
        human: or(&written.human, HUMAN),
        service: or(&written.service, SERVICE),
        agent: or(&written.agent, AGENT),
        delegation: written.delegation.iter().map(party).collect(),
        source: "token".into(),
        validated_at: countersign_core::time::Time(0),
    }
}

/// The tools of a file, by their full names.
struct Tools(BTreeMap<ToolName, file::Tool>);

impl Tools {
    fn of(written: Entries<file::Tool>, faults: &mut Faults) -> Self {
        let mut tools = BTreeMap::new();
        for (name, tool) in written.0 {
            tools.insert(named(&name, faults), tool);
        }
        Self(tools)
    }

    /// A call of a tool; `None` after a fault.
    fn call(
        &self,
        tool: &Spanned<String>,
        arguments: Option<Spanned<Map<String, Value>>>,
        effect: Option<Effect>,
        faults: &mut Faults,
    ) -> Option<Call> {
        let name = named(tool, faults);
        let text =
            arguments.as_ref().map_or_else(|| "{}".to_owned(), |a| Value::from(a.value.clone()).to_string());
        let arguments = match (Arguments::parse(&text), &arguments) {
            (Ok(parsed), _) => Some(parsed),
            (Err(error), Some(written)) => {
                faults.at(written, error.to_string(), "write `arguments` as a map of JSON values");
                None
            }
            (Err(_), None) => None,
        };
        let contract = Arc::new(self.contract(&name, effect));
        Some(Call { tool: name, original: None, arguments: arguments?, contract })
    }

    /// What the tool does, found as the gateway finds it.
    fn contract(&self, tool: &ToolName, effect: Option<Effect>) -> Contract {
        let written = self.0.get(tool);
        let declared = ToolDeclaration {
            effect: effect.or(written.and_then(|tool| tool.effect)).unwrap_or_default(),
            selectors: written.and_then(|tool| tool.selectors.clone()),
        };
        let definition = Definition {
            name: tool.tool(),
            description: written.and_then(|tool| tool.description.as_deref()).unwrap_or_default(),
            input_schema: written.and_then(|tool| tool.input_schema.as_ref()),
            annotations: written.and_then(|tool| tool.annotations.as_ref()),
        };
        Contracts::default().of(tool.upstream(), &definition, Some(&declared))
    }

    fn labels(&self, tool: &ToolName) -> impl Iterator<Item = Arc<str>> {
        self.0.get(tool).into_iter().flat_map(|tool| &tool.labels).map(|label| Arc::from(label.as_str()))
    }
}

impl Tools {
    fn proposed(&self, written: file::Call, faults: &mut Faults) -> Option<Call> {
        let call = self.call(&written.tool, written.arguments, written.effect, faults)?;
        Some(Call { original: written.original.map(Arc::from), ..call })
    }

    fn step(&self, written: Spanned<file::Step>, faults: &mut Faults) -> Option<(usize, Step)> {
        let line = line(&written);
        let place = Spanned::new((), written.referenced, written.defined);
        let file::Step { call, turn, facts, seen, wait, .. } = &written.value;
        let kinds = [call.is_some(), turn.is_some(), facts.is_some(), seen.is_some(), wait.is_some()];
        if kinds.into_iter().filter(|is| *is).count() != 1 {
            let hint = "write one of `call`, `turn`, `facts`, `seen` and `wait` in each step";
            faults.at(&place, "a step is one thing that happened", hint);
            return None;
        }
        let odd = odd_members(&written.value);
        if let Some(name) = odd.first() {
            faults.at(
                &place,
                format!("`{name}` does not belong to such a step"),
                "leave it out, or put it into its own step",
            );
        }
        let step = written.value;
        let labels: BTreeSet<Arc<str>> = step.labels.iter().map(|label| Arc::from(label.as_str())).collect();
        let read = if let Some(tool) = step.call {
            step.expect.iter().for_each(|expect| expected(expect, faults));
            let call = self.call(&tool, step.arguments, step.effect, faults)?;
            let labels = self.labels(&call.tool).chain(labels).collect();
            let outcome = outcome(step.output, step.error, labels);
            Step::Call {
                call,
                outcome,
                approved: step.approved,
                expect: step.expect.map(|expect| expect.value),
            }
        } else if let Some(text) = step.turn {
            Step::Turn(text.into())
        } else if let Some(written) = step.facts {
            let valid = step.valid.map(|seconds| Span::seconds(seconds.into()));
            Step::Facts {
                facts: given(written, faults),
                giver: step.giver.unwrap_or_else(|| "host".to_owned()),
                valid,
            }
        } else if let Some(text) = step.seen {
            let source = step.source.unwrap_or_else(|| "notification".to_owned());
            Step::Seen { text: text.into(), source, labels }
        } else {
            Step::Wait(Span::seconds(step.wait.unwrap_or_default().into()))
        };
        Some((line, read))
    }
}

/// What is written in a step and belongs to another kind of step.
fn odd_members(step: &file::Step) -> Vec<&'static str> {
    let (call, facts, seen) = (step.call.is_some(), step.facts.is_some(), step.seen.is_some());
    let written = [
        ("arguments", step.arguments.is_some(), call),
        ("effect", step.effect.is_some(), call),
        ("output", step.output.is_some(), call),
        ("error", step.error.is_some(), call),
        ("labels", !step.labels.is_empty(), call || seen),
        ("approved", step.approved, call),
        ("expect", step.expect.is_some(), call),
        ("giver", step.giver.is_some(), facts),
        ("valid", step.valid.is_some(), facts),
        ("source", step.source.is_some(), seen),
    ];
    written.into_iter().filter(|(_, there, fits)| *there && !fits).map(|(name, ..)| name).collect()
}

fn session(written: file::Session, tools: &Tools, faults: &mut Faults) -> Session {
    let facts = given(written.facts, faults);
    let first =
        (!facts.is_empty()).then(|| (0, Step::Facts { facts, giver: "host".to_owned(), valid: None }));
    let steps = written.before.into_iter().filter_map(|step| tools.step(step, faults));
    let before = first.into_iter().chain(steps).collect();
    Session {
        request: written.request.map(Arc::from),
        intent: written.intent.map(|intent| Intent { allow: intent.allow, exclude: intent.exclude }),
        inherits: written.inherits,
        labels: written.labels.iter().map(|label| Arc::from(label.as_str())).collect(),
        before,
    }
}

/// Facts that somebody gives; a computed one cannot be given.
fn given(written: Entries<Value>, faults: &mut Faults) -> BTreeMap<Arc<str>, Value> {
    let mut facts = BTreeMap::new();
    for (name, value) in written.0 {
        match Fact::may_be_given(&name.value) {
            Ok(()) => drop(facts.insert(Arc::from(name.value.as_str()), value)),
            Err(no) => faults.at(&name, no.message, no.hint),
        }
    }
    facts
}

/// The result as an MCP server sends it.
fn outcome(output: Option<Value>, error: Option<String>, labels: BTreeSet<Arc<str>>) -> Outcome {
    let failed = error.is_some();
    let text = match (&output, error) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(other), _) => other.to_string(),
        (None, error) => error.unwrap_or_default(),
    };
    let mut result = Map::new();
    result.insert("content".to_owned(), serde_json::json!([{ "type": "text", "text": text }]));
    if let Some(structured @ Value::Object(_)) = output {
        result.insert("structuredContent".to_owned(), structured);
    }
    if failed {
        result.insert("isError".to_owned(), true.into());
    }
    Outcome { failed, output: Value::from(result).to_string().into(), labels }
}

/// `upstream.tool`; a bare name is one of the upstream `tools`.
fn named(written: &Spanned<String>, faults: &mut Faults) -> ToolName {
    let (upstream, tool) = written.value.split_once('.').unwrap_or((UPSTREAM, &written.value));
    if upstream.is_empty() || tool.is_empty() {
        faults.at(written, format!("`{}` is not the name of a tool", written.value), "write `upstream.tool`");
    }
    ToolName::new(upstream, tool)
}

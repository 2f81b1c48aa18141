//! What is asked. Members that are not named here are refused.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A session to open.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// For whom: the human's id, as the agents' credentials give it.
    pub human: String,
    /// Which agent acts in it: its id, as its credential gives it.
    pub agent: String,
    /// What the user asked, in their words; quoted or attached text does not belong here.
    #[serde(default)]
    pub original_request: Option<String>,
    /// Classifications that it begins with.
    #[serde(default)]
    pub labels: BTreeSet<String>,
    /// What the request covers and leaves out.
    #[serde(default)]
    pub intent: Option<Boundary>,
    /// The session whose agent passed the task on to this one. What the one has seen restricts the other from now on.
    #[serde(default)]
    pub delegated_by: Option<DelegatedBy>,
}

/// The session that a task is passed on from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegatedBy {
    /// Its id; it is of the same service, and at most 16 delegations lead to the new one.
    pub session: String,
    /// The upstreams that are passed on; absent or empty = all that the session reaches.
    #[serde(default)]
    pub scope: Vec<String>,
}

/// Tools by `upstream.tool`, `upstream`, or bare tool name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Boundary {
    /// Covered by the request.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Left out by it; wins over `allow`.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// A turn of the user.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTurn {
    /// What the user said.
    pub text: String,
}

/// Facts about a session.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFacts {
    /// By name; a policy reads the fact `x` as `context.x`.
    pub facts: BTreeMap<String, Value>,
    /// Where they come from, where that is not the giver itself: a fresher value replaces one of the same giver and
    /// source, and other sources that say something else make the fact conflicting, so that it counts as missing.
    #[serde(default)]
    pub source: Option<String>,
    /// For how many seconds they hold; 900 when absent, at most 30 days.
    #[serde(default)]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub valid_for: Option<u32>,
}

/// A proposed action.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAction {
    /// The session's id; absent, the session of the header `Countersign-Session`, or the one that the caller's
    /// actions share until 30 minutes idle.
    #[serde(default)]
    pub session: Option<String>,
    /// `upstream.tool`.
    pub tool: String,
    /// The arguments, an object; this exact text is what is judged and recorded. Absent = `{}`.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub arguments: Option<Box<RawValue>>,
    /// Ids of actions whose output it uses.
    #[serde(default)]
    pub depends_on: Vec<String>,
}

/// What became of an action.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOutcome {
    /// How it ended.
    pub status: OutcomeStatus,
    /// What the agent will see: a text, or any other JSON, whose exact text is recorded.
    #[serde(default)]
    #[schemars(with = "Option<Value>")]
    pub output: Option<Box<RawValue>>,
    /// What went wrong, for the record.
    #[serde(default)]
    pub error: Option<String>,
}

/// How an action ended, as who ran it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// The tool answered.
    Ok,
    /// The tool answered that it failed.
    Error,
    /// Certainly no effect: the tool was never called.
    NothingSent,
}

/// A person's answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    /// Yes or no.
    pub decision: AnswerWord,
    /// Why; recorded as a commitment.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerWord {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// A stop, or its end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHalt {
    /// What kind of thing is stopped.
    pub scope: HaltScope,
    /// Which one; absent for `all`.
    #[serde(default)]
    pub id: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether this ends a stop of the same scope and id.
    #[serde(default)]
    pub resume: bool,
}

/// What a stop covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HaltScope {
    /// Everything.
    All,
    /// One session.
    Session,
    /// One human.
    Human,
    /// One agent.
    Agent,
    /// One upstream.
    Upstream,
}

/// A high-water mark to lower: of a human or of an agent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMark {
    /// The human's id.
    #[serde(default)]
    pub human: Option<String>,
    /// The agent's id.
    #[serde(default)]
    pub agent: Option<String>,
    /// Why what was seen no longer counts.
    pub reason: String,
}

/// A policy set to put in force: whole files, whatever was in force goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// The text of each file by its name, a path below the policy folder.
    pub files: BTreeMap<String, String>,
    /// Whether the set may be looser than the one in force: drop or rewrite what restrained, or default to something
    /// milder.
    #[serde(default)]
    pub looser: bool,
    /// Only say what would change; nothing is put in force or recorded.
    #[serde(default)]
    pub check: bool,
}

/// How many sessions to list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionsQuery {
    /// The newest so many; 100 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// How long to wait.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// Seconds, at most 60; absent = not at all.
    #[serde(default)]
    #[schemars(range(max = 60))]
    pub wait: Option<u32>,
}

/// Which receipts to read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptsQuery {
    /// Only those of this session's chain.
    #[serde(default)]
    pub session: Option<String>,
    /// Only those about this action.
    #[serde(default)]
    pub action: Option<String>,
    /// Only those committed after the receipt with this id: the `next` of the page before.
    #[serde(default)]
    pub after: Option<String>,
    /// At most so many; 100 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// Whether disclosures are left out.
    #[serde(default)]
    pub withhold: bool,
}

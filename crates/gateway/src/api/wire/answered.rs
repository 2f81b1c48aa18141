//! What is answered.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A receipt, by name and digest; who keeps the digest can tell later whether history was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReceiptName {
    /// Its id.
    pub id: String,
    /// Its digest, `sha256:` and lower hex.
    pub digest: String,
}

/// Something was recorded, and by that done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Recorded {
    /// The receipt.
    pub receipt: ReceiptName,
}

/// An opened session.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OpenedSession {
    /// Its id.
    pub id: String,
    /// Names it in the header `Countersign-Session`. Shown once; only its digest is kept.
    pub token: String,
    /// The receipt of its beginning.
    pub receipt: ReceiptName,
}

/// Sessions, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionList {
    /// What is known of each from its beginning.
    pub sessions: Vec<SessionLine>,
}

/// The beginning of a session.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SessionLine {
    /// Its id.
    pub id: String,
    /// When it began.
    pub opened_at: String,
    /// What vouches for it: `host`, `mcp-session`, `window`, `wrap`.
    pub source: String,
    /// The human it serves.
    pub human: String,
    /// The service that runs the agent.
    pub service: String,
    /// The agent that acts in it.
    pub agent: String,
    /// Whether the human's and the agent's high-water marks count in it.
    pub inherits: bool,
}

/// A session and its context. Argument values and the request's text are not shown here.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionView {
    /// Its beginning.
    #[serde(flatten)]
    pub line: SessionLine,
    /// When something last happened in it.
    pub last_at: String,
    /// Whether a host gave the user's request.
    pub request_known: bool,
    /// The session that delegated it; null = none.
    pub delegated_by: Option<String>,
    /// What the request covers and leaves out, where a host said so.
    pub intent: Option<BoundaryView>,
    /// Classifications of the data that it has seen.
    pub labels: BTreeSet<String>,
    /// Facts, by name.
    pub facts: BTreeMap<String, FactView>,
    /// Permitted actions by `upstream.tool`, those in flight included.
    pub actions: BTreeMap<String, u64>,
    /// Actions submitted, whatever became of them.
    pub submitted: u64,
    /// Actions refused.
    pub denied: u64,
    /// Actions that are not over.
    pub open: Vec<OpenActionView>,
}

/// What a request covers and leaves out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BoundaryView {
    /// Covered.
    pub allow: Vec<String>,
    /// Left out.
    pub exclude: Vec<String>,
}

/// A fact.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FactView {
    /// How it stands now.
    pub state: FactWord,
    /// What each giver and source said last, stale statements included.
    pub said: Vec<StatementView>,
}

/// How a fact stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactWord {
    /// All that is valid says the same.
    Holds,
    /// Sources disagree: it counts as missing.
    Conflicting,
    /// Its time is over: it counts as missing.
    Stale,
    /// What was said was erased: it counts as missing.
    Absent,
}

/// What somebody said about a fact.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatementView {
    /// Its value; null also once it was erased.
    pub value: Option<Value>,
    /// Who gave it; `policy` when a rule wrote it.
    pub giver: String,
    /// Where the giver has it from; null = from itself.
    pub source: Option<String>,
    /// When.
    pub at: String,
    /// From then on it does not count; null = as long as the session.
    pub valid_until: Option<String>,
}

/// An action that is not over.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OpenActionView {
    /// Its id.
    pub id: String,
    /// `upstream.tool`.
    pub tool: String,
    /// Where it stands.
    pub state: StateWord,
    /// When that ends by itself.
    pub until: Option<String>,
}

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateWord {
    /// Its ruling is being recorded.
    Recording,
    /// It waits for a person.
    WaitingForPerson,
    /// It waits for context.
    WaitingForContext,
    /// It may run once its submitter claims it.
    Authorised,
    /// Its permit was given.
    Permitted,
    /// It was refused.
    Refused,
    /// Nobody answered or claimed it in time.
    Expired,
    /// It ran, and its outcome is on record.
    Settled,
    /// Nobody knows whether it had an effect.
    Unknown,
}

/// The five decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DecisionWord {
    /// Runs unchanged.
    Allow,
    /// Runs with changed arguments.
    Modify,
    /// Does not run.
    Deny,
    /// Waits for a person.
    StepUp,
    /// Waits for context.
    Defer,
}

/// An action and what was decided on it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ActionAnswer {
    /// Its id.
    pub action: String,
    /// Its session.
    pub session: String,
    /// What was decided.
    pub decision: DecisionWord,
    /// Where it stands.
    pub state: StateWord,
    /// Its latest receipt.
    pub receipt: ReceiptName,
    /// Why, in a sentence.
    pub reason: String,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// What can be done about a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<MissingThing>>,
    /// Who is asked: one member of any group of each list; no list at all = any configured approver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Vec<Vec<String>>>,
    /// When its wait ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The arguments with which it is to be run; only beside `permit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub arguments: Option<Box<RawValue>>,
    /// The right to run it, given once. Whoever gets it runs the action and reports its outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<PermitView>,
}

/// The right to run an action once.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PermitView {
    /// The action.
    pub action: String,
    /// Without a reported outcome by then, the outcome is recorded as unknown.
    pub until: String,
}

/// One thing that a decision waits for.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MissingThing {
    /// A fact.
    Fact {
        /// Its full name, e.g. `context.maintenance_window`.
        name: String,
        /// `absent`, `wrong_type`, `stale`, `conflicting`, `above_limit` or `doubtful`.
        why: String,
    },
    /// The end of another action.
    Action {
        /// Its id.
        id: String,
    },
    /// Agreement between the rules that decided.
    Agreement,
    /// A rule that defers by its own word.
    Rule {
        /// Its id.
        id: String,
    },
}

/// Questions to people, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ApprovalList {
    /// The questions.
    pub approvals: Vec<ApprovalView>,
}

/// One question, with everything that a person needs to answer it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ApprovalView {
    /// The action's id, under which it is answered.
    pub id: String,
    /// Its session.
    pub session: String,
    /// What the user asked; null when no host said so.
    pub original_request: Option<String>,
    /// What is proposed.
    pub action: ActionView,
    /// How the arguments change if it runs.
    pub edits: Vec<EditView>,
    /// Permitted actions of the session before, by `upstream.tool`.
    pub prior_actions: BTreeMap<String, u64>,
    /// Classifications of the data that the session has seen.
    pub classifications: BTreeSet<String>,
    /// Who acts, and how that is known.
    pub identity: IdentityView,
    /// The rules that ask.
    pub rules: Vec<String>,
    /// Why they ask.
    pub reason: String,
    /// The policy they belong to.
    pub policy: PolicyView,
    /// What vouches for the session: `host`, `mcp-session`, `window`, `wrap`.
    pub source: String,
    /// Who is asked: one member of any group of each list; no list at all = any configured approver.
    pub approvers: Vec<Vec<String>>,
    /// When the question ends, as a refusal.
    pub deadline: String,
}

/// A proposed tool call.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ActionView {
    /// `upstream.tool`.
    pub tool: String,
    /// The name that was called, where a wrapper tool stood before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// Its arguments, in the exact text that is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub arguments: Option<Box<RawValue>>,
    /// What the tool is declared to do, or `unknown`.
    pub effect: String,
    /// When it was submitted.
    pub submitted_at: String,
}

/// One change to the arguments.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EditView {
    /// Where, with dots.
    pub path: String,
    /// `set`, `cap`, `redact`, `remove`, `append`, `restrict_to`, `restrict_under` or `foreign`.
    pub op: String,
    /// The value, or the most that is left.
    pub value: Value,
}

/// Who acts.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IdentityView {
    /// On whose behalf.
    pub human: PartyView,
    /// The service that runs the agent.
    pub service: PartyView,
    /// The agent.
    pub agent: PartyView,
    /// Grants in between, outermost first.
    pub delegation: Vec<PartyView>,
    /// What vouches for all this.
    pub source: String,
    /// When that was last checked.
    pub validated_at: String,
}

/// One party.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PartyView {
    /// Its name.
    pub id: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Upstreams that it may reach; empty = all.
    pub scope: Vec<String>,
}

/// The policy that decided.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PolicyView {
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The digest of the whole set.
    pub digest: String,
}

/// The policy in force.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PolicyInForce {
    /// What it is.
    pub policy: PolicyView,
    /// How many rules it has.
    pub rules: usize,
    /// What happens to actions of which no rule speaks.
    pub default: DecisionWord,
    /// Its files, each with its own digest.
    pub files: BTreeMap<String, String>,
    /// How often another set has come into force.
    pub epoch: u64,
    /// Whether operators put policies in force; otherwise the daemon takes them from elsewhere.
    pub by_operators: bool,
}

/// What became of a set that was to be put in force.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AppliedPolicy {
    /// The set that was sent.
    pub policy: PolicyView,
    /// How many rules it has.
    pub rules: usize,
    /// The receipt; absent where it was only checked, or was in force already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptName>,
    /// Rules that only this set has.
    pub added: Vec<String>,
    /// Rules that only the set before it has.
    pub removed: Vec<String>,
    /// Rules that say something else.
    pub changed: Vec<String>,
    /// What differs beside rules.
    pub sections: Vec<String>,
    /// In sentences, what may let through what the set before it held.
    pub loosens: Vec<String>,
}

/// What waits for context, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeferralList {
    /// The waiting actions.
    pub deferrals: Vec<DeferralView>,
}

/// One action that waits for context.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeferralView {
    /// The action's id.
    pub id: String,
    /// Its session: facts are given under `/v1/sessions/{session}/context`.
    pub session: String,
    /// What is proposed; its arguments are shown to operators only.
    pub action: ActionView,
    /// What it waits for.
    pub missing: Vec<MissingThing>,
    /// The rules that defer.
    pub rules: Vec<String>,
    /// Why they defer.
    pub reason: String,
    /// When the wait ends, as a refusal.
    pub deadline: String,
}

/// A page of receipts, in the order they were committed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReceiptPage {
    /// Each as it verifies, by `schemas/receipt/v1/receipt.schema.json`.
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    pub receipts: Vec<Box<RawValue>>,
    /// What to give as `after` for the next page; null when this is the last one.
    pub next: Option<String>,
}

/// The process runs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AliveView {
    /// `ok`.
    pub status: &'static str,
}

/// Whether actions are taken.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReadyView {
    /// Whether they are.
    pub ready: bool,
    /// If not, why not.
    pub problems: Vec<ProblemView>,
}

/// Something that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProblemView {
    /// What, e.g. `ledger` or `policies`.
    pub name: String,
    /// In which way.
    pub why: String,
}

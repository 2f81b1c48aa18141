//! The wire form, version 1 (draft): what a receipt says, member by member.
//!
//! [`Receipt`] is what is signed; [`Signed`] is what is stored and handed out: the receipt, its [`Signature`] and, for
//! those entitled, its [`Disclosures`], as one flat JSON object.
//!
//! **The order of the fields is part of the code.** Every struct declares its fields in the order of their UTF-16 code
//! units, so that plain `serde_json` writes the very bytes RFC 8785 asks for, twelve times cheaper than sorting them; a
//! property test compares the two. Optional members are left out when absent, never written as null.

use std::collections::BTreeMap;
use std::fmt;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::values::{Base64, Digest, MAX_INTEGER, Plain, Time};

mod words;

pub use words::{Algorithm, Answer, EditOp, Enforcement, Face, Kind, Status, Verdict, Version};

/// One receipt, before or without its signature: one transition of one action, or one event of the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The proposed tool call that this receipt is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Action")]
    pub action: Option<Action>,
    /// What an approver said; the words are a commitment at `/approval/reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Approval")]
    pub approval: Option<Approval>,
    /// When this receipt was made.
    pub at: Time,
    /// The chain it stands in: `session:ID`, `system`, or empty for a checkpoint, which stands in none.
    pub chain: String,
    /// JSON pointer into this receipt (the place itself is absent) to SHA-256 of salt and text; see [`crate::commit`].
    pub commitments: BTreeMap<String, Digest>,
    /// What policy writes into the session's context and counts, if the action runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Context")]
    pub context: Option<Context>,
    /// What was decided, by which rules and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Decision")]
    pub decision: Option<Decision>,
    /// How a deferral ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Deferral")]
    pub deferral: Option<Deferral>,
    /// How far this receipt may be believed about effects.
    pub enforcement: Enforcement,
    /// The counters of halt, policy and revocation that were in force.
    pub epochs: Epochs,
    /// The way in by which the action came.
    pub face: Face,
    /// The facts that somebody entitled to gave; their values are commitments at `/facts/values/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Facts")]
    pub facts: Option<Facts>,
    /// Names of the facts that the deciding rules read.
    pub facts_read: Vec<String>,
    /// Every principal chain that this receipt read or joined, with the digest of the receipt that was its head just
    /// before, null where it had none. A receipt that joins a chain always lists it.
    pub heads: BTreeMap<String, Option<Digest>>,
    /// This receipt's name, unique within the tenant.
    pub id: String,
    /// Who acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Identity")]
    pub identity: Option<Identity>,
    /// What kind of transition or event this is.
    pub kind: Kind,
    /// What came of the action; output and error text are commitments at `/outcome/output` and `/outcome/error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Outcome")]
    pub outcome: Option<Outcome>,
    /// The policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Policy")]
    pub policy: Option<Policy>,
    /// The digest of the receipt before this one in its chain, null for the first. As the whole past of the session
    /// hangs on it, it is also the hash of the context in which the action was judged.
    pub previous: Option<Digest>,
    /// The receipt before this one about the same action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Prior")]
    pub prior: Option<Prior>,
    /// The place in the chain, counted from 0.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub sequence: u64,
    /// The session of the action; the user's request is a commitment at `/session/original_request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Session")]
    pub session: Option<Session>,
    /// What an event of the system is about: the scope of a halt, a key's id, the digest of a policy set, counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BTreeMap<String, Plain>")]
    pub subject: Option<BTreeMap<String, Plain>>,
    /// Whose receipt this is.
    pub tenant: String,
    /// The version of this form.
    pub version: Version,
    /// What a candidate set, decided beside the set in force, would have done otherwise. It was not enforced and
    /// influenced nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WouldHave")]
    pub would_have: Option<WouldHave>,
}

impl Receipt {
    /// A receipt that claims as little as it can: first of its chain, enforcement `none`, face `engine`, tenant
    /// `default`. Fill in the rest with struct update syntax.
    pub fn new(kind: Kind, chain: impl Into<String>, id: impl Into<String>, at: Time) -> Self {
        Self {
            action: None,
            approval: None,
            at,
            chain: chain.into(),
            commitments: BTreeMap::new(),
            context: None,
            decision: None,
            deferral: None,
            enforcement: Enforcement::None,
            epochs: Epochs::default(),
            face: Face::Engine,
            facts: None,
            facts_read: Vec::new(),
            heads: BTreeMap::new(),
            id: id.into(),
            identity: None,
            kind,
            outcome: None,
            policy: None,
            previous: None,
            prior: None,
            sequence: 0,
            session: None,
            subject: None,
            tenant: "default".to_owned(),
            version: Version::V1Draft,
            would_have: None,
        }
    }

    /// Whether this receipt lets its action run: a ruling or resolution of ALLOW or MODIFY, or an approval.
    #[must_use]
    pub fn permits(&self) -> bool {
        let decided =
            self.decision.as_ref().is_some_and(|d| matches!(d.verdict, Verdict::Allow | Verdict::Modify));
        let approved = self.approval.as_ref().is_some_and(|a| a.decision == Answer::Approve);
        match self.kind {
            Kind::Ruling | Kind::Resolution => decided,
            Kind::Approval => approved,
            _ => false,
        }
    }

    /// Whether the receipt has the members its kind needs and only integers that every reader keeps exactly.
    ///
    /// # Errors
    /// The first rule that it breaks. Signing and parsing both refuse such a receipt.
    pub fn check(&self) -> Result<(), ShapeError> {
        let needs = |present: bool, member: &'static str| {
            if present { Ok(()) } else { Err(ShapeError::Needs { kind: self.kind, member }) }
        };
        match self.kind {
            Kind::Ruling => needs(self.decision.is_some(), "decision")?,
            Kind::Approval => needs(self.approval.is_some(), "approval")?,
            Kind::Outcome => needs(self.outcome.is_some(), "outcome")?,
            Kind::Facts => needs(self.facts.is_some(), "facts")?,
            Kind::Session => needs(self.session.is_some(), "session")?,
            _ => {}
        }
        if matches!(self.kind, Kind::Approval | Kind::Resolution | Kind::Outcome | Kind::Expiry) {
            needs(self.prior.is_some(), "prior")?;
        }
        if self.would_have.as_ref().is_some_and(|candidate| candidate.enforced) {
            return Err(ShapeError::Enforced);
        }
        if self.id.is_empty() {
            return Err(ShapeError::Empty("id"));
        }
        if self.chain.is_empty() && self.kind != Kind::Checkpoint {
            return Err(ShapeError::Empty("chain"));
        }
        if (self.sequence == 0) != self.previous.is_none() {
            return Err(ShapeError::Start);
        }
        self.check_integers()
    }

    fn check_integers(&self) -> Result<(), ShapeError> {
        let counters = [
            ("sequence", self.sequence),
            ("epochs.halt", self.epochs.halt),
            ("epochs.policy", self.epochs.policy),
            ("epochs.revocation", self.epochs.revocation),
            (
                "decision.escalation.after_seconds",
                self.decision.as_ref().and_then(|d| d.escalation.as_ref()).map_or(0, |e| e.after_seconds),
            ),
            ("decision.wait_seconds", self.decision.as_ref().and_then(|d| d.wait_seconds).unwrap_or(0)),
        ];
        if let Some((member, _)) = counters.iter().find(|(_, value)| *value > MAX_INTEGER.unsigned_abs()) {
            return Err(ShapeError::Integer((*member).to_owned()));
        }
        let set = self.context.iter().flat_map(|context| &context.set).map(|entry| ("context.set", entry));
        let subject = self.subject.iter().flatten().map(|entry| ("subject", entry));
        for (member, (name, value)) in set.chain(subject) {
            if matches!(value, Plain::Integer(n) if n.unsigned_abs() > MAX_INTEGER.unsigned_abs()) {
                return Err(ShapeError::Integer(format!("{member}.{name}")));
            }
        }
        Ok(())
    }
}

/// A receipt that breaks a rule of its own form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A member that this kind cannot do without is absent.
    #[error("a receipt of kind {kind} must have the member `{member}`")]
    Needs {
        /// The kind of the receipt.
        kind: Kind,
        /// The absent member.
        member: &'static str,
    },
    /// A name that must say something is empty.
    #[error("the member `{0}` is empty")]
    Empty(&'static str),
    /// `sequence` and `previous` disagree about whether this is the first of its chain.
    #[error("`previous` is null exactly where `sequence` is 0, and it is not so here")]
    Start,
    /// What a candidate would have decided is said to have been enforced.
    #[error("`would_have` is what a candidate would have decided, and it says that it was enforced")]
    Enforced,
    /// An integer that not every JSON reader keeps exactly.
    #[error("the integer at `{0}` is beyond 2^53")]
    Integer(String),
}

/// What is stored and handed out: a receipt, its signature and what is disclosed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What the signature covers.
    pub receipt: Receipt,
    /// The signature over [`Receipt::signed_bytes`].
    pub signature: Signature,
    /// Salt and text for each commitment that is opened here; a commitment without one is withheld.
    pub disclosures: Disclosures,
}

/// JSON pointer, as in `commitments`, to what opens the commitment.
pub type Disclosures = BTreeMap<String, Disclosure>;

/// What opens one commitment. Its `Debug` form shows neither salt nor value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disclosure {
    /// 32 random bytes, used for this one commitment.
    pub salt: Base64<32>,
    /// The exact text.
    pub value: String,
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disclosure(not shown)")
    }
}

/// A signature over a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// How it was made.
    pub algorithm: Algorithm,
    /// Which key made it: the `kid` of a published key.
    pub key_id: String,
    /// The signature itself.
    pub value: Base64<64>,
}

/// One proposed tool call; its arguments are commitments at `/action/parameters` and `/action/edited_parameters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The digest of the tool's contract as it was judged under, in a ruling. Its text is kept beside the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Digest")]
    pub contract: Option<Digest>,
    /// Ids of the waiting actions that this one depends on.
    pub depends_on: Vec<String>,
    /// What the tool's contract says it does: `read`, `write_internal`, ... or `unknown`.
    pub effect: String,
    /// The action's name, the same in all its receipts.
    pub id: String,
    /// `upstream.tool`.
    pub name: String,
    /// The tool's own name.
    pub operation: String,
    /// The name as called, when a wrapper tool stood in for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub original: Option<String>,
    /// When the action was proposed.
    pub submitted_at: Time,
    /// The upstream that offers the tool.
    pub tool: String,
}

/// What an approver said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// When it was said.
    pub at: Time,
    /// Who said it.
    pub by: String,
    /// What was said.
    pub decision: Answer,
}

/// What this ruling brings into the session's context if the action runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Names of the policy's counters to which the action adds. The amounts are a commitment at `/context/amounts`: an
    /// object of name to a decimal number; `unknown`; or `result.bytes` or `result.items`, which the outcome tells, with
    /// `<=` and a number where the policy bounds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub counted: Vec<String>,
    /// What policy writes: name to value.
    pub set: BTreeMap<String, Plain>,
}

/// What was decided about an action. The default is a DENY that names no rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Groups that must approve: one person of any group of each inner list.
    pub approvers: Vec<Vec<String>>,
    /// When the wait ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub deadline: Option<Time>,
    /// How the arguments are changed before the tool sees them.
    pub edits: Vec<Edit>,
    /// Who may answer too, after a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Escalation")]
    pub escalation: Option<Escalation>,
    /// Facts that were missing, by name.
    pub missing: Vec<String>,
    /// What happens when the wait is over, where that is not a refusal: `STEP_UP` or `PAUSE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub on_timeout: Option<String>,
    /// Why, in the rule's words; it names fields, never values.
    pub reason: String,
    /// How dangerous the rules call the action: `LOW`, `MEDIUM`, `HIGH` or `CRITICAL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub risk_level: Option<String>,
    /// Ids of the deciding rules.
    pub rules: Vec<String>,
    /// The step of the order of judgement that decided.
    pub step: String,
    /// Groups that must approve when the wait is over: as `approvers`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<Vec<String>>,
    /// The verdict.
    pub verdict: Verdict,
    /// How long the action may wait, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub wait_seconds: Option<u64>,
}

/// Groups that may answer a question too when it has waited for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// For so long, in seconds.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub after_seconds: u64,
    /// The groups.
    pub to: Vec<String>,
}

/// One change to the arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// How the value is applied.
    pub op: EditOp,
    /// The place in the arguments.
    pub path: String,
    /// The value as JSON text.
    pub value: String,
}

/// How a deferral ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deferral {
    /// When it ended.
    pub at: Time,
    /// By what: `facts`, `dependency`, `policy`, `timeout`, `escalated`, `halt`, ...
    pub method: String,
    /// Why it was deferred, or why it ended so.
    pub reason: String,
}

/// Counters of what may change at any moment and must be seen by the next decision; each within 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Epochs {
    /// Halts and resumptions.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub halt: u64,
    /// Policy sets made active.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub policy: u64,
    /// Revocations of identities and keys.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    pub revocation: u64,
}

/// Facts given about a session or the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Who gave them.
    pub giver: String,
    /// Their names.
    pub names: Vec<String>,
    /// Where the giver has them from; absent where from itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub source: Option<String>,
    /// From when on they count as missing again.
    pub valid_until: Time,
}

/// Who acted: the three identities, the session, the delegation between them, and how they were established.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The agent instance.
    pub agent: Option<Party>,
    /// Through whom the authority came, from its origin to the agent.
    pub delegation: Vec<Party>,
    /// The human on whose behalf it acts.
    pub human: Option<Party>,
    /// The service that runs the agent.
    pub service: Option<Party>,
    /// The session's id.
    pub session: Option<String>,
    /// What the identity was read from.
    pub source: String,
    /// When it was last checked.
    pub validated_at: Time,
}

/// One identity with its rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Its name.
    pub id: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// What it may touch.
    pub scope: Vec<String>,
}

/// What came of an action. The default is the outcome nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Classifications of what came back.
    pub labels: Vec<String>,
    /// Whether it came after the permit had run out.
    pub late: bool,
    /// What happened.
    pub status: Status,
}

/// A policy set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The digest of the set.
    pub digest: String,
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: String,
}

/// What a candidate set would have decided; it is not in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WouldHave {
    /// How it would have changed the arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Edit>")]
    pub edits: Vec<Edit>,
    /// Whether it was enforced: never.
    pub enforced: bool,
    /// The candidate.
    pub policy: Policy,
    /// Why, in the candidate's words; it names fields, never values.
    pub reason: String,
    /// Ids of its deciding rules.
    pub rules: Vec<String>,
    /// The step of the order of judgement that decided.
    pub step: String,
    /// Its verdict.
    pub verdict: Verdict,
}

/// Another receipt, by digest and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Its digest.
    pub digest: Digest,
    /// Its `id`.
    pub id: String,
}

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its name.
    pub id: String,
    /// Whether it begins with what its principals' earlier sessions left behind.
    pub inherits: bool,
    /// The boundary of intent, where a host declared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Intent")]
    pub intent: Option<Intent>,
    /// Classifications it carries.
    pub labels: Vec<String>,
    /// The session that delegated it, where a host said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub parent: Option<String>,
    /// The session that the first delegation came from: linked sessions share the chain `delegation:ROOT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub root: Option<String>,
    /// What the session was recognised by.
    pub source: String,
}

/// What a host declared the user wants and does not want.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Actions inside the boundary.
    pub allow: Vec<String>,
    /// Actions outside it.
    pub exclude: Vec<String>,
}

/// The JSON Schema (2020-12) of a signed receipt, as it is committed under `schemas/receipt/v1/`.
#[must_use]
pub fn schema() -> Schema {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let signature = generator.subschema_for::<Signature>().to_value();
    let disclosures = generator.subschema_for::<Disclosures>().to_value();
    let mut schema = generator.into_root_schema_for::<Receipt>();
    if let Some(properties) = schema.get_mut("properties").and_then(|p| p.as_object_mut()) {
        properties.insert("signature".to_owned(), signature);
        properties.insert("disclosures".to_owned(), disclosures);
    }
    if let Some(required) = schema.get_mut("required").and_then(|r| r.as_array_mut()) {
        required.push("signature".into());
    }
    schema.insert("$id".to_owned(), "urn:countersign:receipt:v1-draft".into());
    schema.insert("title".to_owned(), "Countersign receipt, version 1 (draft)".into());
    schema
}

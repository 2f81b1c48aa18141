//! From what happened to an unsigned receipt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::action::{Action, Arguments};
use countersign_core::decision::{Approvers, Decision, Gap, Missing, OnTimeout, Ruling, Why};
use countersign_core::edits::Edit;
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::{Answer, Transition};
use countersign_core::names::{ActionId, ApproverGroup, Chain};
use countersign_core::session::{Opened, Outcome};
use countersign_core::time::{Span, Time};
use countersign_receipt::commit::place;
use countersign_receipt::v1;
use countersign_receipt::values::{Plain, Time as WireTime};
use serde_json::Value;

use super::method;
use crate::drift::Measured;

/// An unsigned receipt and the texts it commits to, without its place in a chain.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it says.
    pub receipt: v1::Receipt,
    /// What it commits to, by place.
    pub texts: Vec<(String, Arc<str>)>,
}

/// Who acts, and how the action came in.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The session.
    pub session: &'a Opened,
    /// Who acts.
    pub identity: &'a Identity,
    /// The way in.
    pub face: v1::Face,
    /// How far the record may be believed about effects.
    pub enforcement: v1::Enforcement,
}

impl Draft {
    /// An empty receipt of this kind in this chain.
    #[must_use]
    pub fn new(kind: v1::Kind, chain: &Chain, at: Time) -> Self {
        let id = format!("rcp_{}", uuid::Uuid::now_v7().simple());
        let receipt = v1::Receipt::new(kind, chain.to_string(), id, WireTime::from_unix_millis(at.0));
        Self { receipt, texts: Vec::new() }
    }

    /// One step of an action's life.
    #[must_use]
    pub fn transition(
        source: Source<'_>,
        action: &Action,
        transition: &Transition,
        limits: Wait,
        at: Time,
    ) -> Self {
        let kind = match transition {
            Transition::Ruled(_) => v1::Kind::Ruling,
            Transition::Answered(_) => v1::Kind::Approval,
            Transition::Resolved(_) | Transition::Escalated(_) => v1::Kind::Resolution,
            Transition::TimedOut | Transition::Unclaimed => v1::Kind::Expiry,
            Transition::Outcome { .. } => v1::Kind::Outcome,
        };
        let mut draft = Self::new(kind, &Chain::Session(source.session.session.clone()), at);
        draft.receipt.action = Some(action_block(action));
        draft.concerning(source);
        match transition {
            Transition::Ruled(ruling) => draft.ruled(action, ruling, limits, at),
            Transition::Resolved(ruling) => draft.resolved(ruling, limits, at),
            Transition::Escalated(approvers) => draft.escalated(approvers, at),
            Transition::Answered(answer) => draft.answered(answer, at),
            Transition::TimedOut => draft.ended(method::TIMEOUT, "nobody answered in time", at),
            Transition::Unclaimed => {
                draft.ended(method::UNCLAIMED, "nobody used the authorisation in time", at)
            }
            Transition::Outcome { outcome, late } => draft.outcome(outcome, *late),
        }
        draft
    }

    /// The beginning of a session. `subject` is what it can be found again by.
    #[must_use]
    pub fn opened(source: Source<'_>, subject: BTreeMap<String, Plain>, at: Time) -> Self {
        let opened = source.session;
        let mut draft = Self::new(v1::Kind::Session, &Chain::Session(opened.session.clone()), at);
        draft.concerning(source);
        draft.receipt.subject = Some(subject);
        if let Some(request) = &opened.request {
            draft.commit(place::ORIGINAL_REQUEST, request);
        }
        draft
    }

    /// Facts that somebody entitled gave, and where they have them from.
    #[must_use]
    pub fn facts(
        source: Source<'_>,
        facts: &BTreeMap<Arc<str>, Value>,
        (giver, from): (&str, Option<&str>),
        valid_until: Time,
        at: Time,
    ) -> Self {
        let mut draft = Self::new(v1::Kind::Facts, &Chain::Session(source.session.session.clone()), at);
        draft.concerning(source);
        draft.receipt.facts = Some(v1::Facts {
            giver: giver.to_owned(),
            names: facts.keys().map(ToString::to_string).collect(),
            source: from.map(str::to_owned),
            valid_until: WireTime::from_unix_millis(valid_until.0),
        });
        for (name, value) in facts {
            draft.commit(place::fact(name), &value.to_string().into());
        }
        draft
    }

    /// A further turn of the user.
    #[must_use]
    pub fn turn(source: Source<'_>, host: &str, text: &Arc<str>, at: Time) -> Self {
        let mut draft = Self::new(v1::Kind::Turn, &Chain::Session(source.session.session.clone()), at);
        draft.concerning(source);
        draft.receipt.subject = Some(BTreeMap::from([("host".to_owned(), Plain::from(host))]));
        draft.commit(place::TURN, text);
        draft
    }

    /// Something other than an outcome that is about to reach the agent.
    #[must_use]
    pub fn observed(
        source: Source<'_>,
        what: &str,
        labels: &BTreeSet<Arc<str>>,
        text: &Arc<str>,
        at: Time,
    ) -> Self {
        let mut draft = Self::new(v1::Kind::Observation, &Chain::Session(source.session.session.clone()), at);
        draft.concerning(source);
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        draft.receipt.subject =
            Some(BTreeMap::from([("labels".to_owned(), labels.into()), ("source".to_owned(), what.into())]));
        draft.commit(place::OUTPUT, text);
        draft
    }

    /// How far an action lies from the request, measured before it is ruled on.
    #[must_use]
    pub fn measured(source: Source<'_>, action: &ActionId, measured: &Measured, at: Time) -> Self {
        let mut draft = Self::new(v1::Kind::Measurement, &Chain::Session(source.session.session.clone()), at);
        draft.concerning(source);
        let mut subject = BTreeMap::from([
            ("action".to_owned(), Plain::from(action.as_str())),
            ("lexical".to_owned(), Plain::from(measured.lexical)),
        ]);
        let mut say = |name: &str, value: Option<Plain>| {
            subject.extend(value.map(|value| (name.to_owned(), value)));
        };
        say("level", measured.level.map(|level| Plain::from(level.as_str())));
        say("failed", measured.failed.as_ref().map(|error| Plain::from(error.to_string())));
        if let Some(embedding) = &measured.embedding {
            say("embedded", embedding.distance.map(Plain::from));
            say("model", Some(Plain::from(&*embedding.model)));
            say("rendering", Some(Plain::from(embedding.rendering)));
        }
        draft.receipt.subject = Some(subject);
        draft
    }

    /// Commits to a text.
    pub fn commit(&mut self, place: impl Into<String>, text: &Arc<str>) {
        self.texts.push((place.into(), Arc::clone(text)));
    }

    fn concerning(&mut self, source: Source<'_>) {
        self.receipt.face = source.face;
        self.receipt.enforcement = source.enforcement;
        self.receipt.identity = Some(identity_block(source.identity, source.session));
        self.receipt.session = Some(session_block(source.session));
    }

    fn ruled(&mut self, action: &Action, ruling: &Ruling, limits: Wait, at: Time) {
        self.commit(place::PARAMETERS, action.arguments.text());
        if let Some(edited) = edited(action, ruling) {
            self.commit(place::EDITED_PARAMETERS, edited.text());
        }
        self.decided(ruling, limits, at);
    }

    fn resolved(&mut self, ruling: &Ruling, limits: Wait, at: Time) {
        self.decided(ruling, limits, at);
        let halted = ruling.because.step == countersign_core::decision::Step::Halted;
        self.deferral(if halted { method::HALT } else { method::FACTS }, &ruling.because.reason, at);
    }

    fn decided(&mut self, ruling: &Ruling, limits: Wait, at: Time) {
        let waits = matches!(ruling.decision, Decision::StepUp(_) | Decision::Defer(_));
        let wait = ruling.wait.unwrap_or(limits.default);
        self.receipt.decision = Some(v1::Decision {
            approvers: approvers_block(ruling),
            deadline: waits.then(|| WireTime::from_unix_millis(limits.until.unwrap_or(at + wait).0)),
            edits: ruling.edits.iter().map(|(place, edit)| edit_block(&place.dotted(), edit)).collect(),
            escalation: ruling.ending.escalation.as_ref().map(|escalation| v1::Escalation {
                after_seconds: u64::try_from(escalation.after.as_seconds()).unwrap_or(0),
                to: escalation.to.iter().map(ToString::to_string).collect(),
            }),
            missing: missing_block(&ruling.decision),
            on_timeout: (ruling.ending.on_timeout != OnTimeout::Deny)
                .then(|| ruling.ending.on_timeout.as_str().to_owned()),
            reason: ruling.because.reason.to_string(),
            risk_level: ruling.ending.risk_level.map(|level| level.as_str().to_owned()),
            rules: ruling.because.rules.iter().map(ToString::to_string).collect(),
            step: ruling.because.step.as_str().to_owned(),
            then: clauses(&ruling.ending.then),
            verdict: verdict_word(ruling),
            wait_seconds: waits.then(|| u64::try_from(wait.as_seconds()).unwrap_or(0)),
        });
        self.receipt.policy = Some(policy_block(ruling));
        self.receipt.facts_read = ruling.facts_read.iter().map(ToString::to_string).collect();
        if !ruling.sets.is_empty() || !ruling.counted.is_empty() {
            let counted = ruling.counted.keys().map(ToString::to_string).collect();
            let set = ruling.sets.iter().map(|(name, value)| (name.to_string(), plain(value))).collect();
            self.receipt.context = Some(v1::Context { counted, set });
        }
        if !ruling.counted.is_empty() {
            // Amounts are read from arguments, so they are values.
            let amounts =
                ruling.counted.iter().map(|(name, amount)| (name.to_string(), amount.to_string().into()));
            self.commit(place::AMOUNTS, &Value::Object(amounts.collect()).to_string().into());
        }
    }

    fn escalated(&mut self, approvers: &Approvers, at: Time) {
        self.receipt.decision = Some(v1::Decision {
            approvers: clauses(approvers),
            reason: "a person is asked: the rules disagree, or nothing resolved the wait in time".to_owned(),
            step: countersign_core::decision::Step::Uncertain.as_str().to_owned(),
            verdict: v1::Verdict::StepUp,
            ..v1::Decision::default()
        });
        self.deferral(
            method::ESCALATED,
            "the rules disagree and somebody can settle it, or nothing resolved it in time",
            at,
        );
    }

    fn answered(&mut self, answer: &Answer, at: Time) {
        self.receipt.approval = Some(v1::Approval {
            at: WireTime::from_unix_millis(at.0),
            by: answer.by.to_string(),
            decision: if answer.approve { v1::Answer::Approve } else { v1::Answer::Deny },
        });
        if let Some(reason) = &answer.reason {
            self.commit(place::APPROVAL_REASON, reason);
        }
    }

    fn ended(&mut self, method: &str, reason: &str, at: Time) {
        self.receipt.decision = Some(v1::Decision {
            reason: reason.to_owned(),
            step: method.to_owned(),
            verdict: v1::Verdict::Deny,
            ..v1::Decision::default()
        });
        self.deferral(method, reason, at);
    }

    fn deferral(&mut self, method: &str, reason: &str, at: Time) {
        self.receipt.deferral = Some(v1::Deferral {
            at: WireTime::from_unix_millis(at.0),
            method: method.to_owned(),
            reason: reason.to_owned(),
        });
    }

    fn outcome(&mut self, outcome: &Outcome, late: bool) {
        use countersign_core::session::Status;
        self.receipt.outcome = Some(v1::Outcome {
            labels: outcome.labels.iter().map(ToString::to_string).collect(),
            late,
            status: match outcome.status {
                Status::Ok => v1::Status::Ok,
                Status::Error => v1::Status::Error,
                Status::Unknown => v1::Status::Unknown,
                Status::NothingSent => v1::Status::NothingSent,
            },
        });
        if let Some(output) = &outcome.output {
            self.commit(place::OUTPUT, output);
        }
        if let Some(error) = &outcome.error {
            self.commit(place::ERROR, error);
        }
    }
}

/// How long waits last where no rule says so.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// The default.
    pub default: Span,
    /// When this one ends, where that is earlier: a wait that goes on never stretches.
    pub until: Option<Time>,
}

/// The arguments as they are forwarded, where a ruling that lets the action run changes them.
pub(crate) fn edited(action: &Action, ruling: &Ruling) -> Option<Arguments> {
    let changes = ruling.decision == Decision::Allow && !ruling.edits.is_empty();
    changes.then(|| ruling.edits.apply(&action.arguments, &action.contract).ok()).flatten()
}

/// What a candidate set would have done, as a receipt says it.
pub(crate) fn would_have(ruling: &Ruling) -> v1::WouldHave {
    v1::WouldHave {
        edits: ruling.edits.iter().map(|(place, edit)| edit_block(&place.dotted(), edit)).collect(),
        enforced: false,
        policy: policy_block(ruling),
        reason: ruling.because.reason.to_string(),
        rules: ruling.because.rules.iter().map(ToString::to_string).collect(),
        step: ruling.because.step.as_str().to_owned(),
        verdict: verdict_word(ruling),
    }
}

fn policy_block(ruling: &Ruling) -> v1::Policy {
    v1::Policy {
        digest: ruling.policy.digest.to_string(),
        id: ruling.policy.id.to_string(),
        version: ruling.policy.version.to_string(),
    }
}

fn action_block(action: &Action) -> v1::Action {
    v1::Action {
        contract: None,
        depends_on: action.depends_on.iter().map(ToString::to_string).collect(),
        effect: action.contract.effect.as_str().to_owned(),
        id: action.id.to_string(),
        name: action.tool.to_string(),
        operation: action.tool.tool().to_owned(),
        original: action.original.as_deref().map(str::to_owned),
        submitted_at: WireTime::from_unix_millis(action.submitted_at.0),
        tool: action.tool.upstream().to_owned(),
    }
}

fn identity_block(identity: &Identity, session: &Opened) -> v1::Identity {
    let party = |party: &Party| v1::Party {
        id: party.id.to_string(),
        roles: party.roles.clone(),
        scope: party.scope.clone(),
    };
    v1::Identity {
        agent: Some(party(&identity.agent)),
        delegation: identity.delegation.iter().map(party).collect(),
        human: Some(party(&identity.human)),
        service: Some(party(&identity.service)),
        session: Some(session.session.to_string()),
        source: identity.source.to_string(),
        validated_at: WireTime::from_unix_millis(identity.validated_at.0),
    }
}

fn session_block(opened: &Opened) -> v1::Session {
    v1::Session {
        id: opened.session.to_string(),
        inherits: opened.inherits,
        intent: opened
            .intent
            .as_ref()
            .map(|intent| v1::Intent { allow: intent.allow.clone(), exclude: intent.exclude.clone() }),
        labels: opened.labels.iter().map(ToString::to_string).collect(),
        parent: opened.delegated.as_ref().map(|delegated| delegated.parent.to_string()),
        root: opened.delegated.as_ref().map(|delegated| delegated.root.to_string()),
        source: opened.source.to_string(),
    }
}

fn verdict_word(ruling: &Ruling) -> v1::Verdict {
    use countersign_core::decision::Verdict;
    match ruling.verdict() {
        Verdict::Allow => v1::Verdict::Allow,
        Verdict::Deny => v1::Verdict::Deny,
        Verdict::Modify => v1::Verdict::Modify,
        Verdict::StepUp => v1::Verdict::StepUp,
        Verdict::Defer => v1::Verdict::Defer,
    }
}

fn approvers_block(ruling: &Ruling) -> Vec<Vec<String>> {
    match &ruling.decision {
        Decision::StepUp(approvers) => clauses(approvers),
        // Who may settle a disagreement; a list with one empty list stands for "any configured approver".
        Decision::Defer(_) => ruling.escalate.as_ref().map_or_else(Vec::new, |approvers| {
            let clauses = clauses(approvers);
            if clauses.is_empty() { vec![Vec::new()] } else { clauses }
        }),
        Decision::Allow | Decision::Deny => Vec::new(),
    }
}

fn clauses(approvers: &Approvers) -> Vec<Vec<String>> {
    let names = |clause: &BTreeSet<ApproverGroup>| clause.iter().map(ToString::to_string).collect();
    approvers.clauses().iter().map(names).collect()
}

fn missing_block(decision: &Decision) -> Vec<String> {
    let Decision::Defer(missing) = decision else { return Vec::new() };
    missing.gaps().map(gap_word).collect()
}

/// A gap as receipts write it: `fact:absent:NAME`, `action:ID`, `agreement`, `rule:ID`.
fn gap_word(gap: &Gap) -> String {
    match gap {
        Gap::Fact { name, why: Why::Absent } => format!("fact:absent:{name}"),
        Gap::Fact { name, why: Why::WrongType } => format!("fact:wrong_type:{name}"),
        Gap::Fact { name, why: Why::Stale } => format!("fact:stale:{name}"),
        Gap::Fact { name, why: Why::Conflicting } => format!("fact:conflicting:{name}"),
        Gap::Fact { name, why: Why::AboveLimit } => format!("fact:above_limit:{name}"),
        Gap::Fact { name, why: Why::Doubtful } => format!("fact:doubtful:{name}"),
        Gap::Action(id) => format!("action:{id}"),
        Gap::Agreement(_) => "agreement".to_owned(),
        Gap::Rule(id) => format!("rule:{id}"),
    }
}

/// The other way round; the rules of an agreement are those that the decision names.
pub(super) fn gaps(words: &[String], rules: &[countersign_core::names::RuleId]) -> Option<Missing> {
    let gap = |word: &String| {
        if word == "agreement" {
            return Some(Gap::Agreement(rules.to_vec()));
        }
        let (kind, rest) = word.split_once(':')?;
        match kind {
            "action" => Some(Gap::Action(rest.into())),
            "rule" => Some(Gap::Rule(rest.into())),
            "fact" => {
                let (why, name) = rest.split_once(':')?;
                let why = match why {
                    "absent" => Why::Absent,
                    "wrong_type" => Why::WrongType,
                    "stale" => Why::Stale,
                    "conflicting" => Why::Conflicting,
                    "above_limit" => Why::AboveLimit,
                    "doubtful" => Why::Doubtful,
                    _ => return None,
                };
                Some(Gap::Fact { name: name.into(), why })
            }
            _ => None,
        }
    };
    let gaps: Vec<Gap> = words.iter().map(gap).collect::<Option<_>>()?;
    gaps.into_iter().map(Missing::one).reduce(Missing::and)
}

fn edit_block(path: &str, edit: &Edit) -> v1::Edit {
    let (_, value) = edit.parts();
    let op = match edit {
        Edit::Set(_) => v1::EditOp::Set,
        Edit::Cap(_) => v1::EditOp::Cap,
        Edit::Redact(_) => v1::EditOp::Redact,
        Edit::Remove => v1::EditOp::Remove,
        Edit::Append(_) => v1::EditOp::Append,
        Edit::RestrictTo(_) => v1::EditOp::RestrictTo,
        Edit::RestrictUnder(_) => v1::EditOp::RestrictUnder,
        Edit::Foreign => v1::EditOp::Foreign,
    };
    v1::Edit { op, path: path.to_owned(), value: value.to_string() }
}

/// What policy wrote, in the few types that are signed; policy admits no others at load.
fn plain(value: &Value) -> Plain {
    match value {
        Value::Null => Plain::Null,
        Value::Bool(b) => Plain::from(*b),
        Value::Number(n) => n.as_i64().map_or_else(|| Plain::from(n.to_string()), Plain::from),
        Value::String(text) => Plain::from(text.as_str()),
        Value::Array(items) => Plain::from(
            items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect::<Vec<_>>(),
        ),
        Value::Object(_) => Plain::from(value.to_string()),
    }
}

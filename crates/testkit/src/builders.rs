//! The things that tests need many of, in one line each.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::action::{Action, Arguments, Contract, Effect};
use countersign_core::decide::{Environment, Memo, Question, decide};
use countersign_core::decision::{Approvers, Because, Decision, Ending, PolicyRef, Ruling, Step};
use countersign_core::edits::{Edit, Edits, Place};
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::Limits;
use countersign_core::names::ToolName;
use countersign_core::policy::PolicySet;
use countersign_core::session::{Context, Intent, Opened, Outcome, Principal, Status, What};
use countersign_core::time::{Span, Time};
use serde_json::Value;

/// The moment at which tests begin: 2026-01-01T00:00:00Z.
pub const START: Time = Time(1_767_225_600_000);

/// The moment so many seconds after [`START`].
#[must_use]
pub fn second(n: i64) -> Time {
    START + Span::seconds(n)
}

/// `upstream.tool`, split at the first dot.
#[must_use]
pub fn tool(name: &str) -> ToolName {
    let (upstream, tool) = name.split_once('.').unwrap();
    ToolName::new(upstream, tool)
}

/// An argument object from its text.
#[must_use]
pub fn arguments(text: &str) -> Arguments {
    Arguments::parse(text).unwrap()
}

/// An action of a tool about which nothing is declared.
#[must_use]
pub fn action(id: &str, name: &str, text: &str) -> Action {
    Action {
        id: id.into(),
        tool: tool(name),
        original: None,
        arguments: arguments(text),
        contract: Arc::new(Contract::default()),
        depends_on: Vec::new(),
        submitted_at: START,
    }
}

/// A contract with an effect and declared selectors.
#[must_use]
pub fn contract(effect: Effect, selectors: &[&str]) -> Contract {
    let selectors = Some(selectors.iter().map(|s| (*s).to_owned()).collect());
    Contract { effect, selectors, ..Contract::default() }
}

/// A person, the service `desk` and an agent, without roles or limits.
#[must_use]
pub fn identity(human: &str, agent: &str) -> Identity {
    Identity {
        human: Party::named(human),
        service: Party::named("desk"),
        agent: Party::named(agent),
        delegation: Vec::new(),
        source: "token".into(),
        validated_at: START,
    }
}

/// The beginning of a session that a host opened, without a request.
#[must_use]
pub fn opened(session: &str, human: &str, agent: &str) -> Opened {
    Opened {
        session: session.into(),
        source: "host".into(),
        human: human.into(),
        agent: agent.into(),
        inherits: true,
        labels: [].into(),
        request: None,
        intent: None,
        delegated: None,
    }
}

/// An intent from two lists of names.
#[must_use]
pub fn intent(allow: &[&str], exclude: &[&str]) -> Intent {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Intent { allow: owned(allow), exclude: owned(exclude) }
}

/// Facts that an operator gave until a moment.
#[must_use]
pub fn facts(facts: &[(&str, Value)], valid_until: Time) -> What {
    let facts: BTreeMap<Arc<str>, Value> =
        facts.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
    What::Facts { facts, erased: [].into(), giver: "ops@example.com".into(), source: None, valid_until }
}

/// A policy set from the text of one file.
#[must_use]
pub fn policy(file: &str) -> PolicySet {
    PolicySet::assemble(vec![("test.yaml".to_owned(), file.as_bytes().to_vec())]).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}\n{file}", faults.join("\n"))
    })
}

/// A policy set from its default and its rules, each written as a flow map on a line of its own.
#[must_use]
pub fn rules(default: &str, rules: &[&str]) -> PolicySet {
    let list: String = rules.iter().map(|rule| format!("\n  - {rule}")).collect();
    let list = if rules.is_empty() { " []".to_owned() } else { list };
    policy(&format!("version: 1\ndefault: {default}\nrules:{list}\n"))
}

/// A member of any of these groups.
#[must_use]
pub fn approvers(groups: &[&str]) -> Approvers {
    Approvers::any_of(groups.iter().map(|group| (*group).into()))
}

/// Edits from places and changes.
#[must_use]
pub fn edits(list: &[(&str, Edit)]) -> Edits {
    let mut edits = Edits::default();
    for (place, edit) in list {
        edits.add(Place::parse(place).unwrap(), edit.clone()).unwrap();
    }
    edits
}

/// A ruling by rule `r` that says this and nothing else.
pub fn ruling(decision: Decision) -> Ruling {
    Ruling {
        decision,
        edits: Edits::default(),
        because: Because { step: Step::Baseline, rules: vec!["r".into()], reason: "rule r holds".into() },
        sets: [].into(),
        counted: [].into(),
        wait: None,
        ending: Ending::default(),
        escalate: None,
        facts_read: [].into(),
        policy: PolicyRef::default(),
    }
}

/// An outcome with these labels.
#[must_use]
pub fn outcome(status: Status, labels: &[&str]) -> Outcome {
    let labels = labels.iter().map(|label| Arc::from(*label)).collect();
    Outcome { status, labels, output: None, error: None }
}

/// Everything a ruling may depend on, owned.
#[derive(Debug)]
pub struct World {
    /// What is proposed.
    pub action: Action,
    /// By whom.
    pub identity: Identity,
    /// What its session has done and seen.
    pub context: Context,
    /// What the human did across sessions.
    pub human: Principal,
    /// What the agent did across sessions.
    pub agent: Principal,
    /// What sessions linked by delegation did and saw.
    pub linked: Principal,
    /// The rules in force.
    pub policy: PolicySet,
    /// What the deployment is.
    pub environment: Environment,
    /// The moment.
    pub now: Time,
    /// Where its arguments come from, once asked.
    pub memo: Memo,
}

impl World {
    /// Alice's agent calls `files.read` in a session that has just begun, under this policy.
    #[must_use]
    pub fn under(policy: PolicySet) -> Self {
        Self {
            memo: Memo::default(),
            action: action("act_1", "files.read", "{}"),
            identity: identity("alice", "bot"),
            context: Context::new(opened("ses_1", "alice", "bot"), START, Limits::default()),
            human: Principal::default(),
            agent: Principal::default(),
            linked: Principal::default(),
            policy,
            environment: Environment { max_dependents: 16, ..Environment::default() },
            now: START,
        }
    }

    /// Another call.
    #[must_use]
    pub fn calls(mut self, name: &str, text: &str) -> Self {
        self.action = action("act_1", name, text);
        self
    }

    /// What is declared about the tool.
    #[must_use]
    pub fn declared(mut self, contract: Contract) -> Self {
        self.action.contract = Arc::new(contract);
        self
    }

    /// The session was opened with this intent.
    #[must_use]
    pub fn intends(mut self, intent: Intent) -> Self {
        let opened = Opened { intent: Some(intent), ..opened("ses_1", "alice", "bot") };
        self.context = Context::new(opened, START, Limits::default());
        self
    }

    /// A fact was given, and holds for a quarter of an hour.
    #[must_use]
    pub fn knows(mut self, name: &str, value: Value) -> Self {
        self.context.apply(&facts(&[(name, value)], second(900)), START).unwrap();
        self
    }

    /// These groups of approvers exist.
    #[must_use]
    pub fn approvers(mut self, groups: &[&str]) -> Self {
        self.environment.approver_groups = groups.iter().map(|group| (*group).into()).collect();
        self
    }

    /// The question that core decides.
    #[must_use]
    pub const fn question(&self) -> Question<'_> {
        Question {
            memo: &self.memo,
            action: &self.action,
            identity: &self.identity,
            context: &self.context,
            human: &self.human,
            agent: &self.agent,
            linked: &self.linked,
            policy: &self.policy,
            environment: &self.environment,
            now: self.now,
        }
    }

    /// What core rules.
    pub fn decide(&self) -> Ruling {
        decide(&self.question())
    }
}

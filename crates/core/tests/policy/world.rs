//! A small world to ask questions in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::action::{Action, Arguments, Contract};
use countersign_core::decide::{Environment, Memo, Question};
use countersign_core::decision::{Because, Decision, Match, PolicyRef, Ruling, Step};
use countersign_core::detect::Cue;
use countersign_core::edits::Edits;
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::Limits;
use countersign_core::names::{RuleId, ToolName};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Change, Context, Opened, Principal, What};
use countersign_core::time::Time;
use serde_json::Value;

pub(crate) const NOW: Time = Time(1_000_000);

/// Who acts, what was done and seen, and the action in question.
pub(crate) struct World {
    pub(crate) action: Action,
    pub(crate) identity: Identity,
    pub(crate) context: Context,
    pub(crate) human: Principal,
    pub(crate) agent: Principal,
}

impl World {
    /// Alice's agent calls `mail.send` in a session that has just begun.
    pub(crate) fn new() -> Self {
        Self::with(&[], true)
    }

    /// The same, in a session that begins with labels.
    pub(crate) fn seen(labels: &[&str]) -> Self {
        Self::with(labels, true)
    }

    pub(crate) fn with(labels: &[&str], inherits: bool) -> Self {
        let opened = Opened {
            session: "ses_1".into(),
            source: "host".into(),
            human: "alice@example.com".into(),
            agent: "desk-agent-1".into(),
            inherits,
            labels: labels.iter().map(|l| Arc::from(*l)).collect(),
            request: None,
            intent: None,
            delegated: None,
        };
        Self::opened(opened)
    }

    /// The same, in a session with a request.
    pub(crate) fn requested(request: &str) -> Self {
        Self::opened(Opened { request: Some(request.into()), ..Self::new().context.opened().clone() })
    }

    /// The same, in a session that read a text full of instructions to the agent.
    pub(crate) fn attacked() -> Self {
        let labels = Cue::ALL.iter().map(|cue| Arc::from(cue.label())).collect();
        let mut world = Self::new();
        world
            .context
            .apply(&What::Observed { source: "tools/list".into(), labels, text: None }, NOW)
            .unwrap();
        world
    }

    /// The agent has this role too.
    pub(crate) fn of_role(mut self, role: &str) -> Self {
        self.identity.agent.roles.push(role.to_owned());
        self
    }

    /// The agent has this scope too.
    pub(crate) fn of_scope(mut self, scope: &str) -> Self {
        self.identity.agent.scope.push(scope.to_owned());
        self
    }

    pub(crate) fn opened(opened: Opened) -> Self {
        let party = |id: &str, roles: &[&str], scope: &[&str]| Party {
            id: id.into(),
            roles: roles.iter().map(|r| (*r).to_owned()).collect(),
            scope: scope.iter().map(|s| (*s).to_owned()).collect(),
        };
        Self {
            action: action("mail", "send", "{}"),
            identity: Identity {
                human: party("alice@example.com", &["analyst", "auditor"], &[]),
                service: party("desk", &[], &[]),
                agent: party("desk-agent-1", &["helper"], &["mail", "files"]),
                delegation: Vec::new(),
                source: "token".into(),
                validated_at: NOW,
            },
            context: Context::new(opened, NOW, Limits::default()),
            human: Principal::default(),
            agent: Principal::default(),
        }
    }

    pub(crate) fn calls(mut self, upstream: &str, tool: &str, arguments: &str) -> Self {
        self.action = action(upstream, tool, arguments);
        self
    }

    /// The action in question is `mail.send` with these arguments.
    pub(crate) fn sends(self, arguments: &str) -> Self {
        self.calls("mail", "send", arguments)
    }

    /// Somebody gave a fact, valid until this moment.
    pub(crate) fn knows(mut self, name: &str, value: Value, valid_until: Time) -> Self {
        let facts = BTreeMap::from([(Arc::from(name), value)]);
        let giver = "ops@example.com".into();
        let what = What::Facts { facts, erased: [].into(), giver, source: None, valid_until };
        self.context.apply(&what, NOW).unwrap();
        self
    }

    /// An earlier action of the session was decided.
    pub(crate) fn did(mut self, upstream: &str, tool: &str, decision: Decision) -> Self {
        let mut earlier = action(upstream, tool, "{}");
        earlier.id = format!("act_before_{}", self.context.submitted()).as_str().into();
        let ruling = Arc::new(ruling(decision));
        let _ = self.context.submit(&Arc::new(earlier), &Arc::new(self.identity.clone()), ruling, NOW);
        self
    }

    /// The human used a tool in other sessions.
    pub(crate) fn human_used(mut self, upstream: &str, tool: &str, times: usize) -> Self {
        for _ in 0..times {
            let permitted = Some(ToolName::new(upstream, tool));
            self.human.apply(&Change { permitted, ..Change::default() });
        }
        self
    }

    /// The human saw data in other sessions.
    pub(crate) fn human_saw(mut self, label: &str) -> Self {
        self.human.apply(&Change { labels: BTreeSet::from([Arc::from(label)]), ..Change::default() });
        self
    }

    /// Whether the only rule of a set holds, and which facts that read.
    pub(crate) fn asked(&self, rule: &str) -> (Match, Vec<String>) {
        self.asked_of(&set(rule))
    }

    /// Asks about the action under this set.
    pub(crate) fn ask<R>(&self, policy: &PolicySet, with: impl FnOnce(&Question<'_>) -> R) -> R {
        self.ask_as(&self.identity, policy, with)
    }

    /// The same, by somebody else.
    pub(crate) fn ask_as<R>(
        &self,
        identity: &Identity,
        policy: &PolicySet,
        with: impl FnOnce(&Question<'_>) -> R,
    ) -> R {
        with(&Question {
            action: &self.action,
            identity,
            context: &self.context,
            human: &self.human,
            agent: &self.agent,
            linked: &Principal::default(),
            policy,
            environment: &Environment::default(),
            now: NOW,
            memo: &Memo::default(),
        })
    }

    /// Whether the first rule of this set holds.
    pub(crate) fn asked_of(&self, policy: &PolicySet) -> (Match, Vec<String>) {
        let mut read = BTreeSet::new();
        let holds = self.ask(policy, |question| policy.rules()[0].matches(question, &mut read));
        (holds, read.iter().map(ToString::to_string).collect())
    }

    /// `yes`, `no`, or `unknown: ` and what is missing.
    pub(crate) fn says(&self, rule: &str) -> String {
        answer(&self.asked(rule).0)
    }
}

pub(crate) fn answer(holds: &Match) -> String {
    match holds {
        Match::Yes => "yes".into(),
        Match::No => "no".into(),
        Match::Unknown(missing) => {
            let gaps: Vec<String> = missing.gaps().map(ToString::to_string).collect();
            format!("unknown: {}", gaps.join(", "))
        }
    }
}

pub(crate) fn action(upstream: &str, tool: &str, arguments: &str) -> Action {
    Action {
        id: "act_1".into(),
        tool: ToolName::new(upstream, tool),
        original: None,
        arguments: Arguments::parse(arguments).unwrap(),
        contract: Arc::new(Contract::default()),
        depends_on: Vec::new(),
        submitted_at: NOW,
    }
}

fn ruling(decision: Decision) -> Ruling {
    Ruling {
        decision,
        edits: Edits::default(),
        because: Because { step: Step::Baseline, rules: vec![RuleId::from("r")], reason: "".into() },
        sets: BTreeMap::new(),
        counted: BTreeMap::new(),
        wait: None,
        ending: countersign_core::decision::Ending::default(),
        escalate: None,
        facts_read: BTreeSet::new(),
        policy: PolicyRef::default(),
    }
}

/// A set of one rule, given as `key: value` lines or one flow map; `id` and the head are added.
pub(crate) fn set(rule: &str) -> PolicySet {
    assemble(&format!("version: 1\ndefault: DENY\nrules:\n  - {}\n", rule.trim().replace('\n', "\n    ")))
}

pub(crate) fn assemble(file: &str) -> PolicySet {
    let files = vec![("test.yaml".to_owned(), file.as_bytes().to_vec())];
    PolicySet::assemble(files).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}\n{file}", faults.join("\n"))
    })
}

/// Faults of a set of files, one a line.
pub(crate) fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    match PolicySet::assemble(files) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

//! What a story adds up to: every fact that these policies ask for, folded from the beginning each time.

use std::collections::BTreeSet;

use serde_json::Value;

use super::model::{Counter, Fact, Per, Policy};
use super::story::{Call, Ending, Event, Ruled, Story};

/// What is known of a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Nothing; nobody can say whether there is anything where `hidden`.
    Missing {
        /// Sources disagree, or a sum cannot be told.
        hidden: bool,
    },
    /// A value that somebody gave, or an argument.
    Value(Value),
    /// A text of ours.
    Text(String),
    /// A number of ours.
    Number(f64),
    /// Roles, one of which is enough.
    Held(Vec<String>),
    /// Tools that were used, by upstream and own name.
    Tools(BTreeSet<(String, String)>),
    /// Labels of data that was seen.
    Labels(BTreeSet<String>),
}

/// An action that was permitted.
#[derive(Clone, Debug)]
pub struct Permitted<'a> {
    /// What was called.
    pub call: &'a Call,
    /// When, in milliseconds.
    pub at: i64,
    /// Nothing was sent after all.
    pub given_back: bool,
}

/// The action in question, with everything that is known before it.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The rules in force.
    pub policy: &'a Policy,
    /// What was before.
    pub story: &'a Story,
    /// What is proposed.
    pub call: &'a Call,
    /// Its arguments, as they are judged.
    pub arguments: &'a Value,
}

/// Splits `upstream.tool`.
#[must_use]
pub fn parts(tool: &str) -> (&str, &str) {
    tool.split_once('.').unwrap()
}

/// Whether a name that people write means this tool.
#[must_use]
pub fn bears(tool: &str, name: &str) -> bool {
    let (upstream, own) = parts(tool);
    name == upstream || name == own || name == tool
}

const LEVELS: [&str; 4] = ["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED"];

/// How high a label stands among the levels, in any case of letters; `None` of those beside them.
#[must_use]
pub fn level(label: &str) -> Option<usize> {
    LEVELS.iter().position(|known| known.eq_ignore_ascii_case(label))
}

impl<'a> Scene<'a> {
    /// The session's permitted actions, oldest first.
    #[must_use]
    pub fn permitted(&self) -> Vec<Permitted<'a>> {
        let mut all = Vec::new();
        for step in &self.story.steps {
            if let Event::Acted { call, ruled: Ruled::Allow, outcome, .. } = &step.event {
                let given_back = matches!(outcome, Some((Ending::NothingSent, _)));
                all.push(Permitted { call, at: step.at, given_back });
            }
        }
        all
    }

    /// What was permitted in all sessions of one party.
    #[must_use]
    pub fn permitted_to(&self, per: Per) -> Vec<Permitted<'a>> {
        let mut all = self.permitted();
        for before in &self.story.elsewhere {
            let theirs = match per {
                Per::Session => false,
                Per::Human => before.of_human,
                Per::Agent => before.of_agent,
            };
            if let (true, Some(call)) = (theirs, &before.call) {
                all.push(Permitted { call, at: before.at, given_back: false });
            }
        }
        all
    }

    /// Labels that this session saw, in order, beginning with those it was opened with.
    fn seen(&self) -> Vec<&'a str> {
        let mut seen: Vec<&str> = self.story.labels.clone();
        for step in &self.story.steps {
            match &step.event {
                Event::Saw(labels) => seen.extend(labels),
                Event::Acted { ruled: Ruled::Allow, outcome, wrote, .. } => {
                    if let Some(("data_classification", value)) = wrote {
                        seen.extend(value.as_str());
                    }
                    seen.extend(outcome.iter().flat_map(|(_, labels)| labels));
                }
                _ => {}
            }
        }
        seen
    }

    /// What is known of a fact.
    #[must_use]
    pub fn know(&self, fact: &Fact) -> Known {
        let held = |roles: &[&str]| Known::Held(roles.iter().map(|role| (*role).to_owned()).collect());
        let number = |n: usize| Known::Number(f64::from(u32::try_from(n).unwrap()));
        match fact {
            Fact::Parameter(path) => match argument(self.arguments, path) {
                Some(value) => Known::Value(value.clone()),
                None => Known::Missing { hidden: false },
            },
            Fact::Human => Known::Text(self.story.human.to_owned()),
            Fact::HumanRoles => held(&self.story.human_roles),
            Fact::AgentRoles => held(&self.story.agent_roles),
            Fact::Labels => Known::Labels(self.labels()),
            Fact::PriorActions => {
                let tools = self.permitted().into_iter().map(|permitted| parts(permitted.call.tool));
                Known::Tools(tools.map(|(upstream, own)| (upstream.to_owned(), own.to_owned())).collect())
            }
            Fact::ActionCount => number(self.count(|_| true)),
            Fact::DeniedCount => number(self.count(|ruled| ruled == Ruled::Deny)),
            Fact::Uses(per, name) => {
                let all = self.permitted_to(*per);
                number(all.iter().filter(|permitted| bears(permitted.call.tool, name)).count())
            }
            Fact::Sum(per, name) => {
                let counter = self.policy.counters.iter().find(|counter| counter.name == *name).unwrap();
                match self.sum(*per, counter, None) {
                    (sum, true) => Known::Number(sum),
                    (_, false) => Known::Missing { hidden: true },
                }
            }
            Fact::Given(name) => self.given(name),
            Fact::Request => match self.story.request {
                Some(request) => Known::Text(request.to_owned()),
                None => Known::Missing { hidden: false },
            },
            Fact::Effect => Known::Text(self.call.effect.to_owned()),
            Fact::Injection => Known::Number(self.injection()),
            Fact::Scope => Known::Number(self.scope()),
            Fact::Escalation => {
                let highest = |labels: &[&str]| labels.iter().filter_map(|label| level(label)).max();
                let (now, before) = (highest(&self.seen()), highest(&self.story.labels));
                number(now.unwrap_or(0) - before.unwrap_or(0))
            }
            Fact::Velocity => {
                let from = second(self.story.now) - 60;
                number(self.permitted().iter().filter(|permitted| second(permitted.at) >= from).count())
            }
            Fact::Turns => {
                let turns = self.story.steps.iter().filter(|step| matches!(step.event, Event::Turn));
                number(turns.count())
            }
        }
    }

    fn count(&self, which: impl Fn(Ruled) -> bool) -> usize {
        let ruled = self.story.steps.iter().filter_map(|step| match &step.event {
            Event::Acted { ruled, .. } => Some(*ruled),
            _ => None,
        });
        ruled.filter(|ruled| which(*ruled)).count()
    }

    /// What the session saw, and its parties in any session where that counts.
    fn labels(&self) -> BTreeSet<String> {
        let mut labels: BTreeSet<String> = self.seen().into_iter().map(str::to_owned).collect();
        if self.story.inherits {
            labels.extend(self.story.elsewhere.iter().filter_map(|before| Some(before.label?.to_owned())));
        }
        labels
    }

    /// What a counter adds up to, and whether every part of it can be told.
    #[must_use]
    pub fn sum(&self, per: Per, counter: &Counter, window: Option<i64>) -> (f64, bool) {
        let (mut sum, mut whole) = (0.0, true);
        for permitted in self.permitted_to(per) {
            if permitted.given_back || !self.in_window(permitted.at, window) {
                continue;
            }
            match adds(counter, permitted.call.tool, &permitted.call.arguments) {
                None => {}
                Some(Some(amount)) => sum += amount,
                Some(None) => whole = false,
            }
        }
        (sum, whole)
    }

    /// Whether a moment lies in the second in which the window begins, or later.
    #[must_use]
    pub fn in_window(&self, at: i64, window: Option<i64>) -> bool {
        window.is_none_or(|seconds| second(at) >= second(self.story.now - seconds * 1000))
    }

    /// What is said about a fact and still valid has to agree.
    fn given(&self, name: &str) -> Known {
        // The last word of each giver, and until when it holds.
        let mut said: Vec<(&str, &Value, i64)> = Vec::new();
        let mut say = |giver: &'a str, value: &'a Value, until: i64| {
            said.retain(|(other, ..)| *other != giver);
            said.push((giver, value, until));
        };
        for step in &self.story.steps {
            match &step.event {
                Event::Given { name: known, value, giver, valid } if *known == name => {
                    say(giver, value, step.at + valid);
                }
                Event::Acted { ruled: Ruled::Allow, wrote: Some((known, value)), .. } if *known == name => {
                    say("policy", value, i64::MAX);
                }
                _ => {}
            }
        }
        said.retain(|(_, _, until)| *until > self.story.now);
        match said.first() {
            None => Known::Missing { hidden: false },
            Some((_, value, _)) if said.iter().all(|(_, other, _)| same(other, value)) => {
                Known::Value((*value).clone())
            }
            Some(_) => Known::Missing { hidden: true },
        }
    }

    /// Weights of the cues that this session saw, each once.
    fn injection(&self) -> f64 {
        let seen = self.seen();
        let weights = [("cue:override", 4_500.0), ("cue:fake_system", 3_500.0), ("cue:new_task", 2_000.0)];
        let all: f64 = weights.iter().filter(|(cue, _)| seen.contains(cue)).map(|(_, weight)| *weight).sum();
        all.min(10_000.0)
    }

    /// Over the actions after the first five since the user spoke, and this one.
    fn scope(&self) -> f64 {
        let mut before: Vec<&Call> = Vec::new();
        let (mut since, mut grown) = (0, 0);
        let growth = |before: &[&Call], call: &Call| {
            let new = |is: &dyn Fn(&&&Call) -> bool| !before.iter().any(|other| is(&other));
            let upstream = new(&|other| parts(other.tool).0 == parts(call.tool).0);
            let effect = call.effect != "read" && new(&|other| other.effect == call.effect);
            let tool = new(&|other| other.tool == call.tool);
            u32::from(upstream) * 3_000 + u32::from(effect) * 2_000 + u32::from(tool) * 1_000
        };
        for step in &self.story.steps {
            match &step.event {
                Event::Turn => (since, grown) = (0, 0),
                Event::Acted { call, ruled: Ruled::Allow, .. } => {
                    if since >= 5 {
                        grown = (grown + growth(&before, call)).min(10_000);
                    }
                    since += 1;
                    before.push(call);
                }
                _ => {}
            }
        }
        if since >= 5 {
            grown = (grown + growth(&before, self.call)).min(10_000);
        }
        f64::from(grown)
    }
}

/// What an action adds to a counter: `None` where its tool is not counted, `Some(None)` where nobody can tell.
#[must_use]
pub fn adds(counter: &Counter, tool: &str, arguments: &Value) -> Option<Option<f64>> {
    let counts = counter.tools.is_empty() || counter.tools.iter().any(|name| bears(tool, name));
    let amount = || match counter.adds {
        None => Some(1.0),
        Some(path) => match argument(arguments, path)? {
            Value::Number(n) => n.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        },
    };
    counts.then(|| amount().filter(|amount| *amount >= 0.0))
}

/// The argument at a dotted path, through lists by number.
#[must_use]
pub fn argument<'v>(arguments: &'v Value, path: &str) -> Option<&'v Value> {
    let mut value = arguments;
    for part in path.split('.') {
        value = match value {
            Value::Object(members) => members.get(part)?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// Equal all the way down, numbers by value.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// The second that a moment lies in.
fn second(at: i64) -> i64 {
    at.div_euclid(1000)
}

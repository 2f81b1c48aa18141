//! What a session did and saw before an action, as a value, and the engine's world made from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::action::{Action, Arguments, Contract, Effect};
use countersign_core::decide::Memo;
use countersign_core::decision::{Approvers, Decision, Missing, Why};
use countersign_core::identity::Party;
use countersign_core::lifecycle::{Input, Limits};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Amount, Change, Context, Opened, Outcome, Principal, Status, What};
use countersign_core::time::{Span, Time};
use serde_json::{Value, json};

use crate::builders::{self, START, World};

/// A session, and what its parties did elsewhere.
#[derive(Clone, Debug)]
pub struct Story {
    /// Who asks.
    pub human: &'static str,
    /// What the human is.
    pub human_roles: Vec<&'static str>,
    /// What the agent is.
    pub agent_roles: Vec<&'static str>,
    /// Whether what the parties saw elsewhere counts.
    pub inherits: bool,
    /// Labels that it begins with.
    pub labels: Vec<&'static str>,
    /// What the user asked.
    pub request: Option<&'static str>,
    /// What the request covers and leaves out.
    pub intent: Option<(Vec<&'static str>, Vec<&'static str>)>,
    /// What happened elsewhere, before it.
    pub elsewhere: Vec<Elsewhere>,
    /// What happened in it, in order.
    pub steps: Vec<Step>,
    /// Groups of approvers that exist.
    pub groups: Vec<&'static str>,
    /// The moment of the action in question, in milliseconds after the beginning.
    pub now: i64,
}

/// What a party did in another session.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// The human's doing.
    pub of_human: bool,
    /// The agent's doing.
    pub of_agent: bool,
    /// A call that was permitted, with its arguments.
    pub call: Option<Call>,
    /// A label that was seen.
    pub label: Option<&'static str>,
    /// When, in milliseconds after the beginning; before it where below zero.
    pub at: i64,
}

/// A tool and its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    /// `upstream.tool`
    pub tool: &'static str,
    /// What its contract says that it does.
    pub effect: &'static str,
    /// An object.
    pub arguments: Value,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Step {
    /// When, in milliseconds after the beginning.
    pub at: i64,
    /// What.
    pub event: Event,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// An action was ruled on, and had this outcome where it was permitted and is over.
    Acted {
        /// The call.
        call: Call,
        /// What was ruled.
        ruled: Ruled,
        /// What a rule wrote.
        wrote: Option<(&'static str, Value)>,
        /// How it ended, and labels of its output.
        outcome: Option<(Ending, Vec<&'static str>)>,
    },
    /// Somebody gave a fact, for so many milliseconds.
    Given {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: Value,
        /// Who.
        giver: &'static str,
        /// For how long.
        valid: i64,
    },
    /// The user spoke.
    Turn,
    /// Something with labels reached the agent.
    Saw(Vec<&'static str>),
}

/// What was ruled of an earlier action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruled {
    /// ALLOW
    Allow,
    /// DENY
    Deny,
    /// STEP_UP, unanswered
    StepUp,
    /// DEFER, unresolved
    Defer,
}

/// How a permitted action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The tool answered.
    Done,
    /// The tool failed.
    Failed,
    /// Nobody knows.
    Unknown,
    /// Nothing was sent.
    NothingSent,
}

/// What the tools of these tests say of their arguments.
fn declared() -> Value {
    json!({"type": "object", "properties": {
        "limit": {"type": "number"}, "mode": {"type": "string"}, "tags": {"type": "array"}, "count": {"type": "integer"},
    }})
}

impl Call {
    /// The action, as the engine takes it.
    #[must_use]
    pub fn action(&self, id: &str, with_schema: bool) -> Action {
        let contract = Contract {
            effect: Effect::named(self.effect).unwrap(),
            input_schema: with_schema.then(|| Arc::new(declared())),
            ..Contract::default()
        };
        let mut action = builders::action(id, self.tool, "{}");
        action.arguments = Arguments::parse(&self.arguments.to_string()).unwrap();
        action.contract = Arc::new(contract);
        action
    }
}

fn moment(at: i64) -> Time {
    START + Span(at)
}

fn labels(of: &[&str]) -> BTreeSet<Arc<str>> {
    of.iter().map(|label| Arc::from(*label)).collect()
}

impl Story {
    /// The engine's world in which `call` is asked about.
    #[must_use]
    pub fn world(&self, policy: PolicySet, call: &Call) -> World {
        let mut world = World::under(policy);
        world.identity = builders::identity(self.human, "bot");
        world.identity.human = party(self.human, &self.human_roles);
        world.identity.agent = party("bot", &self.agent_roles);
        let opened = Opened {
            inherits: self.inherits,
            labels: labels(&self.labels),
            request: self.request.map(Arc::from),
            intent: self.intent.as_ref().map(|(allow, exclude)| builders::intent(allow, exclude)),
            ..builders::opened("ses_1", self.human, "bot")
        };
        world.context = Context::new(opened, START, Limits::default());
        for before in &self.elsewhere {
            before.tell(&mut world);
        }
        for (at, step) in self.steps.iter().enumerate() {
            step.tell(&mut world, at);
        }
        world.now = moment(self.now);
        self.asked(world.approvers(&self.groups), call)
    }

    /// The same world, in which another call is asked about.
    #[must_use]
    pub fn asked(&self, mut world: World, call: &Call) -> World {
        world.action = call.action("act_now", true);
        world.memo = Memo::default();
        world
    }
}

fn party(id: &str, roles: &[&str]) -> Party {
    Party { roles: roles.iter().map(|role| (*role).to_owned()).collect(), ..Party::named(id) }
}

fn counted(policy: &PolicySet, action: &Action) -> BTreeMap<Arc<str>, Amount> {
    let amounts = policy.counters().iter();
    amounts.filter_map(|counter| Some((Arc::clone(&counter.name), counter.amount(action)?))).collect()
}

impl Elsewhere {
    fn tell(&self, world: &mut World) {
        let mut change = Change { at: Some(moment(self.at)), ..Change::default() };
        if let Some(call) = &self.call {
            let action = call.action("act_elsewhere", false);
            change.counted = counted(&world.policy, &action);
            change.permitted = Some(action.tool);
        }
        change.labels.extend(self.label.map(Arc::from));
        if self.of_human {
            world.human.apply(&change);
        }
        if self.of_agent {
            world.agent.apply(&change);
        }
    }
}

/// What an entry of the session changes for its principals.
fn pass_on(human: &mut Principal, agent: &mut Principal, change: Change) {
    let change = Change { linked: countersign_core::session::linked::Linked::default(), ..change };
    human.apply(&change);
    agent.apply(&change);
}

impl Step {
    fn tell(&self, world: &mut World, number: usize) {
        let now = moment(self.at);
        let what = match &self.event {
            Event::Acted { call, ruled, wrote, outcome } => {
                return acted(
                    world,
                    &call.action(&format!("act_{number:03}"), false),
                    *ruled,
                    wrote.as_ref(),
                )
                .finish(outcome.as_ref(), now);
            }
            Event::Given { name, value, giver, valid } => What::Facts {
                facts: BTreeMap::from([(Arc::from(*name), value.clone())]),
                erased: BTreeSet::new(),
                giver: Arc::from(*giver),
                source: None,
                valid_until: moment(self.at + valid),
            },
            Event::Turn => What::Turn { host: "host".into(), text: None },
            Event::Saw(seen) => What::Observed { source: "notice".into(), labels: labels(seen), text: None },
        };
        let change = world.context.apply(&what, now).unwrap();
        pass_on(&mut world.human, &mut world.agent, change);
    }
}

/// An earlier action on its way through its life.
struct Acting<'a> {
    world: &'a mut World,
    action: Arc<Action>,
    ruling: countersign_core::decision::Ruling,
}

fn acted<'a>(
    world: &'a mut World,
    action: &Action,
    ruled: Ruled,
    wrote: Option<&(&'static str, Value)>,
) -> Acting<'a> {
    let decision = match ruled {
        Ruled::Allow => Decision::Allow,
        Ruled::Deny => Decision::Deny,
        Ruled::StepUp => Decision::StepUp(Approvers::default()),
        Ruled::Defer => Decision::Defer(Missing::fact("context.later", Why::Absent)),
    };
    let mut ruling = builders::ruling(decision);
    if ruled == Ruled::Allow {
        ruling.sets = wrote.map(|(name, value)| (Arc::from(*name), value.clone())).into_iter().collect();
        ruling.counted = counted(&world.policy, action);
    }
    Acting { world, action: Arc::new(action.clone()), ruling }
}

impl Acting<'_> {
    fn finish(self, outcome: Option<&(Ending, Vec<&'static str>)>, now: Time) {
        let Self { world, action, ruling } = self;
        let permitted = ruling.decision == Decision::Allow;
        let identity = Arc::new(world.identity.clone());
        let (_, change) = world.context.submit(&action, &identity, Arc::new(ruling), now);
        pass_on(&mut world.human, &mut world.agent, change);
        let mut inputs = vec![Input::Recorded];
        if let (true, Some((ending, seen))) = (permitted, outcome) {
            let status = match ending {
                Ending::Done => Status::Ok,
                Ending::Failed => Status::Error,
                Ending::Unknown => Status::Unknown,
                Ending::NothingSent => Status::NothingSent,
            };
            let outcome = Outcome { status, labels: labels(seen), output: None, error: None };
            inputs.extend([Input::Settled(outcome), Input::Recorded]);
        }
        for input in inputs {
            let (_, change) = world.context.handle(&action.id, input, now);
            pass_on(&mut world.human, &mut world.agent, change);
        }
    }
}

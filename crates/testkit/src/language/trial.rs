//! One policy, story and action, decided by the engine and by the naive reading.

use countersign_core::action::Arguments;
use countersign_core::decide::decide;
use countersign_core::decision::{Approvers, Decision, Match, Missing, Why};
use countersign_core::depend::Dependence;
use countersign_core::edits::{Edit, Edits, Place};
use countersign_core::policy::{Classification, PolicySet, RuleAction};
use serde_json::Value;

use super::chance::Chance;
use super::known::{Scene, parts};
use super::model::{Change, Class, Policy, Rule, Verb};
use super::story::{Call, Event, Ruled, Story};
use super::{generate, render};
use crate::builders::{World, approvers, intent};
use crate::oracle::{self, Case, Expected, Voice};

/// A policy, how it is written, and what is asked of it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// From which everything is made.
    pub seed: u64,
    /// The rules.
    pub policy: Policy,
    /// Sessions, each with calls that are asked about at its end.
    pub stories: Vec<(Story, Vec<Call>)>,
}

/// How many questions came out in which way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// All of them.
    pub asked: usize,
    /// Allowed as they were.
    pub allowed: usize,
    /// Allowed with edits.
    pub modified: usize,
    /// Refused.
    pub denied: usize,
    /// Put to people.
    pub stepped_up: usize,
    /// Left waiting.
    pub deferred: usize,
    /// Decided by the default.
    pub by_default: usize,
}

impl Trial {
    /// The trial of a seed: so many sessions, so many calls at the end of each.
    #[must_use]
    pub fn of(seed: u64, stories: usize, calls: usize) -> Self {
        let mut chance = Chance::of(seed);
        let focus = [chance.below(generate::TOOLS.len()), chance.below(generate::TOOLS.len())];
        let policy = generate::policy(&focus, &mut chance);
        let story = |chance: &mut Chance| {
            let calls = (0..calls).map(|_| generate::call(&focus, chance)).collect();
            (generate::story(&focus, chance), calls)
        };
        Self { seed, policy, stories: (0..stories).map(|_| story(&mut chance)).collect() }
    }

    /// The policy as text.
    #[must_use]
    pub fn text(&self) -> String {
        render::file(&self.policy, &mut Chance::of(self.seed ^ 0xF11E))
    }

    /// Asks both about every call.
    ///
    /// # Errors
    /// The text does not load, or they differ: the smallest part of the trial in which they do, in words.
    pub fn run(&self) -> Result<Tally, String> {
        let mut tally = Tally::default();
        let set =
            load(&self.text()).map_err(|faults| format!("seed {}: {faults}\n{}", self.seed, self.text()))?;
        let voices: Vec<Voice> = self.policy.rules.iter().map(voice).collect();
        for (story, calls) in &self.stories {
            let Some(first) = calls.first() else { continue };
            let mut world = story.world(set.clone(), first);
            for call in calls {
                world = story.asked(world, call);
                if let Err(difference) = compared(&self.policy, &voices, story, call, &world, &mut tally) {
                    let one = Self { stories: vec![(story.clone(), vec![call.clone()])], ..self.clone() };
                    return Err(one.smallest(difference));
                }
            }
        }
        Ok(tally)
    }

    /// Takes away whatever can go while the two still differ, and says what is left.
    fn smallest(mut self, mut difference: String) -> String {
        while let Some((smaller, same)) =
            self.smaller().into_iter().find_map(|one| Some((one.clone(), one.differs()?)))
        {
            self = smaller;
            difference = same;
        }
        let (story, calls) = &self.stories[0];
        format!("seed {}: {difference}\n{}{story:?}\n{:?}\n", self.seed, self.text(), calls[0])
    }

    fn differs(&self) -> Option<String> {
        let set = load(&self.text()).ok()?;
        let voices: Vec<Voice> = self.policy.rules.iter().map(voice).collect();
        let (story, calls) = &self.stories[0];
        let world = story.world(set, &calls[0]);
        compared(&self.policy, &voices, story, &calls[0], &world, &mut Tally::default()).err()
    }

    /// The same with one thing less.
    fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut one = self.clone();
            change(&mut one);
            all.push(one);
        };
        for (at, rule) in self.policy.rules.iter().enumerate() {
            with(&|one| drop(one.policy.rules.remove(at)));
            for ask in 0..rule.asks.len() {
                with(&|one| drop(one.policy.rules[at].asks.remove(ask)));
            }
            if !rule.constraints.is_empty() {
                with(&|one| drop(one.policy.rules[at].constraints.pop()));
            }
            if rule.threshold.is_some() {
                with(&|one| one.policy.rules[at].threshold = None);
            }
        }
        let story = &self.stories[0].0;
        for at in 0..story.steps.len() {
            with(&|one| drop(one.stories[0].0.steps.remove(at)));
        }
        for at in 0..story.elsewhere.len() {
            with(&|one| drop(one.stories[0].0.elsewhere.remove(at)));
        }
        if story.intent.is_some() && story.request.is_none() {
            with(&|one| one.stories[0].0.intent = None);
        }
        let names = self.stories[0].1[0].arguments.as_object().map(|members| members.keys().cloned());
        for name in names.into_iter().flatten() {
            with(&|one| {
                let members = one.stories[0].1[0].arguments.as_object_mut();
                drop(members.and_then(|members| members.remove(&name)));
            });
        }
        all
    }
}

fn load(text: &str) -> Result<PolicySet, String> {
    PolicySet::assemble(vec![("random.yaml".to_owned(), text.as_bytes().to_vec())])
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn compared(
    policy: &Policy,
    voices: &[Voice],
    story: &Story,
    call: &Call,
    world: &World,
    tally: &mut Tally,
) -> Result<(), String> {
    let ruling = decide(&world.question());
    tally.asked += 1;
    match (&ruling.decision, ruling.edits.is_empty()) {
        (Decision::Allow, true) => tally.allowed += 1,
        (Decision::Allow, false) => tally.modified += 1,
        (Decision::Deny, _) => tally.denied += 1,
        (Decision::StepUp(_), _) => tally.stepped_up += 1,
        (Decision::Defer(_), _) => tally.deferred += 1,
    }
    tally.by_default += usize::from(ruling.because.step == countersign_core::decision::Step::Default);
    oracle::compare(&expected(policy, voices, story, call, world), &ruling)
}

/// What the naive reading says.
fn expected(policy: &Policy, voices: &[Voice], story: &Story, call: &Call, world: &World) -> Expected {
    let holds = |arguments: &Arguments| -> Vec<Match> {
        let scene = Scene { policy, story, call, arguments: arguments.value() };
        policy.rules.iter().map(|rule| answer(scene.holds(rule))).collect()
    };
    let default = match policy.default {
        Verb::Allow => Decision::Allow,
        Verb::StepUp => Decision::StepUp(Approvers::default()),
        _ => Decision::Deny,
    };
    let intent = story.intent.as_ref().map(|(allow, exclude)| intent(allow, exclude));
    oracle::judge(&Case {
        rules: voices,
        holds: &holds,
        default: &default,
        intent: intent.as_ref(),
        action: &world.action,
        approvers_exist: !story.groups.is_empty(),
        halted: false,
        out_of_scope: false,
        depends: waits_for(story, call),
        risk: 0,
        limits: &[],
    })
}

fn answer(holds: Option<bool>) -> Match {
    holds.map_or_else(|| Match::Unknown(Missing::fact("something", Why::Absent)), Match::from)
}

/// The first deferred action of the same upstream, unless both are known to read only: nobody declared what they touch.
fn waits_for(story: &Story, call: &Call) -> Option<Dependence> {
    let reads = |effect: &str| effect == "read" || effect == "egress_read";
    story.steps.iter().enumerate().find_map(|(at, step)| match &step.event {
        Event::Acted { call: other, ruled: Ruled::Defer, .. } => {
            let near = parts(other.tool).0 == parts(call.tool).0;
            let touches = near && !(reads(other.effect) && reads(call.effect));
            touches.then(|| Dependence::On(format!("act_{at:03}").as_str().into()))
        }
        _ => None,
    })
}

fn voice(rule: &Rule) -> Voice {
    let who = approvers(&rule.approvers);
    let action = rule.verb.as_ref().map(|verb| match verb {
        Verb::Allow => RuleAction::Allow,
        Verb::Deny => RuleAction::Deny,
        Verb::Defer => RuleAction::Defer,
        Verb::StepUp => RuleAction::StepUp(who.clone()),
        Verb::Modify(changes) => {
            let mut edits = Edits::default();
            for (place, change) in changes {
                edits.add(Place::parse(place).unwrap(), edit(change)).unwrap();
            }
            RuleAction::Modify(edits)
        }
    });
    let asks = rule.verb != Some(Verb::StepUp) && !rule.approvers.is_empty();
    Voice {
        id: rule.id.as_str().into(),
        action,
        classification: match rule.class {
            Class::Plain => Classification::Plain,
            Class::Forbidden => Classification::Forbidden,
            Class::DependentDeny => Classification::ContextDependentDeny,
            Class::DependentAllow => Classification::ContextDependentAllow,
            Class::DependentDefer => Classification::ContextDependentDefer,
        },
        priority: rule.priority,
        approvers: asks.then_some(who),
        sets: rule.writes.iter().map(|(name, _)| (*name).into()).collect(),
    }
}

fn edit(change: &Change) -> Edit {
    match change {
        Change::Set(value) => Edit::Set(value.clone()),
        Change::Cap(Value::Number(max)) => Edit::Cap(max.clone()),
        Change::Cap(other) => panic!("{other} is no cap"),
        Change::Redact => Edit::Redact(None),
        Change::Remove => Edit::Remove,
        Change::Append(value) => Edit::Append(value.clone()),
        Change::Restrict(values) => Edit::RestrictTo(values.clone()),
    }
}

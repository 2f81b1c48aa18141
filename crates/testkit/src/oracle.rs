//! A second reading of the order of judgement (`R3.order`) for tests to compare `core::decide` with.
//!
//! Written from the specification's words alone: plain loops over all rules, and *could have changed the
//! outcome* taken literally, by going through every way in which what is unknown could turn out. It is
//! slow on purpose. It shares core's types, and the carrying out of edits, but no judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::action::{Action, Arguments};
use countersign_core::decision::{Approvers, Decision, Gap, Match, Ruling, Step, Why};
use countersign_core::depend::Dependence;
use countersign_core::edits::{Edit, Edits, Place};
use countersign_core::names::{ActionId, RuleId};
use countersign_core::policy::{Classification, RiskAction, RiskLimit, Rule, RuleAction};
use countersign_core::session::Intent;

/// What a rule says, apart from when it holds.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Its name.
    pub id: RuleId,
    /// What it does; `None` where it only writes.
    pub action: Option<RuleAction>,
    /// What kind of rule it is.
    pub classification: Classification,
    /// Higher wins.
    pub priority: i64,
    /// Who is asked where its denial or deferral becomes a question.
    pub approvers: Option<Approvers>,
    /// Names that it writes.
    pub sets: BTreeSet<Arc<str>>,
}

impl From<&Rule> for Voice {
    fn from(rule: &Rule) -> Self {
        Self {
            id: rule.id.clone(),
            action: rule.action.clone(),
            classification: rule.classification,
            priority: rule.priority,
            approvers: rule.approvers.clone(),
            sets: rule.sets.keys().cloned().collect(),
        }
    }
}

/// What the oracle is told.
pub struct Case<'a> {
    /// All rules that concern the tool, in their order.
    pub rules: &'a [Voice],
    /// Whether each of them holds for these arguments.
    pub holds: &'a dyn Fn(&Arguments) -> Vec<Match>,
    /// The written default.
    pub default: &'a Decision,
    /// What the request covers, where a host said so.
    pub intent: Option<&'a Intent>,
    /// What is proposed.
    pub action: &'a Action,
    /// Whether any group of approvers exists.
    pub approvers_exist: bool,
    /// Whether a halt covers the action.
    pub halted: bool,
    /// Whether some party's scope leaves the upstream out.
    pub out_of_scope: bool,
    /// What stands before it.
    pub depends: Option<Dependence>,
    /// What the session adds up to, in basis points.
    pub risk: u64,
    /// The limits on it, in any order.
    pub limits: &'a [RiskLimit],
}

/// What the oracle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The decision.
    pub answer: Answer,
    /// The edits by dotted place, as far as it may run.
    pub edits: BTreeMap<String, Edit>,
    /// The step that decides.
    pub step: Step,
    /// The rules that decide, in their order.
    pub rules: Vec<RuleId>,
    /// Who may settle a disagreement at once.
    pub escalate: Option<Approvers>,
    /// Names that effects write if it runs.
    pub effects: BTreeSet<Arc<str>>,
}

/// A decision, with what a wait is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It runs.
    Allow,
    /// It does not.
    Deny,
    /// A person is asked.
    StepUp(Approvers),
    /// It waits until facts tell whether the deciding rules hold.
    DeferFacts,
    /// It waits until these rules agree.
    DeferAgreement(Vec<RuleId>),
    /// It waits until these rules no longer hold.
    DeferRules(BTreeSet<RuleId>),
    /// It waits for the end of another action.
    DeferAction(ActionId),
    /// It waits until the session's risk is no longer above the limit.
    DeferRisk,
}

/// What one pass over the rules gives.
#[derive(Clone)]
struct Pass {
    answer: Answer,
    edits: BTreeMap<String, Edit>,
    step: Step,
    rules: Vec<RuleId>,
    escalate: Option<Approvers>,
    effects: BTreeSet<Arc<str>>,
}

/// What the rules of the highest priority say, in one world.
#[derive(Clone, PartialEq, Eq)]
enum Stands {
    /// Nothing can make it run any more.
    Refused,
    /// They contradict each other.
    Contradiction { rules: Vec<RuleId>, effects: BTreeSet<RuleId> },
    /// They say this.
    Said { word: Word, edits: BTreeMap<String, Edit>, effects: BTreeSet<RuleId> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Allow,
    /// A denial that the request lifts to a question.
    Lifted(Approvers),
    Ask(Approvers),
    Wait(BTreeSet<RuleId>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Aligned {
    Yes,
    No,
    Unknown,
}

/// Judges the action, and then what would really run: the action with its edits.
#[must_use]
pub fn judge(case: &Case<'_>) -> Expected {
    let first = pass(case, &case.action.arguments);
    let Pass { mut answer, mut edits, mut step, mut rules, mut escalate, mut effects } = first;
    loop {
        if answer == Answer::Deny {
            return Expected {
                answer,
                edits: BTreeMap::new(),
                step,
                rules,
                escalate: None,
                effects: BTreeSet::new(),
            };
        }
        if edits.is_empty() {
            return Expected { answer, edits, step, rules, escalate, effects };
        }
        let Ok(arguments) = carry_out(case, &edits) else {
            answer = Answer::Deny;
            continue;
        };
        let again = pass(case, &arguments);
        let before = edits.clone();
        for (place, edit) in again.edits {
            match compose(&mut edits, &place, &edit) {
                Ok(()) => {}
                Err(()) => answer = Answer::Deny,
            }
        }
        if answer == Answer::Deny {
            continue;
        }
        effects.extend(again.effects);
        let stricter = match (&answer, &again.answer) {
            (_, Answer::Deny) => true,
            (Answer::Allow, Answer::Allow) => false,
            (Answer::Allow, _) => true,
            (Answer::StepUp(_), Answer::Allow) => false,
            (Answer::StepUp(ours), Answer::StepUp(theirs)) => {
                answer = Answer::StepUp(ours.clone().and(theirs.clone()));
                let more: Vec<RuleId> =
                    again.rules.iter().filter(|id| !rules.contains(id)).cloned().collect();
                rules.extend(more);
                false
            }
            (Answer::StepUp(_), _) => true,
            // It waits already; when the wait is over it is judged anew.
            _ => false,
        };
        if stricter {
            answer = again.answer;
            step = again.step;
            rules = again.rules;
            escalate = again.escalate;
            continue;
        }
        if edits == before {
            return Expected { answer, edits, step, rules, escalate, effects };
        }
    }
}

/// Says in words how a ruling differs from what the oracle expects.
///
/// # Errors
/// It differs.
pub fn compare(expected: &Expected, ruling: &Ruling) -> Result<(), String> {
    let edits: BTreeMap<String, Edit> =
        ruling.edits.iter().map(|(place, edit)| (place.dotted(), edit.clone())).collect();
    let checks = [
        (answers(&expected.answer, ruling), "the decision"),
        (expected.edits == edits, "the edits"),
        (expected.step == ruling.because.step, "the step"),
        (expected.rules == ruling.because.rules, "which rules decide"),
        (expected.escalate == ruling.escalate, "who may settle it"),
        (expected.effects.iter().eq(ruling.sets.keys()), "what is written into the context"),
    ];
    match checks.iter().find(|(same, _)| !same) {
        None => Ok(()),
        Some((_, what)) => Err(format!("{what} differs\nexpected {expected:?}\nfound {ruling:?}")),
    }
}

fn answers(expected: &Answer, ruling: &Ruling) -> bool {
    match (expected, &ruling.decision) {
        (Answer::Allow, Decision::Allow) | (Answer::Deny, Decision::Deny) => true,
        (Answer::StepUp(ours), Decision::StepUp(theirs)) => ours == theirs,
        (waits, Decision::Defer(missing)) => {
            let gaps: Vec<&Gap> = missing.gaps().collect();
            match waits {
                Answer::DeferFacts => {
                    !gaps.is_empty() && gaps.iter().all(|gap| matches!(gap, Gap::Fact { .. }))
                }
                Answer::DeferAgreement(rules) => gaps == [&Gap::Agreement(rules.clone())],
                Answer::DeferRules(rules) => {
                    let named: BTreeSet<RuleId> = gaps
                        .iter()
                        .filter_map(|gap| match gap {
                            Gap::Rule(id) => Some(id.clone()),
                            _ => None,
                        })
                        .collect();
                    named == *rules && named.len() == gaps.len()
                }
                Answer::DeferAction(id) => gaps == [&Gap::Action(id.clone())],
                Answer::DeferRisk => {
                    gaps == [&Gap::Fact { name: "context.compositional_risk".into(), why: Why::AboveLimit }]
                }
                Answer::Allow | Answer::Deny | Answer::StepUp(_) => false,
            }
        }
        _ => false,
    }
}

/// One pass in the order of the specification.
fn pass(case: &Case<'_>, arguments: &Arguments) -> Pass {
    let plain = pass_without_limits(case, arguments);
    if matches!(plain.step, Step::Halted | Step::Scope | Step::Forbidden) {
        return plain;
    }
    let exceeded = |action| case.limits.iter().any(|l| l.action == action && l.threshold < case.risk);
    let instead = |answer: Answer| Pass {
        answer,
        step: Step::Risk,
        rules: Vec::new(),
        escalate: None,
        ..plain.clone()
    };
    if exceeded(RiskAction::Deny) {
        return Pass { edits: BTreeMap::new(), effects: BTreeSet::new(), ..instead(Answer::Deny) };
    }
    let runs = plain.answer == Answer::Allow;
    let asks = matches!(plain.answer, Answer::StepUp(_));
    if exceeded(RiskAction::Defer) && (runs || asks) {
        return Pass { edits: BTreeMap::new(), ..instead(Answer::DeferRisk) };
    }
    if exceeded(RiskAction::StepUp) && runs {
        return instead(Answer::StepUp(Approvers::default()));
    }
    plain
}

/// The same, were there no limits on risk.
fn pass_without_limits(case: &Case<'_>, arguments: &Arguments) -> Pass {
    let holds = (case.holds)(arguments);
    let mut yes = Vec::new();
    let mut unknown = Vec::new();
    for (at, rule) in case.rules.iter().enumerate() {
        match holds[at] {
            Match::Yes => yes.push((at, rule)),
            Match::Unknown(_) => unknown.push((at, rule)),
            Match::No => {}
        }
    }
    let effects: BTreeSet<Arc<str>> = yes.iter().flat_map(|(_, rule)| rule.sets.iter().cloned()).collect();
    let give = |answer: Answer, step: Step, rules: Vec<RuleId>| Pass {
        effects: if answer == Answer::Deny { BTreeSet::new() } else { effects.clone() },
        answer,
        edits: BTreeMap::new(),
        step,
        rules,
        escalate: None,
    };

    if case.halted {
        return give(Answer::Deny, Step::Halted, Vec::new());
    }
    if case.out_of_scope {
        return give(Answer::Deny, Step::Scope, Vec::new());
    }
    for (_, rule) in &yes {
        if rule.classification == Classification::Forbidden {
            return give(Answer::Deny, Step::Forbidden, vec![rule.id.clone()]);
        }
    }
    let aligned = aligned(case);
    let now = stands(case, &yes, aligned);
    if could_be_different(case, &yes, &unknown, aligned, &now) {
        // Those that alone would make a difference.
        let alone = |rule: &&(usize, &Voice)| could_be_different(case, &yes, &[**rule], aligned, &now);
        let rules = unknown.iter().filter(alone).map(|(_, rule)| rule.id.clone()).collect();
        return give(Answer::DeferFacts, Step::Uncertain, rules);
    }
    below_uncertainty(case, &yes, now, aligned, give)
}

/// What is left once no fact is waited for.
fn below_uncertainty(
    case: &Case<'_>,
    yes: &[(usize, &Voice)],
    now: Stands,
    aligned: Aligned,
    give: impl Fn(Answer, Step, Vec<RuleId>) -> Pass,
) -> Pass {
    let highest = yes.iter().filter(|(_, rule)| rule.action.is_some()).map(|(_, rule)| rule.priority).max();
    let speaks = |rule: &Voice| rule.action.is_some() && Some(rule.priority) == highest;
    let top: Vec<RuleId> =
        yes.iter().filter(|(_, rule)| speaks(rule)).map(|(_, rule)| rule.id.clone()).collect();
    let base = if top.is_empty() { Step::Default } else { Step::Baseline };
    let (word, edits) = match now {
        Stands::Refused => return give(Answer::Deny, base, top),
        Stands::Contradiction { rules, .. } => {
            let escalate = case.approvers_exist.then(|| who_settles(case, &rules));
            return Pass { escalate, ..give(Answer::DeferAgreement(rules), Step::Uncertain, top) };
        }
        Stands::Said { word, edits, .. } => (word, edits),
    };
    match &case.depends {
        Some(Dependence::On(id)) => {
            return give(Answer::DeferAction(id.clone()), Step::Uncertain, Vec::new());
        }
        Some(Dependence::TooMany(_)) => return give(Answer::Deny, Step::Uncertain, Vec::new()),
        None => {}
    }
    if word == Word::Allow && aligned == Aligned::No {
        return give(Answer::Deny, Step::Misaligned, Vec::new());
    }
    let (answer, step) = match word {
        Word::Allow => (Answer::Allow, base),
        Word::Lifted(approvers) => (Answer::StepUp(approvers), Step::Aligned),
        Word::Ask(approvers) => (Answer::StepUp(approvers), base),
        Word::Wait(rules) => (Answer::DeferRules(rules), base),
    };
    Pass { edits, ..give(answer, step, top) }
}

/// Whether something else would stand if what is unknown turned out in one way or another.
fn could_be_different(
    case: &Case<'_>,
    yes: &[(usize, &Voice)],
    unknown: &[(usize, &Voice)],
    aligned: Aligned,
    now: &Stands,
) -> bool {
    for world in 1_u32..(1 << unknown.len()) {
        let mut holding = yes.to_vec();
        for (bit, rule) in unknown.iter().enumerate() {
            if world & (1 << bit) != 0 {
                holding.push(*rule);
            }
        }
        holding.sort_by_key(|(at, _)| *at);
        if stands(case, &holding, aligned) != *now {
            return true;
        }
    }
    false
}

fn stands(case: &Case<'_>, holding: &[(usize, &Voice)], aligned: Aligned) -> Stands {
    let mut effects = BTreeSet::new();
    let mut highest: Option<i64> = None;
    for (_, rule) in holding {
        if rule.classification == Classification::Forbidden {
            return Stands::Refused;
        }
        if !rule.sets.is_empty() {
            effects.insert(rule.id.clone());
        }
        if rule.action.is_some() && highest.is_none_or(|so_far| rule.priority > so_far) {
            highest = Some(rule.priority);
        }
    }
    let Some(highest) = highest else {
        return match case.default {
            Decision::Allow => Stands::Said { word: Word::Allow, edits: BTreeMap::new(), effects },
            Decision::StepUp(who) => {
                Stands::Said { word: Word::Ask(who.clone()), edits: BTreeMap::new(), effects }
            }
            Decision::Deny => Stands::Refused,
            Decision::Defer(_) => panic!("no default defers"),
        };
    };
    let mut top = Vec::new();
    for (_, rule) in holding {
        if rule.action.is_some() && rule.priority == highest {
            top.push(*rule);
        }
    }
    said(&top, aligned, effects)
}

/// What rules of one priority say together.
fn said(top: &[&Voice], aligned: Aligned, effects: BTreeSet<RuleId>) -> Stands {
    let (mut allows, mut denies, mut liftable) = (false, false, true);
    let mut asked: Option<Approvers> = None;
    let mut waits = BTreeSet::new();
    let mut edits = BTreeMap::new();
    let mut contradiction = false;
    for rule in top {
        liftable &= rule.classification == Classification::ContextDependentAllow;
        match rule.action.as_ref().unwrap() {
            RuleAction::Allow => allows = true,
            RuleAction::Deny => denies = true,
            RuleAction::Defer => {
                waits.insert(rule.id.clone());
            }
            RuleAction::StepUp(who) => {
                asked = Some(match asked {
                    None => who.clone(),
                    Some(others) => others.and(who.clone()),
                });
            }
            RuleAction::Modify(changes) => {
                for (place, edit) in changes.iter() {
                    contradiction |= compose(&mut edits, &place.dotted(), edit).is_err();
                }
            }
        }
    }
    let words = [allows, denies, asked.is_some(), !waits.is_empty()].iter().filter(|said| **said).count();
    contradiction |= words > 1 || (denies && !edits.is_empty());
    if contradiction {
        return Stands::Contradiction { rules: top.iter().map(|rule| rule.id.clone()).collect(), effects };
    }
    let word = if denies {
        if !liftable || aligned != Aligned::Yes {
            return Stands::Refused;
        }
        Word::Lifted(together(top.iter().filter_map(|rule| rule.approvers.clone())))
    } else if let Some(who) = asked {
        Word::Ask(who)
    } else if !waits.is_empty() {
        Word::Wait(waits)
    } else {
        Word::Allow
    };
    Stands::Said { word, edits, effects }
}

/// Those whom the contradicting rules name, else anybody.
fn who_settles(case: &Case<'_>, rules: &[RuleId]) -> Approvers {
    let concerned = case.rules.iter().filter(|rule| rules.contains(&rule.id));
    together(concerned.filter_map(|rule| match &rule.action {
        Some(RuleAction::StepUp(who)) => Some(who.clone()),
        _ => rule.approvers.clone(),
    }))
}

/// All of these demands.
fn together(demands: impl Iterator<Item = Approvers>) -> Approvers {
    let mut all: Option<Approvers> = None;
    for who in demands {
        all = Some(match all {
            None => who,
            Some(others) => others.and(who),
        });
    }
    all.unwrap_or_default()
}

fn aligned(case: &Case<'_>) -> Aligned {
    let Some(intent) = case.intent else { return Aligned::Unknown };
    let (upstream, tool) = (case.action.tool.upstream(), case.action.tool.tool());
    let full = format!("{upstream}.{tool}");
    let named = |names: &[String]| names.iter().any(|n| *n == full || n == upstream || n == tool);
    if named(&intent.exclude) {
        Aligned::No
    } else if named(&intent.allow) {
        Aligned::Yes
    } else {
        Aligned::Unknown
    }
}

/// Adds an edit where it touches no other, or is a cap beside a cap, or is there already.
fn compose(edits: &mut BTreeMap<String, Edit>, place: &str, edit: &Edit) -> Result<(), ()> {
    for other in edits.keys() {
        let inside = |inner: &str, outer: &str| inner.starts_with(&format!("{outer}."));
        if inside(place, other) || inside(other, place) {
            return Err(());
        }
    }
    let composed = match (edits.get(place), edit) {
        (None, new) => new.clone(),
        (Some(Edit::Cap(a)), Edit::Cap(b)) => {
            let least = if a.as_f64().unwrap() <= b.as_f64().unwrap() { a } else { b };
            Edit::Cap(least.clone())
        }
        (Some(old), new) if old == new => new.clone(),
        (Some(_), _) => return Err(()),
    };
    edits.insert(place.to_owned(), composed);
    Ok(())
}

fn carry_out(case: &Case<'_>, edits: &BTreeMap<String, Edit>) -> Result<Arguments, ()> {
    let mut all = Edits::default();
    for (place, edit) in edits {
        all.add(Place::parse(place).unwrap(), edit.clone()).map_err(|_| ())?;
    }
    all.apply(&case.action.arguments, &case.action.contract).map_err(|_| ())
}

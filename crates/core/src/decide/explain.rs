//! Why an action gets its ruling: every rule that is asked, what each of its tests found, and which step of the order
//! of judgement ended the matter.
//!
//! The ruling is [`super::decide`]'s own; the rules are asked once more beside it, so that deciding stays as fast as it is.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{Memo, Question, aligned, decide, doubtful, judge};
use crate::action::Action;
use crate::decision::{Decision, Gap, Match, Missing, Ruling, Step, Verdict};
use crate::edits::Edits;
use crate::facts::providers::remedy;
use crate::names::{RuleId, ToolName};
use crate::policy::{Asked, Classification, Found, Rule, RuleAction};

/// A ruling, taken apart.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What was asked for.
    pub tool: ToolName,
    /// What is ruled.
    pub ruling: Ruling,
    /// The edits that rules ask for, carried out or not: where the action is refused as it would be edited, the ruling has
    /// none.
    pub edits: Edits,
    /// The rules that may speak of the tool, in the order of the set.
    pub rules: Vec<Considered>,
    /// Those of them that answer otherwise for the action as it is edited, with what they then answer.
    pub after_edits: Vec<Considered>,
    /// How many rules of the set are about other tools.
    pub elsewhere: usize,
    /// Whether the user's request covers the action.
    pub aligned: Match,
}

/// One rule that was asked.
#[derive(Clone, Debug)]
pub struct Considered {
    /// Which.
    pub rule: RuleId,
    /// What it would do; `None` for a rule that only writes context.
    pub says: Option<Verdict>,
    /// Whether it forbids whatever the others say.
    pub forbids: bool,
    /// Its priority.
    pub priority: i64,
    /// Whether it holds.
    pub value: Match,
    /// What became of it.
    pub part: Part,
    /// Its tests, with what they found.
    pub asked: Vec<Asked>,
}

/// What a rule had to do with the ruling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It decided, alone or with others.
    Decided,
    /// It holds, and these of higher priority hold too.
    Outranked(Vec<RuleId>),
    /// It holds, and something else ended the matter before its turn.
    Overtaken,
    /// It holds, and writes into the context without deciding.
    Writes,
    /// It cannot be told, and would have changed nothing.
    Idle,
    /// It does not hold.
    Silent,
}

/// Explains the ruling on a question. `values`: whether arguments, the request and given facts are shown, secrets
/// blanked, and not only told by their shape.
#[must_use]
pub fn explain(q: &Question<'_>, values: bool) -> Explanation {
    let ruling = decide(q);
    let about = q.policy.rules_about(&q.action.tool);
    let elsewhere = q.policy.rules().len().saturating_sub(about.len());
    let rules = considered(q, &about, &ruling, values);
    let edits = if ruling.edits.is_empty() { judge(q).edits } else { ruling.edits.clone() };
    let edited = (!edits.is_empty()).then(|| edits.apply(&q.action.arguments, &q.action.contract));
    let after_edits = match edited {
        Some(Ok(arguments)) => {
            let action = Action { arguments, ..q.action.clone() };
            let again = Question { action: &action, memo: &Memo::default(), ..*q };
            let before =
                |rule: &Considered| rules.iter().any(|b| b.rule == rule.rule && b.value == rule.value);
            considered(&again, &about, &ruling, values).into_iter().filter(|rule| !before(rule)).collect()
        }
        _ => Vec::new(),
    };
    let tool = q.action.tool.clone();
    Explanation { tool, ruling, edits, rules, after_edits, elsewhere, aligned: aligned(q) }
}

fn considered(q: &Question<'_>, about: &[&Rule], ruling: &Ruling, values: bool) -> Vec<Considered> {
    let value = |rule: &Rule| match rule.matches(q, &mut BTreeSet::new()) {
        Match::Yes => doubtful(q, rule).map_or(Match::Yes, Match::Unknown),
        other => other,
    };
    let answered: Vec<(&Rule, Match)> = about.iter().map(|rule| (*rule, value(rule))).collect();
    let holding = || answered.iter().filter(|(rule, value)| *value == Match::Yes && rule.action.is_some());
    let highest = holding().map(|(rule, _)| rule.priority).max();
    let top: Vec<RuleId> = holding()
        .filter(|(rule, _)| Some(rule.priority) == highest)
        .map(|(rule, _)| rule.id.clone())
        .collect();
    let part = |rule: &Rule, value: &Match| match value {
        _ if ruling.because.rules.contains(&rule.id) => Part::Decided,
        Match::No => Part::Silent,
        Match::Unknown(_) => Part::Idle,
        Match::Yes if rule.action.is_none() => Part::Writes,
        Match::Yes if Some(rule.priority) < highest => Part::Outranked(top.clone()),
        Match::Yes => Part::Overtaken,
    };
    let one = |(rule, value): &(&Rule, Match)| Considered {
        rule: rule.id.clone(),
        says: rule.action.as_ref().map(verdict),
        forbids: rule.classification == Classification::Forbidden,
        priority: rule.priority,
        value: value.clone(),
        part: part(rule, value),
        asked: rule.asked(q, values),
    };
    answered.iter().map(one).collect()
}

/// The word for what a rule does.
const fn verdict(action: &RuleAction) -> Verdict {
    match action {
        RuleAction::Allow => Verdict::Allow,
        RuleAction::Deny => Verdict::Deny,
        RuleAction::Modify(_) => Verdict::Modify,
        RuleAction::StepUp(_) => Verdict::StepUp,
        RuleAction::Defer => Verdict::Defer,
    }
}

/// What it means that this step decided, in a sentence.
#[must_use]
pub const fn meaning(step: Step) -> &'static str {
    match step {
        Step::Halted => "An operator has stopped actions like this one; no rule was asked.",
        Step::Scope => "The identity may not reach this upstream; no rule was asked.",
        Step::Protocol => "The message is not one that is let through; no rule was asked.",
        Step::Unresolvable => "The real tool behind a wrapper could not be told; no rule was asked.",
        Step::Arguments => {
            "The arguments break the schema that the policy holds them against; no rule was asked."
        }
        Step::Forbidden => {
            "A forbidding rule holds: that ends the matter, whatever the context and other rules say."
        }
        Step::Risk => "What the session did and saw adds up to more risk than the policy permits.",
        Step::Uncertain => {
            "What a deciding rule needs is not known, rules disagree, or another action comes first."
        }
        Step::Misaligned => "Rules let it through, and the user's request leaves it out.",
        Step::Aligned => "A rule denies it, the request covers it, and the rule may be lifted to a question.",
        Step::Baseline => "The rules of the highest priority that hold decide.",
        Step::Default => "No rule holds, so the written default decides.",
        Step::Contention => "The session changed too often to be decided on.",
        Step::Confirmation => "A person has to confirm the session before it goes on.",
        Step::Superseded => "What was authorised before is no longer what the rules say.",
    }
}

impl Explanation {
    /// What is missing, each with what can be done about it.
    #[must_use]
    pub fn remedies(&self) -> Vec<(String, String)> {
        match &self.ruling.decision {
            Decision::Defer(missing) => remedies(missing),
            Decision::Allow | Decision::Deny | Decision::StepUp(_) => Vec::new(),
        }
    }

    /// The same as JSON: decision, step, reason, rules with their tests.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let ruling = &self.ruling;
        let edits = self.edits.iter().map(|(place, edit)| {
            let (op, value) = edit.parts();
            json!({ "path": place.dotted(), "op": op, "value": value })
        });
        let missing = self.remedies().into_iter();
        let missing = missing.map(|(what, remedy)| json!({ "what": what, "remedy": remedy }));
        let policy = &ruling.policy;
        json!({
            "tool": self.tool.to_string(),
            "decision": ruling.verdict().as_str(),
            "step": ruling.because.step.as_str(),
            "why": meaning(ruling.because.step),
            "reason": &*ruling.because.reason,
            "deciding": ids(&ruling.because.rules),
            "edits": edits.collect::<Vec<_>>(),
            "edited": !ruling.edits.is_empty(),
            "missing": missing.collect::<Vec<_>>(),
            "aligned": answer(&self.aligned),
            "facts_read": ruling.facts_read.iter().map(|name| &**name).collect::<Vec<_>>(),
            "rules": self.rules.iter().map(Considered::to_json).collect::<Vec<_>>(),
            "after_edits": self.after_edits.iter().map(Considered::to_json).collect::<Vec<_>>(),
            "elsewhere": self.elsewhere,
            "policy": { "id": &*policy.id, "version": &*policy.version, "digest": &*policy.digest },
        })
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// Everything that is missing, each with what can be done about it.
#[must_use]
pub fn remedies(missing: &Missing) -> Vec<(String, String)> {
    let remedy = |gap: &Gap| match gap {
        Gap::Fact { name, .. } => remedy(name),
        Gap::Action(id) => format!("it goes on when action {id} has ended"),
        Gap::Agreement(_) => {
            "the people who write the policy have to give one of these rules a higher priority".to_owned()
        }
        Gap::Rule(rule) => format!("it goes on when rule {rule} no longer holds, or a person decides"),
    };
    missing.gaps().map(|gap| (gap.to_string(), remedy(gap))).collect()
}

const fn answer(value: &Match) -> &'static str {
    match value {
        Match::Yes => "yes",
        Match::No => "no",
        Match::Unknown(_) => "unknown",
    }
}

fn ids(rules: &[RuleId]) -> Vec<&str> {
    rules.iter().map(RuleId::as_str).collect()
}

impl Considered {
    /// The word for what it would do.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.says.map_or("context", Verdict::as_str)
    }

    fn to_json(&self) -> Value {
        let by = match &self.part {
            Part::Outranked(by) => ids(by),
            _ => Vec::new(),
        };
        json!({
            "rule": self.rule.as_str(),
            "action": self.word(),
            "forbidden": self.forbids,
            "priority": self.priority,
            "value": answer(&self.value),
            "missing": gaps(&self.value),
            "part": self.part.word(),
            "outranked_by": by,
            "tests": self.asked.iter().map(asked_json).collect::<Vec<_>>(),
        })
    }
}

impl Part {
    /// The word in JSON and in lists.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Outranked(_) => "outranked",
            Self::Overtaken => "overtaken",
            Self::Writes => "writes",
            Self::Idle => "idle",
            Self::Silent => "silent",
        }
    }
}

fn gaps(value: &Match) -> Vec<String> {
    match value {
        Match::Unknown(missing) => missing.gaps().map(ToString::to_string).collect(),
        Match::Yes | Match::No => Vec::new(),
    }
}

fn asked_json(asked: &Asked) -> Value {
    let found = asked.found.as_ref();
    json!({
        "facts": asked.facts.iter().map(|name| &**name).collect::<Vec<_>>(),
        "asks": asked.asks,
        "answer": answer(&asked.answer),
        "missing": gaps(&asked.answer),
        "shape": found.map(|found| &found.shape),
        "value": found.and_then(|found| found.value.as_ref()),
    })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let because = &self.ruling.because;
        writeln!(f, "{}: {}", self.ruling.verdict().as_str(), because.reason)?;
        writeln!(f, "  {} (step: {})", meaning(because.step), because.step.as_str())?;
        for (place, edit) in self.edits.iter() {
            let (op, value) = edit.parts();
            writeln!(f, "  edit: {} {op} {value}", place.dotted())?;
        }
        if self.ruling.edits.is_empty() && !self.edits.is_empty() {
            writeln!(f, "  As it is edited the action is judged once more, and so it gets this ruling.")?;
        }
        for (what, remedy) in self.remedies() {
            writeln!(f, "  missing: {what}: {remedy}")?;
        }
        let count = |n: usize| if n == 1 { "1 rule".to_owned() } else { format!("{n} rules") };
        let (asked, others) = (count(self.rules.len()), count(self.elsewhere));
        writeln!(f, "  {asked} asked about {}; {others} about other tools", self.tool)?;
        self.rules.iter().try_for_each(|rule| rule.fmt(f))?;
        if !self.after_edits.is_empty() {
            writeln!(f, "  of the action as it is edited:")?;
        }
        self.after_edits.iter().try_for_each(|rule| rule.fmt(f))
    }
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forbids = if self.forbids { ", forbidden" } else { "" };
        let (part, word, priority) = (self.part.word(), self.word(), self.priority);
        write!(f, "  {part:<9} {word:<8} {} (priority {priority}{forbids})", self.rule)?;
        match &self.part {
            Part::Outranked(by) => writeln!(f, ": {} stands above it", ids(by).join(", "))?,
            _ => writeln!(f)?,
        }
        self.asked.iter().try_for_each(|asked| line(asked, f))
    }
}

fn line(asked: &Asked, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name: &str = asked.facts.first().map_or("", |name| name);
    let gap = if name.is_empty() { "" } else { " " };
    write!(f, "      {:<8} {name}{gap}{}", answer(&asked.answer), asked.asks)?;
    match (&asked.answer, &asked.found) {
        (_, Some(Found { value: Some(value), .. })) => writeln!(f, " <- {value}"),
        (_, Some(Found { shape, .. })) => writeln!(f, " <- {shape}"),
        (unknown @ Match::Unknown(_), None) => writeln!(f, " <- {}", gaps(unknown).join(", ")),
        (_, None) if name.is_empty() => writeln!(f),
        (_, None) => writeln!(f, " <- nothing"),
    }
}

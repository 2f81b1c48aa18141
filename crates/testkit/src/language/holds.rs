//! Whether a rule holds: yes, no, or unknown.

use serde_json::Value;

use super::asked::{Answer, Of, kinds};
use super::known::{Permitted, Scene, adds, argument, bears, parts};
use super::model::{Actions, Asked, Constraint, Fact, Per, Rule, Sequence};

/// The categories that these policies name, with what tools of each do.
const CATEGORIES: [(&str, &[&str]); 4] = [
    ("external_communication", &["write_outbound", "egress_read", "unknown"]),
    ("destructive", &["destructive", "unknown"]),
    ("data_access", &["read", "egress_read"]),
    ("financial", &["payment", "unknown"]),
];

/// All of these; one that does not hold settles it.
fn all(answers: impl IntoIterator<Item = Answer>) -> Answer {
    let answers: Vec<Answer> = answers.into_iter().collect();
    if answers.contains(&Some(false)) {
        Some(false)
    } else if answers.contains(&None) {
        None
    } else {
        Some(true)
    }
}

/// What tools of these categories do.
fn effects(categories: &[&str]) -> Vec<&'static str> {
    let of = |category: &&str| CATEGORIES.iter().find(|(known, _)| known == category).unwrap().1;
    categories.iter().flat_map(of).copied().collect()
}

impl Actions {
    fn name(&self, tool: &str) -> bool {
        (self.tools.is_empty() || self.tools.iter().any(|name| bears(tool, name)))
            && (self.operations.is_empty() || self.operations.contains(&parts(tool).1))
    }

    fn mean(&self, permitted: &Permitted<'_>) -> bool {
        let does = |effects: Vec<&str>| effects.contains(&permitted.call.effect);
        self.name(permitted.call.tool) && (self.categories.is_empty() || does(effects(&self.categories)))
    }
}

impl Scene<'_> {
    /// Whether a rule holds for the action.
    #[must_use]
    pub fn holds(&self, rule: &Rule) -> Answer {
        let of = if rule.restricts() { Of::Any } else { Of::Every };
        let mut answers = vec![self.concerns(rule)];
        answers.extend(rule.asks.iter().map(|asked| self.meets(asked, of)));
        if !rule.constraints.is_empty() {
            let kept = all(rule.constraints.iter().map(|constraint| self.keeps(constraint, rule)));
            answers.push(if rule.restricts() { kept.map(|kept| !kept) } else { kept });
        }
        answers.extend(rule.sequence.iter().map(|sequence| self.follows(sequence, of)));
        let holds = all(answers);
        // What is known with too little confidence is not known.
        let doubtful = rule.threshold.is_some_and(|threshold| confidence(rule) < threshold);
        holds.filter(|holds| !holds || !doubtful)
    }

    fn concerns(&self, rule: &Rule) -> Answer {
        let Actions { tools, operations, categories } = &rule.about;
        let tool = self.call.tool;
        let by_tool = tools.is_empty() || tools.iter().any(|name| bears(tool, name));
        let by_operation = if operations.is_empty() || operations.contains(&parts(tool).1) {
            Some(true)
        } else if !tools.is_empty() && rule.restricts() {
            self.does(operations)
        } else {
            Some(false)
        };
        let by_category = categories.is_empty() || effects(categories).contains(&self.call.effect);
        all([Some(by_tool), by_operation, Some(by_category)])
    }

    /// What a call of the tool does: by an argument that names it, or by its SQL.
    fn does(&self, operations: &[&str]) -> Answer {
        let is = |name: &str| operations.iter().any(|operation| operation.eq_ignore_ascii_case(name));
        let text = |name: &str| self.arguments.get(name).and_then(Value::as_str);
        if text("operation").is_some_and(is) {
            return Some(true);
        }
        let kinds = text("query").and_then(kinds).unwrap_or_default();
        Some(kinds.into_iter().any(is))
    }

    fn meets(&self, asked: &Asked, of: Of) -> Answer {
        all(asked.tests.iter().map(|test| self.ask(&asked.fact, test, of)))
    }

    fn keeps(&self, constraint: &Constraint, rule: &Rule) -> Answer {
        match constraint {
            Constraint::Fact(asked) => self.meets(asked, Of::Every),
            Constraint::Rate { max, window, per, of } => {
                Some(self.rate(of.as_ref().unwrap_or(&rule.about), *per, *window) < *max)
            }
            Constraint::Budget { counter, max, window, per } => {
                let counter = self.policy.counters.iter().find(|known| known.name == *counter).unwrap();
                let (mut sum, mut whole) = self.sum(*per, counter, *window);
                match adds(counter, self.call.tool, self.arguments) {
                    None => {}
                    Some(Some(amount)) => sum += amount,
                    Some(None) => whole = false,
                }
                if sum > f64::from(i32::try_from(*max).unwrap()) {
                    Some(false)
                } else {
                    whole.then_some(true)
                }
            }
        }
    }

    /// How many of these actions were permitted, each in the second in which the window begins or later. What tools do
    /// is known of the session's own actions, to the millisecond.
    fn rate(&self, of: &Actions, per: Per, window: Option<i64>) -> u64 {
        let counts = |permitted: &&Permitted<'_>| {
            let recent = if of.categories.is_empty() {
                self.in_window(permitted.at, window)
            } else {
                self.within(permitted.at, window)
            };
            !permitted.given_back && of.mean(permitted) && recent
        };
        self.permitted_to(per).iter().filter(counts).count().try_into().unwrap()
    }

    fn within(&self, at: i64, seconds: Option<i64>) -> bool {
        seconds.is_none_or(|seconds| self.story.now - at <= seconds * 1000)
    }

    /// Whether such an action was permitted before, with the same values.
    fn follows(&self, sequence: &Sequence, of: Of) -> Answer {
        let kept: Vec<Permitted<'_>> = self.permitted().into_iter().filter(|p| !p.given_back).collect();
        let most = sequence.within_actions.unwrap_or(usize::MAX);
        let latest = kept.iter().rev().take(most);
        let recent = latest.filter(|permitted| self.within(permitted.at, sequence.within_seconds));
        let candidates: Vec<_> = recent.filter(|permitted| sequence.after.mean(permitted)).collect();
        let shares = |before: &&Permitted<'_>| {
            let pairs = sequence.shares.iter();
            all(pairs.map(|(then, now)| share(before, then, argument(self.arguments, now), of)))
        };
        let answers: Vec<Answer> = candidates.iter().map(shares).collect();
        if answers.contains(&Some(true)) {
            Some(true)
        } else if answers.contains(&None) {
            None
        } else {
            Some(false)
        }
    }
}

/// Whether a value (any or every one of a list) stood at a place of an earlier action.
fn share(before: &Permitted<'_>, place: &str, now: Option<&Value>, of: Of) -> Answer {
    let texts = |value: &Value| -> Vec<Option<String>> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string().trim_end_matches(".0").to_owned()),
            _ => None,
        };
        match value {
            Value::Array(items) => items.iter().map(text).collect(),
            one => vec![text(one)],
        }
    };
    let now: Vec<String> = texts(now?).into_iter().collect::<Option<_>>()?;
    let then: Vec<String> = argument(&before.call.arguments, place)
        .map(texts)
        .unwrap_or_default()
        .into_iter()
        .flatten()
        .collect();
    let stood = |value: &String| then.contains(value);
    let answer = if of == Of::Any { now.iter().any(stood) } else { now.iter().all(stood) };
    (!now.is_empty()).then_some(answer)
}

/// The lowest grade of the facts that a rule reads, in basis points.
fn confidence(rule: &Rule) -> u32 {
    let of_constraints = rule.constraints.iter().filter_map(|constraint| match constraint {
        Constraint::Fact(asked) => Some(&asked.fact),
        Constraint::Rate { .. } | Constraint::Budget { .. } => None,
    });
    let facts = rule.asks.iter().map(|asked| &asked.fact).chain(of_constraints);
    let grade = |fact: &Fact| match fact {
        Fact::Labels => 9_000,
        Fact::Scope => 8_500,
        Fact::Injection => 6_000,
        _ => 10_000,
    };
    facts.map(grade).min().unwrap_or(10_000)
}

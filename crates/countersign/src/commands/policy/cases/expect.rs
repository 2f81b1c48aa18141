//! What is expected of a ruling, and what is not as expected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::facts::identical;
use countersign_receipt::v1;
use serde::Serialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::file;
use crate::config::fault::{Faults, suggest};

/// What is not as expected.
pub(in crate::commands::policy) type Differences = Vec<Difference>;

/// One expectation that is not met.
#[derive(Serialize)]
pub(in crate::commands::policy) struct Difference {
    pub(in crate::commands::policy) what: String,
    pub(in crate::commands::policy) expected: String,
    pub(in crate::commands::policy) found: String,
}

/// Words that no ruling could ever meet are mistakes in the file.
pub(super) fn expected(expect: &Spanned<file::Expect>, faults: &mut Faults) {
    const VERDICTS: [&str; 5] = ["ALLOW", "DENY", "MODIFY", "STEP_UP", "DEFER"];
    let file::Expect { decision, rule, rules, step, reason, missing, approvers, arguments, edits, sets } =
        &expect.value;
    if let Some(decision) = decision.as_ref().filter(|decision| !VERDICTS.contains(&decision.value.as_str()))
    {
        let said = format!("`{}` is no decision", decision.value);
        faults.at(decision, said, suggest(&decision.value, &VERDICTS));
    }
    if let Some(step) = step.as_ref().filter(|step| !is_step(step)) {
        faults.at(
            expect,
            format!("`{step}` is no step of the order of judgement"),
            "write `baseline`, `forbidden`, `uncertain`, ...",
        );
    }
    let lists = [reason, missing, approvers].into_iter().any(|list| !list.0.is_empty());
    let others = [
        decision.is_some(),
        rule.is_some(),
        rules.is_some(),
        step.is_some(),
        arguments.is_some(),
        edits.is_some(),
        sets.is_some(),
    ];
    if !lists && !others.contains(&true) {
        faults.at(expect, "nothing is expected, so the case shows nothing", "write at least `decision`");
    }
}

fn is_step(word: &str) -> bool {
    serde_json::from_value::<countersign_core::decision::Step>(word.into()).is_ok()
}

impl file::Expect {
    /// What is not as expected of a ruling: as its receipt says it, with the arguments as they would run.
    pub(super) fn differences(&self, ruling: &v1::Decision, found: &Effects) -> Differences {
        let mut all = Differences::new();
        let mut differ = |what: &str, expected: String, found: String| {
            all.push(Difference { what: what.to_owned(), expected, found });
        };
        let list = |words: &[String]| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
        if let Some(decision) = self.decision.as_ref().filter(|word| word.value != ruling.verdict.to_string())
        {
            differ("decision", decision.value.clone(), ruling.verdict.to_string());
        }
        if let Some(rule) = self.rule.as_ref().filter(|rule| !ruling.rules.contains(rule)) {
            differ("rule", rule.clone(), list(&ruling.rules));
        }
        if let Some(rules) = &self.rules {
            let sorted = |rules: &[String]| rules.iter().cloned().collect::<BTreeSet<String>>();
            if sorted(rules) != sorted(&ruling.rules) {
                differ("rules", list(rules), list(&ruling.rules));
            }
        }
        if let Some(step) = self.step.as_ref().filter(|step| **step != ruling.step) {
            differ("step", step.clone(), ruling.step.clone());
        }
        for part in self.reason.0.iter().filter(|part| !ruling.reason.contains(part.as_str())) {
            differ("reason", format!("…{part}…"), ruling.reason.clone());
        }
        let waits = |name: &String| ruling.missing.iter().any(|gap| gap.split(':').any(|part| part == name));
        for name in self.missing.0.iter().filter(|name| !waits(name)) {
            differ("missing", name.clone(), list(&ruling.missing));
        }
        let groups: Vec<String> = ruling.approvers.iter().flatten().cloned().collect();
        for group in self.approvers.0.iter().filter(|group| !groups.contains(group)) {
            differ("approvers", group.clone(), list(&groups));
        }
        if let Some(arguments) = &self.arguments {
            let wanted = Value::from(arguments.clone());
            if !identical(&wanted, &found.arguments) {
                differ("arguments", wanted.to_string(), found.arguments.to_string());
            }
        }
        self.edited(ruling, &mut differ);
        for (name, wanted) in self.sets.iter().flatten() {
            let set = found.sets.get(name.as_str());
            if set != Some(wanted) {
                differ(
                    &format!("sets {name}"),
                    wanted.to_string(),
                    set.map_or_else(|| "nothing".to_owned(), Value::to_string),
                );
            }
        }
        all
    }

    fn edited(&self, ruling: &v1::Decision, differ: &mut impl FnMut(&str, String, String)) {
        let Some(edits) = &self.edits else { return };
        let made: BTreeMap<&str, Value> = ruling
            .edits
            .iter()
            .map(|edit| {
                let value: Value = serde_json::from_str(&edit.value).unwrap_or_default();
                let one = Map::from_iter([(edit.op.as_str().to_owned(), value)]);
                (edit.path.as_str(), Value::from(one))
            })
            .collect();
        let wanted: BTreeMap<&str, Value> =
            edits.0.iter().map(|(path, edit)| (path.value.as_str(), Value::from(edit.clone()))).collect();
        let same = made.len() == wanted.len()
            && made.iter().all(|(path, edit)| wanted.get(path).is_some_and(|w| identical(w, edit)));
        if !same {
            let text = |edits: &BTreeMap<&str, Value>| serde_json::to_string(edits).unwrap_or_default();
            differ("edits", text(&wanted), text(&made));
        }
    }
}

/// What a ruling does beside deciding.
pub(super) struct Effects {
    /// The arguments as the tool would get them.
    pub(super) arguments: Value,
    /// What is written into the context.
    pub(super) sets: BTreeMap<Arc<str>, Value>,
}

//! What another set would rule differently, grouped by what becomes of what.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use countersign_core::decision::Ruling;
use countersign_engine::replay::Recorded;
use countersign_engine::shadow::does_the_same;
use countersign_receipt::v1;
use serde::{Serialize, Serializer};

use super::SHOWN;
use crate::output::Page;

/// Rulings of one set held against those of another on the same questions.
#[derive(Default, Serialize)]
pub(crate) struct Changes {
    /// Questions that were put.
    pub(crate) asked: usize,
    /// The same happens.
    same: usize,
    /// The same happens, by another rule or for another reason.
    reworded: usize,
    /// No rule was asked: the message was refused, or what waited was stopped.
    given: usize,
    /// Their arguments are erased, so nothing can be asked about them.
    closed: usize,
    /// What happens otherwise, by verdict before and after.
    #[serde(serialize_with = "groups")]
    changed: BTreeMap<(String, String), Vec<Change>>,
}

/// One ruling that would be another.
#[derive(Serialize)]
struct Change {
    tool: String,
    /// Its receipt, or the place of the call.
    at: String,
    old: Says,
    new: Says,
}

/// What a ruling says, in short.
#[derive(Serialize)]
pub(crate) struct Says {
    pub(crate) verdict: &'static str,
    step: String,
    rules: Vec<String>,
    reason: String,
}

impl Says {
    pub(crate) fn of(ruling: &Ruling) -> Self {
        Self {
            verdict: ruling.verdict().as_str(),
            step: ruling.because.step.as_str().to_owned(),
            rules: ruling.because.rules.iter().map(ToString::to_string).collect(),
            reason: ruling.because.reason.to_string(),
        }
    }

    /// What a receipt says was ruled.
    pub(crate) fn recorded(decision: &v1::Decision) -> Self {
        Self {
            verdict: decision.verdict.as_str(),
            step: decision.step.clone(),
            rules: decision.rules.clone(),
            reason: decision.reason.clone(),
        }
    }

    /// What a receipt says a candidate would have ruled.
    pub(crate) fn would_have(candidate: &v1::WouldHave) -> Self {
        Self {
            verdict: candidate.verdict.as_str(),
            step: candidate.step.clone(),
            rules: candidate.rules.clone(),
            reason: candidate.reason.clone(),
        }
    }

    /// The rules, or the step where no rule decided.
    fn by(&self) -> String {
        if self.rules.is_empty() { format!("({})", self.step) } else { self.rules.join(", ") }
    }
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}: {}", self.verdict, self.by(), self.reason)
    }
}

impl Changes {
    /// A recorded ruling held against what `under` says to its question.
    pub(crate) fn recorded(
        &mut self,
        found: &Recorded<'_>,
        under: impl FnOnce(&Recorded<'_>) -> Option<Arc<Ruling>>,
    ) {
        self.between(found, |found| Some((Arc::clone(&found.ruling), under(found)?)));
    }

    /// What one set says to the question of a recorded ruling held against what another says; `None` where no rule was
    /// asked.
    pub(crate) fn between(
        &mut self,
        found: &Recorded<'_>,
        both: impl FnOnce(&Recorded<'_>) -> Option<(Arc<Ruling>, Arc<Ruling>)>,
    ) {
        if found.closed() {
            self.asked += 1;
            self.closed += 1;
            return;
        }
        match both(found) {
            Some((old, new)) => {
                self.add(&found.action.tool.to_string(), found.receipt.id.clone(), &old, &new)
            }
            None => (self.asked, self.given) = (self.asked + 1, self.given + 1),
        }
    }

    /// Two rulings on the same question, put at this place.
    pub(crate) fn add(&mut self, tool: &str, at: String, old: &Ruling, new: &Ruling) {
        self.asked += 1;
        if does_the_same(old, new) {
            if old.because == new.because {
                self.same += 1;
            } else {
                self.reworded += 1;
            }
            return;
        }
        self.asked -= 1;
        self.note(tool, at, Says::of(old), Says::of(new));
    }

    /// A question to which the answers are known to differ.
    pub(crate) fn note(&mut self, tool: &str, at: String, old: Says, new: Says) {
        self.asked += 1;
        let key = (old.verdict.to_owned(), new.verdict.to_owned());
        self.changed.entry(key).or_default().push(Change { tool: tool.to_owned(), at, old, new });
    }

    /// Whether anything would happen otherwise.
    pub(crate) fn any(&self) -> bool {
        !self.changed.is_empty()
    }

    pub(crate) fn show(&self, page: &mut Page, old: &str, new: &str) {
        page.pair("asked", &self.asked.to_string());
        page.pair("the same", &format!("{}, and {} for another reason", self.same, self.reworded));
        if self.given > 0 {
            page.pair("no rule asked", &self.given.to_string());
        }
        if self.closed > 0 {
            page.pair("erased", &format!("{}: nothing can be asked about them", self.closed));
        }
        self.groups(page, old, new);
        if !self.any() {
            page.blank();
            page.good("Nothing would happen otherwise.");
        }
    }

    /// The groups of what would happen otherwise.
    pub(crate) fn groups(&self, page: &mut Page, old: &str, new: &str) {
        for ((from, to), changes) in &self.changed {
            page.blank();
            page.heading(&format!("{from} -> {to}: {}", changes.len()));
            let rows = changes.iter().take(SHOWN);
            page.table(
                ["tool", old, new, "why", "where"],
                rows.map(|one| {
                    [one.tool.clone(), one.old.by(), one.new.by(), one.new.reason.clone(), one.at.clone()]
                }),
            );
            if let Some(more) = changes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                page.line(&format!("and {more} more; --json has them all"));
            }
        }
    }
}

fn groups<S: Serializer>(
    changed: &BTreeMap<(String, String), Vec<Change>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Group<'a> {
        old: &'a str,
        new: &'a str,
        rulings: &'a [Change],
    }
    serializer.collect_seq(changed.iter().map(|((old, new), rulings)| Group { old, new, rulings }))
}

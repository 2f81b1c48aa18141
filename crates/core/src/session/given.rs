//! Facts that somebody gave or a rule wrote: who says what, read from where, until when, and whether they agree.
//!
//! A statement is replaced only by a fresher one of the same giver and source. Statements of others stand beside it:
//! while valid ones disagree the fact is conflicting, and so missing (`R3.cdd2`), until one of them expires or agrees.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::facts::identical;
use crate::time::Time;

/// Statements about one fact that are kept; while a further one would be valid, the fact counts as conflicting.
pub const MOST_STATEMENTS: usize = 8;

/// What somebody said about a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenFact {
    /// Its value; `None` once that was erased.
    pub value: Option<Value>,
    /// Who gave it; `policy` for what a rule wrote.
    pub giver: Arc<str>,
    /// Where the giver has it from; `None` = from itself.
    pub source: Option<Arc<str>>,
    /// When.
    pub at: Time,
    /// From this moment it does not count; `None` = as long as the session.
    pub valid_until: Option<Time>,
}

/// How a fact stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactState<'a> {
    /// Nobody said it, or what was said is erased.
    Absent,
    /// It was said, and its time is over.
    Stale,
    /// Its sources disagree.
    Conflicting,
    /// All that is valid says the same; this is the latest.
    Holds(&'a Value),
}

/// Everything that is said about one fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    by: Vec<GivenFact>,
    /// Until when a statement would be valid that is not kept.
    beyond: Option<Time>,
}

/// Facts of a bounded number of names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    facts: BTreeMap<Arc<str>, Statements>,
    incomplete: bool,
}

impl GivenFact {
    fn is_valid(&self, now: Time) -> bool {
        self.valid_until.is_none_or(|until| until > now)
    }

    fn same_source(&self, other: &Self) -> bool {
        self.giver == other.giver && self.source == other.source
    }
}

impl Statements {
    /// What each source said last, stale statements included.
    #[must_use]
    pub fn all(&self) -> &[GivenFact] {
        &self.by
    }

    /// How the fact stands.
    #[must_use]
    pub fn state(&self, now: Time) -> FactState<'_> {
        let valid = || self.by.iter().filter(|said| said.is_valid(now));
        if self.beyond.is_some_and(|until| until > now) {
            return FactState::Conflicting;
        }
        let Some(latest) = valid().max_by_key(|said| said.at) else { return FactState::Stale };
        match &latest.value {
            Some(value) => {
                let agrees =
                    |said: &GivenFact| said.value.as_ref().is_some_and(|other| identical(value, other));
                if valid().all(agrees) { FactState::Holds(value) } else { FactState::Conflicting }
            }
            // What was erased may have disagreed.
            None if valid().any(|said| said.value.is_some()) => FactState::Conflicting,
            None => FactState::Absent,
        }
    }

    fn is_valid(&self, now: Time) -> bool {
        self.beyond.is_some_and(|until| until > now) || self.by.iter().any(|said| said.is_valid(now))
    }

    fn take(&mut self, fact: GivenFact) {
        if let Some(own) = self.by.iter_mut().find(|said| said.same_source(&fact)) {
            *own = fact;
            return;
        }
        if self.by.len() >= MOST_STATEMENTS {
            self.by.retain(|said| said.is_valid(fact.at));
        }
        if self.by.len() < MOST_STATEMENTS {
            self.by.push(fact);
        } else {
            self.beyond = self.beyond.max(Some(fact.valid_until.unwrap_or(Time(i64::MAX))));
        }
    }
}

impl Given {
    /// Takes a statement in; about a fact that is there already always.
    pub(crate) fn insert(&mut self, name: &Arc<str>, fact: GivenFact, limit: usize) {
        if self.facts.len() >= limit && !self.facts.contains_key(name) {
            let now = fact.at;
            // A stale fact is a missing fact, whether it is kept or not.
            self.facts.retain(|_, kept| kept.is_valid(now));
        }
        if self.facts.len() < limit || self.facts.contains_key(name) {
            self.facts.entry(Arc::clone(name)).or_default().take(fact);
        } else {
            self.incomplete = true;
        }
    }

    pub(crate) const fn all(&self) -> &BTreeMap<Arc<str>, Statements> {
        &self.facts
    }

    pub(crate) fn state(&self, name: &str, now: Time) -> FactState<'_> {
        self.facts.get(name).map_or(FactState::Absent, |said| said.state(now))
    }

    /// Whether a fact of this name may have been given and not kept.
    pub(crate) fn may_have_dropped(&self, name: &str) -> bool {
        self.incomplete && !self.facts.contains_key(name)
    }

    /// Whether sources that disagreed at the earlier moment do not any more.
    pub(crate) fn settled(&self, earlier: Time, now: Time) -> bool {
        self.facts.values().any(|said| {
            said.state(earlier) == FactState::Conflicting && said.state(now) != FactState::Conflicting
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(giver: &str, source: Option<&str>, value: &Value, at: i64, until: Option<i64>) -> GivenFact {
        let (giver, source) = (giver.into(), source.map(Arc::from));
        GivenFact { value: Some(value.clone()), giver, source, at: Time(at), valid_until: until.map(Time) }
    }

    fn all(statements: &[GivenFact]) -> Statements {
        let mut all = Statements::default();
        statements.iter().for_each(|one| all.take(one.clone()));
        all
    }

    #[test]
    fn r3_cdd2_sources_conflict_until_one_expires_agrees_or_is_replaced_by_its_own() {
        let (open, shut) = (json!("open"), json!("shut"));
        let facts = all(&[said("ann", None, &open, 0, Some(100)), said("bob", None, &shut, 1, Some(10))]);
        assert_eq!(facts.state(Time(2)), FactState::Conflicting);
        assert_eq!(facts.state(Time(10)), FactState::Holds(&open));
        assert_eq!(facts.state(Time(100)), FactState::Stale);
        for agreed in [said("bob", None, &open, 2, Some(10)), said("ann", None, &shut, 2, Some(100))] {
            let mut facts = facts.clone();
            facts.take(agreed.clone());
            assert_eq!(facts.state(Time(3)), FactState::Holds(agreed.value.as_ref().unwrap()));
        }
        // One giver with two sources disagrees with itself; the same source of two givers is two sources.
        let facts = all(&[said("ann", Some("board"), &open, 0, None), said("ann", None, &shut, 1, None)]);
        assert_eq!(facts.state(Time(2)), FactState::Conflicting);
        let facts =
            all(&[said("ann", Some("board"), &open, 0, None), said("bob", Some("board"), &shut, 1, None)]);
        assert_eq!(facts.state(Time(2)), FactState::Conflicting);
        let facts = all(&[said("ann", None, &json!(1), 0, None), said("bob", None, &json!(1.0), 1, None)]);
        assert_eq!(facts.state(Time(2)), FactState::Holds(&json!(1.0)));
    }

    #[test]
    fn r2_bounded_what_is_not_kept_or_erased_makes_no_fact_safer() {
        let values: Vec<Value> = (0..=MOST_STATEMENTS).map(|_| json!(true)).collect();
        let mut facts = Statements::default();
        for (n, value) in values.iter().enumerate() {
            facts.take(said(&format!("giver{n}"), None, value, 0, Some(100 + i64::try_from(n).unwrap())));
        }
        // The last one is not kept: nobody knows whether it agrees.
        assert_eq!(facts.state(Time(107)), FactState::Conflicting);
        assert_eq!(facts.state(Time(108)), FactState::Stale);
        let erased = GivenFact { value: None, ..said("bob", None, &json!(1), 5, Some(100)) };
        assert_eq!(all(std::slice::from_ref(&erased)).state(Time(6)), FactState::Absent);
        let facts = all(&[said("ann", None, &json!(1), 0, Some(200)), erased]);
        assert_eq!(facts.state(Time(6)), FactState::Conflicting);
        assert_eq!(facts.state(Time(100)), FactState::Holds(&json!(1)));
    }
}

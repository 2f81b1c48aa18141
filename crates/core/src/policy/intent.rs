//! What belongs to an intent that somebody declared, and how often the user is asked again.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::matching::Mode;
use super::predicate::Predicate;
use super::rule::{ToolPattern, Waiting};
use crate::decide::Question;
use crate::decision::{Match, Missing, Why};
use crate::detect::Level;
use crate::facts::{Block, Fact, Read};
use crate::session::signals::level_of;

/// The fact that names a session's intent, under `context`.
pub const INTENT: &str = "original_request.intent_classification";

/// What belongs to one intent: an action that breaks any part of it is outside the request.
#[derive(Clone, Debug)]
pub struct Boundary {
    /// Its name, as the fact [`INTENT`] gives it.
    pub intent: Arc<str>,
    /// The tools that belong to it; `None` = all.
    pub tools: Option<Vec<ToolPattern>>,
    /// The highest level of data that belongs to it.
    pub max_level: Option<Level>,
    /// How many actions belong to it.
    pub max_chain_length: Option<u64>,
    /// What must be so beside that.
    pub given: Vec<Predicate>,
}

/// After so many permitted actions a person confirms the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReValidation {
    /// Permitted actions since the session began or a person last approved something in it.
    pub actions: u64,
    /// How the question ends that nobody answers.
    pub wait: Waiting,
}

impl Boundary {
    /// Whether the action stays inside. Names of facts are added to `read`.
    #[must_use]
    pub fn keeps(&self, q: &Question<'_>, read: &mut BTreeSet<Arc<str>>) -> Match {
        let tool = &q.action.tool;
        let tools = self.tools.as_ref().is_none_or(|tools| tools.iter().any(|pattern| pattern.names(tool)));
        let mut kept = Match::from(tools);
        if let Some(max) = self.max_chain_length {
            kept = kept.and(asked("action_count", q, |value| match value {
                Read::Count(before) => Some(before < max),
                _ => None,
            }));
        }
        if let Some(max) = self.max_level {
            kept = kept.and(asked("data_classification", q, |value| match value {
                Read::Labels(sets) => Some(
                    sets.into_iter()
                        .flatten()
                        .flatten()
                        .filter_map(|label| level_of(label))
                        .all(|level| level <= max),
                ),
                _ => None,
            }));
        }
        self.given.iter().fold(kept, |kept, predicate| {
            predicate.note(read);
            kept.and(predicate.holds(q, Mode::Every))
        })
    }
}

/// The boundary of the intent that the session declared, where the policy knows it.
#[must_use]
pub fn boundary_of<'a>(boundaries: &'a [Boundary], q: &Question<'_>) -> Option<&'a Boundary> {
    if boundaries.is_empty() {
        return None;
    }
    match fact_named(INTENT)?.read(q) {
        Ok(Read::Value(Value::String(intent))) => {
            boundaries.iter().find(|boundary| *boundary.intent == **intent)
        }
        _ => None,
    }
}

/// The fact of this name, which is parsed once for all questions.
fn fact_named(name: &str) -> Option<&'static Fact> {
    static FACTS: LazyLock<Vec<(&str, Fact)>> = LazyLock::new(|| {
        let names = [INTENT, "action_count", "data_classification"];
        names.iter().filter_map(|name| Some((*name, Fact::parse(Block::Context, name).ok()?))).collect()
    });
    FACTS.iter().find(|(known, _)| *known == name).map(|(_, fact)| fact)
}

fn asked(name: &str, q: &Question<'_>, test: impl Fn(Read<'_>) -> Option<bool>) -> Match {
    let Some(fact) = fact_named(name) else {
        return Match::Unknown(Missing::fact(name, Why::Absent));
    };
    match fact.read(q) {
        Err(missing) => Match::Unknown(missing),
        Ok(value) => test(value).map_or_else(|| Match::Unknown(fact.missing(Why::WrongType)), Match::from),
    }
}

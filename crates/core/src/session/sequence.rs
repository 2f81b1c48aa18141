//! Unusual sequences: what an action may mean after what the session has done and seen.
//!
//! [`PAIRS`] is the whole list. A pair is complete when something of its first kind happened earlier in the session,
//! however long ago, and the action in question has one of its effects. An action whose effect nobody declared has all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::linked::{Linked, Refused};
use crate::action::{Action, Effect};
use crate::contract::{Store, Writer};
use crate::names::ToolName;

/// What may stand before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// Data labelled SECRET, CREDENTIAL or RESTRICTED reached the agent.
    Secret,
    /// Data labelled CONFIDENTIAL, PII, FINANCIAL or HEALTH, or more sensitive, reached the agent.
    Sensitive,
    /// A text with an injection cue reached the agent.
    Cue,
    /// A text that third parties may have written reached the agent.
    Untrusted,
    /// A credential was made, shown or changed.
    Credential,
    /// An action of the same effect was refused, of another tool.
    Refused,
}

/// One pair.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// What stands before.
    pub before: Before,
    /// The effects that complete it.
    pub then: &'static [Effect],
    /// What it says, in basis points.
    pub weight: u64,
}

/// Every pair, the heaviest first.
pub const PAIRS: [Pair; 6] = [
    Pair { before: Before::Secret, then: &[Effect::WriteOutbound, Effect::EgressRead], weight: 8_000 },
    Pair {
        before: Before::Cue,
        then: &[
            Effect::WriteOutbound,
            Effect::Destructive,
            Effect::Execute,
            Effect::Credential,
            Effect::Payment,
        ],
        weight: 7_000,
    },
    Pair { before: Before::Credential, then: &[Effect::WriteOutbound, Effect::EgressRead], weight: 6_000 },
    Pair { before: Before::Sensitive, then: &[Effect::WriteOutbound, Effect::EgressRead], weight: 5_000 },
    Pair {
        before: Before::Untrusted,
        then: &[Effect::Destructive, Effect::Execute, Effect::Credential, Effect::Payment],
        weight: 4_000,
    },
    Pair {
        before: Before::Refused,
        then: &[
            Effect::EgressRead,
            Effect::WriteInternal,
            Effect::WriteOutbound,
            Effect::Destructive,
            Effect::Execute,
            Effect::Credential,
            Effect::Payment,
        ],
        weight: 3_000,
    },
];

const SECRET: [&str; 3] = ["SECRET", "CREDENTIAL", "RESTRICTED"];
const SENSITIVE: [&str; 4] = ["CONFIDENTIAL", "PII", "FINANCIAL", "HEALTH"];

impl Before {
    /// The word that the book uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Sensitive => "sensitive",
            Self::Cue => "cue",
            Self::Untrusted => "untrusted",
            Self::Credential => "credential",
            Self::Refused => "refused",
        }
    }
}

/// What has been, as far as a pair may begin with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    secret: bool,
    sensitive: bool,
    cue: bool,
    untrusted: bool,
    credential: bool,
    /// Effects of refused actions; the tool, where all of them were of one.
    refused: BTreeMap<Effect, Option<ToolName>>,
}

impl Past {
    pub(crate) fn saw_label(&mut self, label: &str) {
        let among = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(label));
        self.secret |= among(&SECRET);
        self.sensitive |= self.secret || among(&SENSITIVE);
        self.cue |= label.starts_with("cue:");
    }

    /// Something reached the agent that no action asked for. Lists of tools are pinned and inspected by themselves.
    pub(crate) fn saw_notice(&mut self, source: &str) {
        self.untrusted |= !source.starts_with("tools/list");
    }

    /// An action's output reached the agent, or may have. Answers to writes echo what was written.
    pub(crate) fn saw_output(&mut self, action: &Action) {
        let answers = matches!(
            action.contract.effect,
            Effect::Read | Effect::EgressRead | Effect::Execute | Effect::Unknown
        );
        let shared = action.contract.meaning.as_deref().is_none_or(|meaning| {
            meaning.output.store == Store::Shared
                || meaning.output.writers.values().any(|writer| *writer == Writer::ThirdParty)
        });
        self.untrusted |= answers && shared;
    }

    pub(crate) fn permitted(&mut self, action: &Action) {
        self.credential |= action.contract.effect == Effect::Credential;
    }

    pub(crate) fn refused(&mut self, action: &Action) {
        self.was_refused(action.contract.effect, Some(&action.tool));
    }

    fn was_refused(&mut self, effect: Effect, tool: Option<&ToolName>) {
        let known = self.refused.entry(effect).or_insert_with(|| tool.cloned());
        if known.as_ref() != tool {
            *known = None;
        }
    }

    /// What is here and was not in an earlier one: what linked sessions are to know.
    pub(crate) fn since(&self, earlier: &Self) -> Linked {
        let before = self.kinds().difference(&earlier.kinds()).copied().collect();
        let fresh = self.refused.iter().filter(|(effect, tool)| earlier.refused.get(effect) != Some(tool));
        let refused = fresh.map(|(effect, tool)| Refused { effect: *effect, tool: tool.clone() }).collect();
        Linked { before, refused, ..Linked::default() }
    }

    /// Takes in what a linked session tells.
    pub(crate) fn take(&mut self, before: &BTreeSet<Before>, refused: &[Refused]) {
        let has = |kind| before.contains(&kind);
        self.secret |= has(Before::Secret);
        self.sensitive |= has(Before::Sensitive);
        self.cue |= has(Before::Cue);
        self.untrusted |= has(Before::Untrusted);
        self.credential |= has(Before::Credential);
        refused.iter().for_each(|one| self.was_refused(one.effect, one.tool.as_ref()));
    }

    fn kinds(&self) -> BTreeSet<Before> {
        let all = [
            (self.secret, Before::Secret),
            (self.sensitive, Before::Sensitive),
            (self.cue, Before::Cue),
            (self.untrusted, Before::Untrusted),
            (self.credential, Before::Credential),
        ];
        all.into_iter().filter_map(|(is, kind)| is.then_some(kind)).collect()
    }

    /// The weight of the heaviest pair that this action completes; 0 where it completes none.
    #[must_use]
    pub fn completed_by(&self, action: &Action) -> u64 {
        let effect = action.contract.effect;
        let completes = |pair: &&Pair| {
            (effect == Effect::Unknown || pair.then.contains(&effect)) && self.has(pair.before, action)
        };
        PAIRS.iter().filter(completes).map(|pair| pair.weight).max().unwrap_or(0)
    }

    fn has(&self, before: Before, action: &Action) -> bool {
        match before {
            Before::Secret => self.secret,
            Before::Sensitive => self.sensitive,
            Before::Cue => self.cue,
            Before::Untrusted => self.untrusted,
            Before::Credential => self.credential,
            Before::Refused => self.refused.iter().any(|(effect, tool)| {
                alike(*effect, action.contract.effect)
                    && tool.as_ref().is_none_or(|tool| *tool != action.tool)
            }),
        }
    }
}

/// Whether two effects may be the same; a read is like nothing that does more.
fn alike(one: Effect, other: Effect) -> bool {
    one == other
        || (one == Effect::Unknown && other != Effect::Read)
        || (other == Effect::Unknown && one != Effect::Read)
}

//! What can happen in a session. Each entry is carried by one receipt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::linked::Delegated;
use crate::action::Action;
use crate::drift::Embedding;
use crate::identity::Identity;
use crate::lifecycle::Transition;
use crate::names::{ActionId, Chain, SessionId};
use crate::time::Time;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// What.
    pub what: What,
    /// A text of it was erased since: what it said is no longer known.
    pub erased: bool,
}

/// The kinds of things that happen in a session.
#[derive(Clone, Debug)]
pub enum What {
    /// The session began.
    Opened(Opened),
    /// The user said something more; only hosts report this.
    Turn {
        /// Who reported it.
        host: Arc<str>,
        /// What the user said.
        text: Option<Arc<str>>,
    },
    /// Somebody entitled gave facts.
    Facts {
        /// By name.
        facts: BTreeMap<Arc<str>, Value>,
        /// Names of those whose values were erased since.
        erased: BTreeSet<Arc<str>>,
        /// Who gave them.
        giver: Arc<str>,
        /// Where the giver has them from; `None` = from itself.
        source: Option<Arc<str>>,
        /// From this moment they are missing again.
        valid_until: Time,
    },
    /// A new action was ruled on for the first time.
    Submitted {
        /// The action.
        action: Arc<Action>,
        /// Who acts.
        identity: Arc<Identity>,
        /// The first step of its life, always [`Transition::Ruled`].
        transition: Transition,
    },
    /// An action's life went on.
    Moved {
        /// Which action.
        action: ActionId,
        /// How.
        transition: Transition,
    },
    /// How far an action lies from the request was measured, right before it was ruled on for the first time.
    Measured {
        /// Which action.
        action: ActionId,
        /// What an embedding model said; `None` where none was asked.
        embedding: Option<Embedding>,
    },
    /// Something other than an outcome reached the agent (a tool list, a notice).
    Observed {
        /// What it is, e.g. `tools/list files`.
        source: Arc<str>,
        /// What its source's data is labelled.
        labels: BTreeSet<Arc<str>>,
        /// What it says.
        text: Option<Arc<str>>,
    },
}

/// How a session began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its id.
    pub session: SessionId,
    /// What vouches for it: `host`, `mcp-session`, `window`, `wrap`.
    pub source: Arc<str>,
    /// The human it serves.
    pub human: Arc<str>,
    /// The agent that acts in it.
    pub agent: Arc<str>,
    /// Whether the principals' high-water marks count in it; only a host may open one in which they do not.
    pub inherits: bool,
    /// Labels it begins with.
    pub labels: BTreeSet<Arc<str>>,
    /// What the user asked, where a host said so.
    pub request: Option<Arc<str>>,
    /// What the request covers and leaves out, where a host said so.
    pub intent: Option<Intent>,
    /// By whom it was delegated, where a host said so.
    pub delegated: Option<Delegated>,
}

impl Opened {
    /// The chain of what sessions linked with this one by delegation share; empty as long as none is.
    #[must_use]
    pub fn tree(&self) -> Chain {
        Chain::Delegation(self.delegated.as_ref().map_or(&self.session, |delegated| &delegated.root).clone())
    }
}

/// Tools that a request covers or leaves out: `upstream.tool`, `upstream`, or a bare tool name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Covered.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Left out; wins over `allow`.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// What became of a permitted action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// What the output's data is labelled; empty when there is no output.
    pub labels: BTreeSet<Arc<str>>,
    /// What the agent will see, exactly.
    pub output: Option<Arc<str>>,
    /// What went wrong, for the record.
    pub error: Option<Arc<str>>,
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The tool answered.
    Ok,
    /// The tool answered that it failed.
    Error,
    /// Nobody knows whether it had an effect.
    Unknown,
    /// Certainly no effect: nothing left us.
    NothingSent,
}

impl Status {
    /// The word as receipts write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::NothingSent => "nothing_sent",
        }
    }
}

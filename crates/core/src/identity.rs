//! Who acts. Captured when an action is submitted and kept through every wait.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::names::Chain;
use crate::time::Time;

/// Everyone an action is attributed to, and how we know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The person on whose behalf the agent acts.
    pub human: Party,
    /// The service that runs the agent.
    pub service: Party,
    /// The agent instance.
    pub agent: Party,
    /// Grants between the human and the agent, outermost first; empty when the human uses the agent directly.
    pub delegation: Vec<Party>,
    /// What vouches for all this, e.g. `token` or `peer-credentials`.
    pub source: Arc<str>,
    /// When the source was last checked.
    pub validated_at: Time,
}

/// One party, with what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Its name, as its source gives it.
    pub id: Arc<str>,
    /// Roles it holds.
    pub roles: Vec<String>,
    /// Upstreams it may reach; empty = all.
    pub scope: Vec<String>,
}

impl Party {
    /// A party without roles or limits.
    pub fn named(id: impl Into<Arc<str>>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

impl Identity {
    /// The first party whose scope leaves `upstream` out, if any: scope only narrows along the chain.
    #[must_use]
    pub fn out_of_scope(&self, upstream: &str) -> Option<&Party> {
        let parties = [&self.human, &self.service, &self.agent];
        parties
            .into_iter()
            .chain(&self.delegation)
            .find(|party| !party.scope.is_empty() && !party.scope.iter().any(|s| s == upstream))
    }

    /// Whether two requests come from the same human, service and agent, with the same rights: a retry with
    /// fewer of them must not claim what was authorised with more.
    #[must_use]
    pub fn same_principal(&self, other: &Self) -> bool {
        self.human == other.human
            && self.service == other.service
            && self.agent == other.agent
            && self.delegation == other.delegation
    }

    /// The chains in which this identity's actions are counted across sessions.
    #[must_use]
    pub fn chains(&self) -> [Chain; 2] {
        [Chain::Human(self.human.id.clone()), Chain::Agent(self.agent.id.clone())]
    }
}

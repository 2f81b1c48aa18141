//! Who may say what: bearer tokens to roles. A token in two roles is a configuration error.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use countersign_core::identity::{Identity, Party};
use countersign_core::names::ApproverGroup;
use countersign_core::time::Time;
use sha2::{Digest, Sha256};

/// What a credential makes of its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Submits actions.
    Agent(AgentIdentity),
    /// The application that runs agents: opens sessions, adds turns.
    Host {
        /// Its name.
        name: Arc<str>,
    },
    /// Answers questions.
    Approver {
        /// Who.
        name: Arc<str>,
        /// In these groups.
        groups: BTreeSet<ApproverGroup>,
    },
    /// Gives facts, halts, changes policy.
    Operator {
        /// Who.
        name: Arc<str>,
    },
    /// Reads receipts and disclosures.
    Auditor {
        /// Who.
        name: Arc<str>,
    },
}

/// What an agent's token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentIdentity {
    /// On whose behalf.
    pub human: Party,
    /// Which service runs it.
    pub service: Party,
    /// Which agent.
    pub agent: Party,
}

impl AgentIdentity {
    /// Who acts when this is the caller; `source` says what vouches for it, e.g. `token`.
    #[must_use]
    pub fn identity(&self, source: &str, checked: Time) -> Identity {
        Identity {
            human: self.human.clone(),
            service: self.service.clone(),
            agent: self.agent.clone(),
            delegation: Vec::new(),
            source: source.into(),
            validated_at: checked,
        }
    }
}

/// All credentials, by the digest of their token: the tokens themselves are not kept.
#[derive(Clone, Default)]
pub struct Credentials {
    by_digest: HashMap<[u8; 32], Role>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.by_digest.len())
    }
}

/// The same token in two roles, or twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the same token is given to {first} and to {second}; every credential has one role")]
pub struct SharedToken {
    /// Who has it.
    pub first: String,
    /// Who is to have it as well.
    pub second: String,
}

/// The digest under which a token is kept.
#[must_use]
pub fn token_digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Credentials {
    /// Adds a credential. An approver's further groups are added to the first.
    ///
    /// # Errors
    /// The token has another role already.
    pub fn add(&mut self, digest: [u8; 32], role: Role) -> Result<(), SharedToken> {
        match (self.by_digest.get_mut(&digest), role) {
            (None, role) => {
                self.by_digest.insert(digest, role);
                Ok(())
            }
            (Some(Role::Approver { name, groups }), Role::Approver { name: same, groups: more })
                if *name == same =>
            {
                groups.extend(more);
                Ok(())
            }
            (Some(first), second) => {
                Err(SharedToken { first: first.to_string(), second: second.to_string() })
            }
        }
    }

    /// What a token makes of its bearer. Looks up by digest, so timing tells nothing about the token.
    #[must_use]
    pub fn role(&self, token: &str) -> Option<&Role> {
        self.by_digest.get(&token_digest(token))
    }

    /// The groups that approvers are in.
    #[must_use]
    pub fn approver_groups(&self) -> BTreeSet<ApproverGroup> {
        let groups = |role: &Role| match role {
            Role::Approver { groups, .. } => groups.clone(),
            _ => BTreeSet::new(),
        };
        self.by_digest.values().flat_map(groups).collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(identity) => write!(f, "the agent {}", identity.agent.id),
            Self::Host { name } => write!(f, "the host {name}"),
            Self::Approver { name, .. } => write!(f, "the approver {name}"),
            Self::Operator { name } => write!(f, "the operator {name}"),
            Self::Auditor { name } => write!(f, "the auditor {name}"),
        }
    }
}

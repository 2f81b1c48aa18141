//! Names that travel through the whole system, each a type of its own so that none stands in for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Takes the name as it is.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }
    };
}

name!(
    /// One action, for the whole of its life: `act_…`.
    ActionId
);
name!(
    /// One session of ours, never the transport's: `ses_…`.
    SessionId
);
name!(
    /// A rule of a policy, unique in its set.
    RuleId
);
name!(
    /// A group of people who may approve, as the configuration names it.
    ApproverGroup
);

/// A tool by its full name: `upstream.tool`. Tool names may hold dots, so the upstream is kept apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ToolName {
    upstream: Arc<str>,
    tool: Arc<str>,
}

impl ToolName {
    /// Joins an upstream's name and one of its tools.
    pub fn new(upstream: impl Into<Arc<str>>, tool: impl Into<Arc<str>>) -> Self {
        Self { upstream: upstream.into(), tool: tool.into() }
    }

    /// The tool server that carries the tool.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The tool as its server names it (the specification's *operation*).
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Whether `written` is this tool's full name.
    #[must_use]
    pub fn is(&self, written: &str) -> bool {
        written
            .strip_prefix(&*self.upstream)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|rest| rest == &*self.tool)
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.upstream, self.tool)
    }
}

/// A chain of entries. One per session, one per human and agent, one per delegation, one for the system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// Policy, halt, revocation and keys.
    System,
    /// One session's receipts.
    Session(SessionId),
    /// What a human did across sessions.
    Human(Arc<str>),
    /// What an agent instance did across sessions.
    Agent(Arc<str>),
    /// What a session did and saw together with those that it delegated to, and they to others.
    Delegation(SessionId),
}

impl Chain {
    /// Reads the written form (`system`, `session:ID`, `human:ID`, `agent:ID`, `delegation:ID`).
    #[must_use]
    pub fn parse(written: &str) -> Option<Self> {
        if written == "system" {
            return Some(Self::System);
        }
        let (kind, id) = written.split_once(':')?;
        match kind {
            "session" => Some(Self::Session(id.into())),
            "human" => Some(Self::Human(id.into())),
            "agent" => Some(Self::Agent(id.into())),
            "delegation" => Some(Self::Delegation(id.into())),
            _ => None,
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Human(id) => write!(f, "human:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Delegation(id) => write!(f, "delegation:{id}"),
        }
    }
}

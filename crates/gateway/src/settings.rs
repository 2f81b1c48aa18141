//! What the gateway is told: plain typed values; the file they come from is the binary's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::action::{Contract, Effect};
use countersign_core::contract::derive::Definition;
use countersign_core::identity::Party;
use countersign_core::names::ToolName;
use countersign_core::time::Span;
use countersign_receipt::keys::KeySet;

use crate::auth::Credentials;
use crate::contracts::Contracts;
use crate::mcp::upstream::UpstreamConfig;

/// Everything the gateway is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may say what.
    pub credentials: Credentials,
    /// Who is behind a local user id on the Unix socket.
    pub local: Vec<LocalIdentity>,
    /// The upstreams, by name.
    pub upstreams: BTreeMap<String, UpstreamSettings>,
    /// Wrapper tools, by the name that is called.
    pub wrappers: BTreeMap<String, Wrapper>,
    /// What tools do, as it was reviewed and as it was listed.
    pub contracts: Arc<Contracts>,
    /// How long a held call waits before it is answered with a handle.
    pub hold: Duration,
    /// The largest body taken in, in bytes.
    pub max_body: usize,
    /// Whether operators put policies in force; otherwise they come from files or bundles.
    pub policy_by_operators: bool,
    /// Host names, beside the loopback ones, that requests may be addressed to.
    pub hosts: BTreeSet<String>,
    /// The keys that receipts are verified with, as they are published.
    pub keys: KeySet,
    /// The daemon's own user id: a local agent with the same one could forge its evidence.
    pub own_uid: u32,
}

/// Who is behind a local user id.
#[derive(Clone, Debug)]
pub struct LocalIdentity {
    /// The user id.
    pub uid: u32,
    /// On whose behalf.
    pub human: Party,
    /// Which service runs the agent.
    pub service: Party,
    /// Which agent.
    pub agent: Party,
}

/// One upstream.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// How it is reached; `None` when a `wrap` shim starts it.
    pub connection: Option<UpstreamConfig>,
    /// What its outputs are labelled; empty = nobody said, so that detection and policy do.
    pub labels: BTreeSet<Arc<str>>,
    /// What is declared about its tools.
    pub tools: BTreeMap<String, ToolDeclaration>,
}

/// What is declared about a tool.
#[derive(Clone, Debug, Default)]
pub struct ToolDeclaration {
    /// What it does.
    pub effect: Effect,
    /// JSON pointers of the arguments that name what is acted on; `None` = undeclared.
    pub selectors: Option<Vec<String>>,
}

/// Where a wrapper tool's arguments name the real call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapper {
    /// JSON pointer to the upstream's name; `None` = the wrapper's own upstream.
    pub server: Option<String>,
    /// JSON pointer to the real tool's name.
    pub tool: String,
    /// JSON pointer to the real arguments: an object, or JSON in a string.
    pub arguments: String,
}

/// The highest sensitivity: data from a source that nobody knows.
pub const RESTRICTED: &str = "RESTRICTED";

impl UpstreamSettings {
    /// What data from this upstream is declared to be; what is found in it comes on top.
    #[must_use]
    pub fn output_labels(&self) -> BTreeSet<Arc<str>> {
        self.labels.clone()
    }
}

impl Settings {
    /// What is known about a tool without its definition at hand: what it did when it was listed last, else what is
    /// declared; unknown where nobody declared anything.
    #[must_use]
    pub fn contract(&self, tool: &ToolName) -> Arc<Contract> {
        match self.contracts.listed(tool) {
            Some(listed) => Arc::new(Contract { time_limit: self.time_limit(tool), ..(*listed).clone() }),
            None => self.declared(tool),
        }
    }

    /// What a tool does whose definition its server has just given.
    #[must_use]
    pub fn learn(&self, tool: &ToolName, definition: &Definition<'_>) -> Arc<Contract> {
        let listed = self.contracts.learn(tool, definition, self.declaration(tool));
        Arc::new(Contract { time_limit: self.time_limit(tool), ..(*listed).clone() })
    }

    /// What the configuration alone says about a tool.
    #[must_use]
    pub fn declared(&self, tool: &ToolName) -> Arc<Contract> {
        let declared = self.declaration(tool).cloned().unwrap_or_default();
        Arc::new(Contract {
            effect: declared.effect,
            selectors: declared.selectors,
            time_limit: self.time_limit(tool),
            ..Contract::default()
        })
    }

    fn declaration(&self, tool: &ToolName) -> Option<&ToolDeclaration> {
        self.upstreams.get(tool.upstream())?.tools.get(tool.tool())
    }

    fn time_limit(&self, tool: &ToolName) -> Option<Span> {
        let limit = self.upstreams.get(tool.upstream())?.connection.as_ref()?.call_limit;
        Some(Span(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX)))
    }
}

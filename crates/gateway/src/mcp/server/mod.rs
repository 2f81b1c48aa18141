//! The MCP server that clients meet: one URL changes, the agent stays as it is.
//!
//! Whatever leaves the client for a server is an action, or on a closed pass list; whatever reaches the agent
//! is a context entry first. What is not handled is refused with a receipt.
//!
//! | module | holds |
//! |---|---|
//! | [`http`] | Streamable HTTP for clients up to 2025-11-25 |
//! | [`socket`] | the Unix socket behind `countersign wrap` |
//! | [`dispatch`] | one message in, one answer out: the closed list of methods |
//! | [`call`] | `tools/call`: submit, hold, execute, settle, answer |
//! | [`list`] | `tools/list`: what a caller may see, and what tools declare |
//! | `names` | tools that rules let through by names which others bear too are not let through |
//! | [`session`] | which session of ours a request belongs to |
//! | [`wrapper`] | wrapper tools, judged as what they call |
//! | [`answer`] | what callers are told |
//! | [`events`] | what upstreams say unasked, on record |

pub mod answer;
pub mod call;
pub mod dispatch;
pub mod events;
pub mod http;
pub mod list;
mod names;
pub mod session;
pub mod socket;
pub mod wrapper;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::action::Contract;
use countersign_core::identity::{Identity, Party};
use countersign_core::names::{ActionId, SessionId, ToolName};
use countersign_core::time::Time;
use countersign_engine::ports::{Clock, SystemClock};
use countersign_engine::{Caller, Engine};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::upstream::{
    Call, CallId, ConfigError, Connection, Event, Owner, Pool, PoolLimits, Reply, UpstreamError,
};
use crate::health::Health;
use crate::settings::{RESTRICTED, Settings};

/// The gateway: clients on one side, upstreams on the other, the engine between. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    engine: Engine,
    settings: Arc<Settings>,
    pool: Pool,
    tools: Mutex<HashMap<CatalogueKey, Arc<list::Catalogue>>>,
    listed: Mutex<names::Listed>,
    /// Who acts in a session, for what upstreams say unasked in it.
    callers: Mutex<HashMap<SessionId, Caller>>,
    /// Calls whose answer was lost: a late one is still recorded.
    lost: Mutex<HashMap<CallId, (SessionId, ActionId)>>,
}

/// Whose view of which upstream; shared upstreams show everybody the same.
type CatalogueKey = (Option<Owner>, String);

/// Where a request came in, and what it can reach.
#[derive(Clone)]
pub struct Route {
    /// `None` = all upstreams, their tools prefixed; else this one, its tools as they are.
    pub upstream: Option<Arc<str>>,
    /// The connection to a wrapped server, where a shim brought one.
    pub wrapped: Option<Arc<Connection>>,
}

/// How tools of several upstreams are told apart: `upstream__tool`.
pub const SEPARATOR: &str = "__";

/// How often upstreams in trouble, and names in rules, are looked at.
const WATCH: Duration = Duration::from_secs(1);

/// Lost calls that are remembered.
const LOST: usize = 10_000;

impl Gateway {
    /// A gateway in front of an engine. Must be called within a runtime.
    ///
    /// # Errors
    /// An upstream's configuration cannot work.
    pub fn new(engine: Engine, settings: Arc<Settings>) -> Result<Self, ConfigError> {
        let connections = settings.upstreams.values().filter_map(|upstream| upstream.connection.clone());
        let (pool, events) = Pool::new(connections, PoolLimits::default())?;
        let gateway = Self(Arc::new(Inner {
            engine,
            settings,
            pool,
            tools: Mutex::default(),
            listed: Mutex::default(),
            callers: Mutex::default(),
            lost: Mutex::default(),
        }));
        tokio::spawn(events::record(Arc::downgrade(&gateway.0), events));
        Ok(gateway)
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// What the gateway was told.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.0.settings
    }

    /// Says in `health`, once a second, which upstreams cannot be reached, and has those tried again. Runs until the
    /// future is dropped.
    pub async fn watch_upstreams(&self, health: &Health) {
        let mut ticks = tokio::time::interval(WATCH);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut named = BTreeSet::new();
        loop {
            ticks.tick().await;
            let troubles = self.0.pool.troubles();
            self.0.pool.retry();
            named.retain(|upstream: &String| {
                let troubled = troubles.contains_key(upstream);
                if !troubled {
                    health.well(&format!("upstream {upstream}"));
                }
                troubled
            });
            for (upstream, why) in troubles {
                health.trouble(&format!("upstream {upstream}"), why);
                named.insert(upstream);
            }
        }
    }

    /// Ends all upstream connections and waits for their processes.
    pub async fn stop(&self) {
        self.0.pool.stop_all().await;
    }

    /// What is known about a tool: by its definition as this owner's server lists it, else what is declared. Where the
    /// server does not answer, by what was listed last.
    fn contract(&self, owner: &Owner, tool: &ToolName) -> Arc<Contract> {
        let settings = &self.0.settings;
        match self.catalogue_if_known(owner, tool.upstream()) {
            Some(catalogue) => catalogue.contract(tool.tool()).unwrap_or_else(|| settings.declared(tool)),
            None => settings.contract(tool),
        }
    }

    /// Sends a request to an upstream, over the wrapped connection where there is one.
    async fn send(
        &self,
        route: &Route,
        owner: &Owner,
        upstream: &str,
        call: Call<'_>,
    ) -> Result<Reply, UpstreamError> {
        match &route.wrapped {
            Some(connection) => connection.call(call).await,
            None => self.0.pool.call(owner, upstream, call).await,
        }
    }

    fn remember(&self, session: &SessionId, caller: &Caller) {
        locked(&self.0.callers).insert(session.clone(), caller.clone());
    }

    fn lose(&self, call: CallId, session: &SessionId, action: &ActionId) {
        let mut lost = locked(&self.0.lost);
        if lost.len() < LOST {
            lost.insert(call, (session.clone(), action.clone()));
        }
    }
}

impl Route {
    /// The upstream and the tool that a called name means here; `None` when it means nothing.
    fn resolve(&self, name: &str) -> Option<ToolName> {
        match &self.upstream {
            Some(upstream) => Some(ToolName::new(Arc::clone(upstream), name)),
            None => {
                let (upstream, tool) = name.split_once(SEPARATOR)?;
                Some(ToolName::new(upstream, tool))
            }
        }
    }

    /// What a message that is no tool call is recorded as.
    fn method(&self, method: &str) -> ToolName {
        ToolName::new(self.upstream.as_deref().unwrap_or("countersign"), method)
    }
}

/// The identity behind a credential or a local user.
fn identity(human: &Party, service: &Party, agent: &Party, source: &str) -> Arc<Identity> {
    Arc::new(Identity {
        human: human.clone(),
        service: service.clone(),
        agent: agent.clone(),
        delegation: Vec::new(),
        source: source.into(),
        validated_at: now(),
    })
}

fn owner(caller: &Caller, session: &SessionId) -> Owner {
    let identity = &caller.identity;
    Owner {
        principal: format!("{}|{}|{}", identity.human.id, identity.service.id, identity.agent.id),
        session: session.to_string(),
    }
}

fn labels_of(settings: &Settings, upstream: &str) -> std::collections::BTreeSet<Arc<str>> {
    settings
        .upstreams
        .get(upstream)
        .map_or_else(|| [RESTRICTED.into()].into(), crate::settings::UpstreamSettings::output_labels)
}

fn now() -> Time {
    SystemClock.now()
}

fn raw(value: &serde_json::Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where messages to the client go that are no answer: progress while a call is held or runs.
pub type Notices = mpsc::Sender<Vec<u8>>;

type EventReceiver = mpsc::UnboundedReceiver<Event>;

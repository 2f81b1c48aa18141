//! Putting the parts together: keys, policy, ledger, engine, gateway. The one place that knows them all.

use std::path::PathBuf;
use std::sync::Arc;

use countersign_core::policy::PolicySet;
use countersign_engine::policies::last;
use countersign_engine::ports::{LedgerError, SystemClock};
use countersign_engine::recovery::Recovered;
use countersign_engine::{Engine, Parts};
use countersign_gateway::api::{self, ApiState};
use countersign_gateway::contracts;
use countersign_gateway::guard::TurnedAway;
use countersign_gateway::health::Health;
use countersign_gateway::mcp::server::{Gateway, http};
use countersign_gateway::run::{Bound, Listen, RunError};
use countersign_receipt::keys::KeySet;
use countersign_store::{KeyFolder, Options, Sqlite};

use crate::commands::{keys, model, receipt};
use crate::config::Config;
use crate::config::policy::{Changes as ConfiguredChanges, Source};
use crate::error::CommandError;
use crate::fetch::Fetch;
use crate::policies::{self, Files};
use crate::shadow::Shadow;
use crate::watch::Watch;

/// A daemon that has recovered and bound its sockets, and serves nobody yet.
pub(crate) struct Daemon {
    /// The engine.
    pub(crate) engine: Engine,
    /// What the start found in the ledger.
    pub(crate) recovered: Recovered,
    /// The key that receipts are signed with.
    pub(crate) key_id: String,
    /// Where it listens: with port 0 the system chose one.
    pub(crate) address: std::net::SocketAddr,
    gateway: Gateway,
    health: Arc<Health>,
    turned_away: Arc<TurnedAway>,
    bound: Bound,
    changes: Changes,
    shadow: Shadow,
}

impl Daemon {
    /// Reads everything, binds the sockets, then opens the ledger and recovers.
    ///
    /// # Errors
    /// Something that it needs is missing, faulty or in use. Nothing was recorded then, unless the ledger failed.
    pub(crate) async fn start(config: &Config) -> Result<Self, CommandError> {
        let folder = KeyFolder::open(&config.keys).map_err(|error| keys::unusable(&error))?;
        let trusted = KeySet::of(folder.public_keys())
            .map_err(|error| CommandError::store("the public keys cannot be used").cause(&error))?;
        let settings = Arc::new(config.gateway(trusted)?);
        let files = needed_files(config)?;
        let embedder = config.drift.model.as_deref().map(model::configured).transpose()?;
        let listen = Listen { tcp: config.listen, socket: config.socket.clone() };
        let bound = listen.bind().await.map_err(|error| not_served(&error))?;
        let key_id = folder.signing().public().key_id().to_owned();
        let (signing, disclosure) = folder.into_parts();
        let store = config.store.clone();
        let ledger =
            tokio::task::spawn_blocking(move || Sqlite::open(&store, &disclosure, Options::default()))
                .await
                .map_err(|error| CommandError::bug("opening the ledger was interrupted").cause(&error))?
                .map_err(|error| receipt::unopened(&error))?;
        contracts::restore(&settings, &ledger)
            .await
            .map_err(|error| CommandError::store("the ledger cannot be read").cause(&error))?;
        let Beginning { policy, changes } = beginning(config, files, &ledger).await?;
        let parts = Parts {
            ledger: Arc::new(ledger),
            signer: Arc::new(signing),
            clock: Arc::new(SystemClock),
            embedder,
            policy,
            settings: config.engine(&settings),
        };
        let (engine, recovered) = Engine::start(parts).await.map_err(|failure| {
            CommandError::store("the engine cannot start on this ledger").cause(&failure)
        })?;
        let shadow = Shadow::begin(config.shadow.clone(), engine.clone()).await;
        let gateway = Gateway::new(engine.clone(), settings)
            .map_err(|error| CommandError::configuration("an upstream cannot work").cause(&error))?;
        Ok(Self {
            engine,
            recovered,
            key_id,
            address: bound.address,
            gateway,
            health: Arc::default(),
            turned_away: Arc::default(),
            bound,
            changes,
            shadow,
        })
    }

    /// Serves, and watches the policies and the upstreams, until `shutdown` resolves.
    ///
    /// # Errors
    /// A listener failed.
    pub(crate) async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), CommandError> {
        let Self { engine, gateway, health, turned_away, bound, changes, shadow, .. } = self;
        let state = ApiState {
            engine: engine.clone(),
            settings: Arc::clone(gateway.settings()),
            health: Arc::clone(&health),
            turned_away: Arc::clone(&turned_away),
        };
        let refusals = tokio::spawn(api::summarise(state.clone()));
        let routes = api::router(state).merge(http::router(gateway.clone(), turned_away));
        let watching = match changes {
            Changes::Watched { paths, read } => {
                Some(tokio::spawn(Watch::new(paths, read, engine, Arc::clone(&health)).run()))
            }
            Changes::Applied => None,
            Changes::Fetched { source, serial } => {
                Some(tokio::spawn(Fetch::new(&source, engine, Arc::clone(&health), serial)?.run()))
            }
        };
        let beside = tokio::spawn(shadow.run());
        let (watched, noted) = (gateway.clone(), health);
        let upstreams = tokio::spawn(async move {
            tokio::join!(watched.watch_upstreams(&noted), watched.watch_names(&noted))
        });
        let served = countersign_gateway::run::run(gateway, routes, bound, shutdown).await;
        watching.iter().for_each(tokio::task::JoinHandle::abort);
        beside.abort();
        upstreams.abort();
        refusals.abort();
        served.map_err(|error| not_served(&error))
    }
}

/// The policy that a daemon begins with, and where others come from.
struct Beginning {
    policy: PolicySet,
    changes: Changes,
}

enum Changes {
    /// From these files, of which this was read.
    Watched { paths: Vec<PathBuf>, read: Files },
    /// From operators.
    Applied,
    /// From here, with serials above this one.
    Fetched { source: Source, serial: Option<u64> },
}

/// The policy files, where they are needed whatever a ledger says: a daemon without a policy makes no ledger.
fn needed_files(config: &Config) -> Result<Option<(Files, PolicySet)>, CommandError> {
    let needed = config.policy_changes == ConfiguredChanges::Files || !config.store.exists();
    needed.then(|| policies::read_and_load(&config.policies)).transpose()
}

/// Where files do not rule, they are only what a new ledger begins with: afterwards what was put in force last stays.
async fn beginning(
    config: &Config,
    files: Option<(Files, PolicySet)>,
    ledger: &Sqlite,
) -> Result<Beginning, CommandError> {
    let from_files = || files.map_or_else(|| policies::read_and_load(&config.policies), Ok);
    let unusable = |error: LedgerError| {
        CommandError::store("the policy that was put in force last cannot be used")
            .cause(&error)
            .hint("set `policy_changes: files` to start with the files under `policies` instead")
    };
    let changes = match &config.policy_changes {
        ConfiguredChanges::Files => {
            let (read, policy) = from_files()?;
            let changes = Changes::Watched { paths: config.policies.clone(), read };
            return Ok(Beginning { policy, changes });
        }
        ConfiguredChanges::Operators => None,
        ConfiguredChanges::Bundles(source) => Some(source.clone()),
    };
    let (policy, serial) = match last(ledger).await.map_err(unusable)? {
        Some(last) => (last.set, last.serial),
        None => (from_files()?.1, None),
    };
    let changes = changes.map_or(Changes::Applied, |source| Changes::Fetched { source, serial });
    Ok(Beginning { policy, changes })
}

fn not_served(error: &RunError) -> CommandError {
    let failed = CommandError::configuration("the daemon cannot serve").cause(error);
    match error {
        RunError::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => failed.hint(
            "another program, perhaps another daemon, listens there; stop it, or change `listen` or `socket`",
        ),
        _ => failed,
    }
}

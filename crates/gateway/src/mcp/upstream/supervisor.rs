//! Who has which connection, and when it starts and ends.
//!
//! Each (owner, upstream) has a slot, or each upstream one when it is `shared`. A slot starts its connection
//! at the first use, notices at the next use that it died, and waits longer after each failure in a row;
//! meanwhile a call fails at once with *nothing sent*. Until it is reached again it is in trouble, which
//! [`Pool::troubles`] tells, and [`Pool::retry`] tries what was needed lately. A reaper stops what nobody has used for long and
//! forgets slots that nobody needs. The number of child processes is bounded; at the bound the one that has
//! been idle for longest makes room, if it has been so for a while.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    Call, CallId, ConfigError, Connection, Event, Hub, NotSent, Owner, Reply, UpstreamConfig, UpstreamError,
    UpstreamKind, locked,
};

/// How long `stop_all` waits for the last child: longer than one takes to be killed.
const LAST_CHILD: Duration = Duration::from_secs(5);

/// The bounds of a pool.
#[derive(Debug, Clone)]
pub struct PoolLimits {
    /// The most child processes at a time.
    pub max_children: usize,
    /// How long a connection may be unused before it is stopped.
    pub idle: Duration,
    /// At the bound of child processes, how long one must have been unused to make room.
    pub spare: Duration,
    /// The wait after a first failure; it doubles with each further one.
    pub backoff: Duration,
    /// The longest wait after a failure.
    pub backoff_most: Duration,
    /// How long a connection must have lived for its end not to count as a further failure in a row.
    pub steady: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_children: 256,
            idle: Duration::from_secs(30 * 60),
            spare: Duration::from_secs(60),
            backoff: Duration::from_millis(500),
            backoff_most: Duration::from_secs(60),
            steady: Duration::from_secs(60),
        }
    }
}

/// All connections to all upstreams. Cloning shares them; when the last clone is dropped all of them end.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: Arc<Inner>,
    _stop_on_drop: Arc<DropGuard>,
}

#[derive(Debug)]
struct Inner {
    upstreams: BTreeMap<String, UpstreamConfig>,
    limits: PoolLimits,
    hub: Hub,
    places: Arc<Semaphore>,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    stopping: CancellationToken,
}

type Key = (Option<Owner>, String);

#[derive(Debug, Default)]
struct Slot {
    state: tokio::sync::Mutex<State>,
    /// The connection of `state`, for those who cannot wait for a start.
    current: Mutex<Weak<Connection>>,
    users: AtomicUsize,
    /// Why it was not reached at the last try; `None` once it was.
    trouble: Mutex<Option<String>>,
    /// When a caller last needed it.
    needed: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    live: Option<Live>,
    failures: u32,
    last_failure: String,
    not_before: Option<Instant>,
    /// The slot has left the table.
    retired: bool,
}

#[derive(Debug)]
struct Live {
    connection: Arc<Connection>,
    since: Instant,
    last_used: Arc<Mutex<Instant>>,
}

/// A connection in use; while it is held the connection is not idle.
#[derive(Debug)]
pub struct Lease {
    connection: Arc<Connection>,
    slot: Arc<Slot>,
    last_used: Arc<Mutex<Instant>>,
}

impl Pool {
    /// A pool for these upstreams, and where its connections report. Must be called within a tokio runtime.
    /// Fails on a configuration that cannot work and on a name that is there twice.
    pub fn new(
        upstreams: impl IntoIterator<Item = UpstreamConfig>,
        limits: PoolLimits,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Event>), ConfigError> {
        let mut known = BTreeMap::new();
        for upstream in upstreams {
            upstream.validate()?;
            let name = upstream.name.clone();
            if known.insert(name.clone(), upstream).is_some() {
                return Err(ConfigError { upstream: name, problem: "the name is there twice".to_owned() });
            }
        }
        let (hub, receiver) = Hub::new();
        let stopping = CancellationToken::new();
        let inner = Arc::new(Inner {
            upstreams: known,
            places: Arc::new(Semaphore::new(limits.max_children.min(Semaphore::MAX_PERMITS))),
            limits,
            hub,
            slots: Mutex::default(),
            stopping: stopping.clone(),
        });
        tokio::spawn(reap(Arc::downgrade(&inner), stopping.clone(), inner.limits.idle));
        Ok((Self { inner, _stop_on_drop: Arc::new(stopping.drop_guard()) }, receiver))
    }

    /// What this pool's connections share: for connections that are not of this pool but report to the same
    /// place.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// The upstreams, by name.
    pub fn upstreams(&self) -> impl Iterator<Item = &UpstreamConfig> {
        self.inner.upstreams.values()
    }

    /// The upstream of this name.
    pub fn upstream(&self, name: &str) -> Option<&UpstreamConfig> {
        self.inner.upstreams.get(name)
    }

    /// The owner's connection to an upstream, started when there is none.
    pub async fn connection(&self, owner: &Owner, upstream: &str) -> Result<Lease, UpstreamError> {
        let config = self.inner.config(upstream)?;
        let key = key(owner, config);
        tokio::select! {
            biased;
            () = self.inner.stopping.cancelled() => Err(not_sent(upstream, NotSent::Stopping)),
            lease = self.inner.lease(&key, config, true) => lease,
        }
    }

    /// Sends one request on the owner's connection to an upstream and waits for its answer.
    pub async fn call(&self, owner: &Owner, upstream: &str, call: Call<'_>) -> Result<Reply, UpstreamError> {
        let lease = self.connection(owner, upstream).await?;
        let answered = lease.call(call).await;
        lease.slot.note(&answered);
        answered
    }

    /// Upstreams that were not reached at the last try, with the reason.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        let mut troubles = BTreeMap::new();
        for ((_, upstream), slot) in locked(&self.inner.slots).iter() {
            if let Ok(mut state) = slot.state.try_lock() {
                self.inner.bury_the_dead(slot, &mut state);
            }
            if let Some(why) = &*locked(&slot.trouble) {
                troubles.insert(upstream.clone(), why.clone());
            }
        }
        troubles
    }

    /// Begins to try again, each in a task of its own, whatever is in trouble, was needed lately and has waited long
    /// enough. Must be called within a tokio runtime.
    pub fn retry(&self) {
        let idle = self.inner.limits.idle;
        let due = |slot: &Slot| {
            let troubled = locked(&slot.trouble).is_some();
            let needed = locked(&slot.needed).is_some_and(|then| then.elapsed() < idle);
            // A slot that is locked is being tried right now.
            let rested =
                slot.state.try_lock().is_ok_and(|state| state.not_before.is_none_or(|t| t <= Instant::now()));
            troubled && needed && rested
        };
        let slots = locked(&self.inner.slots);
        for (key, _) in slots.iter().filter(|(_, slot)| due(slot)) {
            let (pool, key) = (self.clone(), key.clone());
            tokio::spawn(async move { pool.inner.retry(&key).await });
        }
    }

    /// All tools of an upstream, as the owner sees them, each as the exact text the server sent.
    pub async fn list_tools(
        &self,
        owner: &Owner,
        upstream: &str,
    ) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.connection(owner, upstream).await?.list_tools().await
    }

    /// Cancels a call in flight; false when there is none of this id.
    pub fn cancel(&self, owner: &Owner, upstream: &str, call: CallId, reason: &str) -> bool {
        let Ok(config) = self.inner.config(upstream) else { return false };
        let slot = locked(&self.inner.slots).get(&key(owner, config)).cloned();
        let connection = slot.and_then(|slot| locked(&slot.current).upgrade());
        connection.is_some_and(|connection| connection.cancel(call, reason))
    }

    /// Stops the owner's connections: its session has ended. Calls in flight end with an unknown outcome.
    pub async fn stop_owner(&self, owner: &Owner) {
        self.inner.stop(|(slot_owner, _)| slot_owner.as_ref() == Some(owner)).await;
    }

    /// Stops all connections to one upstream; the next use starts them again.
    pub async fn stop_upstream(&self, upstream: &str) {
        self.inner.stop(|(_, name)| name == upstream).await;
    }

    /// Stops everything, and waits until all child processes have ended; no further call is accepted.
    pub async fn stop_all(&self) {
        self.inner.stopping.cancel();
        self.inner.stop(|_| true).await;
        // A start that was broken off ends its child by itself; all places are free once the last has ended.
        let all = u32::try_from(self.inner.limits.max_children).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(LAST_CHILD, self.inner.places.acquire_many(all)).await;
    }

    /// How many child processes there are, those that are being stopped included.
    pub fn children(&self) -> usize {
        self.inner.limits.max_children.saturating_sub(self.inner.places.available_permits())
    }

    /// How many connections or remembered failures the pool keeps.
    pub fn slots(&self) -> usize {
        locked(&self.inner.slots).len()
    }
}

impl Inner {
    fn config(&self, upstream: &str) -> Result<&UpstreamConfig, UpstreamError> {
        self.upstreams.get(upstream).ok_or_else(|| not_sent(upstream, NotSent::NoSuchUpstream))
    }

    /// Whether a server that was in trouble can be reached again; its slot notes it.
    async fn retry(&self, key: &Key) {
        let Ok(config) = self.config(&key.1) else { return };
        let lease = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return,
            lease = self.lease(key, config, false) => lease,
        };
        if let Ok(lease) = lease {
            lease.slot.note(&lease.call(Call::new("ping", None)).await);
        }
    }

    async fn lease(&self, key: &Key, config: &UpstreamConfig, needed: bool) -> Result<Lease, UpstreamError> {
        loop {
            let slot = Arc::clone(locked(&self.slots).entry(key.clone()).or_default());
            if needed {
                *locked(&slot.needed) = Some(Instant::now());
            }
            let mut state = slot.state.lock().await;
            if state.retired {
                continue;
            }
            self.bury_the_dead(&slot, &mut state);
            if state.live.is_none() {
                let connection = Arc::new(self.start(key, config, &slot, &mut state).await?);
                *locked(&slot.trouble) = None;
                *locked(&slot.current) = Arc::downgrade(&connection);
                let now = Instant::now();
                state.live = Some(Live { connection, since: now, last_used: Arc::new(Mutex::new(now)) });
            }
            if let Some(live) = &state.live {
                // Counted while the slot is locked, so that the reaper cannot take it in between.
                slot.users.fetch_add(1, Ordering::AcqRel);
                return Ok(Lease {
                    connection: Arc::clone(&live.connection),
                    slot: Arc::clone(&slot),
                    last_used: Arc::clone(&live.last_used),
                });
            }
        }
    }

    /// Starts a connection, unless the last failure is too recent.
    async fn start(
        &self,
        key: &Key,
        config: &UpstreamConfig,
        slot: &Slot,
        state: &mut State,
    ) -> Result<Connection, UpstreamError> {
        let now = Instant::now();
        if let Some(retry_after) = state.not_before.and_then(|then| then.checked_duration_since(now))
            && !retry_after.is_zero()
        {
            return Err(not_sent(
                &config.name,
                NotSent::Backoff { failures: state.failures, last: state.last_failure.clone(), retry_after },
            ));
        }
        let place = match config.kind {
            UpstreamKind::Stdio { .. } => Some(self.place(&config.name).await?),
            UpstreamKind::Http { .. } => None,
        };
        match Connection::start(config, key.0.clone(), &self.hub, place).await {
            Ok(connection) => Ok(connection),
            Err(error) => {
                let reason = match &error {
                    UpstreamError::NotSent { reason, .. } => reason.to_string(),
                    other => other.to_string(),
                };
                self.failed(slot, state, reason);
                Err(error)
            }
        }
    }

    fn bury_the_dead(&self, slot: &Slot, state: &mut State) {
        let reason = state.live.as_ref().and_then(|live| live.connection.closed());
        if let (Some(reason), Some(live)) = (reason, state.live.as_ref()) {
            let steady = live.since.elapsed() >= self.limits.steady;
            state.live = None;
            if steady {
                state.failures = 0;
                state.not_before = None;
            } else {
                self.failed(slot, state, reason.to_string());
            }
        }
    }

    fn failed(&self, slot: &Slot, state: &mut State, reason: String) {
        *locked(&slot.trouble) = Some(reason.clone());
        let doublings = state.failures.min(16);
        let wait = self.limits.backoff.saturating_mul(1 << doublings).min(self.limits.backoff_most);
        state.failures = state.failures.saturating_add(1);
        state.last_failure = reason;
        state.not_before = Some(Instant::now() + wait);
    }

    /// A place for a child process; at the bound, that of the one that has been idle for longest.
    async fn place(&self, upstream: &str) -> Result<OwnedSemaphorePermit, UpstreamError> {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return Ok(place);
            }
            let Some(spare) = self.take_longest_idle() else {
                return Err(not_sent(upstream, NotSent::AtCapacity { limit: self.limits.max_children }));
            };
            spare.connection.close().await;
        }
    }

    fn take_longest_idle(&self) -> Option<Live> {
        let mut slots = locked(&self.slots);
        let idle_for = |slot: &Slot| {
            let state = slot.state.try_lock().ok()?;
            let live = state.live.as_ref()?;
            live.connection.has_child().then(|| slot.idle_for(live))?
        };
        let (_, key) = slots
            .iter()
            .filter_map(|(key, slot)| Some((idle_for(slot).filter(|idle| *idle >= self.limits.spare)?, key)))
            .max_by_key(|(idle, _)| *idle)?;
        let key = key.clone();
        let slot = Arc::clone(slots.get(&key)?);
        let mut state = slot.state.try_lock().ok()?;
        slot.idle_for(state.live.as_ref()?)?;
        state.retired = true;
        slots.remove(&key);
        state.live.take()
    }

    /// Takes the slots that `which` names out of the table and ends their connections.
    async fn stop(&self, which: impl Fn(&Key) -> bool) {
        let taken: Vec<_> =
            locked(&self.slots).extract_if(|key, _| which(key)).map(|(_, slot)| slot).collect();
        let ends = taken.into_iter().map(|slot| async move {
            let mut state = slot.state.lock().await;
            state.retired = true;
            if let Some(live) = state.live.take() {
                live.connection.close().await;
            }
        });
        join_all(ends).await;
    }

    /// Stops idle connections, drops dead ones, and forgets slots without a connection whose failure is long
    /// past.
    async fn reap(&self) {
        let mut idle = Vec::new();
        locked(&self.slots).retain(|_, slot| {
            let Ok(mut state) = slot.state.try_lock() else { return true };
            self.bury_the_dead(slot, &mut state);
            let keep = match &state.live {
                Some(live) => slot.idle_for(live).is_none_or(|idle| idle < self.limits.idle),
                None => state.not_before.is_some_and(|then| then + self.limits.idle > Instant::now()),
            };
            if !keep {
                state.retired = true;
                idle.extend(state.live.take());
            }
            keep
        });
        join_all(idle.iter().map(|live| live.connection.close())).await;
    }
}

impl Slot {
    /// Takes note of whether the server was reached; an answer that is an error came from a server too.
    fn note(&self, answered: &Result<Reply, UpstreamError>) {
        match answered {
            Ok(_) | Err(UpstreamError::Answered { .. }) => *locked(&self.trouble) = None,
            Err(UpstreamError::NotSent { reason: reason @ NotSent::Unreachable(_), .. }) => {
                *locked(&self.trouble) = Some(reason.to_string());
            }
            Err(UpstreamError::NotSent { .. } | UpstreamError::Unknown { .. }) => {}
        }
    }

    /// How long nobody has used the connection; `None` while somebody does.
    fn idle_for(&self, live: &Live) -> Option<Duration> {
        (self.users.load(Ordering::Acquire) == 0).then(|| locked(&live.last_used).elapsed())
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *locked(&self.last_used) = Instant::now();
        self.slot.users.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Reaps until the pool is gone; what is left then ends as it is dropped.
async fn reap(pool: Weak<Inner>, stopping: CancellationToken, idle: Duration) {
    let every = (idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(60));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        match pool.upgrade() {
            Some(pool) => pool.reap().await,
            None => return,
        }
    }
}

fn key(owner: &Owner, config: &UpstreamConfig) -> Key {
    ((!config.shared).then(|| owner.clone()), config.name.clone())
}

fn not_sent(upstream: &str, reason: NotSent) -> UpstreamError {
    UpstreamError::NotSent { upstream: upstream.to_owned(), reason }
}

//! Policy bundles fetched while the daemon runs (`R3.reload`).
//!
//! | what comes | what holds | how it shows |
//! |---|---|---|
//! | a sound bundle with a higher serial | its set | receipt with the serial; the log |
//! | the bundle in force, or HTTP 304 | the old set | nothing |
//! | a bundle that is forged, faulty, older, or looser without saying so | the old set | `/readyz` false until a sound one comes; the log |
//! | no answer | the old set | the log once; `/readyz` false after `stale_after` |

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::policy::PolicySet;
use countersign_engine::Engine;
use countersign_engine::policies::{By, NotActivated};
use countersign_gateway::health::Health;
use countersign_receipt::keys::KeySet;
use reqwest::{StatusCode, header};
use tokio::time::Instant;

use crate::bundle::{Bundle, MAX_BYTES};
use crate::config::policy::Source;
use crate::error::CommandError;

/// Under which name `/readyz` speaks of the policies.
const NAME: &str = "policies";
/// Who a change is recorded as made by.
const BY: &str = "policy-bundle";
/// One answer may take so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fetches bundles for one engine.
pub(crate) struct Fetch {
    source: Source,
    trusted: KeySet,
    http: reqwest::Client,
    engine: Engine,
    health: Arc<Health>,
    /// The highest serial that ever came into force.
    serial: Option<u64>,
    /// What the last sound answer was called.
    etag: Option<header::HeaderValue>,
    /// When the last sound answer came; the start counts as one.
    sound: Instant,
    /// The last trouble that was logged.
    told: Option<String>,
}

/// The public keys that bundles from here may be signed with.
///
/// # Errors
/// They cannot be read, or are no keys.
pub(crate) fn trusted(source: &Source) -> Result<KeySet, CommandError> {
    let unusable = |error: &dyn std::error::Error| {
        let said = format!("the keys {} that bundles are signed with cannot be used", source.keys.display());
        CommandError::configuration(said)
            .cause(error)
            .hint("put the `signing.pub` of whoever signs bundles there")
    };
    let text = std::fs::read_to_string(&source.keys).map_err(|error| unusable(&error))?;
    KeySet::parse(&text).map_err(|error| unusable(&error))
}

/// What became of one look.
enum Looked {
    /// Nothing newer is there.
    Same,
    /// A newer set is in force.
    Taken,
    /// What came is not to be used.
    Unsound(String),
    /// Nothing came.
    Away(String),
}

impl Fetch {
    /// Reads the trusted keys; asks nobody yet.
    ///
    /// # Errors
    /// The keys cannot be used.
    pub(crate) fn new(
        source: &Source,
        engine: Engine,
        health: Arc<Health>,
        serial: Option<u64>,
    ) -> Result<Self, CommandError> {
        let trusted = trusted(source)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(|error| CommandError::bug("the HTTP client does not start").cause(&error))?;
        let source = source.clone();
        let (etag, sound, told) = (None, Instant::now(), None);
        Ok(Self { source, trusted, http, engine, health, serial, etag, sound, told })
    }

    /// Asks again and again, until the future is dropped.
    pub(crate) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.source.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let looked = self.look().await;
            self.tell(looked);
        }
    }

    async fn look(&mut self) -> Looked {
        match self.ask().await {
            Ok(None) => Looked::Same,
            Ok(Some((etag, text))) => {
                let looked = self.take(&text).await;
                // What was refused is looked at again: the trouble lasts until something sound comes.
                self.etag = etag.filter(|_| matches!(looked, Looked::Same | Looked::Taken));
                looked
            }
            Err(why) => Looked::Away(why),
        }
    }

    /// What is at the address; `None` where that is what was there before.
    async fn ask(&self) -> Result<Option<(Option<header::HeaderValue>, Vec<u8>)>, String> {
        let mut request = self.http.get(self.source.url.clone());
        if let Some(etag) = &self.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let words = |error: reqwest::Error| {
            let error = error.without_url();
            error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        };
        let mut answer = request.send().await.map_err(words)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(None),
            status => return Err(format!("the answer is {status}")),
        }
        let etag = answer.headers().get(header::ETAG).cloned();
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(words)? {
            text.extend_from_slice(&chunk);
            // One byte too many is enough to be refused.
            if text.len() > MAX_BYTES {
                break;
            }
        }
        Ok(Some((etag, text)))
    }

    async fn take(&mut self, text: &[u8]) -> Looked {
        let bundle = match Bundle::open(text, &self.trusted) {
            Ok(bundle) => bundle,
            Err(error) => return Looked::Unsound(error.to_string()),
        };
        let Bundle { serial, looser, files, .. } = bundle;
        let files = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        let loaded = tokio::task::spawn_blocking(|| PolicySet::assemble(files)).await;
        let set = match loaded {
            Ok(Ok(set)) => set,
            Ok(Err(faults)) => {
                let first = faults.first().map_or_else(String::new, ToString::to_string);
                return Looked::Unsound(format!("it is faulty: {first}"));
            }
            Err(error) => return Looked::Away(format!("reading it was interrupted: {error}")),
        };
        let in_force = self.engine.governing().policy.reference().digest == set.reference().digest;
        if let Some(known) = self.serial.filter(|known| serial <= *known) {
            return match in_force && serial == known {
                true => Looked::Same,
                false => Looked::Unsound(format!(
                    "its serial is {serial}, and a bundle with {known} was in force: a new one needs a higher serial"
                )),
            };
        }
        let by = By { looser, serial: Some(serial), ..By::unless_looser(BY) };
        match self.engine.activate(set, by).await {
            Ok(_) => {
                self.serial = Some(serial);
                Looked::Taken
            }
            Err(error @ NotActivated::Looser(_)) => {
                Looked::Unsound(format!("{error}; whoever signs it has to say that it may be (`--yes`)"))
            }
            Err(NotActivated::Failed(failure)) => {
                Looked::Away(format!("it could not be recorded: {failure}"))
            }
        }
    }

    fn tell(&mut self, looked: Looked) {
        let url = &self.source.url;
        match looked {
            Looked::Same | Looked::Taken => {
                if matches!(looked, Looked::Taken) {
                    let policy = self.engine.governing().policy.reference().clone();
                    tracing::info!(id = %policy.id, version = %policy.version, digest = %policy.digest, serial = self.serial, "the policy bundle is in force");
                }
                self.sound = Instant::now();
                self.told = None;
                self.health.well(NAME);
            }
            Looked::Unsound(why) => {
                let why = format!("the policy bundle from {url} is not in force: {why}");
                self.log_once(&why);
                self.health.trouble(NAME, why);
            }
            Looked::Away(why) => {
                let why = format!("no policy bundle came from {url}: {why}");
                self.log_once(&why);
                if self.sound.elapsed() >= self.source.stale_after {
                    self.health.trouble(NAME, why);
                }
            }
        }
    }

    fn log_once(&mut self, why: &str) {
        if self.told.as_deref() != Some(why) {
            tracing::error!("{why}; the old policy stays in force");
            self.told = Some(why.to_owned());
        }
    }
}

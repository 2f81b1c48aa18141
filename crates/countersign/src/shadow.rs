//! The candidate set beside the set in force (`shadow` in the configuration): read at start and watched.
//!
//! Once a second its files are read. Changed and valid: it is the candidate from then on. Faulty or unreadable: the log
//! says so once, and the candidate before it stays. A candidate has no say, so nothing about it keeps the daemon from
//! starting or from being ready.

use std::path::PathBuf;
use std::time::Duration;

use countersign_core::policy::PolicySet;
use countersign_engine::Engine;

use crate::policies::{Files, Unreadable};

const EVERY: Duration = Duration::from_secs(1);

/// Watches the files of one engine's candidate.
pub(crate) struct Shadow {
    paths: Vec<PathBuf>,
    engine: Engine,
    /// What was last looked at, be it good or bad.
    seen: Option<Result<Files, String>>,
}

impl Shadow {
    /// Reads the candidate for the first time; without paths there is none, now or later.
    pub(crate) async fn begin(paths: Vec<PathBuf>, engine: Engine) -> Self {
        let mut shadow = Self { paths, engine, seen: None };
        shadow.look().await;
        shadow
    }

    /// Looks once a second, until the future is dropped.
    pub(crate) async fn run(mut self) {
        if self.paths.is_empty() {
            return;
        }
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        if self.paths.is_empty() {
            return;
        }
        let paths = self.paths.clone();
        // Reading runs to its end or not at all; a look that failed to run is made again.
        let Ok(read) = tokio::task::spawn_blocking(move || Files::read(&paths)).await else { return };
        let read = read.map_err(|error: Unreadable| error.to_string());
        if self.seen.as_ref() == Some(&read) {
            return;
        }
        let done = match &read {
            Err(why) => self.keep_old(&format!("it cannot be read: {why}")),
            Ok(files) => match files.assemble() {
                Ok(set) => self.put(set).await,
                Err(faults) => {
                    faults.iter().for_each(|fault| tracing::error!("candidate policy: {fault}"));
                    self.keep_old("it is faulty")
                }
            },
        };
        if done {
            self.seen = Some(read);
        }
    }

    /// Makes a set the candidate; says whether it need not be tried again.
    async fn put(&self, set: PolicySet) -> bool {
        let reference = set.reference().clone();
        match self.engine.shadow(Some(set)).await {
            Ok(()) => {
                tracing::info!(id = %reference.id, version = %reference.version, digest = %reference.digest, "a candidate policy is decided beside the one in force; it is not enforced");
                true
            }
            Err(failure) => {
                tracing::error!(%failure, "the candidate policy could not be kept, so it is not decided");
                false
            }
        }
    }

    fn keep_old(&self, why: &str) -> bool {
        let candidate = self.engine.candidate().map(|set| set.reference().digest.to_string());
        let candidate = candidate.unwrap_or_else(|| "none".to_owned());
        tracing::error!(candidate, "the candidate policy on disk is not decided: {why}");
        true
    }
}

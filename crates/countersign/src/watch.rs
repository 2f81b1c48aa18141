//! Policy files watched while the daemon runs (`R3.reload`).
//!
//! Once a second the files are read. Changed and valid: the new set is put in force, as a whole. Changed and faulty, or
//! unreadable: the old set stays in force, the log says so once, and `/readyz` says so until it is mended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::policy::PolicySet;
use countersign_engine::Engine;
use countersign_engine::policies::By;
use countersign_gateway::health::Health;

use crate::policies::{Files, Unreadable};

const EVERY: Duration = Duration::from_secs(1);

/// Under which name `/readyz` speaks of the policies.
const NAME: &str = "policies";

/// Who a change is recorded as made by.
const BY: &str = "policy-files";

/// Watches the policy files of one engine.
pub(crate) struct Watch {
    paths: Vec<PathBuf>,
    engine: Engine,
    health: Arc<Health>,
    /// What was last looked at, be it good or bad.
    seen: Seen,
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Files(Files),
    Unreadable(String),
}

impl Watch {
    /// A watch that has already seen what the engine was started with.
    pub(crate) const fn new(paths: Vec<PathBuf>, seen: Files, engine: Engine, health: Arc<Health>) -> Self {
        Self { paths, engine, health, seen: Seen::Files(seen) }
    }

    /// Looks once a second, until the future is dropped.
    pub(crate) async fn run(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let paths = self.paths.clone();
            // Reading runs to its end or not at all; a look that failed to run is made again.
            if let Ok(read) = tokio::task::spawn_blocking(move || Files::read(&paths)).await {
                self.look(read).await;
            }
        }
    }

    async fn look(&mut self, read: Result<Files, Unreadable>) {
        let now = match read {
            Ok(files) => Seen::Files(files),
            Err(error) => Seen::Unreadable(error.to_string()),
        };
        if now == self.seen {
            return;
        }
        let done = match &now {
            Seen::Unreadable(why) => self.keep_old(&format!("they cannot be read: {why}")),
            Seen::Files(files) => match files.assemble() {
                Ok(set) => self.activate(set).await,
                Err(faults) => {
                    for fault in &faults {
                        tracing::error!("{fault}");
                    }
                    let first = faults.first().map_or_else(String::new, ToString::to_string);
                    self.keep_old(&format!("{} wrong with them, first {first}", counted(faults.len())))
                }
            },
        };
        if done {
            self.seen = now;
        }
    }

    /// Puts a set in force; says whether it need not be tried again.
    async fn activate(&self, set: PolicySet) -> bool {
        let reference = set.reference().clone();
        match self.engine.activate(set, By::even_looser(BY)).await {
            Ok(done) => {
                for loosens in done.iter().flat_map(|done| &done.loosens) {
                    tracing::warn!("the policies on disk are looser than the ones before them: {loosens}");
                }
                self.health.well(NAME);
                let receipt = done.as_ref().map_or("", |done| &*done.receipt.id);
                tracing::info!(id = %reference.id, version = %reference.version, digest = %reference.digest, receipt, "the policies on disk are in force");
                true
            }
            Err(failure) => {
                let why = format!("the change could not be recorded: {failure}");
                tracing::error!("the policies have changed, and {why}; the old ones stay in force");
                self.health.trouble(NAME, why);
                false
            }
        }
    }

    fn keep_old(&self, why: &str) -> bool {
        let in_force = self.engine.governing().policy.reference().clone();
        tracing::error!(digest = %in_force.digest, "the policies on disk are NOT in force: {why}; the old ones stay");
        self.health.trouble(NAME, format!("the policies on disk are not in force: {why}"));
        true
    }
}

fn counted(faults: usize) -> String {
    if faults == 1 { "1 thing is".to_owned() } else { format!("{faults} things are") }
}

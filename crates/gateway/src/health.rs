//! What is wrong now, by name: set by whoever notices, read by `/readyz`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Problems that make the daemon unfit to take actions, until whoever set them clears them.
#[derive(Debug, Default)]
pub struct Health {
    problems: Mutex<BTreeMap<String, String>>,
}

impl Health {
    /// Nothing is wrong.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `name` (`policies`, say) is in trouble, and why; an earlier reason is replaced.
    pub fn trouble(&self, name: &str, why: impl Into<String>) {
        self.lock().insert(name.to_owned(), why.into());
    }

    /// Says that `name` is well again.
    pub fn well(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Everything that is wrong, as (name, why), in the order of names.
    #[must_use]
    pub fn problems(&self) -> Vec<(String, String)> {
        self.lock().iter().map(|(name, why)| (name.clone(), why.clone())).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

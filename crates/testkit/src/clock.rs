//! Time that a test moves.

use std::sync::atomic::{AtomicI64, Ordering};

use countersign_core::time::{Span, Time};
use countersign_engine::ports::Clock;

/// A clock that stands still until it is set. It may be set back, as a machine's clock may.
#[derive(Debug)]
pub struct SimClock(AtomicI64);

impl SimClock {
    /// A clock that shows this moment.
    #[must_use]
    pub const fn at(now: Time) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Shows this moment from now on.
    pub fn set(&self, now: Time) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves by a span, backwards if it is negative.
    pub fn advance(&self, by: Span) {
        self.0.fetch_add(by.0, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}

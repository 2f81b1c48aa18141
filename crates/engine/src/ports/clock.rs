//! Time, from outside.

use countersign_core::time::Time;

/// Tells the moment. Trusted: who controls it can stretch deadlines and revive stale facts.
pub trait Clock: Send + Sync {
    /// Now. May step backwards when the machine's clock is set.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time(jiff::Timestamp::now().as_millisecond())
    }
}

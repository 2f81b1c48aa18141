//! A life cannot be put into a state by hand.

use countersign_core::lifecycle::{Lifecycle, Limits, State};
use countersign_core::time::Time;

fn main() {
    let state = State::Permitted { until: Time(0) };
    let _ = Lifecycle { state, limits: Limits::default(), deferred: false };
}

//! A life of which there were two could give two permits from one record; so could what holds lives.

use countersign_core::lifecycle::Lifecycle;
use countersign_core::session::{Context, Tracked};

fn copied<T: Clone>() {}

fn main() {
    copied::<Lifecycle>();
    copied::<Tracked>();
    copied::<Context>();
}

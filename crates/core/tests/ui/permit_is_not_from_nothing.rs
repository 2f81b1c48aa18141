//! A permit does not come from nothing.

use countersign_core::lifecycle::{Permit, Spent};

fn from_nothing<T: Default>() {}

fn main() {
    from_nothing::<Permit>();
    from_nothing::<Spent>();
}

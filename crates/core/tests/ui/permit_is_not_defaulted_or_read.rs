//! A permit comes neither from nothing nor from a file.

use countersign_core::lifecycle::{Permit, Spent};

fn from_nothing<T: Default>() {}
fn from_a_file<T: serde::de::DeserializeOwned>() {}

fn main() {
    from_nothing::<Permit>();
    from_nothing::<Spent>();
    from_a_file::<Permit>();
    from_a_file::<Spent>();
}

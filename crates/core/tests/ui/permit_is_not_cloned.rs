//! Neither a permit nor the proof that it was spent is copied.

use countersign_core::lifecycle::{Permit, Spent};

fn twice(permit: Permit, spent: Spent) -> (Permit, Permit, Spent, Spent) {
    (permit.clone(), permit, spent.clone(), spent)
}

fn main() {}

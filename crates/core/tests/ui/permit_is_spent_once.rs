//! Spending moves the permit.

use countersign_core::lifecycle::{Lapsed, Permit, Spent};
use countersign_core::time::Time;

fn twice(permit: Permit) -> (Result<Spent, Lapsed>, Result<Spent, Lapsed>) {
    (permit.spend(Time(0), false), permit.spend(Time(0), false))
}

fn main() {}

//! Nobody proves a spending that did not happen.

use countersign_core::lifecycle::Spent;

fn main() {
    let _ = Spent { action: "act_1".into() };
}

//! Nobody outside the lifecycle makes a permit.

use countersign_core::lifecycle::Permit;
use countersign_core::time::Time;

fn main() {
    let _ = Permit { action: "act_1".into(), until: Time(0) };
}

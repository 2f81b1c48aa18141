//! Countersign: no action without a countersignature.
fn main() {}

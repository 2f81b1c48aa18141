//! The policy language from outside: what loads, what does not and where, and when rules hold.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic here is the report of a failure"
)]

mod classification;
mod conflicts;
mod faults;
mod fragments;
mod language;
mod lists;
mod loosening;
mod matching;
mod properties;
mod sets;
mod specification;
mod world;

//! Context: what a session, a human and an agent have done and seen, as folds over chains.
//!
//! [`entry`] says what can happen, [`context`] folds a session's entries, [`principal`] folds what is
//! counted across sessions. Both folds see nothing but entries, so a restart gives the same context.

pub mod context;
pub mod entry;
pub mod principal;

pub use context::{Context, GivenFact, Tracked};
pub use entry::{Entry, Intent, Opened, Outcome, Status, What};
pub use principal::{Change, Principal};

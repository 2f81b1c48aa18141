//! Context: what a session, a human and an agent have done and seen, as folds over chains.
//!
//! | module | holds |
//! |---|---|
//! | [`entry`] | what can happen |
//! | [`context`] | the fold over a session's entries |
//! | [`signals`] | what they add up to: every risk signal with its formula |
//! | [`scope`], [`sequence`], [`pacing`] | what three of the signals are made of |
//! | [`compact`] | what bounds a context's memory, and what is missing from then on |
//! | [`principal`] | the fold over what is counted across sessions |
//!
//! Both folds see nothing but entries, so a restart gives the same context.

pub mod compact;
pub mod context;
pub mod entry;
pub mod pacing;
pub mod principal;
pub mod scope;
pub mod sequence;
pub mod signals;

pub use compact::ContextLimits;
pub use context::{Context, GivenFact, Tracked};
pub use entry::{Entry, Intent, Opened, Outcome, Status, What};
pub use principal::{Change, Principal};

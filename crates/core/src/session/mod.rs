//! Context: what a session, a human and an agent have done and seen, as folds over chains.
//!
//! | module | holds |
//! |---|---|
//! | [`entry`] | what can happen |
//! | [`context`] | the fold over a session's entries |
//! | [`given`] | facts that somebody gave: who says what, and whether they agree |
//! | [`signals`] | what they add up to: every risk signal with its formula |
//! | [`scope`], [`sequence`], [`pacing`] | what three of the signals are made of |
//! | [`compact`] | what bounds a context's memory, and what is missing from then on |
//! | [`history`], [`fingerprint`] | the latest permitted actions one by one: what `sequence` asks |
//! | [`usage`], [`counters`] | how much was done: rates and the sums of counters, per session, agent and human |
//! | [`decimal`], [`series`] | exact amounts, and amounts by their moments in bounded memory |
//! | [`linked`] | what sessions share along a delegation |
//! | [`principal`] | the fold over what is counted across sessions |
//!
//! Both folds see nothing but entries, so a restart gives the same context.

pub mod compact;
pub mod context;
pub mod counters;
pub mod decimal;
pub mod entry;
pub mod fingerprint;
pub mod given;
pub mod history;
pub mod linked;
pub mod pacing;
pub mod principal;
pub mod scope;
pub mod sequence;
pub mod series;
pub mod signals;
mod step;
pub mod usage;

pub use compact::ContextLimits;
pub use context::{Context, Tracked};
pub use counters::{Add, Amount, Correction, CounterDefinition, Measured, Total};
pub use decimal::Decimal;
pub use entry::{Entry, Intent, Opened, Outcome, Status, What};
pub use fingerprint::Shared;
pub use given::{FactState, GivenFact};
pub use history::{History, Permitted, SequenceQuery};
pub use linked::Delegated;
pub use principal::{Change, Principal};
pub use usage::{Per, Usage, Which};

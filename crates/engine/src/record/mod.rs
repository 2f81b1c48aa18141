//! Between what happened and the receipt that proves it: the only place that knows both forms.
//!
//! [`mod@write`] turns a transition or event into an unsigned receipt and the texts it commits to;
//! [`read`] turns a stored receipt back into the entry that `core` folds. A test takes every kind there
//! and back. [`mod@seal`] adds what only the moment of commit knows: place in the chain, heads, salts, signature.

pub mod read;
pub mod seal;
pub mod write;

pub use read::{ReadBack, entry};
pub use seal::{Place, Sealed, seal};
pub use write::Draft;

/// How a deferral or authorisation ended, as receipts say it.
pub(crate) mod method {
    pub(crate) const FACTS: &str = "evaluated_again";
    pub(crate) const ESCALATED: &str = "escalated";
    pub(crate) const HALT: &str = "halt";
    pub(crate) const TIMEOUT: &str = "timeout";
    pub(crate) const UNCLAIMED: &str = "unclaimed";
}

#[cfg(test)]
mod tests;

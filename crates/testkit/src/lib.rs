//! What the tests of several crates share. Only ever a dev-dependency.
//!
//! | module | holds |
//! |---|---|
//! | [`builders`] | actions, identities, contexts, policies and questions in one line each |
//! | [`model`] | the folder of the embedding model that tests read |
//! | [`language`] | a second, naive reading of the policy language, and policies, sessions and actions by chance |
//! | [`oracle`] | a second, naive reading of `R3.order` that shares no code with `core::decide` |
//! | `clock` | a clock that stands still until a test moves it, forwards or back (feature `engine`) |
//! | `embedder` | an embedding model that counts words, and fails on command (feature `engine`) |
//! | `signer` | a real Ed25519 key that is the same in every run (feature `engine`) |
//!
//! The ledger that fails on command is the store's own: `Memory::with_faults`.
//! Without the feature `engine` this crate knows only `core`, so that core's own tests stay small.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic here is the report of a test that was written wrongly"
)]

pub mod builders;
#[cfg(feature = "engine")]
pub mod clock;
#[cfg(feature = "engine")]
pub mod embedder;
pub mod language;
pub mod model;
pub mod oracle;
#[cfg(feature = "engine")]
pub mod signer;

//! Outside services behind the engine's ports.
//!
//! | module | holds |
//! |---|---|
//! | [`embed`] | a sentence model on disk, and the port [`Embedder`](countersign_engine::ports::Embedder) over it |
//!
//! # Whom one has to trust
//! - **The model's files**: they are opened at SHA-256 digests that stand in the code, so whoever can write the folder
//!   can take the model away, not change what it says. Without a model the embedded distance is a missing fact.
//!
//! # What is deliberately absent
//! A download. A command fetches bytes and hands them to [`embed::files`], which takes them at their digests or not at all.

pub mod embed;

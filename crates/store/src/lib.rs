//! Ledgers: where receipts become durable, behind the engine's port [`Ledger`](countersign_engine::ports::Ledger).
//!
//! | module | holds |
//! |---|---|
//! | [`sqlite`] | the default: one file, one writer, group commit; and reading it beside a running daemon |
//! | [`memory`] | the same contract without a disk, for tests and trials |
//! | [`faults`] | where a write can be made to fail, so that every failure can be shown |
//! | [`keys`] | the folder with the signing key and the key that seals disclosures |
//! | `rules` | what a batch must satisfy before it is written: one place for every store |
//!
//! # Whom one has to trust
//! - **SQLite**: whoever can write the file, or its folder, can remove or replace the whole history; what a past record
//!   says cannot be changed without breaking its signature and its chain, and a shortened history shows against any
//!   receipt or checkpoint that somebody outside holds. Whoever also has `disclosure.key` can read what was disclosed.
//! - **Memory**: the process itself; nothing survives it.
//! - **Key folder**: whoever can read it can sign in this installation's name.
//!
//! # What holds
//! - An answer `Ok` comes after the sync that makes the records durable, never before.
//! - An error is an error: no failed write or sync is tried again into a success.
//! - `tests/contract.rs` runs every promise of the port against both stores; `tests/faults.rs` walks through the fault
//!   table of [`sqlite`]; `tests/crash.rs` kills the process.

pub mod faults;
pub mod keys;
pub mod memory;
mod rules;
pub mod sqlite;

pub use faults::{Hook, Point, Verdict};
pub use keys::{DisclosureKey, KeyFolder, KeysError, SigningKey};
pub use memory::Memory;
pub use sqlite::{OpenError, Options, Sqlite};

//! Claims about receipts, made from outside the crate, with a key that everybody knows.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure report")]

mod canonical;
mod common;
mod export;
mod golden;
mod tamper;

//! Contracts: derived by general rules from tools nobody here has seen, and what a person makes of them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod corpus;
mod derived;
mod fresh;
mod properties;
mod reviewed;
mod unrepaired;

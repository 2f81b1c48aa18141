//! How core judges, from outside: every claim is a test's name, and cites its clause.
//!
//! | module | claims about |
//! |---|---|
//! | `small_world` | `decide` against the naive oracle, over every small policy and over many larger ones |
//! | `differential` | `decide` and the loader against a naive reading of the language, over 100,000 questions |
//! | `clauses` | the order of judgement (`R3`), one clause a test |
//! | `edits` | what a MODIFY may lead to |
//! | `explained` | rulings taken apart |
//! | `lives` | the lifecycle, over every sequence of inputs up to ten long |
//! | `dependents` | who waits for a deferred action (`R4.defer.dependents`) |
//! | `folds` | contexts and principals: replay gives what life gave |
//! | `bounded` | sessions that never end: compaction makes no fact safer |
//! | `linked` | sessions linked by delegation: linking makes no fact safer |
//! | `drifting` | thresholds of drift, and what lies beyond them (`R7`) |
//! | `risky` | compositional risk above its limit |
//! | `signals` | risk signals, one formula a test |
//! | `usage` | sequences, rates and sums, asked by value |
//! | `permits` | what must not compile |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic here is the report of a failure")]

mod bounded;
mod clauses;
mod dependents;
mod differential;
mod drifting;
mod edits;
mod explained;
mod folds;
mod linked;
mod lives;
mod permits;
mod risky;
mod signals;
mod small_world;
mod usage;

//! How core judges, from outside: every claim is a test's name, and cites its clause.
//!
//! | module | claims about |
//! |---|---|
//! | `small_world` | `decide` against the naive oracle, over every small policy and over many larger ones |
//! | `clauses` | the order of judgement (`R3`), one clause a test |
//! | `edits` | what a MODIFY may lead to |
//! | `lives` | the lifecycle, over every sequence of inputs up to ten long |
//! | `dependents` | who waits for a deferred action (`R4.defer.dependents`) |
//! | `folds` | contexts and principals: replay gives what life gave |
//! | `bounded` | sessions that never end: compaction makes no fact safer |
//! | `signals` | risk signals, one formula a test |
//! | `permits` | what must not compile |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic here is the report of a failure")]

mod bounded;
mod clauses;
mod dependents;
mod edits;
mod folds;
mod lives;
mod permits;
mod signals;
mod small_world;

//! The engine from outside: a real ledger in memory, a real key, a clock that the tests move.
//!
//! | module | claims about |
//! |---|---|
//! | `world` | the engine under test, what ran, and the audit that every test ends with |
//! | `slow` | a ledger that commits in groups, a while after it was handed a batch |
//! | `decisions` | the five decisions from submission to outcome |
//! | `classification` | what a policy says of data by source and pattern (`R2.data`) |
//! | `waits` | people, facts, deadlines, retries that attach (`R4.step`, `R4.defer`) |
//! | `delegation` | sessions that are linked, because one delegated to the other |
//! | `definitions` | what tools say of themselves, for the next start |
//! | `environment` | facts about the world whose sources disagree (`R3.cdd2`) |
//! | `drift` | how far actions lie from the request, on record before their rulings (`R7`) |
//! | `order` | what depends on a deferred action |
//! | `control` | halts, policy changes, permits that lapse |
//! | `budgets` | the sums of counters: in flight, given back, across sessions, under concurrency |
//! | `principals` | budgets, high-water marks, sessions of others, windows |
//! | `smuggling` | a third party's address on its way into an action (`R2`) |
//! | `recovery` | a restart at every step of every life |
//! | `replay` | recorded rulings asked again (`R3.deterministic`) |
//! | `faults` | a failure at every append, and the table of what follows from it |
//! | `idle` | sessions that leave memory and come back |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic here is the report of a failure")]

mod budgets;
mod classification;
mod control;
mod decisions;
mod definitions;
mod delegation;
mod drift;
mod environment;
mod faults;
mod idle;
mod order;
mod principals;
mod recovery;
mod replay;
mod slow;
mod smuggling;
mod waits;
mod world;

//! Where an argument comes from: what no disguise, no flood and no detour can change.
//!
//! | module | claims about |
//! |---|---|
//! | `world` | tools as servers list them, and a session that uses them |
//! | `disguises` | the evasion corpus: ways to write a value so that it is not recognised |
//! | `evasion` | no disguise turns a third party's value into the user's |
//! | `index` | floods, erasures, replays: what is unknown is said to be unknown |
//! | `echoes` | values that are written and read back keep their writers |
//! | `slots` | what the user leaves open: once, for one role, from one source |
//! | `facts` | what policies read, and what people are told |
//! | `hostile` | texts made to cost more than their length |
//! | `baseline` | each rule of `policies/baseline` decides a session of its own |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic here is the report of a failure")]

mod baseline;
mod disguises;
mod echoes;
mod evasion;
mod facts;
mod hostile;
mod index;
mod slots;
mod world;

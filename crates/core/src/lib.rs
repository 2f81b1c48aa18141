//! The pure decision core: what an action is, and what may happen to it.
//!
//! Same action, same context, same policy, same moment in: same ruling out. There is no I/O, clock,
//! randomness or async in this crate; `clippy.toml` bans them and a test asserts that it depends on
//! none of the crates that bring them.
//!
//! | module | holds |
//! |---|---|
//! | [`action`] | one proposed tool call, normalised; [`json`] reads its arguments strictly |
//! | [`contract`] | what a tool does: effect, roles of its arguments, who writes its outputs |
//! | [`identity`] | who acts: human, service, agent, session, delegation |
//! | [`session`] | context as a fold over the entries of a chain: [`session::Context`], [`session::Principal`] |
//! | [`origin`] | where an argument comes from: who could have written it, and whether the request covers it |
//! | [`facts`] | the one place where a fact's name becomes a value, or is missing |
//! | [`policy`] | syntax -> rule -> matching (`Yes`, `No`, `Unknown`) |
//! | [`decide`] | the order of judgement, on one screen: the file an auditor reads first |
//! | [`decision`] | the five decisions, and [`decision::Ruling`]: why |
//! | [`edits`] | what a MODIFY does to the arguments |
//! | [`depend`] | which actions wait for a deferred one |
//! | [`drift`] | how far an action stands from the request, in integers |
//! | [`lifecycle`] | submitted -> waiting -> authorised -> permitted -> settled, and the [`lifecycle::Permit`] |
//!
//! The flow: the engine builds a [`decide::Question`], [`decide::decide`] gives a [`decision::Ruling`],
//! [`lifecycle::Lifecycle::handle`] says what to record and, once it is recorded, hands out a permit.

pub mod action;
pub mod contract;
pub mod decide;
pub mod decision;
pub mod depend;
pub mod detect;
pub mod drift;
pub mod edits;
pub mod facts;
pub mod identity;
pub mod json;
pub mod lifecycle;
pub mod names;
pub mod origin;
pub mod policy;
pub mod session;
pub mod time;

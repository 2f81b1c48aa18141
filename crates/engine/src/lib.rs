//! The one flow from intercepted action to recorded outcome, and the ports it calls.
//!
//! | module | holds |
//! |---|---|
//! | [`mediator`] | the small trait that every way in calls, and what it answers |
//! | [`mediate`] | the eight steps, on one screen |
//! | [`commit`] | decide, sign and append under the session's and the principals' locks |
//! | [`state`] | contexts in memory, rebuilt from the ledger whenever in doubt |
//! | `flight` | steps on their way to the disk: in which order they land, and when a context may be rebuilt |
//! | [`suspended`] | a held call: wait, claim, or leave |
//! | [`approvals`], [`deferrals`], [`halts`] | what people and facts do to waiting actions |
//! | [`marks`], [`refusals`] | lowering a high-water mark; summaries of who was turned away |
//! | [`delegation`] | sessions that are linked, because one delegated to the other |
//! | [`definitions`] | what tools say of themselves, on record for the next start |
//! | [`drift`] | how far an action lies from the request, measured before its ruling |
//! | `classify` | labels of what reaches the agent, by declaration and by detection |
//! | [`sessions`], `beginning` | how sessions begin and are found again |
//! | [`record`] | between what happened and the receipt that proves it |
//! | [`recovery`] | the ledger's open actions at start, and whatever falls due later |
//! | [`kept`] | what rulings are made under, by digest |
//! | [`shadow`] | a candidate set decided beside the set in force |
//! | [`replay`] | recorded rulings asked for again |
//! | [`ports`] | the ledger, the clock and the embedder |
//!
//! Nothing here knows a protocol, a database or a file. Deciding is `core`'s alone; what is proved, `receipt`'s.

pub mod approvals;
mod beginning;
mod classify;
pub mod commit;
pub mod deferrals;
pub mod definitions;
pub mod delegation;
pub mod drift;
pub mod engine;
mod flight;
pub mod halts;
pub mod kept;
pub mod marks;
pub mod mediate;
pub mod mediator;
pub mod policies;
pub mod ports;
pub mod record;
pub mod recovery;
pub mod refusals;
pub mod replay;
pub mod sessions;
pub mod shadow;
pub mod state;
pub mod suspended;

pub use engine::{Engine, Governing, Parts, Settings};
pub use mediator::{
    Caller, Delegation, Mediator, OpenSession, Opening, Proceed, Proceeding, ReceiptRef, Refusal, Report,
    Settled, Submission, Unrecorded,
};
pub use suspended::{On, Suspended};

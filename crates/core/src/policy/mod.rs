//! Policy: from the text that people write to rules that answer `Yes`, `No` or `Unknown`.
//!
//! ```text
//! YAML text --yaml--> nodes with places --syntax--> Rule --set--> PolicySet --matching--> Match
//! ```
//!
//! A file that does not load as a whole gives all its errors at once, each with line, column and a hint;
//! nothing of it is used. A [`PolicySet`] is made of whole files and becomes active as a whole, by digest.
//!
//! What no single file shows is told of the set: `conflicts` names rules that contradict each other where they
//! meet, `ambiguous` names that several tools bear.

mod ambiguous;
mod conflicts;
mod external;
pub(crate) mod fault;
pub mod matching;
pub mod rule;
pub mod set;
pub mod syntax;
pub(crate) mod yaml;

pub use ambiguous::{Ambiguity, Known};
pub use conflicts::{Conflict, Side};
pub use rule::{Classification, Predicate, Rule, RuleAction, Sought, Test, ToolPattern};
pub use set::PolicySet;
pub use syntax::{Fault, load};

//! Policy: from the text that people write to rules that answer `Yes`, `No` or `Unknown`.
//!
//! ```text
//! YAML text --yaml--> nodes with places --syntax--> Rule --set--> PolicySet --matching--> Match
//! ```
//!
//! A file that does not load as a whole gives all its errors at once, each with line, column and a hint;
//! nothing of it is used. A [`PolicySet`] is made of whole files and becomes active as a whole, by digest.
//!
//! `labelling` is what a policy says about data by source and pattern; the engine applies it before it records.
//!
//! What no single file shows is told of the set: `conflicts` names rules that contradict each other where they
//! meet, `ambiguous` names that several tools bear; `difference` says how one set differs from another, `loosening` what makes
//! it looser.

mod ambiguous;
pub mod arguments;
mod asked;
pub mod condition;
mod conflicts;
mod difference;
pub mod expression;
mod external;
pub mod facets;
pub(crate) mod fault;
mod index;
pub mod intent;
pub mod labelling;
pub mod layout;
mod loosening;
pub mod matching;
mod operation;
pub mod predicate;
pub mod review;
mod risk;
pub mod rule;
pub mod schema;
pub mod set;
mod source;
pub mod syntax;
pub(crate) mod yaml;

pub use ambiguous::{Ambiguity, Known};
pub use arguments::{ArgumentCheck, ArgumentFault};
pub use asked::{Asked, Found};
pub use condition::{Condition, Constraint};
pub use conflicts::{Conflict, Side};
pub use difference::{Changed, Difference};
pub use expression::{Expression, ExpressionFault};
pub use intent::{Boundary, ReValidation};
pub use labelling::{Declared, Labelling};
pub use loosening::Loosening;
pub use predicate::{Predicate, Sought, Test};
pub use risk::{RiskAction, RiskLimit};
pub use rule::{Classification, Rule, RuleAction, ToolPattern, Waiting};
pub use schema::{ArgumentSchema, SchemaBreak, SchemaFault};
pub use set::PolicySet;
pub use source::Source;
pub use syntax::{Fault, load};

//! One CEL expression as a rule's `when:`.
//!
//! ```text
//! text --lex--> words --syntax--> tree --resolve--> nodes over named sources --eval--> Yes, No, Unknown
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `lex`, `syntax` | the grammar of CEL, bounded in length and depth |
//! | `resolve` | names become facts, types are checked, patterns compiled; everything that is wrong is told at once |
//! | `node` | what is evaluated |
//! | `eval` | three-valued evaluation within a fixed number of steps |
//! | `value`, `number` | what is reckoned with: numbers by value and without rounding |
//!
//! **Where it is stricter than CEL.** Values of different types are not unequal, they cannot be compared: Unknown.
//! Whole and decimal numbers are one type, and decimals are reckoned with as they are written. There is no
//! division (its result would depend on how a number is written), no clock, no pattern that is not written out,
//! and no `has()`: facts are absent or unknown, which [`Missing`](crate::decision::Missing) tells apart.
//!
//! **Beyond CEL**: `exists(path)`, `unknown(path)`, `LABELS.reaches("LEVEL")`, and facets such as
//! `sql(parameters.query).kinds` ([`super::facets`]).

mod eval;
mod lex;
mod node;
pub(in crate::policy) mod number;
mod resolve;
mod syntax;
mod value;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use self::eval::{Run, Slot};
use self::node::{Node, Source};
use crate::decide::Question;
use crate::decision::Match;
use crate::facts::Fact;

/// Bytes that an expression has at most.
pub const LONGEST: usize = 4096;

/// A condition over facts, found valid. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Program>);

#[derive(Debug)]
struct Program {
    text: Box<str>,
    root: Node,
    sources: Vec<Source>,
    facts: Vec<Fact>,
}

/// One thing that is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (hint: {hint})")]
pub struct ExpressionFault {
    /// In bytes of the expression's text.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl ExpressionFault {
    fn new(at: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: hint.into() }
    }
}

impl Expression {
    /// Reads and checks one expression.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text; never empty.
    pub fn compile(text: &str) -> Result<Self, Vec<ExpressionFault>> {
        if text.len() > LONGEST {
            let message = format!("an expression has at most {LONGEST} bytes, and this has {}", text.len());
            return Err(vec![ExpressionFault::new(0..text.len(), message, "split the rule in several")]);
        }
        let ast = syntax::parse(text).map_err(|fault| vec![fault])?;
        let (root, sources) = resolve::resolve(text, &ast)?;
        let facts = sources.iter().filter_map(|source| match source {
            Source::Fact(fact) => Some(fact.clone()),
            _ => None,
        });
        let facts = facts.collect();
        Ok(Self(Arc::new(Program { text: text.into(), root, sources, facts })))
    }

    /// Whether it holds for the action in question. Names of the facts that were read are added to `read`.
    #[must_use]
    pub fn holds(&self, q: &Question<'_>, read: &mut BTreeSet<Arc<str>>) -> Match {
        let slots: Vec<Slot<'_>> = self.0.sources.iter().map(|_| Slot::empty()).collect();
        Run::over(q, &self.0.sources, &slots, read).holds(&self.0.root)
    }

    /// Every fact that it may read, each once.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.0.facts
    }
}

/// As written.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

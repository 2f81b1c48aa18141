//! JSON Schema of a tool's arguments: written in a policy, or the tool's own `inputSchema`.
//!
//! | module | holds |
//! |---|---|
//! | `compile` | from the document to nodes: references resolved, patterns compiled, loops refused |
//! | `keywords` | which keyword becomes which check |
//! | `pattern` | ECMAScript patterns as the linear-time engine takes them |
//! | `check` | arguments against nodes, in a bounded number of steps; the first break in the order of the arguments |
//!
//! Drafts 4 to 2020-12 are read by the form of their keywords; what says nothing of its draft is 2020-12. `format` and
//! the `content...` keywords are notes, as the specification has it. References lead nowhere outside the document.
//! Reports name fields and bounds, never values.

mod check;
mod compile;
mod keywords;
mod pattern;

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::{Number, Value};

/// A schema that arguments are held against. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ArgumentSchema(Arc<Document>);

/// What is wrong with a schema, or odd about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at `{pointer}`: {message} (hint: {hint})")]
pub struct SchemaFault {
    /// Where in the schema: a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// How arguments break a schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("argument `{pointer}` {message} ({keyword})")]
pub struct SchemaBreak {
    /// Which argument: a JSON pointer into the arguments. Of what is missing or too much, the pointer that it has or would have.
    pub pointer: String,
    /// The keyword that it breaks; `limit` where checking would take too long.
    pub keyword: String,
    /// In which way, as the rest of a sentence about the argument: "must be at most 5".
    pub message: String,
}

impl ArgumentSchema {
    /// Reads a schema.
    ///
    /// # Errors
    /// It is malformed, too large, refers outside itself or to itself in a loop, or has a pattern that cannot be searched in
    /// linear time.
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        compile::compile(schema).map(|document| Self(Arc::new(document)))
    }

    /// Holds arguments against the schema.
    ///
    /// # Errors
    /// The first break, in the order of the arguments: members by name, elements by place.
    pub fn check(&self, arguments: &Value) -> Result<(), SchemaBreak> {
        check::check(&self.0, arguments)
    }

    /// Keywords that no draft knows, and that therefore check nothing: slips, where the schema is written by hand.
    #[must_use]
    pub fn remarks(&self) -> &[SchemaFault] {
        &self.0.remarks
    }
}

impl SchemaFault {
    fn new(pointer: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), hint: hint.into() }
    }
}

/// A whole schema; the first node is the root.
#[derive(Debug, Default)]
struct Document {
    nodes: Vec<Vec<Check>>,
    /// Whether anything asks what was not looked at yet.
    tracks: bool,
    remarks: Vec<SchemaFault>,
}

/// A node by its place.
type Id = usize;

/// One thing that a node demands.
#[derive(Debug)]
enum Check {
    Never,
    Types(Vec<Type>),
    Enum(Vec<Value>),
    Const(Value),
    Bound(Bound, Number),
    MultipleOf(Number),
    Count(Count, u64),
    Pattern(Regex),
    UniqueItems,
    Items { prefix: Vec<Id>, rest: Option<Id>, keyword: &'static str },
    Contains { node: Id, least: u64, most: Option<u64> },
    Required(Vec<String>),
    Properties { named: BTreeMap<String, Id>, patterns: Vec<(Regex, Id)>, rest: Option<Id> },
    PropertyNames(Id),
    DependentRequired(BTreeMap<String, Vec<String>>),
    DependentSchemas(BTreeMap<String, Id>),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If { condition: Id, yes: Option<Id>, no: Option<Id> },
    Ref(Id),
    UnevaluatedItems(Id),
    UnevaluatedProperties(Id),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

#[derive(Clone, Copy, Debug)]
enum Count {
    MinLength,
    MaxLength,
    MinItems,
    MaxItems,
    MinProperties,
    MaxProperties,
}

impl Type {
    const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Array, Self::Object];

    const fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }
}

impl Bound {
    const fn keyword(self) -> &'static str {
        match self {
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::ExclusiveMinimum => "exclusiveMinimum",
            Self::ExclusiveMaximum => "exclusiveMaximum",
        }
    }
}

impl Count {
    const fn keyword(self) -> &'static str {
        match self {
            Self::MinLength => "minLength",
            Self::MaxLength => "maxLength",
            Self::MinItems => "minItems",
            Self::MaxItems => "maxItems",
            Self::MinProperties => "minProperties",
            Self::MaxProperties => "maxProperties",
        }
    }
}

impl Check {
    /// The nodes that are held against the same value.
    fn in_place(&self) -> Vec<Id> {
        match self {
            Self::DependentSchemas(nodes) => nodes.values().copied().collect(),
            Self::AllOf(nodes) | Self::AnyOf(nodes) | Self::OneOf(nodes) => nodes.clone(),
            Self::Not(node) | Self::Ref(node) => vec![*node],
            Self::If { condition, yes, no } => [Some(*condition), *yes, *no].into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }
}

//! An expression as it is evaluated: names resolved, types checked, patterns compiled.

use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use crate::facts::{Fact, Kind};
use crate::policy::facets::{Facet, FacetKind};

/// One step of the evaluation.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) op: Op,
    pub(super) shape: Shape,
    /// What is missing where this step has no answer: the sources it reads, or those of the step around it.
    pub(super) blame: Vec<usize>,
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Op {
    Constant(Value),
    /// One of the expression's sources.
    Read(usize),
    /// What the macro this many levels from the outside is at.
    Bound(usize),
    Exists(usize),
    Unknown(usize),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Choice(Box<[Node; 3]>),
    Equal {
        negated: bool,
        sides: Box<[Node; 2]>,
    },
    Order(Relation, Box<[Node; 2]>),
    In(Membership, Box<[Node; 2]>),
    /// Labels of data reach a level.
    Reaches(Box<Node>, String),
    Negative(Box<Node>),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    List(Vec<Node>),
    Member(Box<Node>, String),
    Index(Box<[Node; 2]>),
    Size(Box<Node>),
    Within(Within, Box<[Node; 2]>),
    Matches(Box<Node>, Regex),
    Convert(Convert, Box<Node>),
    Facet(Facet, Box<Node>),
    /// `all`, `exists` and `exists_one` over a list.
    Quantified(Quantifier, Box<[Node; 2]>),
    /// `filter` and `map`: over a list, kept where the second holds, made the third.
    Collected {
        over: Box<Node>,
        keep: Option<Box<Node>>,
        made: Option<Box<Node>>,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Relation {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What being in a list means: labels in any case of letters, tools by any of their names, else equal to an element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Membership {
    Plain,
    Labels,
    Tools,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Arithmetic {
    Plus,
    Minus,
    Times,
    Remainder,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Within {
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Convert {
    LowerAscii,
    UpperAscii,
    Int,
    Double,
    String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quantifier {
    All,
    Exists,
    ExistsOne,
}

/// What is known of a value's type when the policy is loaded.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Any,
    Null,
    Bool,
    Number,
    Text,
    /// A tool's full name.
    Tool,
    List(Box<Self>),
    /// Labels of data.
    Labels,
    /// Full names of tools.
    Tools,
}

impl Shape {
    pub(super) fn of(fact: &Fact) -> Self {
        match fact.kind() {
            Kind::Any => Self::Any,
            Kind::Number => Self::Number,
            Kind::Text => Self::Text,
            Kind::Held | Kind::Parties | Kind::Words => Self::List(Box::new(Self::Text)),
            Kind::Tools => Self::Tools,
            Kind::Labels => Self::Labels,
        }
    }

    pub(super) fn of_facet(facet: Facet) -> Self {
        match facet.is() {
            FacetKind::Text => Self::Text,
            FacetKind::Number => Self::Number,
            FacetKind::Bool => Self::Bool,
            FacetKind::Texts => Self::List(Box::new(Self::Text)),
        }
    }

    /// What its elements are, or the names of its members.
    pub(super) fn element(&self) -> Self {
        match self {
            Self::List(element) => (**element).clone(),
            Self::Labels => Self::Text,
            Self::Tools => Self::Tool,
            _ => Self::Any,
        }
    }

    pub(super) const fn is_list(&self) -> bool {
        matches!(self, Self::Any | Self::List(_) | Self::Labels | Self::Tools)
    }

    pub(super) const fn is_text(&self) -> bool {
        matches!(self, Self::Any | Self::Text | Self::Tool)
    }

    pub(super) const fn is_bool(&self) -> bool {
        matches!(self, Self::Any | Self::Bool)
    }

    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Any | Self::Number)
    }

    /// Whether values of both can be equal.
    pub(super) fn meets(&self, other: &Self) -> bool {
        matches!(self, Self::Any) || matches!(other, Self::Any) || self.word() == other.word()
    }

    /// Both at once, where one of two values is taken.
    pub(super) fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::Any }
    }

    /// In a sentence: "a number".
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text | Self::Tool => "a text",
            Self::List(_) | Self::Labels | Self::Tools => "a list",
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Fact(Fact),
    /// `tool.upstream`
    Upstream,
    /// `tool.name`, in full
    Tool,
    /// `operation`
    Operation,
    /// What parsing one of the other sources tells.
    Facet {
        facet: Facet,
        of: usize,
        name: Arc<str>,
    },
}

impl Source {
    /// Its name where it is missing.
    pub(super) fn name(&self) -> Arc<str> {
        match self {
            Self::Fact(fact) => Arc::clone(fact.name()),
            Self::Upstream => "tool.upstream".into(),
            Self::Tool => "tool.name".into(),
            Self::Operation => "operation".into(),
            Self::Facet { name, .. } => Arc::clone(name),
        }
    }

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Fact(fact) => Shape::of(fact),
            Self::Upstream | Self::Operation => Shape::Text,
            Self::Tool => Shape::Tool,
            Self::Facet { facet, .. } => Shape::of_facet(*facet),
        }
    }
}

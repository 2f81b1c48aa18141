//! From a tree to nodes: every name is a fact's, every comparison can be made, every pattern is bounded.
//!
//! All faults of an expression are told at once: what one part lacks does not hide what another lacks.

mod calls;
mod operators;
mod paths;

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::ExpressionFault;
use super::eval::Run;
use super::node::{Node, Op, Shape, Source};
use super::number::Num;
use super::syntax::{Ast, AstKind};

/// Steps that constants may take when the policy is loaded.
const CONSTANT_FUEL: usize = 1 << 14;

/// Resolves a whole expression.
pub(super) fn resolve(text: &str, ast: &Ast) -> Result<(Node, Vec<Source>), Vec<ExpressionFault>> {
    let mut resolver = Resolver { text, sources: Vec::new(), bound: Vec::new(), faults: Vec::new() };
    let root = resolver.condition(ast);
    if root.is_some() && resolver.sources.is_empty() && resolver.faults.is_empty() {
        resolver.fault::<()>(
            &ast.at,
            "this reads no fact, so it is always the same",
            "compare a fact: `parameters.amount > 100`",
        );
    }
    match root {
        Some(mut root) if resolver.faults.is_empty() => {
            let all = root.blame.clone();
            spread(&mut root, &all);
            Ok((root, resolver.sources))
        }
        _ => {
            resolver.faults.sort_by_key(|fault| (fault.at.start, fault.at.end));
            Err(resolver.faults)
        }
    }
}

struct Resolver<'t> {
    text: &'t str,
    sources: Vec<Source>,
    /// The names that macros bind, outermost first.
    bound: Vec<Binding>,
    faults: Vec<ExpressionFault>,
}

struct Binding {
    name: String,
    shape: Shape,
    /// The sources of what is walked over.
    blame: Vec<usize>,
}

impl Resolver<'_> {
    /// Records a fault; the `None` says that there is no node.
    fn fault<T>(
        &mut self,
        at: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.faults.push(ExpressionFault::new(at.clone(), message, hint));
        None
    }

    /// An operand as it is written, for messages.
    fn written(&self, ast: &Ast) -> String {
        let text = self.text.get(ast.at.clone()).unwrap_or_default();
        if text.chars().count() > 60 {
            text.chars().take(57).chain("...".chars()).collect()
        } else {
            text.to_owned()
        }
    }

    /// A node that may be true or false.
    fn condition(&mut self, ast: &Ast) -> Option<Node> {
        let node = self.node(ast)?;
        if node.shape.is_bool() {
            return Some(node);
        }
        let message =
            format!("a condition stands here, and `{}` is {}", self.written(ast), node.shape.word());
        self.fault(&ast.at, message, "compare it with something")
    }

    fn boxed(&mut self, ast: &Ast) -> Option<Box<Node>> {
        self.node(ast).map(Box::new)
    }

    /// Both, also where the first is at fault.
    fn both(&mut self, left: &Ast, right: &Ast) -> Option<Box<[Node; 2]>> {
        let (left, right) = (self.node(left), self.node(right));
        Some(Box::new([left?, right?]))
    }

    fn node(&mut self, ast: &Ast) -> Option<Node> {
        let node = match &ast.kind {
            AstKind::Null => self.make(Op::Constant(Value::Null), Shape::Null),
            AstKind::Bool(flag) => self.make(Op::Constant((*flag).into()), Shape::Bool),
            AstKind::Whole(number) => self.make(Op::Constant((*number).into()), Shape::Number),
            AstKind::Text(text) => self.make(Op::Constant(text.as_str().into()), Shape::Text),
            AstKind::Decimal(number) => return self.decimal(*number, ast),
            AstKind::Name(name) => match self.bound.iter().position(|binding| binding.name == *name) {
                Some(level) => self.make(Op::Bound(level), self.bound.get(level)?.shape.clone()),
                None => return self.path(ast),
            },
            AstKind::Member(inner, name) => self.member(ast, inner, name)?,
            AstKind::Index(inner, key) => self.index(ast, inner, key)?,
            AstKind::Call { target, function, arguments } => match target {
                Some(target) => self.method(ast, target, function, arguments)?,
                None => self.function(ast, function, arguments)?,
            },
            AstKind::List(items) => self.list(items)?,
            AstKind::Not(inner) => {
                let inner = self.condition(inner)?;
                self.make(Op::Not(Box::new(inner)), Shape::Bool)
            }
            AstKind::And(all) => self.conditions(all, Op::And)?,
            AstKind::Or(all) => self.conditions(all, Op::Or)?,
            AstKind::Choice(three) => self.choice(three)?,
            AstKind::Negative(inner) => self.negative(inner)?,
            AstKind::Binary(operator, left, right) => self.binary(ast, operator, left, right)?,
        };
        self.settled(node, ast)
    }

    fn decimal(&mut self, number: f64, ast: &Ast) -> Option<Node> {
        match Num::of_double(number).to_json() {
            Some(json) if matches!(Num::of_double(number), Num::Exact { .. }) => {
                Some(self.make(Op::Constant(Value::Number(json)), Shape::Number))
            }
            _ => self.fault(
                &ast.at,
                "this number would be rounded",
                "write it without an exponent, with fewer digits",
            ),
        }
    }

    fn conditions(&mut self, all: &[Ast], op: fn(Vec<Node>) -> Op) -> Option<Node> {
        let nodes: Vec<Option<Node>> = all.iter().map(|ast| self.condition(ast)).collect();
        let nodes: Option<Vec<Node>> = nodes.into_iter().collect();
        Some(self.make(op(nodes?), Shape::Bool))
    }

    fn choice(&mut self, [condition, yes, no]: &[Ast; 3]) -> Option<Node> {
        let (condition, yes, no) = (self.condition(condition), self.node(yes), self.node(no));
        let (condition, yes, no) = (condition?, yes?, no?);
        let shape = yes.shape.clone().or(no.shape.clone());
        Some(self.make(Op::Choice(Box::new([condition, yes, no])), shape))
    }

    fn list(&mut self, items: &[Ast]) -> Option<Node> {
        let nodes: Vec<Option<Node>> = items.iter().map(|item| self.node(item)).collect();
        let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
        let element = nodes.iter().map(|node| node.shape.clone()).reduce(Shape::or).unwrap_or(Shape::Any);
        Some(self.make(Op::List(nodes), Shape::List(Box::new(element))))
    }

    /// A node with the sources that it reads.
    fn make(&self, op: Op, shape: Shape) -> Node {
        let mut blame = BTreeSet::new();
        match &op {
            Op::Read(source) | Op::Exists(source) | Op::Unknown(source) => {
                blame.insert(*source);
            }
            Op::Bound(level) => {
                blame.extend(self.bound.get(*level).into_iter().flat_map(|b| b.blame.iter().copied()))
            }
            _ => {}
        }
        each_below(&op, &mut |below| blame.extend(below.blame.iter().copied()));
        Node { op, shape, blame: blame.into_iter().collect() }
    }

    /// Constants are worked out now, so that what can never be worked out is a fault and not a wait.
    fn settled(&mut self, mut node: Node, ast: &Ast) -> Option<Node> {
        if !node.blame.is_empty() || matches!(node.op, Op::Constant(_)) || is_open(&node, self.bound.len()) {
            return Some(node);
        }
        let mut unread = BTreeSet::new();
        let value = Run::of_constants(&mut unread, CONSTANT_FUEL).value(&node).map(|value| value.to_json());
        match value {
            Ok(Some(value)) => {
                node.op = Op::Constant(value);
                Some(node)
            }
            Ok(None) => Some(node),
            Err(_) => {
                let message = format!("`{}` has no value", self.written(ast));
                self.fault(&ast.at, message, "write the value itself")
            }
        }
    }
}

/// What a node without sources of its own waits for: what the node around it reads.
fn spread(node: &mut Node, around: &[usize]) {
    if node.blame.is_empty() {
        node.blame = around.to_vec();
    }
    let blame = node.blame.clone();
    each_below_mut(&mut node.op, &mut |below| spread(below, &blame));
}

/// Whether one of the `levels` macros around it gives it its value.
fn is_open(node: &Node, levels: usize) -> bool {
    let mut open = matches!(node.op, Op::Bound(level) if level < levels);
    each_below(&node.op, &mut |below| open |= is_open(below, levels));
    open
}

/// The nodes right below.
fn each_below(op: &Op, then: &mut dyn FnMut(&Node)) {
    match op {
        Op::Constant(_) | Op::Read(_) | Op::Bound(_) | Op::Exists(_) | Op::Unknown(_) => {}
        Op::Not(one)
        | Op::Negative(one)
        | Op::Member(one, _)
        | Op::Size(one)
        | Op::Matches(one, _)
        | Op::Convert(_, one)
        | Op::Facet(_, one)
        | Op::Reaches(one, _) => then(one),
        Op::And(all) | Op::Or(all) | Op::List(all) => all.iter().for_each(then),
        Op::Choice(three) => three.iter().for_each(then),
        Op::Equal { sides: two, .. }
        | Op::Order(_, two)
        | Op::In(_, two)
        | Op::Arithmetic(_, two)
        | Op::Index(two)
        | Op::Within(_, two)
        | Op::Quantified(_, two) => two.iter().for_each(then),
        Op::Collected { over, keep, made } => {
            then(over);
            keep.iter().chain(made).for_each(|node| then(node));
        }
    }
}

/// The same, to change them.
fn each_below_mut(op: &mut Op, then: &mut dyn FnMut(&mut Node)) {
    match op {
        Op::Constant(_) | Op::Read(_) | Op::Bound(_) | Op::Exists(_) | Op::Unknown(_) => {}
        Op::Not(one)
        | Op::Negative(one)
        | Op::Member(one, _)
        | Op::Size(one)
        | Op::Matches(one, _)
        | Op::Convert(_, one)
        | Op::Facet(_, one)
        | Op::Reaches(one, _) => then(one),
        Op::And(all) | Op::Or(all) | Op::List(all) => all.iter_mut().for_each(then),
        Op::Choice(three) => three.iter_mut().for_each(then),
        Op::Equal { sides: two, .. }
        | Op::Order(_, two)
        | Op::In(_, two)
        | Op::Arithmetic(_, two)
        | Op::Index(two)
        | Op::Within(_, two)
        | Op::Quantified(_, two) => two.iter_mut().for_each(then),
        Op::Collected { over, keep, made } => {
            then(over);
            keep.iter_mut().chain(made).for_each(|node| then(node));
        }
    }
}

//! Operators: what can be compared and reckoned with.

use serde_json::Value;

use super::Resolver;
use crate::policy::expression::node::{Arithmetic, Membership, Node, Op, Relation, Shape};
use crate::policy::expression::syntax::Ast;
use crate::policy::matching::{Mode, covers};

impl Resolver<'_> {
    pub(super) fn binary(&mut self, ast: &Ast, operator: &str, left: &Ast, right: &Ast) -> Option<Node> {
        if operator == "/" {
            let hint = "multiply the other side: `a > 2 * b` for `a / 2 > b`";
            return self.fault(
                &ast.at,
                "what a division gives would depend on how a number is written",
                hint,
            );
        }
        let both = self.both(left, right)?;
        let asts = (left, right);
        match operator {
            "==" | "!=" => self.equal(ast, operator == "!=", both, asts),
            "<" => self.order(ast, Relation::Less, both, asts),
            "<=" => self.order(ast, Relation::AtMost, both, asts),
            ">" => self.order(ast, Relation::Greater, both, asts),
            ">=" => self.order(ast, Relation::AtLeast, both, asts),
            "in" => self.contained(ast, both, asts),
            "+" => self.reckoned(ast, Arithmetic::Plus, both, asts),
            "-" => self.reckoned(ast, Arithmetic::Minus, both, asts),
            "*" => self.reckoned(ast, Arithmetic::Times, both, asts),
            _ => self.reckoned(ast, Arithmetic::Remainder, both, asts),
        }
    }

    pub(super) fn negative(&mut self, inner: &Ast) -> Option<Node> {
        let node = self.node(inner)?;
        if node.shape.is_number() {
            return Some(self.make(Op::Negative(Box::new(node)), Shape::Number));
        }
        let message = format!("`{}` is {} and cannot be negative", self.written(inner), node.shape.word());
        self.fault(&inner.at, message, "`-` stands before numbers, `!` before conditions")
    }

    fn equal(
        &mut self,
        ast: &Ast,
        negated: bool,
        both: Box<[Node; 2]>,
        (left, right): (&Ast, &Ast),
    ) -> Option<Node> {
        let [a, b] = &*both;
        let known = if a.shape == Shape::Null { (b, right) } else { (a, left) };
        if (a.shape == Shape::Null || b.shape == Shape::Null) && known.0.shape != Shape::Any {
            let message = format!("`{}` is never null", self.written(known.1));
            return self.fault(&ast.at, message, "to ask whether a fact is there, write `exists(NAME)`");
        }
        if !(a.shape.meets(&b.shape) || a.shape == Shape::Null || b.shape == Shape::Null) {
            return self.differ(ast, (a.shape.clone(), b.shape.clone()), (left, right));
        }
        self.whole_name(&both, (left, right))?;
        Some(self.make(Op::Equal { negated, sides: both }, Shape::Bool))
    }

    /// Two operands of types that never meet.
    fn differ(&mut self, ast: &Ast, (a, b): (Shape, Shape), (left, right): (&Ast, &Ast)) -> Option<Node> {
        let message = format!(
            "`{}` is {}, and `{}` is {}",
            self.written(left),
            a.word(),
            self.written(right),
            b.word()
        );
        let hint = match (a.is_list(), b.is_list(), a.is_number() || b.is_number()) {
            (true, false, _) => format!("write `{} in {}`", self.written(right), self.written(left)),
            (false, true, _) => format!("write `{} in {}`", self.written(left), self.written(right)),
            (_, _, true) => {
                "numbers stand without quotes; `int(...)` and `double(...)` read them from texts".into()
            }
            _ => "compare with a value of its own type".into(),
        };
        self.fault(&ast.at, message, hint)
    }

    /// A tool's full name has a dot in it: compared with another text it would never be equal.
    fn whole_name(&mut self, both: &[Node; 2], (left, right): (&Ast, &Ast)) -> Option<()> {
        let [a, b] = both;
        for (name, other, at) in [(a, b, right), (b, a, left)] {
            if name.shape == Shape::Tool
                && let Op::Constant(Value::String(text)) = &other.op
                && !text.contains('.')
            {
                let message = format!("a tool's full name is `upstream.tool`, which `{text}` never is");
                let hint = "`operation` is the tool's own name; `\"NAME\" in context.prior_actions` finds any name of it";
                return self.fault(&at.at, message, hint);
            }
        }
        Some(())
    }

    fn order(
        &mut self,
        ast: &Ast,
        relation: Relation,
        both: Box<[Node; 2]>,
        (left, right): (&Ast, &Ast),
    ) -> Option<Node> {
        let [a, b] = &*both;
        for (node, operand) in [(a, left), (b, right)] {
            if !(node.shape.is_number() || node.shape.is_text()) {
                let message =
                    format!("`{}` is {} and has no order", self.written(operand), node.shape.word());
                return self.fault(&ast.at, message, "numbers and texts have one; `size(...)` is a number");
            }
        }
        if !a.shape.meets(&b.shape) {
            return self.differ(ast, (a.shape.clone(), b.shape.clone()), (left, right));
        }
        Some(self.make(Op::Order(relation, both), Shape::Bool))
    }

    fn contained(&mut self, ast: &Ast, both: Box<[Node; 2]>, (left, right): (&Ast, &Ast)) -> Option<Node> {
        let [one, list] = &*both;
        if !list.shape.is_list() {
            let hint = match list.shape.is_text() {
                true => format!("write `{}.contains({})`", self.written(right), self.written(left)),
                false => "after `in` stands a list: `[\"a\", \"b\"]`".into(),
            };
            let message = format!("`{}` is {} and holds nothing", self.written(right), list.shape.word());
            return self.fault(&ast.at, message, hint);
        }
        let element = list.shape.element();
        if !one.shape.meets(&element) {
            let message = format!(
                "`{}` holds {}, and `{}` is {}",
                self.written(right),
                element.word(),
                self.written(left),
                one.shape.word()
            );
            return self.fault(&ast.at, message, "look for a value of the elements' type");
        }
        let membership = match (&list.shape, &list.op) {
            (Shape::Labels, _) => {
                self.no_level(one, (left, right))?;
                Membership::Labels
            }
            (Shape::Tools, Op::Read(_)) => Membership::Tools,
            _ => Membership::Plain,
        };
        Some(self.make(Op::In(membership, both), Shape::Bool))
    }

    /// Levels have an order, and whoever asks for one mostly means those above it too.
    fn no_level(&mut self, one: &Node, (left, right): (&Ast, &Ast)) -> Option<()> {
        let Op::Constant(Value::String(label)) = &one.op else { return Some(()) };
        if !covers("RESTRICTED", label, Mode::Any) {
            return Some(());
        }
        let list = self.written(right);
        let message = format!("`{label}` is a level: whether those above it are meant too has to be said");
        let hint = format!(
            "write `{list}.reaches(\"{label}\")`, or `{list}.exists(l, l == \"{label}\")` for it alone"
        );
        self.fault(&left.at, message, hint)
    }

    fn reckoned(
        &mut self,
        ast: &Ast,
        arithmetic: Arithmetic,
        both: Box<[Node; 2]>,
        (left, right): (&Ast, &Ast),
    ) -> Option<Node> {
        let [a, b] = &*both;
        let joins = matches!(arithmetic, Arithmetic::Plus);
        let fits = |shape: &Shape| shape.is_number() || (joins && (shape.is_text() || shape.is_list()));
        for (node, operand) in [(a, left), (b, right)] {
            if !fits(&node.shape) {
                let message = format!("`{}` is {}, not a number", self.written(operand), node.shape.word());
                return self.fault(
                    &ast.at,
                    message,
                    "numbers are reckoned with; `+` also joins texts and lists",
                );
            }
        }
        if !a.shape.meets(&b.shape) {
            return self.differ(ast, (a.shape.clone(), b.shape.clone()), (left, right));
        }
        let shape = match (&a.shape, &b.shape) {
            _ if !joins => Shape::Number,
            (Shape::Any, other) | (other, Shape::Any) => plain(other),
            (one, other) if one == other => plain(one),
            _ => plain(&a.shape),
        };
        Some(self.make(Op::Arithmetic(arithmetic, both), shape))
    }
}

/// What is joined is no longer a tool's name, nor a list of a kind of its own.
fn plain(shape: &Shape) -> Shape {
    match shape {
        Shape::Tool => Shape::Text,
        Shape::List(_) | Shape::Labels | Shape::Tools => Shape::List(Box::new(Shape::Any)),
        other => other.clone(),
    }
}

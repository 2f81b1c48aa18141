//! Paths: the full names of facts, and members of values.

use super::Resolver;
use crate::facts::{Block, Fact, NoSuchFact, is_counter};
use crate::policy::expression::node::{Node, Op, Shape, Source};
use crate::policy::expression::syntax::{Ast, AstKind};
use crate::policy::facets::Facet;
use crate::policy::fault::suggest;

/// What full names begin with.
pub(super) const ROOTS: [&str; 8] =
    ["parameters", "identity", "context", "session", "human", "agent", "tool", "operation"];

/// One part of a path.
enum Step<'a> {
    Name(&'a str),
    Key(&'a str),
    Place(u64),
}

impl Resolver<'_> {
    /// A path that begins with a name which no macro binds.
    pub(super) fn path(&mut self, ast: &Ast) -> Option<Node> {
        let source = self.source(ast)?;
        Some(self.read(source))
    }

    pub(super) fn read(&self, source: usize) -> Node {
        let shape = self.sources.get(source).map_or(Shape::Any, Source::shape);
        self.make(Op::Read(source), shape)
    }

    /// Whether this is a path as a whole.
    pub(super) fn is_path(&self, ast: &Ast) -> bool {
        chain(ast).is_some_and(|(root, steps)| {
            let places = steps.iter().any(|step| matches!(step, Step::Place(_)));
            !self.bound.iter().any(|binding| binding.name == root) && (root == "parameters" || !places)
        })
    }

    /// The source that a path names, each once.
    pub(super) fn source(&mut self, ast: &Ast) -> Option<usize> {
        let (root, steps) = chain(ast)?;
        let found = match root {
            "parameters" => self.parameter(ast, &steps),
            "identity" => self.named(ast, Block::Identity, dotted(&steps), root),
            "context" => self.named(ast, Block::Context, dotted(&steps), root),
            "session" | "human" | "agent" => self.counter(ast, root, &steps),
            "tool" | "operation" => self.tool(ast, root, &steps),
            _ => {
                let message = format!("nothing is called `{root}`");
                let hint = match root {
                    "risk_signals" | "deferrals" => format!("write `context.{}`", self.written(ast)),
                    "params" | "arguments" | "args" => "arguments are `parameters.NAME`".into(),
                    _ => suggest(root, &ROOTS),
                };
                self.fault(&ast.at, message, hint)
            }
        };
        found.map(|source| self.keep(source))
    }

    pub(super) fn keep(&mut self, source: Source) -> usize {
        let known = self.sources.iter().position(|known| *known == source);
        known.unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        })
    }

    fn parameter(&mut self, ast: &Ast, steps: &[Step<'_>]) -> Option<Source> {
        for step in steps {
            if let Step::Key(key) = step
                && (key.is_empty() || key.contains('.'))
            {
                let message = format!("`{key}` cannot be told from a path of several parts");
                return self.fault(&ast.at, message, "check arguments with such names in a JSON Schema");
            }
        }
        self.named(ast, Block::Parameters, dotted(steps), "parameters")
    }

    fn counter(&mut self, ast: &Ast, root: &str, steps: &[Step<'_>]) -> Option<Source> {
        let rest = dotted(steps);
        let whole = if rest.is_empty() { root.to_owned() } else { format!("{root}.{rest}") };
        if is_counter(&whole) {
            return self.named(ast, Block::Context, whole, root);
        }
        let message = format!("nothing is known under `{root}` but how often tools were used");
        let hint = match root {
            "human" | "agent" => format!("write `{root}.actions[\"mail.send\"]`, or `identity.{root}`"),
            _ => "write `session.actions[\"mail.send\"]`".into(),
        };
        self.fault(&ast.at, message, hint)
    }

    fn tool(&mut self, ast: &Ast, root: &str, steps: &[Step<'_>]) -> Option<Source> {
        match (root, steps) {
            ("operation", []) => Some(Source::Operation),
            ("tool", [Step::Name("upstream")]) => Some(Source::Upstream),
            ("tool", [Step::Name("name")]) => Some(Source::Tool),
            _ => {
                let hint = "`tool.upstream` is the server, `operation` its tool, `tool.name` both with a dot between";
                let message = format!("nothing is called `{}`", self.written(ast));
                self.fault(&ast.at, message, hint)
            }
        }
    }

    fn named(&mut self, ast: &Ast, block: Block, dotted: String, root: &str) -> Option<Source> {
        if dotted.is_empty() {
            let message = format!("`{root}` is not one fact");
            return self.fault(&ast.at, message, format!("name one: `{root}.NAME`"));
        }
        match Fact::parse(block, &dotted) {
            Ok(fact) => Some(Source::Fact(fact)),
            Err(NoSuchFact { message, hint }) => self.fault(&ast.at, message, hint),
        }
    }

    /// `a.b`: a path, a facet, or a member of a value.
    pub(super) fn member(&mut self, ast: &Ast, inner: &Ast, name: &str) -> Option<Node> {
        if self.is_path(ast) {
            return self.path(ast);
        }
        if let AstKind::Call { target: None, function, arguments } = &inner.kind
            && let Some(family) = family(function)
        {
            return self.facet(ast, family, name, arguments);
        }
        let node = self.node(inner)?;
        if node.shape == Shape::Any {
            return Some(self.make(Op::Member(Box::new(node), name.to_owned()), Shape::Any));
        }
        let message = format!("`{}` is {} and has no members", self.written(inner), node.shape.word());
        self.fault(&ast.at, message, format!("to call it, write `.{name}(...)`"))
    }

    /// `a[b]`: a path, an element of a list, or a member of a value.
    pub(super) fn index(&mut self, ast: &Ast, inner: &Ast, key: &Ast) -> Option<Node> {
        if self.is_path(ast) {
            return self.path(ast);
        }
        let both = self.both(inner, key)?;
        let [container, key] = &*both;
        if !container.shape.is_list() {
            let message =
                format!("`{}` is {} and has no elements", self.written(inner), container.shape.word());
            return self.fault(&ast.at, message, "lists have elements: `list[0]`");
        }
        if !(key.shape.is_number() || key.shape.is_text()) {
            return self.fault(
                &ast.at,
                "elements are counted from 0, members are named",
                "write `[0]` or `[\"name\"]`",
            );
        }
        let shape = container.shape.element();
        Some(self.make(Op::Index(both), shape))
    }

    fn facet(&mut self, ast: &Ast, family: &str, name: &str, arguments: &[Ast]) -> Option<Node> {
        let Some(facet) = Facet::named(&format!("{family}.{name}")) else {
            let known = names_of(family);
            return self.fault(
                &ast.at,
                format!("`{family}(...)` does not tell `{name}`"),
                suggest(name, &known),
            );
        };
        let [argument] = arguments else {
            return self.fault(
                &ast.at,
                format!("`{family}` looks at one value"),
                format!("write `{family}(parameters.NAME).{name}`"),
            );
        };
        if self.is_path(argument) {
            let of = self.source(argument)?;
            let name = format!("{family}({}).{name}", self.sources.get(of)?.name()).into();
            let source = self.keep(Source::Facet { facet, of, name });
            return Some(self.read(source));
        }
        let inner = self.boxed(argument)?;
        Some(self.make(Op::Facet(facet, inner), Shape::of_facet(facet)))
    }
}

/// The word before the dot of a facet's name, where there is such a facet.
pub(super) fn family(word: &str) -> Option<&'static str> {
    let mut families = Facet::ALL.into_iter().filter_map(|facet| Some(facet.name().split_once('.')?.0));
    families.find(|family| *family == word)
}

/// What the facets of a family tell.
pub(super) fn names_of(family: &str) -> Vec<&'static str> {
    let parts = Facet::ALL.into_iter().filter_map(|facet| facet.name().split_once('.'));
    parts.filter(|(word, _)| *word == family).map(|(_, name)| name).collect()
}

/// The name at the root and what hangs on it, where nothing has to be worked out.
fn chain(ast: &Ast) -> Option<(&str, Vec<Step<'_>>)> {
    match &ast.kind {
        AstKind::Name(name) => Some((name, Vec::new())),
        AstKind::Member(inner, name) => {
            let (root, mut steps) = chain(inner)?;
            steps.push(Step::Name(name));
            Some((root, steps))
        }
        AstKind::Index(inner, key) => {
            let (root, mut steps) = chain(inner)?;
            steps.push(match &key.kind {
                AstKind::Text(key) => Step::Key(key),
                AstKind::Whole(place) => Step::Place(*place),
                _ => return None,
            });
            Some((root, steps))
        }
        _ => None,
    }
}

fn dotted(steps: &[Step<'_>]) -> String {
    let parts = steps.iter().map(|step| match step {
        Step::Name(name) | Step::Key(name) => (*name).to_owned(),
        Step::Place(place) => place.to_string(),
    });
    parts.collect::<Vec<_>>().join(".")
}

//! Functions and macros: a closed list, and what to write instead of everything else.

use super::paths::{ROOTS, family, names_of};
use super::{Binding, Resolver};
use crate::policy::expression::node::{Convert, Node, Op, Quantifier, Shape, Within};
use crate::policy::expression::syntax::{Ast, AstKind};
use crate::policy::fault::suggest;
use crate::policy::predicate::compile;

/// Functions, and what they are called on.
const FUNCTIONS: [&str; 7] = ["exists", "unknown", "size", "matches", "int", "double", "string"];
const METHODS: [&str; 14] = [
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "size",
    "lowerAscii",
    "upperAscii",
    "reaches",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "map",
    "filter",
];

/// How deep macros stand in each other.
const DEEPEST_WALK: usize = 2;

/// How they begin in CEL and its libraries.
const OF_TIME: [&str; 5] = ["now", "timestamp", "duration", "date", "time"];

impl Resolver<'_> {
    /// `f(a)`
    pub(super) fn function(&mut self, ast: &Ast, function: &str, arguments: &[Ast]) -> Option<Node> {
        match (function, arguments) {
            ("has", _) => {
                let path = arguments.first().map_or("parameters.NAME".into(), |path| self.written(path));
                self.fault(&ast.at, "`has` answers no where nobody knows", format!("write `exists({path})`"))
            }
            ("exists" | "unknown", [path]) => self.asked(ast, function, path),
            ("size", [one]) => self.size(ast, one),
            ("matches", [text, pattern]) => self.matches(ast, text, pattern),
            ("int" | "double" | "string", [one]) => self.converted(ast, function, one),
            _ if FUNCTIONS.contains(&function) => {
                let wanted = if function == "matches" { "two arguments" } else { "one argument" };
                self.fault(&ast.at, format!("`{function}` has {wanted}"), "look at its entry in the book")
            }
            _ => self.unknown_function(ast, function, &FUNCTIONS),
        }
    }

    /// `t.f(a)`
    pub(super) fn method(
        &mut self,
        ast: &Ast,
        target: &Ast,
        function: &str,
        arguments: &[Ast],
    ) -> Option<Node> {
        let quantifier = match function {
            "all" => Some(Quantifier::All),
            "exists" => Some(Quantifier::Exists),
            "exists_one" | "existsOne" => Some(Quantifier::ExistsOne),
            _ => None,
        };
        match (function, arguments) {
            (_, [name, body]) if let Some(quantifier) = quantifier => {
                self.quantified(ast, quantifier, target, name, body)
            }
            ("map", [name, made]) => self.collected(ast, target, name, None, Some(made)),
            ("map", [name, keep, made]) => self.collected(ast, target, name, Some(keep), Some(made)),
            ("filter", [name, keep]) => self.collected(ast, target, name, Some(keep), None),
            ("contains", [part]) => self.within(ast, Within::Contains, target, part),
            ("startsWith", [part]) => self.within(ast, Within::StartsWith, target, part),
            ("endsWith", [part]) => self.within(ast, Within::EndsWith, target, part),
            ("matches", [pattern]) => self.matches(ast, target, pattern),
            ("reaches", [level]) => self.reaches(ast, target, level),
            ("size", []) => self.size(ast, target),
            ("lowerAscii" | "upperAscii", []) => self.converted(ast, function, target),
            _ if METHODS.contains(&function) => {
                let hint = "macros have a name and a condition: `list.all(x, x > 0)`";
                self.fault(&ast.at, format!("`{function}` does not have {} arguments", arguments.len()), hint)
            }
            _ => self.unknown_function(ast, function, &METHODS),
        }
    }

    fn unknown_function(&mut self, ast: &Ast, function: &str, known: &[&str]) -> Option<Node> {
        if let Some(family) = family(function) {
            let hint = format!("say what: `{family}(...).NAME` with one of {}", names_of(family).join(", "));
            return self.fault(&ast.at, format!("`{family}(...)` is not one value"), hint);
        }
        let lower = function.to_ascii_lowercase();
        let accessor = |rest: &str| {
            ["fullyear", "month", "date", "day", "hours", "minutes", "seconds", "milliseconds"]
                .iter()
                .any(|part| rest.starts_with(part))
        };
        if OF_TIME.contains(&lower.as_str()) || lower.strip_prefix("get").is_some_and(accessor) {
            let hint = "`date(parameters.NAME).unix` reads a date; `context.session_age_seconds` tells a span; a fact tells a time window";
            return self.fault(&ast.at, "expressions have no clock and no calendar", hint);
        }
        self.fault(&ast.at, format!("there is no function `{function}`"), suggest(function, known))
    }

    /// `exists(path)` and `unknown(path)`.
    fn asked(&mut self, ast: &Ast, function: &str, path: &Ast) -> Option<Node> {
        let facet = matches!(&path.kind, AstKind::Member(inner, _)
            if matches!(&inner.kind, AstKind::Call { target: None, .. }));
        if !(facet || self.is_path(path)) {
            let message = format!("`{function}` asks for one fact, and `{}` is none", self.written(path));
            return self.fault(&ast.at, message, format!("write `{function}(parameters.NAME)`"));
        }
        let Op::Read(source) = self.node(path)?.op else {
            let message =
                format!("`{function}` asks for facts, and `{}` is of an element", self.written(path));
            return self.fault(&ast.at, message, "ask for the list as a whole");
        };
        Some(
            self.make(
                if function == "exists" { Op::Exists(source) } else { Op::Unknown(source) },
                Shape::Bool,
            ),
        )
    }

    fn size(&mut self, ast: &Ast, one: &Ast) -> Option<Node> {
        let inner = self.boxed(one)?;
        if inner.shape.is_text() || inner.shape.is_list() {
            return Some(self.make(Op::Size(inner), Shape::Number));
        }
        let message = format!("`{}` is {} and has no size", self.written(one), inner.shape.word());
        self.fault(&ast.at, message, "texts, lists and objects have one")
    }

    fn text(&mut self, one: &Ast) -> Option<Box<Node>> {
        let inner = self.boxed(one)?;
        if inner.shape.is_text() {
            return Some(inner);
        }
        let message = format!("a text stands here, and `{}` is {}", self.written(one), inner.shape.word());
        let hint = match inner.shape.is_list() {
            true => format!("write `VALUE in {0}`, or `{0}.exists(x, ...)`", self.written(one)),
            false => "`string(...)` makes a text of it".into(),
        };
        self.fault(&one.at, message, hint)
    }

    fn within(&mut self, ast: &Ast, within: Within, target: &Ast, part: &Ast) -> Option<Node> {
        let (text, part) = (self.text(target), self.text(part));
        let both = Box::new([*text?, *part?]);
        if let [_, Node { op: Op::Constant(part), .. }] = &*both
            && part.as_str() == Some("")
        {
            return self.fault(
                &ast.at,
                "every text has the empty text in it",
                "write the part that is looked for",
            );
        }
        Some(self.make(Op::Within(within, both), Shape::Bool))
    }

    fn matches(&mut self, ast: &Ast, text: &Ast, pattern: &Ast) -> Option<Node> {
        let text = self.text(text)?;
        let AstKind::Text(pattern) = &pattern.kind else {
            return self.fault(
                &ast.at,
                "a pattern is written out",
                "write `.matches(\"^a+$\")`: patterns are checked when the policy is loaded",
            );
        };
        match compile(pattern) {
            Ok(expression) => Some(self.make(Op::Matches(text, expression), Shape::Bool)),
            Err(e) => {
                let hint = "patterns are searched in linear time: no look-around, no back-references, bounded repetition";
                let why = e.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                self.fault(&ast.at, format!("this pattern cannot be used: {why}"), hint)
            }
        }
    }

    fn reaches(&mut self, ast: &Ast, target: &Ast, level: &Ast) -> Option<Node> {
        let labels = self.boxed(target)?;
        if labels.shape != Shape::Labels {
            let message = format!("`{}` is not a set of labels", self.written(target));
            return self.fault(&ast.at, message, "`context.data_classification` is one");
        }
        match &level.kind {
            AstKind::Text(level) => Some(self.make(Op::Reaches(labels, level.clone()), Shape::Bool)),
            _ => self.fault(&ast.at, "a level is written out", "write `.reaches(\"CONFIDENTIAL\")`"),
        }
    }

    fn converted(&mut self, ast: &Ast, function: &str, one: &Ast) -> Option<Node> {
        let (to, shape) = match function {
            "int" => (Convert::Int, Shape::Number),
            "double" => (Convert::Double, Shape::Number),
            "lowerAscii" => (Convert::LowerAscii, Shape::Text),
            "upperAscii" => (Convert::UpperAscii, Shape::Text),
            _ => (Convert::String, Shape::Text),
        };
        let inner =
            if shape == Shape::Text && function != "string" { self.text(one)? } else { self.boxed(one)? };
        let listed = !matches!(inner.shape, Shape::Any) && inner.shape.is_list();
        if listed || inner.shape == Shape::Null {
            let message = format!("`{}` is {}", self.written(one), inner.shape.word());
            return self.fault(&ast.at, message, format!("`{function}` takes one text or number"));
        }
        Some(self.make(Op::Convert(to, inner), shape))
    }

    fn quantified(
        &mut self,
        ast: &Ast,
        quantifier: Quantifier,
        target: &Ast,
        name: &Ast,
        body: &Ast,
    ) -> Option<Node> {
        let over = self.walked(ast, target);
        let body = self.bind(ast, name, over.as_ref(), |resolver| resolver.condition(body));
        let both = Box::new([over?, body?]);
        Some(self.make(Op::Quantified(quantifier, both), Shape::Bool))
    }

    fn collected(
        &mut self,
        ast: &Ast,
        target: &Ast,
        name: &Ast,
        keep: Option<&Ast>,
        made: Option<&Ast>,
    ) -> Option<Node> {
        let over = self.walked(ast, target);
        let parts = self.bind(ast, name, over.as_ref(), |resolver| {
            let keep = keep.map(|keep| resolver.condition(keep).map(Box::new));
            let made = made.map(|made| resolver.boxed(made));
            // Each may be left out, but none may be at fault.
            Some((
                keep.map_or(Some(None), |keep| keep.map(Some))?,
                made.map_or(Some(None), |made| made.map(Some))?,
            ))
        });
        let (over, (keep, made)) = (Box::new(over?), parts?);
        let element = made.as_ref().map_or_else(|| over.shape.element(), |made| made.shape.clone());
        Some(self.make(Op::Collected { over, keep, made }, Shape::List(Box::new(element))))
    }

    fn walked(&mut self, ast: &Ast, target: &Ast) -> Option<Node> {
        let node = self.node(target)?;
        if node.shape.is_list() {
            return Some(node);
        }
        let message = format!("`{}` is {}, not a list", self.written(target), node.shape.word());
        self.fault(&ast.at, message, "macros walk over lists")
    }

    /// Resolves what stands inside a macro.
    fn bind<T>(
        &mut self,
        ast: &Ast,
        name: &Ast,
        over: Option<&Node>,
        then: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let AstKind::Name(word) = &name.kind else {
            return self.fault(
                &name.at,
                "a macro begins with a name for the element",
                "write `list.all(x, x > 0)`",
            );
        };
        if ROOTS.contains(&word.as_str()) || self.bound.iter().any(|binding| binding.name == *word) {
            return self.fault(&name.at, format!("`{word}` has a meaning already"), "choose another name");
        }
        if self.bound.len() >= DEEPEST_WALK {
            let message = format!("macros stand in each other at most {DEEPEST_WALK} deep");
            return self.fault(&ast.at, message, "split the rule in two");
        }
        let shape = over.map_or(Shape::Any, |over| over.shape.element());
        let blame = over.map_or_else(Vec::new, |over| over.blame.clone());
        self.bound.push(Binding { name: word.clone(), shape, blame });
        let found = then(self);
        self.bound.pop();
        found
    }
}

//! The grammar of CEL, without bytes, maps, messages and optional fields, which no rule needs.
//!
//! Read by descent, never deeper than [`DEEPEST`]. Macros are left as the calls they are written as: `resolve`
//! knows them. `tests/expression` holds this grammar against the crate `cel`.

use std::ops::Range;

use super::ExpressionFault;
use super::lex::{Token, tokens};

/// How deep expressions stand in each other.
pub(super) const DEEPEST: usize = 64;

/// Words that CEL keeps for itself.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// An expression as written.
#[derive(Clone, Debug)]
pub(super) struct Ast {
    pub(super) kind: AstKind,
    /// Where it stands, in bytes.
    pub(super) at: Range<usize>,
    depth: usize,
}

/// What it is.
#[derive(Clone, Debug)]
pub(super) enum AstKind {
    Null,
    Bool(bool),
    Whole(u64),
    Decimal(f64),
    Text(String),
    Name(String),
    List(Vec<Ast>),
    /// `a.b`
    Member(Box<Ast>, String),
    /// `a[b]`
    Index(Box<Ast>, Box<Ast>),
    /// `f(a)` or `t.f(a)`
    Call {
        target: Option<Box<Ast>>,
        function: String,
        arguments: Vec<Ast>,
    },
    Not(Box<Ast>),
    Negative(Box<Ast>),
    /// One of `== != < <= > >= in + - * / %`.
    Binary(&'static str, Box<Ast>, Box<Ast>),
    And(Vec<Ast>),
    Or(Vec<Ast>),
    /// `a ? b : c`
    Choice(Box<[Ast; 3]>),
}

/// Reads one whole expression.
pub(super) fn parse(text: &str) -> Result<Ast, ExpressionFault> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, nested: 0 };
    let ast = parser.expression()?;
    match parser.peek() {
        (Token::End, _) => Ok(ast),
        (_, at) => Err(ExpressionFault::new(
            at.clone(),
            "the expression is over before this",
            "join conditions with `&&` or `||`",
        )),
    }
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    next: usize,
    nested: usize,
}

type Parsed = Result<Ast, ExpressionFault>;

impl Parser {
    fn peek(&self) -> &(Token, Range<usize>) {
        static END: (Token, Range<usize>) = (Token::End, 0..0);
        self.tokens.get(self.next).or(self.tokens.last()).unwrap_or(&END)
    }

    fn at_sign(&self, sign: &str) -> bool {
        matches!(self.peek().0, Token::Sign(found) if found == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.at_sign(sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<usize, ExpressionFault> {
        let at = self.peek().1.clone();
        if self.take_sign(sign) {
            return Ok(at.end);
        }
        Err(ExpressionFault::new(
            at,
            format!("`{sign}` is missing here"),
            "every bracket is closed, and lists have commas",
        ))
    }

    fn start(&self) -> usize {
        self.peek().1.start
    }

    fn expression(&mut self) -> Parsed {
        if self.nested >= DEEPEST {
            return Err(too_deep(self.peek().1.clone()));
        }
        self.nested += 1;
        let parsed = self.choice();
        self.nested -= 1;
        parsed
    }

    fn choice(&mut self) -> Parsed {
        let condition = self.joined("||")?;
        if !self.take_sign("?") {
            return Ok(condition);
        }
        let yes = self.joined("||")?;
        self.expect(":")?;
        let no = self.expression()?;
        let at = condition.at.start..no.at.end;
        build(AstKind::Choice(Box::new([condition, yes, no])), at)
    }

    /// Conditions joined by one operator, as many as there are.
    fn joined(&mut self, operator: &str) -> Parsed {
        let or = operator == "||";
        let first = if or { self.joined("&&")? } else { self.relation()? };
        let mut all = vec![first];
        while self.take_sign(operator) {
            all.push(if or { self.joined("&&")? } else { self.relation()? });
        }
        if all.len() == 1 {
            return all.pop().ok_or_else(|| too_deep(0..0));
        }
        let at = span(&all);
        build(if or { AstKind::Or(all) } else { AstKind::And(all) }, at)
    }

    fn relation(&mut self) -> Parsed {
        let mut left = self.sum()?;
        loop {
            let operator = match &self.peek().0 {
                Token::Sign(sign @ ("==" | "!=" | "<" | "<=" | ">" | ">=")) => sign,
                Token::Name(name) if name == "in" => "in",
                _ => return Ok(left),
            };
            self.next += 1;
            let right = self.sum()?;
            left = binary(operator, left, right)?;
        }
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        while let Token::Sign(sign @ ("+" | "-")) = self.peek().0 {
            self.next += 1;
            let right = self.product()?;
            left = binary(sign, left, right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.unary()?;
        while let Token::Sign(sign @ ("*" | "/" | "%")) = self.peek().0 {
            self.next += 1;
            let right = self.unary()?;
            left = binary(sign, left, right)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        let mut signs = Vec::new();
        while let Token::Sign(sign @ ("!" | "-")) = self.peek().0 {
            signs.push((sign, self.start()));
            self.next += 1;
            if signs.len() > DEEPEST {
                return Err(too_deep(self.peek().1.clone()));
            }
        }
        let mut inner = self.member()?;
        while let Some((sign, start)) = signs.pop() {
            let at = start..inner.at.end;
            let boxed = Box::new(inner);
            inner = build(if sign == "!" { AstKind::Not(boxed) } else { AstKind::Negative(boxed) }, at)?;
        }
        Ok(inner)
    }

    fn member(&mut self) -> Parsed {
        let mut inner = self.primary()?;
        loop {
            let start = inner.at.start;
            if self.take_sign("[") {
                let index = self.expression()?;
                let end = self.expect("]")?;
                inner = build(AstKind::Index(Box::new(inner), Box::new(index)), start..end)?;
            } else if self.take_sign(".") {
                let (name, at) = self.name("after the dot stands a name")?;
                if self.take_sign("(") {
                    let (arguments, end) = self.until(")")?;
                    let target = Some(Box::new(inner));
                    inner = build(AstKind::Call { target, function: name, arguments }, start..end)?;
                } else {
                    inner = build(AstKind::Member(Box::new(inner), name), start..at.end)?;
                }
            } else {
                return Ok(inner);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let (token, at) = self.peek().clone();
        self.next += 1;
        match token {
            Token::Whole(number) => build(AstKind::Whole(number), at),
            Token::Decimal(number) => build(AstKind::Decimal(number), at),
            Token::Text(text) => build(AstKind::Text(text), at),
            Token::Name(name) => self.named(name, at),
            Token::Sign("(") => {
                let mut inner = self.expression()?;
                inner.at = at.start..self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => {
                let (items, end) = self.until("]")?;
                build(AstKind::List(items), at.start..end)
            }
            Token::Sign("{") => {
                Err(ExpressionFault::new(at, "maps are not written in policies", "compare single members"))
            }
            Token::Sign(sign) => Err(ExpressionFault::new(
                at,
                format!("a value is missing before `{sign}`"),
                "name a fact or write a value",
            )),
            Token::End => {
                Err(ExpressionFault::new(at, "the expression ends too early", "name a fact or write a value"))
            }
        }
    }

    fn named(&mut self, name: String, at: Range<usize>) -> Parsed {
        match name.as_str() {
            "null" => return build(AstKind::Null, at),
            "true" => return build(AstKind::Bool(true), at),
            "false" => return build(AstKind::Bool(false), at),
            "in" => {
                return Err(ExpressionFault::new(at, "a value is missing before `in`", "write `x in list`"));
            }
            _ => {}
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(ExpressionFault::new(
                at,
                format!("`{name}` is a word that CEL keeps for itself"),
                "expressions have no statements",
            ));
        }
        if self.take_sign("(") {
            let (arguments, end) = self.until(")")?;
            return build(AstKind::Call { target: None, function: name, arguments }, at.start..end);
        }
        build(AstKind::Name(name), at)
    }

    fn name(&mut self, wanted: &str) -> Result<(String, Range<usize>), ExpressionFault> {
        let (token, at) = self.peek().clone();
        match token {
            Token::Name(name) if !matches!(name.as_str(), "in" | "null" | "true" | "false") => {
                self.next += 1;
                Ok((name, at))
            }
            _ => Err(ExpressionFault::new(
                at,
                wanted,
                "other names stand in brackets: `parameters[\"reply-to\"]`",
            )),
        }
    }

    /// Expressions between commas, and where the bracket after them ends.
    fn until(&mut self, close: &str) -> Result<(Vec<Ast>, usize), ExpressionFault> {
        let mut all = Vec::new();
        loop {
            // A list may end with a comma.
            if self.at_sign(close) && (all.is_empty() || close == "]") {
                return Ok((all, self.expect(close)?));
            }
            all.push(self.expression()?);
            if !self.take_sign(",") {
                return Ok((all, self.expect(close)?));
            }
        }
    }
}

fn binary(operator: &'static str, left: Ast, right: Ast) -> Parsed {
    let at = left.at.start..right.at.end;
    build(AstKind::Binary(operator, Box::new(left), Box::new(right)), at)
}

fn build(kind: AstKind, at: Range<usize>) -> Parsed {
    let depth = |list: &[Ast]| list.iter().map(|ast| ast.depth).max().unwrap_or(0);
    let below = match &kind {
        AstKind::Member(inner, _) | AstKind::Not(inner) | AstKind::Negative(inner) => inner.depth,
        AstKind::Index(a, b) | AstKind::Binary(_, a, b) => a.depth.max(b.depth),
        AstKind::List(list) | AstKind::And(list) | AstKind::Or(list) => depth(list),
        AstKind::Choice(three) => depth(&three[..]),
        AstKind::Call { target, arguments, .. } => {
            target.as_ref().map_or(0, |target| target.depth).max(depth(arguments))
        }
        _ => 0,
    };
    if below >= DEEPEST {
        return Err(too_deep(at));
    }
    Ok(Ast { kind, at, depth: below + 1 })
}

fn span(all: &[Ast]) -> Range<usize> {
    all.first().map_or(0, |ast| ast.at.start)..all.last().map_or(0, |ast| ast.at.end)
}

fn too_deep(at: Range<usize>) -> ExpressionFault {
    ExpressionFault::new(
        at,
        format!("expressions stand in each other more than {DEEPEST} deep"),
        "split the rule in two",
    )
}

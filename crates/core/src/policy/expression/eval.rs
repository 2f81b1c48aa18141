//! Evaluation: three-valued all the way down, and never longer than the fuel allows.
//!
//! A condition is Unknown only where what is missing could change it: `false && x` is No and `true || x` is Yes
//! whatever `x` is, in either order. Any other step whose operand is missing is missing itself.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::node::{Arithmetic, Convert, Membership, Node, Op, Quantifier, Relation, Source, Within};
use super::number::Num;
use super::value::Val;
use crate::decide::Question;
use crate::decision::{Match, Missing, Why};
use crate::depend::names_tool;
use crate::facts::{Fact, Read};
use crate::policy::facets::Facet;
use crate::policy::matching::{Mode, covers};

/// Steps at most; sixteen bytes of a text looked through or made count as one more.
pub(super) const FUEL: usize = 1 << 20;

/// Elements that a macro walks over at most.
pub(super) const LONGEST_WALK: usize = 10_000;

/// A value, or what is missing of it.
type Found<'e> = Result<Val<'e>, Missing>;

/// What one source gave, once for the whole evaluation.
#[derive(Debug)]
pub(super) struct Slot<'q> {
    kept: OnceCell<Result<Kept<'q>, Missing>>,
}

#[derive(Debug)]
enum Kept<'q> {
    Borrowed(&'q Value),
    Text(&'q str),
    Made(Value),
}

impl Slot<'_> {
    pub(super) const fn empty() -> Self {
        Self { kept: OnceCell::new() }
    }
}

/// One evaluation.
pub(super) struct Run<'e, 'q> {
    /// Left out where nothing is read.
    question: Option<&'e Question<'q>>,
    sources: &'e [Source],
    slots: &'e [Slot<'q>],
    read: &'e mut BTreeSet<Arc<str>>,
    bound: Vec<Val<'e>>,
    fuel: usize,
}

impl<'e, 'q> Run<'e, 'q> {
    pub(super) const fn over(
        question: &'e Question<'q>,
        sources: &'e [Source],
        slots: &'e [Slot<'q>],
        read: &'e mut BTreeSet<Arc<str>>,
    ) -> Self {
        Self { question: Some(question), sources, slots, read, bound: Vec::new(), fuel: FUEL }
    }

    /// For steps that read nothing.
    pub(super) const fn of_constants(read: &'e mut BTreeSet<Arc<str>>, fuel: usize) -> Self {
        Self { question: None, sources: &[], slots: &[], read, bound: Vec::new(), fuel }
    }

    /// Whether a condition holds.
    pub(super) fn holds(&mut self, node: &'e Node) -> Match {
        match &node.op {
            Op::Not(inner) => match self.holds(inner) {
                Match::Yes => Match::No,
                Match::No => Match::Yes,
                unknown @ Match::Unknown(_) => unknown,
            },
            Op::And(all) => all.iter().fold(Match::Yes, |so_far, one| match so_far {
                Match::No => Match::No,
                so_far => so_far.and(self.holds(one)),
            }),
            Op::Or(all) => all.iter().fold(Match::No, |so_far, one| match so_far {
                Match::Yes => Match::Yes,
                so_far => so_far.or(self.holds(one)),
            }),
            Op::Quantified(quantifier, both) => self.quantified(node, *quantifier, both),
            _ => match self.value(node) {
                Ok(Val::Bool(holds)) => Match::from(holds),
                Ok(_) => Match::Unknown(self.missing(node, Why::WrongType)),
                Err(missing) => Match::Unknown(missing),
            },
        }
    }

    /// The value of any step.
    pub(super) fn value(&mut self, node: &'e Node) -> Found<'e> {
        if !self.pay(0) {
            return Err(self.missing(node, Why::Absent));
        }
        match &node.op {
            Op::Constant(value) => Ok(Val::of(value)),
            Op::Read(source) => self.read(*source),
            Op::Bound(level) => {
                self.bound.get(*level).cloned().ok_or_else(|| self.missing(node, Why::Absent))
            }
            Op::Exists(source) => self.exists(*source),
            Op::Unknown(source) => Ok(Val::Bool(self.read(*source).is_err())),
            Op::Not(_) | Op::And(_) | Op::Or(_) | Op::Quantified(..) => match self.holds(node) {
                Match::Yes => Ok(Val::Bool(true)),
                Match::No => Ok(Val::Bool(false)),
                Match::Unknown(missing) => Err(missing),
            },
            Op::Choice(three) => self.choice(three),
            Op::List(items) => self.all(items.iter()).map(Val::list),
            Op::Collected { over, keep, made } => {
                self.collected(node, over, keep.as_deref(), made.as_deref())
            }
            Op::In(Membership::Tools, sides) => self.used(node, sides),
            Op::Member(inner, _)
            | Op::Size(inner)
            | Op::Negative(inner)
            | Op::Convert(_, inner)
            | Op::Matches(inner, _)
            | Op::Reaches(inner, _)
            | Op::Facet(_, inner) => {
                let value = self.value(inner)?;
                self.of_one(node, &value)
            }
            Op::Equal { sides, .. }
            | Op::Order(_, sides)
            | Op::In(_, sides)
            | Op::Arithmetic(_, sides)
            | Op::Index(sides)
            | Op::Within(_, sides) => {
                let mut values = self.all(sides.iter())?.into_iter();
                match (values.next(), values.next()) {
                    (Some(left), Some(right)) => self.of_two(node, &left, &right),
                    _ => Err(self.missing(node, Why::Absent)),
                }
            }
        }
    }

    /// What one operand gives.
    fn of_one(&mut self, node: &Node, value: &Val<'e>) -> Found<'e> {
        if !self.pay(value.text().map_or(0, str::len)) {
            return Err(self.missing(node, Why::Absent));
        }
        let found = match &node.op {
            Op::Member(_, name) => match value {
                Val::Object(members) => {
                    return members.get(name).map(Val::of).ok_or_else(|| self.missing(node, Why::Absent));
                }
                _ => None,
            },
            Op::Size(_) => size(value),
            Op::Negative(_) => match value {
                Val::Number(number) => number.negative().map(Val::Number),
                _ => None,
            },
            Op::Convert(to, _) => convert(*to, value),
            Op::Matches(_, expression) => value.text().map(|text| Val::Bool(expression.is_match(text))),
            Op::Reaches(_, level) => reaches(value, level),
            Op::Facet(facet, _) => {
                let answer = self.ask(*facet, value).and_then(Val::owned);
                return answer.ok_or_else(|| self.missing(node, Why::Absent));
            }
            _ => None,
        };
        found.ok_or_else(|| self.missing(node, Why::WrongType))
    }

    /// What two operands give.
    fn of_two(&mut self, node: &Node, left: &Val<'e>, right: &Val<'e>) -> Found<'e> {
        if !self.pay(left.text().map_or(0, str::len)) {
            return Err(self.missing(node, Why::Absent));
        }
        let found = match &node.op {
            Op::Equal { negated, .. } => self.same(left, right).map(|same| Val::Bool(same != *negated)),
            Op::Order(relation, _) => left.order(right).map(|order| Val::Bool(relation.admits(order))),
            Op::In(membership, _) => self.contained(*membership, left, right).map(Val::Bool),
            Op::Arithmetic(arithmetic, _) => self.reckon(*arithmetic, left, right),
            Op::Within(within, _) => match (left.text(), right.text()) {
                (Some(text), Some(part)) => Some(Val::Bool(within.admits(text, part))),
                _ => None,
            },
            Op::Index(_) => match index(left, right) {
                Some(element) => return element.ok_or_else(|| self.missing(node, Why::Absent)),
                None => None,
            },
            _ => None,
        };
        // Numbers have no answer where it would have to be rounded.
        let why = match (left, right) {
            (Val::Number(_), Val::Number(_)) => Why::Absent,
            _ => Why::WrongType,
        };
        found.ok_or_else(|| self.missing(node, why))
    }

    /// All values, or everything that is missing of them.
    fn all(&mut self, nodes: impl Iterator<Item = &'e Node>) -> Result<Vec<Val<'e>>, Missing> {
        let mut values = Vec::new();
        let mut gone: Option<Missing> = None;
        for node in nodes {
            match (self.value(node), gone.take()) {
                (Ok(value), before) => {
                    values.push(value);
                    gone = before;
                }
                (Err(missing), Some(before)) => gone = Some(before.and(missing)),
                (Err(missing), None) => gone = Some(missing),
            }
        }
        gone.map_or(Ok(values), Err)
    }

    /// Where the condition is not known, both branches may still say the same.
    fn choice(&mut self, [condition, yes, no]: &'e [Node; 3]) -> Found<'e> {
        match self.holds(condition) {
            Match::Yes => self.value(yes),
            Match::No => self.value(no),
            Match::Unknown(missing) => match (self.value(yes), self.value(no)) {
                (Ok(yes), Ok(no)) if self.same(&yes, &no) == Some(true) => Ok(yes),
                (Err(one), Err(other)) => Err(missing.and(one).and(other)),
                (Err(one), Ok(_)) | (Ok(_), Err(one)) => Err(missing.and(one)),
                (Ok(_), Ok(_)) => Err(missing),
            },
        }
    }

    /// The elements to walk over.
    fn walk(&mut self, node: &Node, over: &'e Node) -> Result<Vec<Val<'e>>, Missing> {
        let list = self.value(over)?;
        let count = list.count().ok_or_else(|| self.missing(node, Why::WrongType))?;
        if count > LONGEST_WALK || !self.pay(count) {
            return Err(self.missing(node, Why::Absent));
        }
        list.walk().ok_or_else(|| self.missing(node, Why::WrongType))
    }

    fn quantified(&mut self, node: &'e Node, quantifier: Quantifier, [over, body]: &'e [Node; 2]) -> Match {
        let items = match self.walk(node, over) {
            Ok(items) => items,
            Err(missing) => return Match::Unknown(missing),
        };
        let settling = if quantifier == Quantifier::All { Match::No } else { Match::Yes };
        let (mut found, mut unclear) = (0_usize, None::<Missing>);
        for item in items {
            let holds = self.with(item, |run| run.holds(body));
            if holds == settling {
                found += 1;
                if quantifier != Quantifier::ExistsOne {
                    return settling;
                }
            }
            if let Match::Unknown(missing) = holds {
                unclear = Some(match unclear {
                    Some(before) => before.and(missing),
                    None => missing,
                });
                if self.fuel == 0 {
                    break;
                }
            }
        }
        match (quantifier, unclear) {
            (Quantifier::ExistsOne, _) if found > 1 => Match::No,
            (_, Some(missing)) => Match::Unknown(missing),
            (Quantifier::All, None) => Match::Yes,
            (Quantifier::Exists, None) => Match::No,
            (Quantifier::ExistsOne, None) => Match::from(found == 1),
        }
    }

    fn collected(
        &mut self,
        node: &'e Node,
        over: &'e Node,
        keep: Option<&'e Node>,
        made: Option<&'e Node>,
    ) -> Found<'e> {
        let items = self.walk(node, over)?;
        let mut kept = Vec::new();
        for item in items {
            let keeps = keep.map_or(Match::Yes, |keep| self.with(item.clone(), |run| run.holds(keep)));
            match (keeps, made) {
                (Match::No, _) => {}
                (Match::Yes, None) => kept.push(item),
                (Match::Yes, Some(made)) => kept.push(self.with(item, |run| run.value(made))?),
                (Match::Unknown(missing), _) => return Err(missing),
            }
        }
        Ok(Val::list(kept))
    }

    fn with<T>(&mut self, item: Val<'e>, then: impl FnOnce(&mut Self) -> T) -> T {
        self.bound.push(item);
        let answer = then(self);
        self.bound.pop();
        answer
    }

    /// Whether a tool of this name was used: a name means what bears it.
    fn used(&mut self, node: &'e Node, [name, tools]: &'e [Node; 2]) -> Found<'e> {
        let name = self.value(name);
        // Read for its name in the record, and for what is missing.
        let known = self.value(tools).map(drop);
        let name = match (name, known) {
            (Err(one), Err(other)) => return Err(one.and(other)),
            (Err(one), Ok(())) | (Ok(_), Err(one)) => return Err(one),
            (Ok(name), Ok(())) => name,
        };
        let Op::Read(source) = tools.op else { return Err(self.missing(node, Why::Absent)) };
        let found = match (self.sources.get(source), self.question, name.text()) {
            (Some(Source::Fact(fact)), Some(question), Some(name)) => match fact.read(question) {
                Ok(Read::Tools(used)) => Some(used.keys().any(|tool| names_tool(name, tool))),
                _ => None,
            },
            _ => None,
        };
        found.map(Val::Bool).ok_or_else(|| self.missing(node, Why::WrongType))
    }

    fn contained(&mut self, membership: Membership, one: &Val<'e>, list: &Val<'e>) -> Option<bool> {
        if let Val::Object(members) = list {
            return one.text().map(|name| members.contains_key(name));
        }
        let mut answer = Some(false);
        for place in 0..list.count()? {
            let element = list.element(place)?;
            let same = match membership {
                Membership::Labels if self.pay(0) => Some(element.text()?.eq_ignore_ascii_case(one.text()?)),
                _ => self.same(one, &element),
            };
            match same {
                Some(true) => return Some(true),
                Some(false) => {}
                None if self.fuel == 0 => return None,
                None => answer = None,
            }
        }
        answer
    }

    fn same(&mut self, one: &Val<'_>, other: &Val<'_>) -> Option<bool> {
        one.same(other, &mut |bytes| self.pay(bytes))
    }

    fn reckon(&mut self, arithmetic: Arithmetic, left: &Val<'e>, right: &Val<'e>) -> Option<Val<'e>> {
        if let (Val::Number(a), Val::Number(b)) = (left, right) {
            return arithmetic.of(*a, *b).map(Val::Number);
        }
        match (arithmetic, left.text(), right.text()) {
            (Arithmetic::Plus, Some(a), Some(b)) => {
                self.pay(a.len() + b.len()).then(|| Val::Made([a, b].concat().into()))
            }
            (Arithmetic::Plus, None, None) => {
                let both = left.as_list()?.saturating_add(right.as_list()?);
                if !self.pay(both.saturating_mul(16)) {
                    return None;
                }
                Some(Val::list(left.walk()?.into_iter().chain(right.walk()?)))
            }
            _ => None,
        }
    }

    /// A facet of a value that is not a source: paid for by its size, for it may be asked of many.
    fn ask(&mut self, facet: Facet, value: &Val<'e>) -> Option<Value> {
        let weight = value.weight(self.fuel);
        let json = if self.pay(weight.saturating_mul(16)) { value.to_json() } else { None };
        facet.of(&json?)
    }

    fn exists(&mut self, source: usize) -> Found<'e> {
        let read = self.read(source).map(drop);
        let Err(missing) = read else { return Ok(Val::Bool(true)) };
        let (mut asked, mut parsed) = (source, false);
        while let Some(Source::Facet { of, .. }) = self.sources.get(asked) {
            (asked, parsed) = (*of, true);
        }
        // What the value tells is not known, but the value is there.
        if parsed && self.read(asked).is_ok() {
            return Err(missing);
        }
        match (self.sources.get(asked), self.question) {
            (Some(Source::Fact(fact)), Some(question)) if !fact.may_be_dropped(question) => {
                Ok(Val::Bool(false))
            }
            _ => Err(missing),
        }
    }

    /// The value of a source, read at most once.
    fn read(&mut self, source: usize) -> Found<'e> {
        let Some(slot) = self.slots.get(source) else { return Err(Missing::fact("when", Why::Absent)) };
        let kept = match slot.kept.get() {
            Some(kept) => kept,
            None => {
                let fetched = self.fetch(source);
                slot.kept.get_or_init(|| fetched)
            }
        };
        match kept {
            Ok(Kept::Borrowed(value)) => Ok(Val::of(value)),
            Ok(Kept::Made(value)) => Ok(Val::of(value)),
            Ok(Kept::Text(text)) => Ok(Val::Text(text)),
            Err(missing) => Err(missing.clone()),
        }
    }

    fn fetch(&mut self, source: usize) -> Result<Kept<'q>, Missing> {
        let (Some(question), Some(from)) = (self.question, self.sources.get(source)) else {
            return Err(Missing::fact("when", Why::Absent));
        };
        match from {
            Source::Fact(fact) => {
                if !self.read.contains(fact.name()) {
                    self.read.insert(Arc::clone(fact.name()));
                }
                fetch_fact(fact, question)
            }
            Source::Upstream => Ok(Kept::Text(question.action.tool.upstream())),
            Source::Operation => Ok(Kept::Text(question.action.tool.tool())),
            Source::Tool => Ok(Kept::Made(question.action.tool.to_string().into())),
            Source::Facet { facet, of, name } => {
                self.read(*of)?;
                let slot = self.slots.get(*of);
                let answer = slot.and_then(|slot| match slot.kept.get()?.as_ref().ok()? {
                    Kept::Borrowed(value) => question.memo.part(*facet, value),
                    Kept::Text(text) => question.memo.part(*facet, &Value::from(*text)),
                    Kept::Made(value) => question.memo.part(*facet, value),
                });
                answer.map(Kept::Made).ok_or_else(|| Missing::fact(Arc::clone(name), Why::Absent))
            }
        }
    }

    /// Takes one step and the bytes it looks at from the fuel; whether there was enough.
    fn pay(&mut self, bytes: usize) -> bool {
        let cost = 1 + bytes / 16;
        let enough = self.fuel >= cost;
        self.fuel = self.fuel.saturating_sub(cost);
        enough
    }

    fn missing(&self, node: &Node, why: Why) -> Missing {
        let mut names = node.blame.iter().filter_map(|source| Some(self.sources.get(*source)?.name()));
        let first = Missing::fact(names.next().unwrap_or_else(|| "when".into()), why);
        names.fold(first, |missing, name| missing.and(Missing::fact(name, why)))
    }
}

fn fetch_fact<'q>(fact: &Fact, question: &Question<'q>) -> Result<Kept<'q>, Missing> {
    Ok(match fact.read(question)? {
        Read::Value(value) => Kept::Borrowed(value),
        Read::Text(text) => Kept::Text(text),
        Read::Count(count) => Kept::Made(count.into()),
        Read::Amount(amount) => Kept::Made(amount.to_value()),
        Read::Held(words) => Kept::Made(words.iter().map(String::as_str).collect()),
        Read::Parties(parties) => Kept::Made(parties.iter().map(|party| &*party.id).collect()),
        Read::Tools(used) => Kept::Made(used.keys().map(ToString::to_string).collect()),
        Read::Words(words) => Kept::Made(words.iter().copied().collect()),
        Read::Labels(sets) => {
            let all: BTreeSet<&str> = sets.into_iter().flatten().flatten().map(|label| &**label).collect();
            Kept::Made(all.into_iter().collect())
        }
    })
}

/// Letters of a text, elements of a list, members of an object.
fn size<'e>(value: &Val<'_>) -> Option<Val<'e>> {
    let size = value.text().map(|text| text.chars().count()).or_else(|| value.count())?;
    Some(Val::Number(Num::whole(u64::try_from(size).ok()?)))
}

fn reaches<'e>(labels: &Val<'_>, level: &str) -> Option<Val<'e>> {
    let mut found = false;
    for place in 0..labels.count()? {
        found |= covers(labels.element(place)?.text()?, level, Mode::Any);
    }
    Some(Val::Bool(found))
}

/// `None` where the two do not fit each other; inside, `None` where there is no such element.
fn index<'e>(container: &Val<'e>, key: &Val<'e>) -> Option<Option<Val<'e>>> {
    match (container, key) {
        (Val::Object(members), key) => key.text().map(|name| members.get(name).map(Val::of)),
        (Val::Array(_) | Val::List(_), Val::Number(place)) => {
            let place = usize::try_from(place.as_whole()?).ok();
            Some(place.and_then(|place| container.element(place)))
        }
        _ => None,
    }
}

fn convert<'e>(to: Convert, value: &Val<'e>) -> Option<Val<'e>> {
    Some(match (to, value) {
        (Convert::LowerAscii, value) => Val::Made(value.text()?.to_ascii_lowercase().into()),
        (Convert::UpperAscii, value) => Val::Made(value.text()?.to_ascii_uppercase().into()),
        (Convert::Int, Val::Number(number)) => Val::Number(number.truncated()?),
        (Convert::Int, value) => Val::Number(Num::read(value.text()?).filter(|n| n.as_whole().is_some())?),
        (Convert::Double, Val::Number(number)) => Val::Number(*number),
        (Convert::Double, value) => Val::Number(Num::read(value.text()?)?),
        (Convert::String, Val::Number(number)) => Val::Made(number.exact_text()?.into()),
        (Convert::String, Val::Bool(flag)) => Val::Text(if *flag { "true" } else { "false" }),
        (Convert::String, value @ (Val::Text(_) | Val::Made(_))) => value.clone(),
        _ => return None,
    })
}

impl Relation {
    const fn admits(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl Within {
    fn admits(self, text: &str, part: &str) -> bool {
        match self {
            Self::Contains => text.contains(part),
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
        }
    }
}

impl Arithmetic {
    fn of(self, a: Num, b: Num) -> Option<Num> {
        match self {
            Self::Plus => a.plus(b),
            Self::Minus => a.minus(b),
            Self::Times => a.times(b),
            Self::Remainder => a.remainder(b),
        }
    }
}

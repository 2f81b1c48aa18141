//! Arguments against nodes.
//!
//! Every step costs fuel, so that no schema and no arguments together take long: what is left unchecked is a break.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::{Bound, Check, Count, Document, Id, SchemaBreak, Type};
use crate::facts::compare_numbers;
use crate::policy::expression::number::Num;

/// Steps at most; sixty-four bytes of a text count as one more.
const FUEL: usize = 1 << 22;

/// How deep checks stand in each other.
const DEEPEST: usize = 256;

/// Holds arguments against a document.
pub(super) fn check(document: &Document, arguments: &Value) -> Result<(), SchemaBreak> {
    let mut run = Run { document, path: Vec::new(), quiet: 0, depth: 0, fuel: FUEL, first: None };
    let done = run.node(0, arguments, &mut Marks::default());
    if let Some((path, keyword, message)) = run.first.take().filter(|_| done.is_ok()) {
        return Err(SchemaBreak { pointer: pointer(&path), keyword: keyword.to_owned(), message });
    }
    match done {
        Ok(true) => Ok(()),
        Ok(false) => Err(SchemaBreak {
            pointer: String::new(),
            keyword: "schema".into(),
            message: "do not fit".into(),
        }),
        Err(Stop) => {
            let message = "cannot be checked: they are too large or too deep for this schema".into();
            Err(SchemaBreak { pointer: String::new(), keyword: "limit".into(), message })
        }
    }
}

/// Too much to check.
struct Stop;

type Fits = Result<bool, Stop>;

/// A part of the arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step<'e> {
    Place(usize),
    Name(&'e str),
}

/// What was looked at by some check, for `unevaluated...`.
#[derive(Debug, Default)]
struct Marks<'e> {
    members: BTreeSet<&'e str>,
    items: BTreeSet<usize>,
}

struct Run<'e> {
    document: &'e Document,
    path: Vec<Step<'e>>,
    /// Above zero where a break is no break of the whole, as under `not`.
    quiet: usize,
    depth: usize,
    fuel: usize,
    /// The first break in the order of the arguments.
    first: Option<(Vec<Step<'e>>, &'static str, String)>,
}

impl<'e> Run<'e> {
    fn pay(&mut self, bytes: usize) -> Result<(), Stop> {
        self.fuel = self.fuel.checked_sub(1 + bytes / 64).ok_or(Stop)?;
        Ok(())
    }

    /// Records a break where it is one of the whole.
    fn broken(
        &mut self,
        below: Option<Step<'e>>,
        keyword: &'static str,
        message: impl FnOnce() -> String,
    ) -> Fits {
        if self.quiet == 0 {
            let here = self.path.iter().cloned().chain(below);
            let earlier = self.first.as_ref().is_none_or(|(path, known, _)| {
                here.clone().cmp(path.iter().cloned()).then_with(|| keyword.cmp(known)).is_lt()
            });
            if earlier {
                self.first = Some((here.collect(), keyword, message()));
            }
        }
        Ok(false)
    }

    fn node(&mut self, id: Id, value: &'e Value, marks: &mut Marks<'e>) -> Fits {
        self.pay(0)?;
        if self.depth >= DEEPEST {
            return Err(Stop);
        }
        self.depth += 1;
        let document = self.document;
        let mut fits = true;
        // What one schema looked at is known to those around it, not to those beside it.
        let mut own = Marks::default();
        for check in document.nodes.get(id).into_iter().flatten() {
            fits &= self.check(check, value, &mut own)?;
        }
        marks.members.append(&mut own.members);
        marks.items.append(&mut own.items);
        self.depth -= 1;
        Ok(fits)
    }

    /// Whether a value fits, without saying why not.
    fn quietly(&mut self, id: Id, value: &'e Value, marks: &mut Marks<'e>) -> Fits {
        self.quiet += 1;
        let mut seen = Marks::default();
        let fits = self.node(id, value, &mut seen);
        self.quiet -= 1;
        if matches!(fits, Ok(true)) {
            marks.members.append(&mut seen.members);
            marks.items.append(&mut seen.items);
        }
        fits
    }

    /// A part of the value.
    fn part(&mut self, step: Step<'e>, id: Id, value: &'e Value) -> Fits {
        self.path.push(step);
        let fits = self.node(id, value, &mut Marks::default());
        self.path.pop();
        fits
    }

    fn check(&mut self, check: &'e Check, value: &'e Value, marks: &mut Marks<'e>) -> Fits {
        match check {
            Check::Never => self.broken(None, "false", || "is not allowed".into()),
            Check::Types(_)
            | Check::Enum(_)
            | Check::Const(_)
            | Check::Bound(..)
            | Check::MultipleOf(_)
            | Check::Count(..)
            | Check::Pattern(_)
            | Check::UniqueItems => self.of_value(check, value),
            Check::Items { .. } | Check::Contains { .. } | Check::UnevaluatedItems(_) => match value {
                Value::Array(items) => self.of_array(check, items, marks),
                _ => Ok(true),
            },
            Check::Properties { .. }
            | Check::PropertyNames(_)
            | Check::Required(_)
            | Check::DependentRequired(_)
            | Check::UnevaluatedProperties(_) => match value {
                Value::Object(members) => self.of_object(check, members, marks),
                _ => Ok(true),
            },
            Check::DependentSchemas(schemas) => {
                let Value::Object(members) = value else { return Ok(true) };
                let mut fits = true;
                for (_, id) in schemas.iter().filter(|(name, _)| members.contains_key(*name)) {
                    fits &= self.node(*id, value, marks)?;
                }
                Ok(fits)
            }
            _ => self.of_schemas(check, value, marks),
        }
    }

    fn of_schemas(&mut self, check: &'e Check, value: &'e Value, marks: &mut Marks<'e>) -> Fits {
        match check {
            Check::Ref(id) => self.node(*id, value, marks),
            Check::AllOf(ids) => {
                let mut fits = true;
                for id in ids {
                    fits &= self.node(*id, value, marks)?;
                }
                Ok(fits)
            }
            Check::AnyOf(ids) => {
                let mut fits = false;
                for id in ids {
                    fits |= self.quietly(*id, value, marks)?;
                    // What the others looked at matters only where somebody asks.
                    if fits && !self.document.tracks {
                        break;
                    }
                }
                if fits {
                    Ok(true)
                } else {
                    self.broken(None, "anyOf", || {
                        format!("fits none of the {} forms that are allowed", ids.len())
                    })
                }
            }
            Check::OneOf(ids) => {
                let mut found = 0;
                for id in ids {
                    found += usize::from(self.quietly(*id, value, marks)?);
                }
                match found {
                    1 => Ok(true),
                    _ => self.broken(None, "oneOf", || {
                        format!("fits {found} of the {} forms of which it must fit one", ids.len())
                    }),
                }
            }
            Check::Not(id) => match self.quietly(*id, value, &mut Marks::default())? {
                true => self.broken(None, "not", || "has a form that is not allowed".into()),
                false => Ok(true),
            },
            Check::If { condition, yes, no } => {
                let branch = if self.quietly(*condition, value, marks)? { yes } else { no };
                branch.map_or(Ok(true), |id| self.node(id, value, marks))
            }
            _ => Ok(true),
        }
    }

    fn of_value(&mut self, check: &'e Check, value: &'e Value) -> Fits {
        match (check, value) {
            (Check::Types(types), _) => {
                if types.iter().any(|wanted| is(value, *wanted)) {
                    return Ok(true);
                }
                let words = || types.iter().map(|wanted| wanted.word()).collect::<Vec<_>>().join(" or ");
                self.broken(None, "type", || format!("must be of type {}", words()))
            }
            (Check::Enum(values), _) => {
                for wanted in values {
                    if self.same(wanted, value)? {
                        return Ok(true);
                    }
                }
                self.broken(None, "enum", || {
                    format!("must be one of the {} values that are allowed", values.len())
                })
            }
            (Check::Const(wanted), _) => match self.same(wanted, value)? {
                true => Ok(true),
                false => self.broken(None, "const", || "must be the one value that is allowed".into()),
            },
            (Check::Bound(bound, limit), Value::Number(number)) => {
                let order = compare_numbers(number, limit);
                let (fits, words) = match bound {
                    Bound::Minimum => (order.is_ge(), "at least"),
                    Bound::Maximum => (order.is_le(), "at most"),
                    Bound::ExclusiveMinimum => (order.is_gt(), "above"),
                    Bound::ExclusiveMaximum => (order.is_lt(), "below"),
                };
                if fits {
                    Ok(true)
                } else {
                    self.broken(None, bound.keyword(), || format!("must be {words} {limit}"))
                }
            }
            (Check::MultipleOf(divisor), Value::Number(number)) => match divides(divisor, number) {
                true => Ok(true),
                false => self.broken(None, "multipleOf", || format!("must be a multiple of {divisor}")),
            },
            (Check::Pattern(pattern), Value::String(text)) => {
                self.pay(text.len())?;
                if pattern.is_match(text) {
                    Ok(true)
                } else {
                    self.broken(None, "pattern", || "does not match the pattern".into())
                }
            }
            (Check::Count(count, limit), _) => self.counted(*count, *limit, value),
            (Check::UniqueItems, Value::Array(items)) => self.unique(items),
            _ => Ok(true),
        }
    }

    fn counted(&mut self, count: Count, limit: u64, value: &'e Value) -> Fits {
        let (found, what) = match (count, value) {
            (Count::MinLength | Count::MaxLength, Value::String(text)) => {
                self.pay(text.len())?;
                (text.chars().count(), "characters")
            }
            (Count::MinItems | Count::MaxItems, Value::Array(items)) => (items.len(), "elements"),
            (Count::MinProperties | Count::MaxProperties, Value::Object(members)) => {
                (members.len(), "members")
            }
            _ => return Ok(true),
        };
        let least = matches!(count, Count::MinLength | Count::MinItems | Count::MinProperties);
        let found = u64::try_from(found).unwrap_or(u64::MAX);
        if (least && found >= limit) || (!least && found <= limit) {
            return Ok(true);
        }
        let words = if least { "at least" } else { "at most" };
        self.broken(None, count.keyword(), || format!("must have {words} {limit} {what}"))
    }

    fn unique(&mut self, items: &'e [Value]) -> Fits {
        let mut sorted: Vec<&Value> = items.iter().collect();
        let mut stopped = false;
        sorted.sort_by(|a, b| {
            stopped |= self.pay(weight(a, 64 * 1024)).is_err();
            if stopped { Ordering::Equal } else { order(a, b) }
        });
        if stopped {
            return Err(Stop);
        }
        match sorted.windows(2).all(|pair| matches!(pair, [a, b] if order(a, b).is_ne())) {
            true => Ok(true),
            false => self.broken(None, "uniqueItems", || "must not have the same element twice".into()),
        }
    }

    fn same(&mut self, wanted: &Value, value: &Value) -> Fits {
        self.pay(0)?;
        if std::mem::discriminant(wanted) != std::mem::discriminant(value) {
            return Ok(false);
        }
        // What is compared is at most as large as what the schema has.
        self.pay(weight(wanted, 1 << 20))?;
        Ok(order(wanted, value).is_eq())
    }

    fn of_array(&mut self, check: &'e Check, items: &'e [Value], marks: &mut Marks<'e>) -> Fits {
        let tracks = self.document.tracks;
        let mut fits = true;
        match check {
            Check::Items { prefix, rest, keyword } => {
                for (place, item) in items.iter().enumerate() {
                    let Some(id) = prefix.get(place).or(rest.as_ref()) else { break };
                    let extra = place >= prefix.len();
                    fits &= self.allowed(Step::Place(place), *id, item, extra.then_some(*keyword))?;
                    if tracks {
                        marks.items.insert(place);
                    }
                }
            }
            Check::UnevaluatedItems(id) => {
                for (place, item) in items.iter().enumerate() {
                    if marks.items.insert(place) {
                        fits &= self.allowed(Step::Place(place), *id, item, Some("unevaluatedItems"))?;
                    }
                }
            }
            Check::Contains { node, least, most } => {
                let mut found = 0_u64;
                for (place, item) in items.iter().enumerate() {
                    if self.quietly(*node, item, &mut Marks::default())? {
                        found += 1;
                        if tracks {
                            marks.items.insert(place);
                        }
                    }
                }
                if found < *least {
                    fits = self.broken(None, "contains", || {
                        format!("must have at least {least} elements of a certain form")
                    })?;
                } else if let Some(most) = most.filter(|most| found > *most) {
                    fits = self.broken(None, "maxContains", || {
                        format!("must have at most {most} elements of a certain form")
                    })?;
                }
            }
            _ => {}
        }
        Ok(fits)
    }

    fn of_object(
        &mut self,
        check: &'e Check,
        members: &'e Map<String, Value>,
        marks: &mut Marks<'e>,
    ) -> Fits {
        match check {
            Check::Required(names) => self.required(names, members),
            Check::DependentRequired(needed) => {
                let mut fits = true;
                for (_, names) in needed.iter().filter(|(name, _)| members.contains_key(*name)) {
                    fits &= self.required(names, members)?;
                }
                Ok(fits)
            }
            Check::PropertyNames(id) => self.names(*id, members),
            Check::UnevaluatedProperties(id) => {
                let mut fits = true;
                for (name, value) in members {
                    if marks.members.insert(name) {
                        fits &= self.allowed(Step::Name(name), *id, value, Some("unevaluatedProperties"))?;
                    }
                }
                Ok(fits)
            }
            Check::Properties { named, patterns, rest } => {
                let mut fits = true;
                for (name, value) in members {
                    let mut known = false;
                    if let Some(id) = named.get(name) {
                        known = true;
                        fits &= self.part(Step::Name(name), *id, value)?;
                    }
                    for (pattern, id) in patterns {
                        self.pay(name.len())?;
                        if pattern.is_match(name) {
                            known = true;
                            fits &= self.part(Step::Name(name), *id, value)?;
                        }
                    }
                    if let Some(id) = rest.filter(|_| !known) {
                        known = true;
                        fits &= self.allowed(Step::Name(name), id, value, Some("additionalProperties"))?;
                    }
                    if known && self.document.tracks {
                        marks.members.insert(name);
                    }
                }
                Ok(fits)
            }
            _ => Ok(true),
        }
    }

    /// A part that is there beyond those that are named: where nothing may be, that keyword is broken.
    fn allowed(&mut self, step: Step<'e>, id: Id, value: &'e Value, keyword: Option<&'static str>) -> Fits {
        let never = matches!(self.document.nodes.get(id).map(Vec::as_slice), Some([Check::Never]));
        match keyword {
            Some(keyword) if never => {
                self.pay(0)?;
                self.broken(Some(step), keyword, || "is not known here".into())
            }
            _ => self.part(step, id, value),
        }
    }

    fn required(&mut self, names: &'e [String], members: &Map<String, Value>) -> Fits {
        let mut fits = true;
        for name in names {
            self.pay(0)?;
            if !members.contains_key(name) {
                fits = self.broken(Some(Step::Name(name)), "required", || "is required".into())?;
            }
        }
        Ok(fits)
    }

    fn names(&mut self, id: Id, members: &'e Map<String, Value>) -> Fits {
        let mut fits = true;
        for name in members.keys() {
            self.pay(name.len())?;
            let value = Value::from(name.as_str());
            // A name is no part of the arguments that a pointer could lead to: its own checks stay quiet.
            let mut inner = Run {
                document: self.document,
                path: Vec::new(),
                quiet: 1,
                depth: self.depth,
                fuel: self.fuel,
                first: None,
            };
            let named = inner.node(id, &value, &mut Marks::default());
            self.fuel = inner.fuel;
            if !named? {
                fits = self.broken(Some(Step::Name(name)), "propertyNames", || {
                    "has a name that is not allowed".into()
                })?;
            }
        }
        Ok(fits)
    }
}

fn is(value: &Value, wanted: Type) -> bool {
    match (wanted, value) {
        (Type::Null, Value::Null)
        | (Type::Boolean, Value::Bool(_))
        | (Type::Number, Value::Number(_))
        | (Type::String, Value::String(_))
        | (Type::Array, Value::Array(_))
        | (Type::Object, Value::Object(_)) => true,
        (Type::Integer, Value::Number(number)) => {
            number.as_f64().is_some_and(|double| number.is_i64() || number.is_u64() || double.fract() == 0.0)
        }
        _ => false,
    }
}

/// Exactly: decimals as they are written, what is too large for that as the doubles that they are.
fn divides(divisor: &Number, number: &Number) -> bool {
    match Num::of(number).is_multiple_of(Num::of(divisor)) {
        Some(multiple) => multiple,
        None => match (number.as_f64(), divisor.as_f64()) {
            (Some(number), Some(divisor)) => number % divisor == 0.0,
            _ => false,
        },
    }
}

/// A total order in which what is equal is the same value, numbers by value.
fn order(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    };
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let pairs = a.iter().zip(b).map(|(a, b)| order(a, b));
            a.len().cmp(&b.len()).then_with(|| pairs.fold(Ordering::Equal, Ordering::then))
        }
        (Value::Object(a), Value::Object(b)) => {
            let pairs = a.iter().zip(b).map(|((m, a), (n, b))| m.cmp(n).then_with(|| order(a, b)));
            a.len().cmp(&b.len()).then_with(|| pairs.fold(Ordering::Equal, Ordering::then))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// How much there is to compare, counted up to about `most`.
fn weight(value: &Value, most: usize) -> usize {
    let (mut sum, mut left) = (0, vec![value]);
    while let Some(value) = left.pop() {
        sum += 64;
        match value {
            Value::String(text) => sum += text.len(),
            Value::Array(items) => left.extend(items),
            Value::Object(members) => {
                sum += members.keys().map(String::len).sum::<usize>();
                left.extend(members.values());
            }
            _ => {}
        }
        if sum > most {
            break;
        }
    }
    sum
}

/// Names that agents made up are cut.
fn pointer(path: &[Step<'_>]) -> String {
    const LONGEST: usize = 64;
    path.iter().fold(String::new(), |pointer, step| {
        let step: Cow<'_, str> = match step {
            Step::Place(place) => place.to_string().into(),
            Step::Name(name) if name.chars().count() > LONGEST => {
                name.chars().take(LONGEST - 1).chain(['…']).collect::<String>().into()
            }
            Step::Name(name) => (*name).into(),
        };
        format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"))
    })
}

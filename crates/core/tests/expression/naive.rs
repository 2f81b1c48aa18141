//! Random expressions against an evaluator that shares nothing with ours: three values, and no way to panic.

use std::collections::BTreeSet;

use countersign_core::decision::Match;
use countersign_core::policy::Expression;

use crate::world;

const ARGUMENTS: &str = r#"{"yes": true, "no": false, "one": 1, "two": 2.0, "half": 0.5, "a": "a", "b": "b", "list": [1, 2, 2.5], "texts": ["a", "b"], "mixed": [1, "a"], "none": []}"#;

/// The toy grammar: conditions, and what they compare.
#[derive(Clone, Debug)]
enum Toy {
    Flag(&'static str),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Choice(Box<[Self; 3]>),
    Compare(&'static str, Item, Item),
    In(Item, &'static str),
    Walk(&'static str, &'static str, Box<Self>),
    Exists(&'static str),
}

#[derive(Clone, Debug)]
enum Item {
    Name(&'static str),
    Element,
    /// In halves.
    Number(i64),
    Text(&'static str),
    Sum(Box<Self>, Box<Self>),
}

/// What the toy knows.
#[derive(Clone, Debug, PartialEq)]
enum Thing {
    Flag(bool),
    Halves(i64),
    Text(String),
    List(Vec<Self>),
}

fn known(name: &str) -> Option<Thing> {
    let list = |things: &[Thing]| Some(Thing::List(things.to_vec()));
    let text = |text: &str| Thing::Text(text.to_owned());
    match name {
        "yes" => Some(Thing::Flag(true)),
        "no" => Some(Thing::Flag(false)),
        "one" => Some(Thing::Halves(2)),
        "two" => Some(Thing::Halves(4)),
        "half" => Some(Thing::Halves(1)),
        "a" | "b" => Some(text(name)),
        "list" => list(&[Thing::Halves(2), Thing::Halves(4), Thing::Halves(5)]),
        "texts" => list(&[text("a"), text("b")]),
        "mixed" => list(&[Thing::Halves(2), text("a")]),
        "none" => list(&[]),
        _ => None,
    }
}

impl Item {
    fn write(&self) -> String {
        match self {
            Self::Name(name) => format!("parameters.{name}"),
            Self::Element => "x".into(),
            Self::Number(halves) if halves % 2 == 0 => (halves / 2).to_string(),
            Self::Number(halves) => format!("{}{}.5", if *halves < 0 { "-" } else { "" }, halves.abs() / 2),
            Self::Text(text) => format!("'{text}'"),
            Self::Sum(a, b) => format!("({} + {})", a.write(), b.write()),
        }
    }

    fn value(&self, element: Option<&Thing>) -> Option<Thing> {
        match self {
            Self::Name(name) => known(name),
            Self::Element => element.cloned(),
            Self::Number(halves) => Some(Thing::Halves(*halves)),
            Self::Text(text) => Some(Thing::Text((*text).to_owned())),
            Self::Sum(a, b) => match (a.value(element)?, b.value(element)?) {
                (Thing::Halves(a), Thing::Halves(b)) => Some(Thing::Halves(a + b)),
                (Thing::Text(a), Thing::Text(b)) => Some(Thing::Text(a + &b)),
                (Thing::List(a), Thing::List(b)) => Some(Thing::List([a, b].concat())),
                _ => None,
            },
        }
    }
}

fn same(a: &Thing, b: &Thing) -> Option<bool> {
    match (a, b) {
        (Thing::Flag(a), Thing::Flag(b)) => Some(a == b),
        (Thing::Halves(a), Thing::Halves(b)) => Some(a == b),
        (Thing::Text(a), Thing::Text(b)) => Some(a == b),
        (Thing::List(a), Thing::List(b)) if a.len() != b.len() => Some(false),
        (Thing::List(a), Thing::List(b)) => and(a.iter().zip(b).map(|(a, b)| same(a, b))),
        _ => None,
    }
}

/// Kleene's: a no settles it, then a missing one.
fn and(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let all: Vec<_> = all.collect();
    if all.contains(&Some(false)) { Some(false) } else { (!all.contains(&None)).then_some(true) }
}

fn or(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    and(all.map(|one| one.map(|holds| !holds))).map(|none| !none)
}

impl Toy {
    fn write(&self) -> String {
        let join =
            |all: &[Self], operator: &str| all.iter().map(Self::write).collect::<Vec<_>>().join(operator);
        match self {
            Self::Flag(name) => format!("parameters.{name}"),
            Self::Not(inner) => format!("!({})", inner.write()),
            Self::And(all) => format!("({})", join(all, " && ")),
            Self::Or(all) => format!("({})", join(all, " || ")),
            Self::Choice(three) => {
                format!("({} ? {} : {})", three[0].write(), three[1].write(), three[2].write())
            }
            Self::Compare(operator, a, b) => format!("{} {operator} {}", a.write(), b.write()),
            Self::In(item, list) => format!("{} in parameters.{list}", item.write()),
            Self::Walk(list, how, body) => format!("parameters.{list}.{how}(x, {})", body.write()),
            Self::Exists(name) => format!("exists(parameters.{name})"),
        }
    }

    fn answer(&self, element: Option<&Thing>) -> Option<bool> {
        match self {
            Self::Flag(name) => match known(name)? {
                Thing::Flag(flag) => Some(flag),
                _ => None,
            },
            Self::Not(inner) => inner.answer(element).map(|holds| !holds),
            Self::And(all) => and(all.iter().map(|one| one.answer(element))),
            Self::Or(all) => or(all.iter().map(|one| one.answer(element))),
            Self::Choice(three) => match three[0].answer(element) {
                Some(true) => three[1].answer(element),
                Some(false) => three[2].answer(element),
                None => {
                    let (yes, no) = (three[1].answer(element), three[2].answer(element));
                    yes.filter(|_| yes == no)
                }
            },
            Self::Compare(operator, a, b) => {
                let (a, b) = (a.value(element)?, b.value(element)?);
                let ordered = match (&a, &b) {
                    (Thing::Halves(a), Thing::Halves(b)) => Some(a.cmp(b)),
                    (Thing::Text(a), Thing::Text(b)) => Some(a.cmp(b)),
                    _ => None,
                };
                match *operator {
                    "==" => same(&a, &b),
                    "!=" => same(&a, &b).map(|same| !same),
                    "<" => ordered.map(std::cmp::Ordering::is_lt),
                    _ => ordered.map(std::cmp::Ordering::is_ge),
                }
            }
            Self::In(item, list) => match (item.value(element)?, known(list)?) {
                (item, Thing::List(list)) => or(list.iter().map(|one| same(&item, one))),
                _ => None,
            },
            Self::Walk(list, how, body) => {
                let Thing::List(list) = known(list)? else { return None };
                let answers: Vec<_> = list.iter().map(|one| body.answer(Some(one))).collect();
                match *how {
                    "all" => and(answers.into_iter()),
                    "exists" => or(answers.into_iter()),
                    _ => {
                        let found = answers.iter().filter(|answer| **answer == Some(true)).count();
                        let unclear = answers.contains(&None);
                        if found > 1 { Some(false) } else { (!unclear).then_some(found == 1) }
                    }
                }
            }
            Self::Exists(name) => Some(known(name).is_some()),
        }
    }
}

const NAMES: [&str; 12] =
    ["yes", "no", "one", "two", "half", "a", "b", "list", "texts", "mixed", "none", "gone"];
const LISTS: [&str; 6] = ["list", "texts", "mixed", "none", "gone", "a"];

/// Chance that is the same on every run: a hundred thousand expressions are too many for a framework's trees.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        // Splitmix, whose numbers pass for random.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap() % most
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn item(&mut self, inside: bool, deep: usize) -> Item {
        match self.below(if deep > 0 { 9 } else { 7 }) {
            0 | 1 => Item::Name(self.of(&NAMES)),
            2 | 3 => Item::Number(i64::try_from(self.below(10)).unwrap() - 3),
            4 => Item::Text(self.of(&["a", "b", "ab", ""])),
            5 | 6 if inside => Item::Element,
            5 | 6 => Item::Name("one"),
            _ => Item::Sum(Box::new(self.item(inside, deep - 1)), Box::new(self.item(inside, deep - 1))),
        }
    }

    fn toy(&mut self, inside: bool, deep: usize) -> Toy {
        let several =
            |chance: &mut Self| (0..2 + chance.below(2)).map(|_| chance.toy(inside, deep - 1)).collect();
        match self.below(if deep > 0 { 18 } else { 9 }) {
            0 | 1 => Toy::Flag(self.of(&NAMES)),
            2..=5 => {
                Toy::Compare(self.of(&["==", "!=", "<", ">="]), self.item(inside, 2), self.item(inside, 2))
            }
            6 | 7 => Toy::In(self.item(inside, 1), self.of(&LISTS)),
            8 => Toy::Exists(self.of(&NAMES)),
            9 | 10 => Toy::Not(Box::new(self.toy(inside, deep - 1))),
            11 | 12 => Toy::And(several(self)),
            13 | 14 => Toy::Or(several(self)),
            15 => Toy::Choice(Box::new([(); 3].map(|()| self.toy(inside, deep - 1)))),
            _ if inside => self.toy(inside, deep - 1),
            _ => {
                let how = self.of(&["all", "exists", "exists_one"]);
                Toy::Walk(self.of(&LISTS), how, Box::new(self.toy(true, deep - 1)))
            }
        }
    }
}

#[test]
fn r3_missing_a_hundred_thousand_expressions_say_what_the_naive_evaluator_says() {
    let world = world(ARGUMENTS);
    let question = world.question();
    let mut chance = Chance(4);
    let [mut yes, mut no, mut unknown, mut refused] = [0_usize; 4];
    for _ in 0..100_000 {
        let toy = chance.toy(false, 3);
        let text = toy.write();
        let expression = match Expression::compile(&text) {
            Ok(expression) => expression,
            // Refused for its types, or because it reads nothing.
            Err(faults) => {
                assert!(!faults.is_empty());
                refused += 1;
                continue;
            }
        };
        let plain = match expression.holds(&question, &mut BTreeSet::new()) {
            Match::Yes => Some(true),
            Match::No => Some(false),
            Match::Unknown(_) => None,
        };
        match plain {
            Some(true) => yes += 1,
            Some(false) => no += 1,
            None => unknown += 1,
        }
        assert_eq!(plain, toy.answer(None), "{text}");
    }
    assert!(
        yes > 5_000 && no > 5_000 && unknown > 5_000 && refused < 40_000,
        "{yes} {no} {unknown} {refused}"
    );
}

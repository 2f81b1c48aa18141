//! Whether a test holds of a fact: yes, no, or nobody can tell.

use serde_json::Value;

use super::known::{Known, Scene, bears, level, same};
use super::model::{Fact, Pattern, Test};

/// Yes, no, or `None` where nobody can tell.
pub type Answer = Option<bool>;

/// Whether what is asked of one element is asked of any or of every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Rules that restrict.
    Any,
    /// ALLOW, and what calls keep to.
    Every,
}

impl Scene<'_> {
    /// Whether a test holds of a fact.
    #[must_use]
    pub fn ask(&self, fact: &Fact, test: &Test, of: Of) -> Answer {
        let known = self.know(fact);
        match (&known, test) {
            (Known::Missing { hidden: true }, Test::Exists(_)) => None,
            (Known::Missing { .. }, Test::Exists(wanted)) => Some(!wanted),
            (_, Test::Exists(wanted)) => Some(*wanted),
            (Known::Missing { .. }, Test::Unsettled(wanted)) => Some(*wanted),
            (_, Test::Unsettled(wanted)) => Some(!wanted),
            (Known::Missing { .. }, _) => None,
            // Without a domain of ours nobody can say what is outside.
            (_, test) if test.asks_for_outsiders() && self.own_domains().is_none() => None,
            (Known::Value(value), _) => self.of_value(value, test, of),
            (Known::Text(text), _) => self.of_one(&Value::from(text.as_str()), test, of),
            (Known::Number(n), _) => self.of_one(&Value::from(*n), test, of),
            (Known::Held(words), _) => self.of_words(words, test),
            (Known::Tools(tools), _) => {
                let tools: Vec<String> = tools.iter().map(|(up, own)| format!("{up}.{own}")).collect();
                of_tools(&tools, test)
            }
            (Known::Labels(labels), _) => {
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                self.of_labels(&labels, test, of)
            }
        }
    }

    /// A value that somebody gave: lists element by element, unless the list itself is asked for.
    fn of_value(&self, value: &Value, test: &Test, of: Of) -> Answer {
        if let Some(answer) = as_a_whole(value, test) {
            return answer;
        }
        let Value::Array(items) = value else { return self.of_one(value, test, of) };
        let one = |item: &Value| match of {
            Of::Any => self.of_one(item, test, of),
            Of::Every => self.of_element(item, test),
        };
        among(items, of, false, one)
    }

    /// An element of a list of which every one has to be among what is named.
    fn of_element(&self, item: &Value, test: &Test) -> Answer {
        match test {
            Test::Contains(wanted) => one_of(item, wanted),
            Test::Not(test) => self.of_element(item, test).map(|holds| !holds),
            test => self.of_one(item, test, Of::Every),
        }
    }

    /// One value that is no list.
    fn of_one(&self, value: &Value, test: &Test, of: Of) -> Answer {
        let text = value.as_str();
        match test {
            Test::Not(test) => self.of_one(value, test, of).map(|holds| !holds),
            Test::Eq(wanted) => equal(value, wanted),
            Test::Ne(wanted) => equal(value, wanted).map(|same| !same),
            Test::Gt(bound) => above(value, bound),
            Test::Gte(bound) => above(bound, value).map(|below| !below),
            Test::Lt(bound) => above(bound, value),
            Test::Lte(bound) => above(value, bound).map(|above| !above),
            Test::In(wanted) => one_of(value, wanted),
            Test::Contains(wanted) => match text {
                None => one_of(value, wanted),
                Some(text) => within(text, wanted, of),
            },
            Test::Matches(pattern) => Some(pattern.matches(text?)),
            Test::StartsWith(parts) => {
                let text = text?;
                Some(parts.iter().any(|part| text.starts_with(part)))
            }
            Test::EndsWith(parts) => {
                let text = text?;
                Some(parts.iter().any(|part| text.ends_with(part)))
            }
            Test::External(wanted) => {
                let own = self.own_domains()?;
                let hosts = hosts(text?);
                let outside = hosts.iter().any(|host| !own.iter().any(|domain| lies_below(host, domain)));
                (!hosts.is_empty()).then_some(outside == *wanted)
            }
            Test::DomainIn(domains) if of == Of::Any => inside(text?, domains, Of::Any),
            Test::DomainIn(domains) | Test::DomainAllowlist(domains) => inside(text?, domains, Of::Every),
            Test::Under(folders) => {
                let path = normal(text?)?;
                let below = |folder: &&str| path == **folder || path.starts_with(&format!("{folder}/"));
                Some(folders.iter().any(below))
            }
            Test::SqlKinds(wanted) => {
                let kinds = kinds(text?)?;
                let is = |kind: &&str| wanted.contains(kind);
                Some(if of == Of::Any { kinds.iter().any(is) } else { kinds.iter().all(is) })
            }
            Test::Own => Some(text? == self.story.human),
            Test::Above(_) | Test::AboveFact(_) => self.of_label(text?, test, of),
            Test::Exists(_) | Test::Unsettled(_) => None,
        }
    }

    /// What counts as inside; `None` where nothing does.
    fn own_domains(&self) -> Option<Vec<String>> {
        let listed = &self.policy.internal_domains;
        if !listed.is_empty() {
            return Some(listed.iter().map(|domain| (*domain).to_owned()).collect());
        }
        let (_, domain) = self.story.human.split_once('@')?;
        (domain != "gmail.com").then(|| vec![domain.to_owned()])
    }

    /// Roles: one that meets the test is enough; `ne` and `not` mean that none does.
    fn of_words(&self, words: &[String], test: &Test) -> Answer {
        let values: Vec<Value> = words.iter().map(|word| Value::from(word.as_str())).collect();
        match test {
            Test::Not(test) => self.of_words(words, test).map(|any| !any),
            Test::Ne(wanted) => self.of_words(words, &Test::Eq(wanted.clone())).map(|any| !any),
            test => among(&values, Of::Any, false, |word| self.of_element(word, test)),
        }
    }

    /// Labels: a restricting rule about a level means those above it too, an ALLOW what it lists.
    fn of_labels(&self, labels: &[&str], test: &Test, of: Of) -> Answer {
        if let Test::Not(test) = test {
            return self.of_labels(labels, test, Of::Any).map(|any| !any);
        }
        if let Test::AboveFact(name) = test
            && matches!(self.know(&Fact::Given(name)), Known::Missing { .. })
        {
            return None;
        }
        among(labels, of, false, |label| self.of_label(label, test, of))
    }

    fn of_label(&self, seen: &str, test: &Test, of: Of) -> Answer {
        let means = |wanted: &str, of: Of| match (of, level(seen), level(wanted)) {
            (Of::Every, ..) => seen == wanted,
            (Of::Any, Some(seen), Some(wanted)) => seen >= wanted,
            (Of::Any, ..) => seen.eq_ignore_ascii_case(wanted),
        };
        let any = |wanted: &[Value]| wanted.iter().any(|wanted| means(wanted.as_str().unwrap(), of));
        match test {
            Test::Eq(wanted) => Some(means(wanted.as_str()?, of)),
            Test::In(wanted) | Test::Contains(wanted) => Some(any(wanted)),
            Test::Ne(wanted) if of == Of::Any => Some(seen != wanted.as_str()?),
            Test::Ne(wanted) => Some(!means(wanted.as_str()?, Of::Any)),
            Test::Above(bound) => Some(level(seen).is_some_and(|seen| Some(seen) > level(bound))),
            Test::AboveFact(name) => {
                let bound = match self.know(&Fact::Given(name)) {
                    Known::Value(Value::String(text)) => level(&text),
                    Known::Value(Value::Array(list)) => {
                        list.iter().filter_map(Value::as_str).filter_map(level).max()
                    }
                    _ => None,
                };
                let bound = bound?;
                Some(level(seen).is_some_and(|seen| seen > bound))
            }
            test => self.of_one(&Value::from(seen), test, of),
        }
    }
}

/// Whole lists and maps are compared with lists and maps.
fn as_a_whole(value: &Value, test: &Test) -> Option<Answer> {
    let whole = |wanted: &Value| wanted.is_array() || wanted.is_object();
    match test {
        Test::Not(test) => as_a_whole(value, test).map(|answer| answer.map(|holds| !holds)),
        Test::Eq(wanted) if whole(wanted) => Some(equal(value, wanted)),
        Test::Ne(wanted) if whole(wanted) => Some(equal(value, wanted).map(|same| !same)),
        _ => None,
    }
}

/// Tools that were used, one of which is enough; a name means what bears it, a text the full name.
fn of_tools(tools: &[String], test: &Test) -> Answer {
    let named = |wanted: &[Value]| {
        let bears = |tool: &String| wanted.iter().any(|name| bears(tool, name.as_str().unwrap()));
        Some(tools.iter().any(bears))
    };
    match test {
        Test::Not(test) => of_tools(tools, test).map(|any| !any),
        Test::Eq(wanted) => named(std::slice::from_ref(wanted)),
        Test::Ne(wanted) => named(std::slice::from_ref(wanted)).map(|any| !any),
        Test::In(wanted) | Test::Contains(wanted) => named(wanted),
        Test::Matches(pattern) => Some(tools.iter().any(|tool| pattern.matches(tool))),
        Test::StartsWith(parts) => {
            Some(tools.iter().any(|tool| parts.iter().any(|part| tool.starts_with(part))))
        }
        Test::EndsWith(parts) => Some(tools.iter().any(|tool| parts.iter().any(|part| tool.ends_with(part)))),
        _ => None,
    }
}

/// Three-valued any or every of a list; `empty` of none.
fn among<T>(items: &[T], of: Of, empty: bool, one: impl Fn(&T) -> Answer) -> Answer {
    let answers: Vec<Answer> = items.iter().map(one).collect();
    let settled = of == Of::Any;
    if answers.is_empty() {
        Some(empty)
    } else if answers.contains(&Some(settled)) {
        Some(settled)
    } else if answers.contains(&None) {
        None
    } else {
        Some(!settled)
    }
}

/// Values of one type are equal or not; all may be compared with null.
fn equal(value: &Value, wanted: &Value) -> Answer {
    let kind = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    };
    (wanted.is_null() || kind(value) == kind(wanted)).then(|| same(value, wanted))
}

fn one_of(value: &Value, wanted: &[Value]) -> Answer {
    let answers: Vec<bool> = wanted.iter().filter_map(|wanted| equal(value, wanted)).collect();
    (!answers.is_empty()).then(|| answers.contains(&true))
}

/// Restricting rules ignore case; ALLOW does not.
fn within(text: &str, wanted: &[Value], of: Of) -> Answer {
    let wanted: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
    let folded = |text: &str| if of == Of::Any { text.to_lowercase() } else { text.to_owned() };
    (!wanted.is_empty()).then(|| wanted.iter().any(|part| folded(text).contains(&folded(part))))
}

fn above(value: &Value, bound: &Value) -> Answer {
    Some(value.as_f64()? > bound.as_f64()?)
}

impl Test {
    fn asks_for_outsiders(&self) -> bool {
        match self {
            Self::Not(test) => test.asks_for_outsiders(),
            test => matches!(test, Self::External(_)),
        }
    }
}

impl Pattern {
    fn matches(self, text: &str) -> bool {
        match self {
            Self::Begins(part) => text.starts_with(part),
            Self::Ends(part) => text.ends_with(part),
            Self::Has(part) => text.contains(part),
            Self::Is(whole) => text == whole,
            Self::Digit => text.contains(|c: char| c.is_ascii_digit()),
        }
    }
}

/// The hosts of addresses and URLs in a text of these tests, where a dot is in nothing else.
fn hosts(text: &str) -> Vec<String> {
    let words = text.split([' ', ',']).filter(|word| word.contains('.'));
    let host = |word: &str| {
        let word = word.strip_prefix("https://").unwrap_or(word);
        let word = word.rsplit('@').next().unwrap();
        word.split('/').next().unwrap().to_owned()
    };
    words.map(host).collect()
}

fn lies_below(host: &str, domain: &str) -> bool {
    host == domain || host.ends_with(&format!(".{domain}"))
}

/// Whether any (every) address in a text lies at or below one of these domains; `None` without an address.
fn inside(text: &str, domains: &[&str], of: Of) -> Answer {
    let hosts = hosts(text);
    let one = |host: &String| domains.iter().any(|domain| lies_below(host, domain));
    (!hosts.is_empty()).then(|| if of == Of::Any { hosts.iter().any(one) } else { hosts.iter().all(one) })
}

/// A path without `.` and `..`; `None` where it depends on the folder that one stands in.
fn normal(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    path.starts_with('/').then(|| format!("/{}", parts.join("/")))
}

/// What the statements of these tests do.
#[must_use]
pub fn kinds(sql: &str) -> Option<Vec<&'static str>> {
    match sql {
        "SELECT * FROM orders" | "SELECT 1 -- DROP TABLE orders" => Some(vec!["select"]),
        "drop table orders" | "/* only a select */ DROP TABLE orders" => Some(vec!["drop"]),
        "SELECT 1; DELETE FROM orders" => Some(vec!["select", "delete"]),
        _ => None,
    }
}

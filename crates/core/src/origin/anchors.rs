//! Which records the user named: by what they are called and by whom they are from, never by what they say.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::Class;
use super::kept::{Kept, Record};
use super::request::Request;
use super::seen::same_thing;
use super::text::{Form, number};
use crate::contract::words::Nouns;

/// How well a record fits the request, in hundredths, and on how many of its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Anchor {
    pub(crate) score: u16,
    pub(crate) words: u16,
    /// What the user named is this record's name, letter by letter.
    pub(crate) exact: bool,
}

/// From here on a record counts as named.
const HOLDS: u16 = 50;

impl Anchor {
    /// Whether the record counts as named.
    pub(crate) const fn holds(&self) -> bool {
        self.score >= HOLDS
    }

    /// Whether this fits better than the other: on more words, or on as many more closely.
    pub(crate) const fn dominates(&self, other: &Self) -> bool {
        self.holds() && (self.score > other.score && self.words >= other.words || self.exact && !other.exact)
    }
}

/// Records that the user may have named, by how well they fit and by what kind of thing they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranks(BTreeMap<(Anchor, Nouns, usize), Vec<u32>>);

impl Ranks {
    /// Takes a record in. Of those whose kind nobody knows, the ones from one source are of a kind.
    pub(crate) fn add(&mut self, n: usize, record: &Record<'_>, anchor: Anchor) {
        if let Ok(n) = u32::try_from(n)
            && anchor.holds()
        {
            let source = if record.nouns.is_empty() { record.source } else { 0 };
            self.0.entry((anchor, record.nouns, source)).or_default().push(n);
        }
    }

    /// Whether something else of its kind fits better than this record does.
    pub(crate) fn beaten(&self, record: &Record<'_>, anchor: &Anchor, records: &Kept) -> bool {
        let better = self.0.iter().filter(|((score, nouns, source), _)| {
            score.dominates(anchor)
                && if record.nouns.is_empty() {
                    nouns.is_empty() && *source == record.source
                } else {
                    record.nouns.meets(*nouns)
                }
        });
        let mut others = better.flat_map(|(_, others)| others).filter_map(|n| records.get(*n as usize));
        others.any(|other| !same_thing(record, &other))
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.values().map(|records| 48 + 4 * records.len()).sum()
    }
}

/// How well a record fits. `sole` = it alone answers a call made of the user's own words.
pub(crate) fn anchor(record: Record<'_>, request: &Request, sole: bool) -> Anchor {
    let mut best = Anchor::default();
    let mut words_of_all = BTreeSet::new();
    for field in record.identity() {
        let (score, exact) = score(field.text, request);
        let words: Vec<&str> = significant(field.text).collect();
        let shared: Vec<&str> = words.iter().copied().filter(|word| request.has_word(word)).collect();
        words_of_all.extend(shared.iter().map(|w| (*w).to_owned()));
        let coverage = if words.is_empty() { 0 } else { shared.len() * 100 / words.len() };
        let by_words = if coverage >= 50 || shared.len() >= 2 { coverage.max(50) } else { 0 };
        best.score = best.score.max(score).max(u16::try_from(by_words).unwrap_or(0));
        best.exact |= exact;
    }
    if record.fields().any(|f| f.class != Class::Text && names(f.text, request)) {
        best.score = best.score.max(100);
    }
    if sole {
        best.score = best.score.max(100);
    }
    best.words = u16::try_from(words_of_all.len()).unwrap_or(u16::MAX);
    best
}

/// A name that the user wrote in quotes or as an address or file.
fn score(field: &str, request: &Request) -> (u16, bool) {
    let literal = |form| matches!(form, Form::Mail | Form::File | Form::Url | Form::Account);
    if request.quoted().any(|q| q == field) || request.literals().any(|l| literal(l.form) && l.text == field)
    {
        return (200, true);
    }
    let inside = |name: &str| name.chars().count() > 3 && super::request::has_whole(field, name);
    if request.quoted().any(inside) {
        return (120, false);
    }
    (0, false)
}

/// An account, an address or an amount with decimals that the user wrote.
fn names(field: &str, request: &Request) -> bool {
    request.literals().any(|l| match l.form {
        Form::Mail | Form::Account => l.text == field,
        Form::Number => {
            l.text.contains('.')
                && matches!((number(&l.text), number(field)), (Some(a), Some(b)) if a.to_bits() == b.to_bits())
        }
        _ => false,
    })
}

/// Words of a name that tell it from others.
pub(crate) fn significant(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 1 && !DULL.contains(word))
}

const DULL: [&str; 26] = [
    "the", "a", "an", "of", "for", "and", "to", "in", "on", "at", "with", "re", "fwd", "from", "com", "org",
    "net", "io", "gmail", "txt", "docx", "pdf", "xlsx", "csv", "doc", "www",
];

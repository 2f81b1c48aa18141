//! The records of a session, as they are kept: each different text once, each kind of field once, and a few
//! bytes for every field.

use std::collections::BTreeMap;

use super::fields::{self, Class};
use super::records::{Draft, Written};
use super::text::{hash, number};
use crate::contract::words::Nouns;
use crate::contract::{Store, Writer};

/// All records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    heads: Vec<Head>,
    /// Of each field its text and its kind.
    texts: Vec<u32>,
    kinds: Vec<u16>,
    /// Of each field the one before it that has the same text, counted from 1.
    before: Vec<u32>,
    sorts: Vec<(Nouns, Store)>,
    known: Vec<Kind>,
    numbers: BTreeMap<Kind, u16>,
    letters: Letters,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    /// Its first field.
    first: u32,
    source: u32,
}

/// What fields have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) name: Box<str>,
    /// The words of the name.
    pub(crate) words: Box<[String]>,
    class: Class,
    writer: Writer,
    number: bool,
}

/// One thing that an output tells of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    kept: &'a Kept,
    from: usize,
    to: usize,
    /// Which output, counted from the session's beginning.
    pub(crate) source: usize,
    /// What kind of thing.
    pub(crate) nouns: Nouns,
    /// Who keeps it.
    pub(crate) store: Store,
}

/// One value of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) name: &'a str,
    pub(crate) class: Class,
    /// Folded as [`plain`](super::text::plain).
    pub(crate) text: &'a str,
    pub(crate) writer: Writer,
}

/// A value's place in a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) record: usize,
    pub(crate) field: usize,
}

impl Kept {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// An output begins: what its records are of, and who keeps them.
    pub(crate) fn begin(&mut self, nouns: Nouns, store: Store) {
        self.sorts.push((nouns, store));
    }

    /// Takes a record in; `None` = there is no room, and nothing of it is kept.
    pub(crate) fn add(&mut self, draft: &Draft) -> Option<()> {
        let head =
            Head { first: u32::try_from(self.texts.len()).ok()?, source: u32::try_from(draft.source).ok()? };
        // Neighbouring records mostly have the same fields.
        let guesses = self.heads.last().map_or(0, |last| last.first as usize)..;
        let mut fields = Vec::with_capacity(draft.fields.len());
        for (guess, field) in guesses.zip(&draft.fields) {
            let kind = self.kind(field, guess)?;
            fields.push((kind, self.letters.keep(&field.text)?));
        }
        self.heads.push(head);
        for (kind, text) in fields {
            self.texts.push(text);
            self.kinds.push(kind);
            let at = u32::try_from(self.texts.len()).ok()?;
            self.before.push(self.letters.follows(text, at));
        }
        Some(())
    }

    /// One of them.
    pub(crate) fn get(&self, n: usize) -> Option<Record<'_>> {
        let head = self.heads.get(n)?;
        let to = self.heads.get(n + 1).map_or(self.texts.len(), |next| next.first as usize);
        let (nouns, store) = self.sorts.get(head.source as usize).copied()?;
        let (from, source) = (head.first as usize, head.source as usize);
        Some(Record { kept: self, from, to, source, nouns, store })
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Record<'_>> + Clone {
        (0..self.len()).filter_map(|n| self.get(n))
    }

    /// Where a value stands, in order.
    pub(crate) fn places(&self, folded: &str) -> Vec<Place> {
        let mut found = Vec::new();
        let mut next = self.letters.find(folded).map_or(0, |text| self.letters.latest(text));
        while let Some(at) = (next as usize).checked_sub(1) {
            let record = self.heads.partition_point(|head| head.first as usize <= at).saturating_sub(1);
            let first = self.heads.get(record).map_or(0, |head| head.first as usize);
            found.push(Place { record, field: at - first });
            next = self.before.get(at).copied().unwrap_or(0);
        }
        found.reverse();
        found
    }

    /// The field at a place.
    pub(crate) fn field(&self, place: Place) -> Option<(Record<'_>, Field<'_>)> {
        let record = self.get(place.record)?;
        Some((record, record.field(place.field)?))
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        let kinds: usize =
            self.known.iter().map(|kind| 2 * (size_of::<Kind>() + 2 * kind.name.len() + 24)).sum();
        self.heads.len() * size_of::<Head>()
            + self.texts.len() * (4 + 2 + 4)
            + self.sorts.len() * size_of::<(Nouns, Store)>()
            + kinds
            + self.letters.bytes()
    }

    fn at(&self, at: usize) -> Option<Field<'_>> {
        let kind = self.known.get(usize::from(*self.kinds.get(at)?))?;
        let text = self.letters.get(*self.texts.get(at)?)?;
        Some(Field { kind, name: &kind.name, class: kind.class, text, writer: kind.writer })
    }

    fn kind(&mut self, field: &Written, guess: usize) -> Option<u16> {
        let guess = self.kinds.get(guess).copied();
        if let Some((number, known)) = guess.and_then(|n| Some((n, self.known.get(usize::from(n))?)))
            && known.name == field.name
            && (known.class, known.writer, known.number) == (field.class, field.writer, field.number)
        {
            return Some(number);
        }
        let kind = Kind {
            name: field.name.clone(),
            words: fields::words(&field.name).into(),
            class: field.class,
            writer: field.writer,
            number: field.number,
        };
        if let Some(number) = self.numbers.get(&kind) {
            return Some(*number);
        }
        let number = u16::try_from(self.known.len()).ok()?;
        self.known.push(kind.clone());
        self.numbers.insert(kind, number);
        Some(number)
    }
}

impl<'a> Record<'a> {
    /// Its fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'a>> + Clone + use<'a> {
        let kept = self.kept;
        (self.from..self.to).filter_map(move |at| kept.at(at))
    }

    /// The field of this number.
    pub(crate) fn field(&self, n: usize) -> Option<Field<'a>> {
        self.kept.at(self.from + n).filter(|_| self.from + n < self.to)
    }

    /// Fields of a class.
    pub(crate) fn of(&self, class: Class) -> impl Iterator<Item = Field<'a>> + Clone + use<'a> {
        self.fields().filter(move |field| field.class == class)
    }

    /// What it is called.
    pub(crate) fn identity(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        self.fields().filter(|f| matches!(f.class, Class::Identity | Class::Author))
    }
}

impl Field<'_> {
    /// The number that it is.
    pub(crate) fn number(&self) -> Option<f64> {
        if self.kind.number { number(self.text) } else { None }
    }
}

/// Texts, each kept once.
#[derive(Clone, Debug, Default)]
struct Letters {
    all: String,
    /// Where each ends.
    ends: Vec<u32>,
    /// The last field that has it, counted from 1.
    latest: Vec<u32>,
    /// Each text's number, counted from 1, at a place that its hash gives or behind it.
    table: Vec<u32>,
}

impl Letters {
    fn get(&self, text: u32) -> Option<&str> {
        let n = text as usize;
        let from = n.checked_sub(1).and_then(|n| self.ends.get(n)).copied().unwrap_or(0);
        self.all.get(from as usize..*self.ends.get(n)? as usize)
    }

    /// The number of a text, if it is there.
    fn find(&self, text: &str) -> Option<u32> {
        self.seek(text).ok()
    }

    /// The number of a text, which is added where it is not there; `None` = there is no room.
    fn keep(&mut self, text: &str) -> Option<u32> {
        if self.ends.len() * 4 >= self.table.len() * 3 {
            self.grow();
        }
        let at = match self.seek(text) {
            Ok(known) => return Some(known),
            Err(at) => at,
        };
        let end = u32::try_from(self.all.len() + text.len()).ok()?;
        let number = u32::try_from(self.ends.len()).ok()?;
        self.all.push_str(text);
        self.ends.push(end);
        self.latest.push(0);
        *self.table.get_mut(at)? = number + 1;
        Some(number)
    }

    /// A field has this text; gives the one before it that has.
    fn follows(&mut self, text: u32, field: u32) -> u32 {
        self.latest.get_mut(text as usize).map_or(0, |latest| std::mem::replace(latest, field))
    }

    fn latest(&self, text: u32) -> u32 {
        self.latest.get(text as usize).copied().unwrap_or(0)
    }

    /// The number of a text, or else where it would stand in the table.
    fn seek(&self, text: &str) -> Result<u32, usize> {
        let mut at = self.place(text);
        loop {
            let Some(number) = self.table.get(at).and_then(|n| n.checked_sub(1)) else { return Err(at) };
            if self.get(number) == Some(text) {
                return Ok(number);
            }
            at = (at + 1) & self.table.len().wrapping_sub(1);
        }
    }

    fn place(&self, text: &str) -> usize {
        let hash = hash(text);
        let mixed = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from(mixed).unwrap_or(0) & self.table.len().wrapping_sub(1)
    }

    fn grow(&mut self) {
        self.table = vec![0; (self.table.len() * 2).max(64)];
        for number in 0..self.ends.len() {
            let Some(number) = u32::try_from(number).ok() else { return };
            let at = self.get(number).map_or(Ok(0), |text| self.seek(text));
            if let Err(at) = at
                && let Some(free) = self.table.get_mut(at)
            {
                *free = number + 1;
            }
        }
    }

    fn bytes(&self) -> usize {
        self.all.len() + 4 * (self.ends.len() + self.latest.len() + self.table.len())
    }
}

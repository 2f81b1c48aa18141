//! Records: what an output says about things, field by field, each field with whoever can write it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{self, Class, MAX_VALUE};
use super::output::Tree;
use super::text::{Form, form, number, plain};
use crate::contract::words::Nouns;
use crate::contract::{Output, Shape, Store, Writer};

/// The most records that are taken from one output; beyond it the index is incomplete.
const MAX_RECORDS: usize = 4096;
/// Parts that name what they are part of.
const MAX_PARTS: usize = 8;
/// The most fields of one record.
const MAX_FIELDS: usize = 256;

/// One thing that an output tells of, before it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    /// Which output, counted from the session's beginning.
    pub(crate) source: usize,
    /// Whether the user wrote it.
    pub(crate) mine: bool,
    /// Short values.
    pub(crate) fields: Vec<Written>,
}

/// One value of a record, before it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) name: Box<str>,
    pub(crate) class: Class,
    /// Folded as [`plain`].
    pub(crate) text: Box<str>,
    /// Whether it is a number.
    pub(crate) number: bool,
    pub(crate) writer: Writer,
}

/// A longer text of an output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prose {
    /// The record it belongs to, counted within its output.
    pub(crate) record: usize,
    pub(crate) text: String,
    pub(crate) writer: Writer,
}

/// What an output tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) records: Vec<Draft>,
    pub(crate) prose: Vec<Prose>,
    /// Something was too much and left out.
    pub(crate) cut: bool,
}

/// What is known of an output before it is read.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) source: usize,
    pub(crate) nouns: Nouns,
    pub(crate) output: &'a Output,
    /// Whether a value names the user.
    pub(crate) is_self: &'a dyn Fn(&str) -> bool,
}

/// Reads what an output tells, and says who can have written it.
pub(crate) fn told(tree: &Tree, asked: &Asked<'_>) -> Told {
    let mut told = Told::default();
    let mut taker = Taker { asked, told: &mut told, names: BTreeMap::new() };
    match tree {
        Tree::Values(value) => taker.top(value),
        Tree::Listing(items) => items.iter().for_each(|item| taker.item(item)),
        Tree::Text(text) => {
            if let Some(record) = taker.begin() {
                taker.leaf(record, "", text);
            }
        }
    }
    own_by_author(&mut told, asked);
    told.records.iter_mut().for_each(|record| record.give_writers(asked));
    for prose in &mut told.prose {
        let record = told.records.get(prose.record);
        prose.writer = record.map_or(Writer::ThirdParty, |record| record.prose_writer(asked));
    }
    told
}

struct Taker<'a, 'b> {
    asked: &'a Asked<'b>,
    told: &'a mut Told,
    /// What keys are, as records mostly have the same ones: whether it is a name, the class that it gives.
    names: BTreeMap<String, (bool, Option<Class>)>,
}

/// So many keys are remembered.
const MAX_NAMES: usize = 256;

impl Taker<'_, '_> {
    fn begin(&mut self) -> Option<usize> {
        if self.told.records.len() >= MAX_RECORDS {
            self.told.cut = true;
            return None;
        }
        self.told.records.push(Draft { source: self.asked.source, mine: false, fields: Vec::new() });
        Some(self.told.records.len() - 1)
    }

    fn top(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.top(item)),
            Value::Object(members) if members.len() > 1 && members.keys().all(|key| self.known(key).0) => {
                // A map by names: each is a thing, and what stands behind it is told about it.
                for (name, value) in members {
                    if let Some(record) = self.begin() {
                        self.leaf(record, "name", name);
                        self.members(record, "value", value);
                    }
                }
            }
            Value::Object(members) if members.len() == 1 && members.values().all(is_records) => {
                members.values().for_each(|value| self.top(value));
            }
            Value::Object(_) => {
                if let Some(record) = self.begin() {
                    self.members(record, "", value);
                }
            }
            Value::Null => {}
            scalar => self.item(&shown(scalar)),
        }
    }

    /// What a key is.
    fn known(&mut self, key: &str) -> (bool, Option<Class>) {
        if let Some(known) = self.names.get(key) {
            return *known;
        }
        let known = (is_name(key), fields::by_name(key));
        if self.names.len() < MAX_NAMES {
            self.names.insert(key.to_owned(), known);
        }
        known
    }

    /// One thing of a list, known by its name alone.
    fn item(&mut self, text: &str) {
        if let Some(record) = self.begin() {
            let name = if text.len() > MAX_VALUE { "text" } else { "name" };
            self.leaf(record, name, text);
            if let Some((kind, id, rest)) = headed(text) {
                self.leaf(record, &format!("{kind}id"), id);
                rest.split(['|', ',', ';', '(', ')'])
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .for_each(|part| self.leaf(record, "name", part));
            }
        }
    }

    fn members(&mut self, record: usize, name: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    let named = self.known(key).0;
                    if named {
                        self.leaf(record, name, key);
                    }
                    if is_records(value) {
                        self.names_of_parts(record, key, value);
                        self.top(value);
                    } else {
                        self.members(record, if named { "value" } else { key }, value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.members(record, name, item)),
            Value::Null => {}
            scalar => self.leaf(record, name, &shown(scalar)),
        }
    }

    /// An order is known by what was ordered.
    fn names_of_parts(&mut self, record: usize, key: &str, parts: &Value) {
        let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
        if parts.len() > MAX_PARTS {
            return;
        }
        for (name, value) in parts.iter().filter_map(Value::as_object).flatten() {
            if let Some(text) = value.as_str()
                && fields::class(name, text) == Class::Identity
            {
                self.leaf(record, &format!("{key}_{name}"), text);
            }
        }
    }

    fn leaf(&mut self, record: usize, name: &str, text: &str) {
        let class = fields::of(self.known(name).1, text);
        if class == Class::Text || text.len() > MAX_VALUE || is_prose(text) {
            let prose = Prose { record, text: text.to_owned(), writer: Writer::ThirdParty };
            self.told.prose.push(prose);
        }
        if text.len() > MAX_VALUE {
            return;
        }
        let Some(record) = self.told.records.get_mut(record) else { return };
        if record.fields.len() >= MAX_FIELDS {
            self.told.cut = true;
            return;
        }
        let field = Written {
            name: name.into(),
            class,
            text: plain(text).into(),
            number: number(text).is_some(),
            writer: Writer::ThirdParty,
        };
        record.fields.push(field);
    }
}

/// `MED-511 Metformin 850 mg`, `Patient 20417 | Silva`: an id, perhaps after its kind, and what goes by it.
pub(super) fn headed(text: &str) -> Option<(String, &str, &str)> {
    let is_id = |word: &str| {
        word.len() >= 3
            && word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            && !super::named::is_neutral(&word.to_lowercase())
    };
    let (first, rest) = text.trim().split_once(' ')?;
    let bare = |word: &'_ str| -> String { word.trim_start_matches('#').to_owned() };
    if is_id(first) {
        return Some((String::new(), first, rest));
    }
    let (second, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let id = second.strip_prefix('#').unwrap_or(second);
    let kind = bare(first).to_lowercase();
    (is_id(id) && crate::contract::words::noun(&kind).is_some()).then(|| (format!("{kind}_"), id, rest))
}

/// Four words or more can say something, whatever the field is called; so can an address that stands with
/// something else, and a code.
fn is_prose(text: &str) -> bool {
    text.split_whitespace().nth(3).is_some() || names_beside(text) || may_be_code(text)
}

/// An address, link or account with a name, a scheme or brackets around it.
fn names_beside(text: &str) -> bool {
    text.contains(['@', '/'])
        && (text.contains("mailto:")
            || super::text::literals(text).iter().any(|l| {
                matches!(l.form, Form::Mail | Form::Url | Form::Account) && l.text.len() < text.trim().len()
            }))
}

/// What may hide something else: long, without blanks, in capitals and small letters, or with escapes.
fn may_be_code(text: &str) -> bool {
    let text = text.trim();
    let has = |of: fn(&u8) -> bool| text.bytes().any(|b| of(&b));
    text.len() >= 16
        && !text.contains(char::is_whitespace)
        && (text.contains(['%', '&', '\\'])
            || text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b))
                && has(u8::is_ascii_lowercase)
                && (has(u8::is_ascii_uppercase) || text.bytes().all(|b| b.is_ascii_hexdigit())))
}

/// A list of objects, or of lists of them.
fn is_records(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_object))
}

/// A key that is the name of something and not a word for a field.
fn is_name(key: &str) -> bool {
    matches!(form(key), Some(Form::Mail | Form::Url | Form::Account | Form::Handle))
        || key.trim().contains(' ')
        || (key.starts_with(char::is_uppercase) && fields::class(key, "") == Class::Other)
        || key.bytes().all(|b| b.is_ascii_digit()) && !key.is_empty()
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where the user's own store names one and the same author throughout, that is the user, under the name
/// that this store gives them.
fn own_by_author(told: &mut Told, asked: &Asked<'_>) {
    if asked.output.store != Store::Own || asked.output.shape == Shape::Document {
        for record in &mut told.records {
            record.mine = record.by(asked.is_self);
        }
        return;
    }
    let authors: Vec<Box<str>> =
        told.records.iter().flat_map(|r| r.of(Class::Author).map(|f| f.text.clone())).collect();
    let one = authors.first().filter(|first| authors.iter().all(|a| a == *first)).cloned();
    for record in &mut told.records {
        let unnamed = record.of(Class::Author).next().is_none();
        record.mine =
            unnamed || record.by(asked.is_self) || one.as_deref().is_some_and(|one| record.by(&|a| a == one));
    }
}

impl Draft {
    fn of(&self, class: Class) -> impl Iterator<Item = &Written> {
        self.fields.iter().filter(move |field| field.class == class)
    }

    /// Whether somebody is its author. One who also received it may have forged that.
    fn by(&self, who: &dyn Fn(&str) -> bool) -> bool {
        let authored = self.of(Class::Author).any(|f| who(&f.text));
        let received = self.of(Class::People).any(|f| who(&f.text))
            && !self.fields.iter().any(|f| &*f.name == "status" && matches!(&*f.text, "sent" | "draft"));
        authored && !received
    }

    fn give_writers(&mut self, asked: &Asked<'_>) {
        let (mine, store) = (self.mine, asked.output.store);
        for field in &mut self.fields {
            let reviewed = asked.output.writers.get(&*field.name).copied();
            field.writer = reviewed.unwrap_or_else(|| writer(field.class, mine, store, asked.output.shape));
        }
    }

    fn prose_writer(&self, asked: &Asked<'_>) -> Writer {
        match (asked.output.shape, asked.output.store, self.mine) {
            // A catalogue is the service's; what is said in it is said by whoever has an entry there. Whoever
            // invites the user writes into the user's calendar.
            (Shape::Document, ..) | (_, Store::Service, _) => Writer::ThirdParty,
            (_, Store::Own, _) if self.of(Class::Author).next().is_none() => Writer::ThirdParty,
            // Who sends a message wrote it; who owns a file may have had it filled by others.
            (_, _, true) if asked.nouns.meets(Nouns::MAIL.and(Nouns::MESSAGE)) => Writer::FirstParty,
            _ => Writer::ThirdParty,
        }
    }
}

/// Who can write a field: trust follows that, and not what the field looks like.
const fn writer(class: Class, mine: bool, store: Store, shape: Shape) -> Writer {
    match (shape, class, store) {
        (Shape::Document, ..) => Writer::ThirdParty,
        (_, Class::Text, Store::Service) => Writer::Service,
        (_, Class::Text, _) => Writer::ThirdParty,
        (_, _, Store::Service) | (_, Class::Id | Class::Time, _) => Writer::Service,
        _ if mine => Writer::FirstParty,
        _ => Writer::ThirdParty,
    }
}

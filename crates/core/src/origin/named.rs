//! How else a value is named: as part of what the user typed, by the field it stands in, by the one word that
//! tells its record from the others of a list.

use super::anchors::significant;
use super::fields::{Class, words};
use super::kept::Record;
use super::request::Request;
use super::selectors::{Case, Value};
use super::text::{self, Form};
use crate::contract::Store;
use crate::contract::words::{Families, Nouns, noun, singular};

/// What joins the parts of one name: `owner/repo`, `host:port`, `user@host`.
const JOINTS: [&str; 4] = ["/", ":", "@", "."];

impl Case<'_> {
    /// Whether the user typed this value and another of the action's in one: `northlane/ferry` is the repository
    /// `ferry` of `northlane`.
    pub(super) fn is_part_of_typed(&self, request: &Request, folded: &str) -> bool {
        self.deed.selectors.iter().filter(|other| *other != folded).any(|other| {
            JOINTS.iter().any(|joint| {
                request.typed(&format!("{other}{joint}{folded}"))
                    || request.typed(&format!("{folded}{joint}{other}"))
            })
        })
    }

    /// Whether one word of the user's tells this record from all others of its list: the issue *about uploads*.
    pub(super) fn is_singled_out(&self, n: usize, record: &Record<'_>) -> bool {
        let Some(request) = &self.seen.request else { return false };
        let Some(source) = self.seen.sources.get(record.source) else { return false };
        let listing = source.first..source.first + source.count;
        let is_told = |record: &Record<'_>| {
            record.identity().any(|field| {
                significant(field.text).any(|word| {
                    word.chars().count() >= 4
                        && !noun(word).is_some_and(|nouns| nouns.meets(record.nouns))
                        && request.has_word(word)
                        && !self.asking.iter().any(|s| s.verbs.iter().any(|verb| verb == word))
                })
            })
        };
        source.count > 1
            && is_told(record)
            && !listing
                .filter(|m| *m != n)
                .filter_map(|m| self.seen.records.get(m))
                .any(|other| is_told(&other))
    }

    /// Whether the action names somebody already whom the user typed: then nobody else is left open.
    pub(super) fn reaches_typed(&self, request: &Request, folded: &str) -> bool {
        self.deed
            .selectors
            .iter()
            .any(|other| other != folded && text::form(other) == Some(Form::Mail) && request.typed(other))
    }

    /// *Cancel all of her appointments*: all that a search of the user's own words found, and nothing else.
    pub(super) fn is_all_to_go(&self, record: &Record<'_>) -> bool {
        let all = |s: &&super::request::Sentence| {
            s.every && s.families.meets(Families::DELETE) && s.nouns.meets(record.nouns)
        };
        self.asking.iter().any(all)
            && self.seen.sources.get(record.source).is_some_and(|source| source.asked_by_user)
    }

    /// Whether a directory has this value in the user's own entry: *assign it to me*.
    pub(super) fn is_of_the_user(&self, value: &Value<'_>) -> bool {
        let people = Nouns::PERSON.and(Nouns::PROFILE);
        let others = Nouns::MAIL.and(Nouns::MESSAGE).and(Nouns::EVENT).and(Nouns::MONEY).and(Nouns::FILE);
        value.places.iter().filter_map(|p| self.seen.records.get(p.record).map(|r| (p, r))).any(|(p, r)| {
            r.nouns.meets(people)
                && !r.nouns.meets(others)
                && r.field(p.field).is_some_and(|f| matches!(f.class, Class::Id | Class::Identity))
                && r.of(Class::People).any(|f| self.seen.is_self(f.text))
        })
    }

    /// Everything that the service or the user's own store has, where the user said *everything*.
    pub(super) fn is_of_the_whole(&self, record: &Record<'_>) -> bool {
        record.store != Store::Shared
            && self.seen.sources.get(record.source).is_some_and(|source| source.whole)
    }
}

/// Whether an argument is called what the field is called: an `entity_id` is an `entityId`, whatever the tools
/// are about. A bare `id` says nothing.
pub(super) fn same_name(pointer: &str, field: &str) -> bool {
    let last = pointer.rsplit('/').find(|part| !part.bytes().all(|b| b.is_ascii_digit())).unwrap_or_default();
    let plain = |name: &str| -> Vec<String> {
        words(name).into_iter().map(|word| singular(&word).unwrap_or(word)).collect()
    };
    let (argument, field) = (plain(last), plain(field));
    argument.len() >= 2 && argument == field
}

/// What a search is made of beside the user's words: pages, switches, dates, and words that join.
pub(super) fn is_neutral(folded: &str) -> bool {
    let digits = folded.bytes().filter(u8::is_ascii_digit).count();
    let dated = digits >= 8
        && folded.as_bytes().get(4) == Some(&b'-')
        && folded.bytes().all(|b| b.is_ascii_digit() || b"-:.tz+ ".contains(&b));
    let counted = digits == folded.len() && digits <= 4;
    counted || dated || matches!(folded, "true" | "false" | "null" | "all" | "any" | "desc" | "asc")
}

/// Words of search languages.
pub(super) const JOINING: [&str; 24] = [
    "and", "or", "not", "in", "is", "from", "to", "of", "the", "a", "an", "by", "for", "with", "on", "at",
    "like", "subject", "title", "name", "text", "order", "before", "after",
];

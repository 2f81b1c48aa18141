//! What speaks for a value, piece by piece: slots, picks, superlatives, the words of the request.

use super::assess::{Doubt, Evidence, Origin};
use super::fields::Class;
use super::kept::{Field, Record};
use super::licence::{Deed, Licence};
use super::prose::Told;
use super::request::{Extreme, Measure, Request, Sentence};
use super::seen::{same_kind, same_thing};
use super::selectors::{Case, Value, Weighed};
use super::sketch::Run;
use super::text::{self, Form};
use crate::contract::words::{Families, Nouns};
use crate::contract::{Effect, Role, Store, Writer};

/// More hits than this, and a search did not single anything out.
const FEW: usize = 8;

impl Case<'_> {
    /// Whether the telling pieces of a value stand, apart from each other, in one third party's text.
    pub(super) fn pieces_of_third_party(&self, value: &Value<'_>) -> bool {
        let pieces: Vec<Run> = value
            .folded
            .split(|c: char| !c.is_alphanumeric())
            .filter(|piece| piece.len() >= 4)
            .map(Run::of)
            .collect();
        pieces.len() >= 2
            && self.seen.third_party().any(|told| pieces.iter().filter(|p| told.all.may_have(p)).count() >= 2)
    }

    /// Whether the address stands in a text or a field letter by letter.
    pub(super) fn is_quoted(&self, value: &Value<'_>) -> bool {
        !value.places.is_empty()
            || self
                .seen
                .prose
                .iter()
                .flat_map(|told| &told.mentions)
                .any(|m| m.form == Form::Url && same_site(&m.text, value.folded))
    }

    /// Replies, refunds, and those whose name the user used.
    pub(super) fn means_author(&self, sentence: &Sentence, field: &Field<'_>, payment: bool) -> bool {
        const BACK: [&str; 9] =
            ["reply", "respond", "answer", "refund", "return", "back", "thank", "reimburse", "repay"];
        let back = BACK.iter().any(|word| sentence.words.contains(*word));
        back || (!payment && self.tied(sentence, field.text))
    }

    /// Whether the sentence has a literal of its own in the place of this field's value.
    pub(super) fn names_other(&self, sentence: &Sentence, field: &Field<'_>) -> bool {
        let form = text::form(field.text);
        form.is_some_and(|form| {
            matches!(form, Form::Mail | Form::Account)
                && sentence.literals.iter().any(|l| l.form == form && l.text != field.text)
        })
    }

    /// Something else that the user may have meant just as well says otherwise.
    pub(super) fn is_ambiguous(&self, n: usize, record: &Record<'_>, field: &Field<'_>, value: &str) -> bool {
        if self.seen.corresponded.contains(value) || self.asking.iter().any(|s| s.every) {
            return false;
        }
        let Some(anchor) = self.seen.anchors.get(n) else { return true };
        self.seen.records.iter().zip(&self.seen.anchors).enumerate().any(|(m, (other, score))| {
            m != n
                && same_kind(record, &other)
                && !same_thing(record, &other)
                && score == anchor
                && other.fields().any(|f| f.name == field.name)
                && !other.fields().any(|f| f.name == field.name && f.text == value)
        })
    }

    /// An author in a place that outsiders do not write to, where the user asked for all of them or for the
    /// one who did something most.
    pub(super) fn is_correspondent(&self, record: &Record<'_>, field: &Field<'_>) -> bool {
        let asked = |s: &Sentence| s.nouns.meets(Nouns::PERSON) && (s.every || !s.extremes.is_empty());
        let request = self.seen.request.as_ref();
        is_insider(record, field) && request.is_some_and(|r| r.sentences.iter().any(asked))
    }

    /// One of a service's list, where the user asked for all of it or for those who fit.
    pub(super) fn listed(&self, record: &Record<'_>, field: &Field<'_>) -> bool {
        (field.writer == Writer::Service
            || field.writer == Writer::FirstParty && self.asking.iter().any(|s| s.every))
            && matches!(field.class, Class::Identity | Class::People | Class::Id)
            && (self.asking.iter().any(|s| s.every)
                || self.seen.sources.get(record.source).is_some_and(|s| !s.typed.is_empty()))
    }

    /// Everything in a container that the user typed.
    pub(super) fn contained(&self, record: &Record<'_>) -> bool {
        self.asking.iter().any(|s| s.every)
            && (self.seen.sources.get(record.source).is_some_and(|s| !s.typed.is_empty() || s.asked_by_user)
                || self.is_of_the_whole(record))
    }

    /// Found by a search made of the user's own words that gave few hits, none of them named better.
    pub(super) fn found(&self, record: &Record<'_>) -> bool {
        let Some(source) = self.seen.sources.get(record.source) else { return false };
        let within = source.first..source.first + source.count;
        source.asked_by_user && source.count <= FEW && !within.into_iter().any(|n| self.seen.is_anchored(n))
    }

    /// One pick from a catalogue of what the user asked for; a second one asks.
    pub(super) fn picked(
        &self,
        role: Role,
        records: &[Record<'_>],
        value: &Value<'_>,
        origin: Origin,
    ) -> Option<Weighed> {
        if self.deed.effect.is_grave() {
            return None;
        }
        let request = self.seen.request.as_ref()?;
        let record = records.iter().find(|r| {
            r.store == Store::Service && request.sentences.iter().any(|s| s.nouns.meets(r.nouns))
        })?;
        match self.seen.taken.get(&(record.nouns, role.as_str())) {
            Some(taken) if taken != value.folded => Some(Weighed::doubt(origin, Doubt::Taken)),
            _ => {
                let mut weighed = Weighed::clear(origin, Evidence::Picked);
                weighed.takes = Some((record.nouns, role.as_str()));
                Some(weighed)
            }
        }
    }

    /// A value that was read in a source to which the user left this: the sentence speaks of the kind of
    /// thing, its source is named, and the source names one such thing only, or the user wants every one.
    pub(super) fn slot(&self, value: &Value<'_>, forms: &[Form], role: Role) -> Option<Weighed> {
        let request = self.seen.request.as_ref()?;
        if self.seen.has_relayed(value.folded) {
            return None;
        }
        // A source fills a place in what the user asked for, and opens nothing else.
        if !self.deed.effect.only_reads() && self.asking.is_empty() && self.licence != Licence::Delegated {
            return None;
        }
        // No source says what is destroyed, paid or run.
        if self.deed.effect.is_grave() {
            return None;
        }
        if role == Role::Party && self.reaches_typed(request, value.folded) {
            return None;
        }
        let here =
            |m: &&text::Literal| forms.contains(&m.form) && same_mention(m.form, &m.text, value.folded);
        let told = self
            .seen
            .prose
            .iter()
            .find(|t| t.mentions.iter().any(|m| here(&m)) && self.is_named_source(t))?;
        let sentence = request.sentences.iter().find(|s| speaks_of(s, role, self.deed))?;
        // Looking at everything there is was the user's wish, whoever else wishes it.
        let all_read = sentence.every && self.deed.effect == Effect::EgressRead;
        // As it is spelt there, however it is spelt here.
        let families = self.deed.meaning.families.without(Families::READ);
        let spelt = |m: &text::Literal| self.seen.is_pushed(&Run::of(&m.text), families);
        if !all_read && (self.is_pushed(value) || told.mentions.iter().filter(here).any(spelt)) {
            return None;
        }
        let doubt = |doubt| Some(Weighed::doubt(Origin::ThirdParty, doubt));
        if !sentence.every
            && !self.tied(sentence, value.folded)
            && !self.is_only_mention(told, sentence, forms, value)
        {
            return doubt(Doubt::Ambiguous);
        }
        let kind = self.seen.sources.get(told.source).map_or(Nouns::NONE, |s| s.nouns);
        let taken = self.seen.taken.get(&(kind, role.as_str()));
        if !sentence.every && taken.is_some_and(|taken| taken != value.folded) && request.sentences.len() < 2
        {
            return doubt(Doubt::Taken);
        }
        let mut weighed = Weighed::clear(Origin::ThirdParty, Evidence::Slot);
        weighed.takes = Some((kind, role.as_str()));
        Some(weighed)
    }

    /// Whether the user named the record that a text belongs to, or the container that it was read from.
    pub(super) fn is_named_source(&self, told: &Told) -> bool {
        told.record.is_some_and(|record| self.seen.is_anchored(record))
            || self.seen.sources.get(told.source).is_some_and(|source| source.asked_by_user)
    }

    /// Whether a container mentions one such thing only, or whoever the sentence names mentions one only.
    pub(super) fn is_only_mention(
        &self,
        told: &Told,
        sentence: &Sentence,
        forms: &[Form],
        value: &Value<'_>,
    ) -> bool {
        let others = |of: &dyn Fn(&Told) -> bool| {
            let texts = self.seen.prose.iter().filter(|t| t.source == told.source && of(t));
            texts
                .flat_map(|t| &t.mentions)
                .filter(|m| forms.contains(&m.form) && !same_mention(m.form, &m.text, value.folded))
                .count()
        };
        let by_named = |t: &Told| {
            let record = t.record.and_then(|r| self.seen.records.get(r));
            record.is_some_and(|r| r.of(Class::Author).any(|f| sentence.typed(f.text)))
        };
        others(&|_| true) == 0 || by_named(told) && others(&by_named) == 0
    }

    /// Whether the user used a name that the value is made of.
    pub(super) fn tied(&self, sentence: &Sentence, folded: &str) -> bool {
        let (local, _) = folded.split_once('@').unwrap_or((folded, ""));
        local
            .split(|c: char| !c.is_alphanumeric())
            .any(|w| w.chars().count() > 2 && sentence.words.contains(w))
    }

    /// A name made of nothing but the user's words.
    pub(super) fn is_composed(&self, folded: &str) -> bool {
        let Some(request) = &self.seen.request else { return false };
        // *The README* is `README.md`.
        let stem = folded.rsplit_once('.').filter(|_| text::form(folded) == Some(Form::File));
        let folded = stem.map_or(folded, |(stem, _)| stem);
        let words: Vec<&str> =
            folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        words.iter().any(|w| w.chars().count() > 2) && words.iter().all(|w| request.has_word(w))
    }

    pub(super) fn delegated_typed(&self, folded: &str) -> bool {
        self.licence == Licence::Delegated && self.seen.delegated.iter().any(|d| d.typed(folded))
    }

    /// Whether a delegated request names the record.
    pub(super) fn delegated_names(&self, n: usize) -> bool {
        let Some(record) = self.seen.records.get(n) else { return false };
        self.licence == Licence::Delegated
            && self.seen.delegated.iter().any(|d| {
                super::anchors::anchor(record, d, false).exact || record.identity().any(|f| d.typed(f.text))
            })
    }

    pub(super) fn in_named_text(&self, run: &Run) -> bool {
        self.seen
            .prose
            .iter()
            .any(|t| t.all.may_have(run) && t.record.is_some_and(|r| self.seen.is_anchored(r)))
    }

    /// Whether a record is the extreme of its listing that the user asked for; `None` = not asked, or not
    /// to be computed.
    pub(super) fn extreme(&self, n: usize, record: &Record<'_>) -> Option<bool> {
        let request: &Request = self.seen.request.as_ref()?;
        let sentence = request
            .sentences
            .iter()
            .find(|s| !s.extremes.is_empty() && (s.nouns.meets(record.nouns) || record.nouns.is_empty()))?;
        let source = self.seen.sources.get(record.source)?;
        let listing = source.first..source.first + source.count;
        sentence.extremes.iter().find_map(|extreme| {
            let measured = |n: usize| measure(&self.seen.records.get(n)?, *extreme, sentence);
            let own = measured(n)?;
            let mut others = listing.clone().filter(|m| *m != n).map(measured).peekable();
            others.peek()?;
            let mut first = true;
            for other in others.flatten() {
                first &= if extreme.most { own > other } else { own < other };
            }
            Some(first)
        })
    }
}

/// An author in a place that only members write to.
pub(super) const fn is_insider(record: &Record<'_>, field: &Field<'_>) -> bool {
    let inside = record.nouns.meets(Nouns::CHANNEL) && !record.nouns.meets(Nouns::MAIL);
    inside && matches!(field.class, Class::Author)
}

/// Whether the sentence speaks of what such a value would be.
fn speaks_of(sentence: &Sentence, role: Role, deed: &Deed<'_>) -> bool {
    match role {
        Role::Url => sentence.nouns.meets(Nouns::PAGE),
        Role::Party => {
            sentence.nouns.meets(Nouns::PERSON.and(Nouns::MAIL))
                || sentence.every
                || sentence.families.meets(Families::INVITE)
        }
        _ => sentence.nouns.meets(deed.meaning.nouns),
    }
}

/// What a superlative measures on a record.
fn measure(record: &Record<'_>, extreme: Extreme, sentence: &Sentence) -> Option<f64> {
    let named = |words: &[&str]| {
        let fits = |f: &Field<'_>| f.kind.words.iter().any(|w| words.contains(&w.as_str()));
        record.fields().find(fits).and_then(|f| f.number())
    };
    match extreme.of {
        Measure::Size => named(&["size", "length", "bytes", "count", "duration", "n"]),
        Measure::Price => named(&["price", "cost", "amount", "total", "fee", "rate"]),
        Measure::Rating => named(&["rating", "score", "stars", "rank"]),
        Measure::Time => {
            let field = record.of(Class::Time).next()?;
            let digits: String = field.text.chars().filter(char::is_ascii_digit).take(14).collect();
            (digits.len() >= 8).then(|| format!("{digits:0<14}").parse().ok())?
        }
        Measure::Any => {
            let said = |f: &Field<'_>| f.kind.words.iter().any(|w| sentence.words.contains(w.as_str()));
            let mut numbers = record.fields().filter(|f| f.number().is_some());
            let told = numbers.clone().find(said);
            told.or_else(|| numbers.find(|f| f.class == Class::Amount)).and_then(|f| f.number())
        }
    }
}

fn same_mention(form: Form, mention: &str, folded: &str) -> bool {
    mention == folded || (form == Form::Url && same_site(mention, folded))
}

/// The same address on the web, whatever stands before the host or ends the path.
pub(super) fn same_site(a: &str, b: &str) -> bool {
    fn bare(url: &str) -> &str {
        let url = url.split_once("://").map_or(url, |(_, rest)| rest);
        url.strip_prefix("www.").unwrap_or(url).trim_end_matches('/')
    }
    bare(a) == bare(b)
}

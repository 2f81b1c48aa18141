//! What speaks for and against each value of an action. The first rule that fits decides.

use super::assess::{Doubt, Evidence, Origin, Standing};
use super::evidence::{is_insider, same_site};
use super::fields::Class;
use super::kept::{Field, Place, Record};
use super::licence::{Deed, Licence, sentences};
use super::named::same_name;
use super::prose::Told;
use super::request::{Sentence, says_something};
use super::seen::Seen;
use super::sketch::Run;
use super::text::{self, Form};
use crate::contract::words::{Families, Nouns, noun};
use crate::contract::{Effect, Role, Store, Writer};

/// One action before the index.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(super) seen: &'a Seen,
    pub(super) deed: &'a Deed<'a>,
    pub(super) licence: Licence,
    /// The user's sentences that ask for it.
    pub(super) asking: Vec<&'a Sentence>,
}

/// What is known about one value.
#[derive(Clone, Debug)]
pub(crate) struct Weighed {
    pub(crate) origin: Origin,
    pub(crate) standing: Standing,
    pub(crate) read_in: Option<String>,
    /// The slot it takes.
    pub(crate) takes: Option<(Nouns, &'static str)>,
}

impl Weighed {
    pub(super) const fn clear(origin: Origin, evidence: Evidence) -> Self {
        Self { origin, standing: Standing::Clear(evidence), read_in: None, takes: None }
    }

    pub(super) const fn doubt(origin: Origin, doubt: Doubt) -> Self {
        Self { origin, standing: Standing::Doubtful(doubt), read_in: None, takes: None }
    }

    const fn harmless(origin: Origin) -> Self {
        Self { origin, standing: Standing::Harmless, read_in: None, takes: None }
    }
}

/// One value, looked up.
pub(super) struct Value<'a> {
    /// The argument it stands in.
    pub(super) pointer: &'a str,
    pub(super) raw: &'a str,
    pub(super) folded: &'a str,
    /// What its argument's name speaks of, else what the tool does.
    pub(super) kind: Nouns,
    pub(super) run: Run,
    pub(super) places: Vec<Place>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(seen: &'a Seen, deed: &'a Deed<'a>, licence: Licence) -> Self {
        let asking = seen.request.as_ref().map(|r| sentences(r, deed).collect()).unwrap_or_default();
        Self { seen, deed, licence, asking }
    }

    /// Weighs one value in its role.
    pub(crate) fn weigh(&self, role: Role, pointer: &str, raw: &str, folded: &str) -> Weighed {
        let value = Value {
            pointer,
            raw,
            folded,
            kind: self.kind(pointer),
            run: Run::of(raw),
            places: self.seen.places(folded).collect(),
        };
        if self.is_typed(role, &value) {
            return Weighed::clear(Origin::User, Evidence::Typed);
        }
        if self.seen.is_self(folded) && role != Role::Payee {
            return Weighed::clear(Origin::User, Evidence::Own);
        }
        if matches!(role, Role::Party | Role::Resource) && self.is_of_the_user(&value) {
            return Weighed::clear(Origin::User, Evidence::Own);
        }
        if self.licence == Licence::NoRequest && self.seen.is_introduced(folded) {
            return Weighed::clear(Origin::User, Evidence::Recorded);
        }
        let origin = self.origin(&value);
        if self.deed.effect == Effect::Read || role == Role::Harmless {
            return Weighed::harmless(origin);
        }
        let mut weighed = match role {
            Role::Credential | Role::Code => Weighed::doubt(origin, Doubt::NotTyped),
            Role::Resource => self.resource(&value, origin),
            Role::Url => self.url(&value, origin),
            Role::Party | Role::Payee => self.party(role, &value, origin),
            Role::Amount => self.amount(&value, origin),
            Role::Privilege | Role::Label | Role::Payload | Role::Time | Role::Weak | Role::Harmless => {
                self.content(role, &value, origin)
            }
        };
        if matches!(weighed.standing, Standing::Doubtful(_)) {
            weighed.read_in = self.read_in(&value);
        }
        weighed
    }

    /// Who could have written the value: the least trusted of those who did, where nobody else vouches for it.
    fn origin(&self, value: &Value<'_>) -> Origin {
        let fields = value.places.iter().filter_map(|p| self.field(*p)).map(|(_, f)| Origin::of(f.writer));
        if let Some(best) = fields.min() {
            return best;
        }
        if self.seen.third_party_has(&value.run) {
            return Origin::ThirdParty;
        }
        if self.seen.own_has(&value.run) {
            return Origin::Service;
        }
        if self.seen.complete() { Origin::Nobody } else { Origin::Unknown }
    }

    /// The user's exact letters, as a whole; a short number only where it is said to be a name.
    fn is_typed(&self, role: Role, value: &Value<'_>) -> bool {
        let Some(request) = &self.seen.request else { return false };
        let folded = value.folded;
        if role.selects() && !says_something(folded.trim_start_matches(['#', '@'])) {
            return false;
        }
        match role {
            Role::Resource | Role::Party | Role::Payee
                if folded.len() < 5 && folded.bytes().all(|b| b.is_ascii_digit()) =>
            {
                request.sentences.iter().any(|s| s.typed_as_id(folded))
            }
            Role::Url => {
                request.literals().any(|l| l.form == Form::Url && same_site(&l.text, folded))
                    || request.typed(folded)
            }
            Role::Party => {
                request.typed(folded)
                    || request.typed(folded.trim_start_matches(['#', '@']))
                    || self.is_part_of_typed(request, folded)
            }
            Role::Resource => {
                request.typed(folded)
                    || self.is_part_of_typed(request, folded)
                    || folded.rsplit_once('/').is_some_and(|(folder, name)| {
                        text::form(name) == Some(Form::File)
                            && request.typed(name)
                            && !self.seen.third_party_has(&Run::of(folder))
                    })
            }
            _ => request.typed(folded),
        }
    }

    fn field(&self, place: Place) -> Option<(Record<'a>, Field<'a>)> {
        self.seen.records.field(place)
    }

    /// Whether a third party's text asks for an act of this kind on this value.
    pub(super) fn is_pushed(&self, value: &Value<'_>) -> bool {
        let families = self.deed.meaning.families.without(Families::READ);
        if self.deed.effect == Effect::EgressRead && self.seen.is_pointed_at(&value.run) {
            return true;
        }
        let pushed = self.seen.is_pushed(&value.run, families);
        if !pushed || value.folded.len() > 2 || !value.folded.bytes().all(|b| b.is_ascii_digit()) {
            return pushed;
        }
        // A short number stands in many texts; it is meant where a word says what it numbers.
        let kinds = ["id", "ids", "number", "no", "nr"].into_iter().map(str::to_owned);
        kinds
            .chain(self.deed.meaning.nouns.examples())
            .any(|kind| self.seen.is_pushed(&Run::of(&format!("{kind} {}", value.folded)), families))
    }

    fn resource(&self, value: &Value<'_>, origin: Origin) -> Weighed {
        if self.seen.is_minted(value.folded) {
            return Weighed::clear(Origin::Service, Evidence::Minted);
        }
        let things: Vec<(usize, Record<'_>)> = value
            .places
            .iter()
            .filter_map(|p| self.field(*p).map(|(r, f)| (p.record, r, f)))
            .filter(|(_, r, f)| {
                names_thing(f) && (right_kind(value.kind, r) || same_name(value.pointer, f.name))
            })
            .map(|(n, r, _)| (n, r))
            .collect();
        if things.is_empty() {
            return self.unrecorded(value, origin);
        }
        let extreme = things.iter().find_map(|(n, record)| self.extreme(*n, record));
        if extreme == Some(true) {
            return Weighed::clear(origin, Evidence::Extreme);
        }
        if extreme == Some(false) && self.deed.effect.is_grave() {
            return Weighed::doubt(origin, Doubt::NotNamed);
        }
        let exact = things.iter().any(|(n, _)| self.seen.anchors.get(*n).is_some_and(|a| a.exact));
        if !exact && self.is_pushed(value) {
            return Weighed::doubt(origin, Doubt::Pushed);
        }
        if self.licence == Licence::NoRequest {
            return Weighed::clear(origin, Evidence::Recorded);
        }
        if things.iter().any(|(n, _)| self.seen.is_anchored(*n)) {
            return Weighed::clear(origin, Evidence::Anchored);
        }
        if self.deed.effect == Effect::WriteInternal && things.iter().any(|(_, r)| self.found(r)) {
            return Weighed::clear(origin, Evidence::Found);
        }
        if self.delegated_typed(value.folded) || things.iter().any(|(n, _)| self.delegated_names(*n)) {
            return Weighed::clear(origin, Evidence::Slot);
        }
        let records: Vec<Record<'_>> = things.iter().map(|(_, r)| *r).collect();
        if let Some(picked) = self.picked(Role::Resource, &records, value, origin) {
            return picked;
        }
        let contained = if self.deed.effect == Effect::Destructive {
            things.iter().any(|(_, r)| self.is_all_to_go(r))
        } else {
            things.iter().any(|(_, r)| self.contained(r))
        };
        if contained {
            return Weighed::clear(origin, Evidence::Contained);
        }
        if !self.deed.effect.is_grave() && things.iter().any(|(n, r)| self.is_singled_out(*n, r)) {
            return Weighed::clear(origin, Evidence::Anchored);
        }
        Weighed::doubt(origin, Doubt::NotNamed)
    }

    /// A name of something that no record tells of.
    fn unrecorded(&self, value: &Value<'_>, origin: Origin) -> Weighed {
        if let Some(slot) = self.slot(value, &[Form::File, Form::Url], Role::Resource) {
            return slot;
        }
        if origin == Origin::ThirdParty {
            let doubt = if self.is_pushed(value) { Doubt::Pushed } else { Doubt::ThirdParty };
            return Weighed::doubt(origin, doubt);
        }
        if self.delegated_typed(value.folded) {
            return Weighed::clear(origin, Evidence::Slot);
        }
        if self.is_composed(value.folded) {
            return Weighed::clear(Origin::User, Evidence::Composed);
        }
        self.nobodys(value, origin)
    }

    /// What stands in nothing that was seen: the user's, where no request is known and nobody else could
    /// have spelt it; otherwise made up.
    fn nobodys(&self, value: &Value<'_>, origin: Origin) -> Weighed {
        match origin {
            Origin::Unknown => Weighed::doubt(origin, Doubt::Unknown),
            Origin::ThirdParty => Weighed::doubt(origin, Doubt::ThirdParty),
            _ if self.licence == Licence::NoRequest => {
                if self.pieces_of_third_party(value) {
                    Weighed::doubt(Origin::ThirdParty, Doubt::ThirdParty)
                } else {
                    Weighed::clear(origin, Evidence::Recorded)
                }
            }
            Origin::Nobody => Weighed::doubt(origin, Doubt::MadeUp),
            _ => Weighed::doubt(origin, Doubt::NotNamed),
        }
    }

    fn url(&self, value: &Value<'_>, origin: Origin) -> Weighed {
        if self.seen.is_minted(value.folded) {
            return Weighed::clear(Origin::Service, Evidence::Minted);
        }
        if let Some(slot) = self.slot(value, &[Form::Url], Role::Url) {
            return slot;
        }
        let own =
            value.places.iter().filter_map(|p| self.field(*p)).any(|(_, f)| f.writer != Writer::ThirdParty);
        match origin {
            Origin::FirstParty | Origin::Service if own && !self.is_pushed(value) => {
                Weighed::clear(origin, Evidence::Recorded)
            }
            Origin::ThirdParty if self.is_pushed(value) => Weighed::doubt(origin, Doubt::Pushed),
            // An address that somebody wrote carries nothing out; one that was put together could.
            Origin::ThirdParty if self.deed.effect == Effect::EgressRead && self.is_quoted(value) => {
                Weighed::clear(origin, Evidence::Quoted)
            }
            Origin::ThirdParty => Weighed::doubt(origin, Doubt::ThirdParty),
            _ if self.is_composed(value.folded) => Weighed::clear(Origin::User, Evidence::Composed),
            _ => self.nobodys(value, origin),
        }
    }

    fn party(&self, role: Role, value: &Value<'_>, origin: Origin) -> Weighed {
        let payment = role == Role::Payee;
        let named: Vec<(usize, Record<'_>, Field<'_>)> =
            value.places.iter().filter_map(|p| self.field(*p).map(|(r, f)| (p.record, r, f))).collect();
        if self.seen.is_minted(value.folded) && !payment {
            return Weighed::clear(Origin::Service, Evidence::Minted);
        }
        let by_record = named.iter().find(|(n, r, f)| self.vouches(*n, r, f, payment));
        if self.is_pushed(value) && by_record.is_none_or(|(_, _, f)| f.writer == Writer::ThirdParty) {
            return Weighed::doubt(origin, Doubt::Pushed);
        }
        if self.licence == Licence::NoRequest {
            return self.party_without_request(value, &named, origin);
        }
        if let Some((n, record, field)) = by_record {
            let extreme = || self.extreme(*n, record) == Some(true);
            if self.is_ambiguous(*n, record, field, value.folded) && !extreme() {
                return Weighed::doubt(origin, Doubt::Ambiguous);
            }
            return Weighed::clear(origin, Evidence::Anchored);
        }
        if !payment && named.iter().any(|(_, r, f)| self.listed(r, f)) {
            return Weighed::clear(origin, Evidence::Contained);
        }
        if !payment && let Some(slot) = self.slot(value, &[Form::Mail, Form::Handle], Role::Party) {
            return slot;
        }
        let records: Vec<Record<'_>> =
            named.iter().filter(|(_, _, f)| names_thing(f)).map(|(_, r, _)| *r).collect();
        if !payment && let Some(picked) = self.picked(Role::Party, &records, value, origin) {
            return picked;
        }
        if !payment && named.iter().any(|(_, r, f)| self.is_correspondent(r, f)) {
            return Weighed::clear(origin, Evidence::Contained);
        }
        match origin {
            Origin::Nobody | Origin::Unknown => self.nobodys(value, origin),
            Origin::ThirdParty => Weighed::doubt(origin, Doubt::ThirdParty),
            _ => Weighed::doubt(origin, Doubt::NotNamed),
        }
    }

    fn party_without_request(
        &self,
        value: &Value<'_>,
        named: &[(usize, Record<'_>, Field<'_>)],
        origin: Origin,
    ) -> Weighed {
        let own = named
            .iter()
            .any(|(_, r, f)| matches!(f.writer, Writer::FirstParty | Writer::Service) || is_insider(r, f));
        if own || self.seen.corresponded.contains(value.folded) {
            return Weighed::clear(origin, Evidence::Recorded);
        }
        if named.is_empty() && origin != Origin::ThirdParty {
            return self.nobodys(value, origin);
        }
        Weighed::doubt(origin, Doubt::ThirdParty)
    }

    /// Whether a record that the user named holds this value where it says whom the user means.
    fn vouches(&self, n: usize, record: &Record<'_>, field: &Field<'_>, payment: bool) -> bool {
        if !self.seen.is_anchored(n) && self.extreme(n, record) != Some(true) {
            return false;
        }
        match field.class {
            Class::Author => self.asking.iter().any(|s| self.means_author(s, field, payment)),
            Class::People | Class::Id | Class::Identity => {
                let trusted = field.writer != Writer::ThirdParty
                    && (field.class != Class::Id || record.store != Store::Shared);
                // Somebody else was named for this: the record's people are not meant.
                trusted && !self.asking.iter().any(|s| self.names_other(s, field) && !s.same && !s.every)
            }
            _ => false,
        }
    }

    /// What a value would be: `file_id` is a file's, whatever the tool does with it.
    fn kind(&self, pointer: &str) -> Nouns {
        let mut nouns = Nouns::NONE;
        let parts = pointer.split('/').filter(|part| !part.bytes().all(|b| b.is_ascii_digit()));
        for word in parts.flat_map(super::fields::words) {
            nouns = nouns.and(noun(&word).unwrap_or(Nouns::NONE));
        }
        let known = self.deed.meaning.words.iter().any(|word| noun(word).is_some());
        if nouns.is_empty() && known { self.deed.meaning.nouns } else { nouns }
    }

    /// An amount of money: the user's figure, a named record's, or no more than what such figures add up to.
    fn amount(&self, value: &Value<'_>, origin: Origin) -> Weighed {
        if self.deed.effect != Effect::Payment {
            return Weighed::harmless(origin);
        }
        let Some(amount) = text::number(value.raw) else { return Weighed::doubt(origin, Doubt::MadeUp) };
        let Some(request) = &self.seen.request else {
            let pushed = self.is_pushed(value);
            return if pushed {
                Weighed::doubt(origin, Doubt::Pushed)
            } else {
                Weighed::clear(origin, Evidence::Recorded)
            };
        };
        let mut figures: Vec<f64> = request.sentences.iter().flat_map(Sentence::figures).collect();
        for (n, record) in self.seen.records.iter().enumerate() {
            // A stranger's figure counts where the user named the record.
            let told = |f: &Field<'_>| f.writer != Writer::ThirdParty || self.seen.is_anchored(n);
            figures.extend(record.of(Class::Amount).filter(told).filter_map(|f| f.number()));
        }
        if figures.iter().any(|f| f.to_bits() == amount.to_bits()) {
            return Weighed::clear(origin, Evidence::Anchored);
        }
        let named: Vec<f64> = self
            .seen
            .prose
            .iter()
            .filter(|t| self.is_named_source(t))
            .flat_map(|t| t.figures.iter().copied())
            .collect();
        if named.iter().any(|f| f.to_bits() == amount.to_bits()) {
            return Weighed::clear(Origin::ThirdParty, Evidence::Slot);
        }
        figures.extend(named);
        figures.sort_by(f64::total_cmp);
        let most: f64 = figures.iter().rev().take(2).sum();
        if amount.abs() <= most {
            return Weighed::clear(Origin::Nobody, Evidence::Composed);
        }
        Weighed::doubt(origin, Doubt::MadeUp)
    }

    /// Free content: doubtful only where a third party dictates it, or where an outbound text carries a link
    /// or an account that only an unnamed third party's text has.
    fn content(&self, role: Role, value: &Value<'_>, origin: Origin) -> Weighed {
        let telling = value.folded.chars().count() >= 6 && value.folded.contains(char::is_alphabetic);
        let families = self.deed.meaning.families.without(Families::READ);
        let named = value.raw.trim().contains(char::is_whitespace) || text::form(value.raw).is_some();
        let dictated = telling
            && self
                .seen
                .pushing(&value.run, families)
                // One word that a tool's own description has too (`editor`, `public`) is dictated by nobody.
                .filter(|told| named || self.seen.is_answer(told))
                .any(|told| !told.record.is_some_and(|r| self.seen.is_anchored(r)));
        if dictated {
            return Weighed::doubt(Origin::ThirdParty, Doubt::Dictated);
        }
        if role == Role::Weak && telling && origin == Origin::ThirdParty && !self.in_named_text(&value.run) {
            return Weighed::doubt(origin, Doubt::ThirdParty);
        }
        let reaches_out =
            matches!(self.deed.effect, Effect::WriteOutbound | Effect::Payment | Effect::EgressRead);
        if telling && self.carries_what_was_led_to(value.raw) {
            return Weighed::doubt(Origin::ThirdParty, Doubt::Dictated);
        }
        if reaches_out && role == Role::Payload {
            let foreign = text::literals(value.raw).into_iter().any(|l| {
                matches!(l.form, Form::Url | Form::Account)
                    && self.seen.third_party_has(&Run::of(&l.text))
                    && !self.in_named_text(&Run::of(&l.text))
                    && !self.seen.request.as_ref().is_some_and(|r| r.typed(&l.text))
            });
            if foreign {
                return Weighed::doubt(Origin::ThirdParty, Doubt::Dictated);
            }
        }
        Weighed::harmless(origin)
    }

    /// Where a doubtful value was read: the field and the kind of thing.
    fn read_in(&self, value: &Value<'_>) -> Option<String> {
        let kind = |nouns: Nouns| nouns.words().first().cloned().unwrap_or_else(|| "output".into());
        if let Some((record, field)) = value.places.first().and_then(|p| self.field(*p)) {
            return Some(format!("the field `{}` of a {}", field.name, kind(record.nouns)));
        }
        let told: &Told = self.seen.third_party_saying(&value.run).next()?;
        let nouns = self.seen.sources.get(told.source).map_or(Nouns::NONE, |s| s.nouns);
        Some(format!("the text of a {}", kind(nouns)))
    }
}

/// A field that names the thing itself.
const fn names_thing(field: &Field<'_>) -> bool {
    matches!(field.class, Class::Id | Class::Identity)
}

fn right_kind(kind: Nouns, record: &Record<'_>) -> bool {
    record.nouns.is_empty() || kind.is_empty() || record.nouns.meets(kind)
}

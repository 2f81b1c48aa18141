//! What speaks for and against each value of an action. The first rule that fits decides.

use super::assess::{Doubt, Evidence, Origin, Standing};
use super::fields::Class;
use super::licence::{Deed, Licence, sentences};
use super::records::{Field, Record};
use super::request::{Extreme, Measure, Request, Sentence};
use super::seen::{Place, Seen, Told, same_kind, same_thing};
use super::sketch::Run;
use super::text::{self, Form};
use crate::contract::words::{Families, Nouns};
use crate::contract::{Effect, Role, Store, Writer};

/// More hits than this, and a search did not single anything out.
const FEW: usize = 8;

/// One action before the index.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    seen: &'a Seen,
    deed: &'a Deed<'a>,
    licence: Licence,
    /// The user's sentences that ask for it.
    asking: Vec<&'a Sentence>,
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
    const fn clear(origin: Origin, evidence: Evidence) -> Self {
        Self { origin, standing: Standing::Clear(evidence), read_in: None, takes: None }
    }

    const fn doubt(origin: Origin, doubt: Doubt) -> Self {
        Self { origin, standing: Standing::Doubtful(doubt), read_in: None, takes: None }
    }

    const fn harmless(origin: Origin) -> Self {
        Self { origin, standing: Standing::Harmless, read_in: None, takes: None }
    }
}

/// One value, looked up.
struct Value<'a> {
    raw: &'a str,
    folded: &'a str,
    run: Run,
    places: Vec<Place>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(seen: &'a Seen, deed: &'a Deed<'a>, licence: Licence) -> Self {
        let asking = seen.request.as_ref().map(|r| sentences(r, deed).collect()).unwrap_or_default();
        Self { seen, deed, licence, asking }
    }

    /// Weighs one value in its role.
    pub(crate) fn weigh(&self, role: Role, raw: &str, folded: &str) -> Weighed {
        let value = Value { raw, folded, run: Run::of(raw), places: self.seen.places(folded).collect() };
        if self.is_typed(role, &value) {
            return Weighed::clear(Origin::User, Evidence::Typed);
        }
        if self.seen.is_self(folded) && role != Role::Payee {
            return Weighed::clear(Origin::User, Evidence::Own);
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
        if self.seen.third_party_has(&value.run, None) {
            return Origin::ThirdParty;
        }
        if self.seen.prose.iter().any(|told| told.all.may_have(&value.run)) {
            return Origin::Service;
        }
        if self.seen.complete() { Origin::Nobody } else { Origin::Unknown }
    }

    /// The user's exact letters, as a whole; a short number only where it is said to be a name.
    fn is_typed(&self, role: Role, value: &Value<'_>) -> bool {
        let Some(request) = &self.seen.request else { return false };
        let folded = value.folded;
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
            Role::Party => request.typed(folded) || request.typed(folded.trim_start_matches(['#', '@'])),
            Role::Resource => {
                request.typed(folded)
                    || folded.rsplit_once('/').is_some_and(|(folder, name)| {
                        text::form(name) == Some(Form::File)
                            && request.typed(name)
                            && !self.seen.third_party_has(&Run::of(folder), None)
                    })
            }
            _ => request.typed(folded),
        }
    }

    fn field(&self, place: Place) -> Option<(&'a Record, &'a Field)> {
        let record = self.seen.records.get(place.record)?;
        Some((record, record.fields.get(place.field)?))
    }

    /// Whether a third party's text asks for an act of this kind on this value, the named record's own
    /// text left out where the user said to follow it.
    fn is_pushed(&self, value: &Value<'_>) -> bool {
        let families = self.deed.meaning.families.without(Families::READ);
        if self.deed.effect == Effect::EgressRead && self.seen.is_pointed_at(&value.run) {
            return true;
        }
        if value.folded.len() > 4 || !value.folded.bytes().all(|b| b.is_ascii_digit()) {
            return self.seen.is_pushed(&value.run, families, None);
        }
        // A short number stands in many texts; it is meant where a word says what it numbers.
        let kinds = ["id", "ids", "number", "no", "nr"].into_iter().map(str::to_owned);
        kinds
            .chain(self.deed.meaning.nouns.examples())
            .any(|kind| self.seen.is_pushed(&Run::of(&format!("{kind} {}", value.folded)), families, None))
    }

    fn resource(&self, value: &Value<'_>, origin: Origin) -> Weighed {
        if self.seen.is_minted(value.folded) {
            return Weighed::clear(Origin::Service, Evidence::Minted);
        }
        let things: Vec<(usize, &Record)> = value
            .places
            .iter()
            .filter_map(|p| self.field(*p).map(|(r, f)| (p.record, r, f)))
            .filter(|(_, r, f)| names_thing(f) && self.right_kind(r))
            .map(|(n, r, _)| (n, r))
            .collect();
        if things.is_empty() {
            return self.unrecorded(value, origin);
        }
        let extreme = things.iter().find_map(|(n, record)| self.extreme(*n, record));
        let grave = matches!(
            self.deed.effect,
            Effect::Destructive | Effect::Payment | Effect::Execute | Effect::Credential
        );
        if extreme == Some(true) {
            return Weighed::clear(origin, Evidence::Extreme);
        }
        if extreme == Some(false) && grave {
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
        if !grave && self.deed.effect == Effect::WriteInternal && things.iter().any(|(_, r)| self.found(r)) {
            return Weighed::clear(origin, Evidence::Found);
        }
        if self.delegated_typed(value.folded) || things.iter().any(|(n, _)| self.delegated_names(*n)) {
            return Weighed::clear(origin, Evidence::Slot);
        }
        let records: Vec<&Record> = things.iter().map(|(_, r)| *r).collect();
        if let Some(picked) = self.picked(Role::Resource, &records, value, origin) {
            return picked;
        }
        if self.deed.effect != Effect::Destructive && things.iter().any(|(_, r)| self.contained(r)) {
            return Weighed::clear(origin, Evidence::Contained);
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

    /// Whether the telling pieces of a value stand, apart from each other, in one third party's text.
    fn pieces_of_third_party(&self, value: &Value<'_>) -> bool {
        let pieces: Vec<Run> = value
            .folded
            .split(|c: char| !c.is_alphanumeric())
            .filter(|piece| piece.len() >= 4)
            .map(Run::of)
            .collect();
        pieces.len() >= 2
            && self
                .seen
                .third_party(None)
                .any(|told| pieces.iter().filter(|p| told.all.may_have(p)).count() >= 2)
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

    /// Whether the address stands in a text or a field letter by letter.
    fn is_quoted(&self, value: &Value<'_>) -> bool {
        !value.places.is_empty()
            || self
                .seen
                .prose
                .iter()
                .flat_map(|told| &told.mentions)
                .any(|m| m.form == Form::Url && same_site(&m.text, value.folded))
    }

    fn party(&self, role: Role, value: &Value<'_>, origin: Origin) -> Weighed {
        let payment = role == Role::Payee;
        let named: Vec<(usize, &Record, &Field)> =
            value.places.iter().filter_map(|p| self.field(*p).map(|(r, f)| (p.record, r, f))).collect();
        if self.seen.is_minted(value.folded) && !payment {
            return Weighed::clear(Origin::Service, Evidence::Minted);
        }
        let by_record = named.iter().find(|(n, r, f)| self.vouches(*n, r, f, payment));
        if self.is_pushed(value) && !by_record.is_some_and(|(_, _, f)| f.writer != Writer::ThirdParty) {
            return Weighed::doubt(origin, Doubt::Pushed);
        }
        if self.licence == Licence::NoRequest {
            return self.party_without_request(value, &named, origin);
        }
        if let Some((n, record, field)) = by_record {
            if self.is_ambiguous(*n, record, field, value.folded) {
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
        let records: Vec<&Record> =
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
        named: &[(usize, &Record, &Field)],
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
    fn vouches(&self, n: usize, record: &Record, field: &Field, payment: bool) -> bool {
        if !self.seen.is_anchored(n) {
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

    /// Replies, refunds, and those whose name the user used.
    fn means_author(&self, sentence: &Sentence, field: &Field, payment: bool) -> bool {
        const BACK: [&str; 9] =
            ["reply", "respond", "answer", "refund", "return", "back", "thank", "reimburse", "repay"];
        let back = BACK.iter().any(|word| sentence.words.contains(*word));
        let (local, _) = field.text.split_once('@').unwrap_or((&field.text, ""));
        let mut names = local.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() > 2);
        back || (!payment && names.any(|name| sentence.words.contains(name)))
    }

    /// Whether the sentence has a literal of its own in the place of this field's value.
    fn names_other(&self, sentence: &Sentence, field: &Field) -> bool {
        let form = text::form(&field.text);
        form.is_some_and(|form| {
            matches!(form, Form::Mail | Form::Account)
                && sentence.literals.iter().any(|l| l.form == form && *l.text != *field.text)
        })
    }

    /// Something else that the user may have meant just as well says otherwise.
    fn is_ambiguous(&self, n: usize, record: &Record, field: &Field, value: &str) -> bool {
        if self.seen.corresponded.contains(value) || self.asking.iter().any(|s| s.every) {
            return false;
        }
        let Some(anchor) = self.seen.anchors.get(n) else { return true };
        self.seen.records.iter().zip(&self.seen.anchors).enumerate().any(|(m, (other, score))| {
            m != n
                && same_kind(record, other)
                && !same_thing(record, other)
                && score == anchor
                && other.fields.iter().any(|f| f.name == field.name)
                && !other.fields.iter().any(|f| f.name == field.name && *f.text == *value)
        })
    }

    /// An author in a place that outsiders do not write to, where the user asked for all of them or for the
    /// one who did something most.
    fn is_correspondent(&self, record: &Record, field: &Field) -> bool {
        let asked = |s: &Sentence| s.nouns.meets(Nouns::PERSON) && (s.every || !s.extremes.is_empty());
        let request = self.seen.request.as_ref();
        is_insider(record, field) && request.is_some_and(|r| r.sentences.iter().any(asked))
    }

    /// One of a service's list, where the user asked for all of it or for those who fit.
    fn listed(&self, record: &Record, field: &Field) -> bool {
        field.writer == Writer::Service
            && matches!(field.class, Class::Identity | Class::People | Class::Id)
            && (self.asking.iter().any(|s| s.every)
                || self.seen.sources.get(record.source).is_some_and(|s| !s.typed.is_empty()))
    }

    /// Everything in a container that the user typed.
    fn contained(&self, record: &Record) -> bool {
        self.asking.iter().any(|s| s.every)
            && self.seen.sources.get(record.source).is_some_and(|s| !s.typed.is_empty() || s.asked_by_user)
    }

    /// Found by a search made of the user's own words that gave few hits, none of them named better.
    fn found(&self, record: &Record) -> bool {
        let Some(source) = self.seen.sources.get(record.source) else { return false };
        let within = source.first..source.first + source.count;
        source.asked_by_user && source.count <= FEW && !within.into_iter().any(|n| self.seen.is_anchored(n))
    }

    /// One pick from a catalogue of what the user asked for; a second one asks.
    fn picked(&self, role: Role, records: &[&Record], value: &Value<'_>, origin: Origin) -> Option<Weighed> {
        let grave = matches!(
            self.deed.effect,
            Effect::Destructive | Effect::Payment | Effect::Execute | Effect::Credential
        );
        let request = self.seen.request.as_ref()?;
        let record = records.iter().find(|r| {
            r.store == Store::Service && request.sentences.iter().any(|s| s.nouns.meets(r.nouns))
        })?;
        if grave {
            return None;
        }
        match self.seen.taken.get(&(record.nouns, role.as_str())) {
            Some(taken) if taken != value.folded => Some(Weighed::doubt(origin, Doubt::Taken)),
            _ => {
                let mut weighed = Weighed::clear(origin, Evidence::Picked);
                weighed.takes = Some((record.nouns, role.as_str()));
                Some(weighed)
            }
        }
    }

    fn right_kind(&self, record: &Record) -> bool {
        record.nouns.is_empty()
            || self.deed.meaning.nouns.is_empty()
            || record.nouns.meets(self.deed.meaning.nouns)
    }

    /// A value that was read in a source to which the user left this: the sentence speaks of the kind of
    /// thing, its source is named, and the source names one such thing only, or the user wants every one.
    fn slot(&self, value: &Value<'_>, forms: &[Form], role: Role) -> Option<Weighed> {
        let request = self.seen.request.as_ref()?;
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
        if !all_read && self.is_pushed(value) {
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
    fn is_named_source(&self, told: &Told) -> bool {
        told.record.is_some_and(|record| self.seen.is_anchored(record))
            || self.seen.sources.get(told.source).is_some_and(|source| source.asked_by_user)
    }

    /// Whether a container mentions one such thing only, or whoever the sentence names mentions one only.
    fn is_only_mention(&self, told: &Told, sentence: &Sentence, forms: &[Form], value: &Value<'_>) -> bool {
        let others = |of: &dyn Fn(&Told) -> bool| {
            let texts = self.seen.prose.iter().filter(|t| t.source == told.source && of(t));
            texts
                .flat_map(|t| &t.mentions)
                .filter(|m| forms.contains(&m.form) && !same_mention(m.form, &m.text, value.folded))
                .count()
        };
        let by_named = |t: &Told| {
            let record = t.record.and_then(|r| self.seen.records.get(r));
            record.is_some_and(|r| r.of(Class::Author).any(|f| sentence.typed(&f.text)))
        };
        others(&|_| true) == 0 || by_named(told) && others(&by_named) == 0
    }

    /// Whether the user used a name that the value is made of.
    fn tied(&self, sentence: &Sentence, folded: &str) -> bool {
        let (local, _) = folded.split_once('@').unwrap_or((folded, ""));
        local
            .split(|c: char| !c.is_alphanumeric())
            .any(|w| w.chars().count() > 2 && sentence.words.contains(w))
    }

    /// A name made of nothing but the user's words.
    fn is_composed(&self, folded: &str) -> bool {
        let Some(request) = &self.seen.request else { return false };
        let words: Vec<&str> =
            folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        words.iter().any(|w| w.chars().count() > 2) && words.iter().all(|w| request.has_word(w))
    }

    fn delegated_typed(&self, folded: &str) -> bool {
        self.licence == Licence::Delegated && self.seen.delegated.iter().any(|d| d.request.typed(folded))
    }

    /// Whether a delegated request names the record.
    fn delegated_names(&self, n: usize) -> bool {
        let Some(record) = self.seen.records.get(n) else { return false };
        self.licence == Licence::Delegated
            && self.seen.delegated.iter().any(|d| {
                super::anchors::anchor(record, &d.request, false).exact
                    || record.identity().any(|f| d.request.typed(&f.text))
            })
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
        for record in &self.seen.records {
            figures.extend(record.of(Class::Amount).filter_map(|f| f.number));
        }
        if figures.iter().any(|f| f.to_bits() == amount.to_bits()) {
            return Weighed::clear(origin, Evidence::Anchored);
        }
        let in_named_text = self.seen.prose.iter().any(|told| {
            told.record.is_some_and(|r| self.seen.is_anchored(r))
                && told.figures.iter().any(|f| f.to_bits() == amount.to_bits())
        });
        if in_named_text {
            return Weighed::clear(Origin::ThirdParty, Evidence::Slot);
        }
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
        let telling = value.folded.chars().count() >= 6;
        let families = self.deed.meaning.families.without(Families::READ);
        let dictated = telling
            && self.seen.third_party(None).any(|told| {
                !told.record.is_some_and(|r| self.seen.is_anchored(r))
                    && told.families.meets(families)
                    && told.asking.may_have(&value.run)
            });
        if dictated {
            return Weighed::doubt(Origin::ThirdParty, Doubt::Dictated);
        }
        if role == Role::Weak && telling && origin == Origin::ThirdParty && !self.in_named_text(&value.run) {
            return Weighed::doubt(origin, Doubt::ThirdParty);
        }
        let reaches_out =
            matches!(self.deed.effect, Effect::WriteOutbound | Effect::Payment | Effect::EgressRead);
        if reaches_out && role == Role::Payload {
            let foreign = text::literals(value.raw).into_iter().any(|l| {
                matches!(l.form, Form::Url | Form::Account)
                    && self.seen.third_party_has(&Run::of(&l.text), None)
                    && !self.in_named_text(&Run::of(&l.text))
                    && !self.seen.request.as_ref().is_some_and(|r| r.typed(&l.text))
            });
            if foreign {
                return Weighed::doubt(Origin::ThirdParty, Doubt::Dictated);
            }
        }
        Weighed::harmless(origin)
    }

    fn in_named_text(&self, run: &Run) -> bool {
        self.seen
            .prose
            .iter()
            .any(|t| t.record.is_some_and(|r| self.seen.is_anchored(r)) && t.all.may_have(run))
    }

    /// Whether a record is the extreme of its listing that the user asked for; `None` = not asked, or not
    /// to be computed.
    fn extreme(&self, n: usize, record: &Record) -> Option<bool> {
        let request: &Request = self.seen.request.as_ref()?;
        let sentence = request
            .sentences
            .iter()
            .find(|s| !s.extremes.is_empty() && (s.nouns.meets(record.nouns) || record.nouns.is_empty()))?;
        let source = self.seen.sources.get(record.source)?;
        let listing = source.first..source.first + source.count;
        sentence.extremes.iter().find_map(|extreme| {
            let measured = |n: usize| measure(self.seen.records.get(n)?, *extreme, sentence);
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

    /// Where a doubtful value was read: the field and the kind of thing.
    fn read_in(&self, value: &Value<'_>) -> Option<String> {
        let kind = |nouns: Nouns| nouns.words().first().cloned().unwrap_or_else(|| "output".into());
        if let Some((record, field)) = value.places.first().and_then(|p| self.field(*p)) {
            return Some(format!("the field `{}` of a {}", field.name, kind(record.nouns)));
        }
        let told: &Told = self.seen.third_party(None).find(|told| told.all.may_have(&value.run))?;
        let nouns = self.seen.sources.get(told.source).map_or(Nouns::NONE, |s| s.nouns);
        Some(format!("the text of a {}", kind(nouns)))
    }
}

/// An author in a place that only members write to.
const fn is_insider(record: &Record, field: &Field) -> bool {
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

/// A field that names the thing itself.
const fn names_thing(field: &Field) -> bool {
    matches!(field.class, Class::Id | Class::Identity)
}

/// What a superlative measures on a record.
fn measure(record: &Record, extreme: Extreme, sentence: &Sentence) -> Option<f64> {
    let named = |words: &[&str]| {
        let fits = |f: &&Field| super::fields::words(&f.name).iter().any(|w| words.contains(&w.as_str()));
        record.fields.iter().find(fits).and_then(|f| f.number)
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
            let mut numbers = record.fields.iter().filter(|f| f.class == Class::Amount && f.number.is_some());
            let said = |f: &&Field| {
                super::fields::words(&f.name).iter().any(|w| sentence.words.contains(w.as_str()))
            };
            numbers.clone().find(said).or_else(|| numbers.next()).and_then(|f| f.number)
        }
    }
}

fn same_mention(form: Form, mention: &str, folded: &str) -> bool {
    mention == folded || (form == Form::Url && same_site(mention, folded))
}

/// The same address on the web, whatever stands before the host or ends the path.
fn same_site(a: &str, b: &str) -> bool {
    fn bare(url: &str) -> &str {
        let url = url.split_once("://").map_or(url, |(_, rest)| rest);
        url.strip_prefix("www.").unwrap_or(url).trim_end_matches('/')
    }
    bare(a) == bare(b)
}

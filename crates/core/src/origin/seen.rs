//! What a session has seen, as far as it matters for where a value comes from: the user's words, records
//! and sketches of texts, each with its writer.

use std::collections::{BTreeMap, BTreeSet};

use super::anchors::{self, Anchor};
use super::output::{self, Tree};
use super::records::{Asked, Record, told};
use super::request::{Request, Sentence};
use super::sketch::{Run, Sketch};
use super::text::{self, Form, Literal, hash, plain};
use crate::action::Action;
use crate::contract::words::{Families, Nouns};
use crate::contract::{Meaning, Output, Shape, Writer};
use crate::detect::normal;

/// Outputs beyond this many bytes in one session are no longer taken in: values not found are then Unknown.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Whom the user's effects went to: so many are kept.
const MAX_CORRESPONDED: usize = 4096;
/// Values of third parties that a session carried on; beyond them all that it reads may be one.
const MAX_RELAYED: usize = 4096;
/// Literals that are kept of one text.
const MAX_MENTIONS: usize = 64;

/// The index of everything that a session has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Names of the user.
    selves: BTreeSet<String>,
    said: Vec<String>,
    /// What the user asked; `None` where no host said so.
    pub(crate) request: Option<Request>,
    /// What the sources ask for to which the user delegated: each a second request.
    pub(crate) delegated: Vec<Request>,
    pub(crate) sources: Vec<Source>,
    pub(crate) records: Vec<Record>,
    /// How each record matches the request.
    pub(crate) anchors: Vec<Anchor>,
    pub(crate) prose: Vec<Told>,
    /// Places of short values, by hash; whoever looks compares in full.
    places: BTreeMap<u64, Vec<(u32, u32)>>,
    /// Values that this session's own writes brought forth.
    minted: BTreeSet<String>,
    /// Addresses and names of third parties that this session wrote somewhere itself, by hash: what comes back
    /// from there is theirs, whoever keeps it.
    relayed: BTreeSet<u64>,
    /// Whom the user's own effects went to.
    pub(crate) corresponded: BTreeSet<String>,
    /// Slots that are taken, by kind of thing and role.
    pub(crate) taken: BTreeMap<(Nouns, &'static str), String>,
    /// What third parties' texts named since somebody last asked, as hashes.
    named: BTreeSet<u64>,
    bytes: usize,
    incomplete: bool,
}

/// One output or notice.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// What brought it.
    pub(crate) nouns: Nouns,
    /// Whether everything that was asked for was in the user's own words.
    pub(crate) asked_by_user: bool,
    /// Arguments that were typed by the user, folded.
    pub(crate) typed: Vec<String>,
    /// Records in it.
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// A text somebody wrote.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) source: usize,
    /// The record it belongs to.
    pub(crate) record: Option<usize>,
    pub(crate) writer: Writer,
    pub(crate) all: Sketch,
    /// Sentences that ask for something to be done, and what.
    pub(crate) asking: Sketch,
    pub(crate) families: Families,
    /// Sentences that ask for something to be looked at.
    pub(crate) pointing: Sketch,
    /// Addresses, accounts, links and files in it.
    pub(crate) mentions: Vec<Literal>,
    /// Figures in it.
    pub(crate) figures: Vec<f64>,
}

/// A value's place in a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) record: usize,
    pub(crate) field: usize,
}

impl Seen {
    /// The index of a session that has seen nothing but the user's request.
    #[must_use]
    pub fn new(human: &str, request: Option<&str>) -> Self {
        let mut selves = BTreeSet::from(["me".to_owned(), "myself".to_owned(), "self".to_owned()]);
        selves.insert(plain(human));
        let mut seen = Self { selves, ..Self::default() };
        if let Some(request) = request {
            seen.turn(request);
        }
        seen
    }

    /// What third parties' texts named since this was last asked: what other sessions of the same people are to know.
    pub fn newly_named(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.named)
    }

    /// A text that was seen is no longer known.
    pub fn forgot(&mut self) {
        self.incomplete = true;
    }

    /// The user said something, as a host reports it.
    pub fn turn(&mut self, text: &str) {
        self.said.push(text.to_owned());
        let said: Vec<&str> = self.said.iter().map(String::as_str).collect();
        let request = Request::read(&said);
        if said.len() == 1 || request.pasted.len() > self.request.as_ref().map_or(0, |r| r.pasted.len()) {
            let pasted = request.pasted.join("\n");
            if !pasted.is_empty() {
                self.notice(&pasted);
            }
        }
        self.request = Some(request);
        self.anchors = self.records.iter().map(|record| self.anchor(record)).collect();
    }

    /// A text reached the agent that no action asked for: a third party's.
    pub fn notice(&mut self, text: &str) {
        if !self.admits(text) {
            return;
        }
        let source = self.begin(Nouns::NONE, false, Vec::new());
        let read = Tree::Text(text.to_owned());
        self.take(&read, source, &Meaning::default(), None);
    }

    /// What a tool answered reached the agent.
    pub fn output(&mut self, action: &Action, text: &str) {
        if !self.admits(text) {
            return;
        }
        // Of a tool that nobody knows, nothing in its output is the service's word.
        let unknown = || Meaning {
            output: Output { shape: Shape::Document, ..Output::default() },
            ..Meaning::default()
        };
        let meaning = action.contract.meaning.as_deref().cloned().unwrap_or_else(unknown);
        let values = super::arguments::leaves(action.arguments.value());
        let typed: Vec<String> =
            values.iter().map(|(_, v)| plain(v)).filter(|v| self.typed_loosely(v)).collect();
        let asked_by_user = !values.is_empty() && typed.len() == values.len();
        let effect = action.contract.effect;
        if !effect.only_reads() {
            self.relays(&values);
        }
        let source = self.begin(meaning.nouns, asked_by_user, typed);
        let echoed: BTreeSet<String> = values.iter().map(|(_, v)| plain(v)).collect();
        for text in output::texts(text) {
            let tree = output::read(&text);
            self.take(&tree, source, &meaning, (!effect.only_reads()).then_some(&echoed));
        }
    }

    /// Notes what an effect carries on of a third party's.
    fn relays(&mut self, values: &[(String, String)]) {
        for (_, value) in values {
            let whole = plain(value);
            let literals =
                text::literals(value).into_iter().filter(|l| l.form != Form::Number).map(|l| l.text);
            for told in literals.chain((whole.len() <= 160).then_some(whole)) {
                let user = self.request.as_ref().is_some_and(|r| r.typed(&told))
                    || self.is_self(&told)
                    || self.corresponded.contains(&told);
                if self.relayed.len() < MAX_RELAYED && !user && self.third_party_has(&Run::of(&told)) {
                    self.relayed.insert(hash(&told));
                }
            }
        }
    }

    /// Whether this session itself wrote a third party's value somewhere.
    pub(crate) fn has_relayed(&self, folded: &str) -> bool {
        self.relayed.contains(&hash(folded)) || self.relayed.len() >= MAX_RELAYED
    }

    /// A slot was taken, and somebody was written to: when the ruling is appended.
    pub fn permitted(&mut self, origins: &super::Origins) {
        for (kind, role, value) in &origins.takes {
            self.taken.insert((*kind, role), value.clone());
        }
        // Whom one has written to before only ever speaks for a value, so the rest may be left out.
        let room = MAX_CORRESPONDED.saturating_sub(self.corresponded.len());
        self.corresponded.extend(origins.parties.iter().take(room).cloned());
    }

    /// Nothing was sent, so what was taken for it is open again.
    pub fn given_back(&mut self, action: &Action) {
        let values: BTreeSet<String> =
            super::arguments::leaves(action.arguments.value()).iter().map(|(_, v)| plain(v)).collect();
        self.taken.retain(|_, value| !values.contains(value));
    }

    /// Whether every text was taken in whole, so that a value that is not found is in none of them.
    #[must_use]
    pub const fn complete(&self) -> bool {
        !self.incomplete
    }

    /// Bytes that the index takes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let fields: usize =
            self.records.iter().flat_map(|r| &r.fields).map(|f| 56 + f.text.len() + f.name.len()).sum();
        let prose: usize = self
            .prose
            .iter()
            .map(|t| {
                96 + t.all.bytes()
                    + t.asking.bytes()
                    + t.mentions.iter().map(|m| 32 + m.text.len()).sum::<usize>()
            })
            .sum();
        fields + prose + self.places.len() * 40
    }

    pub(crate) fn is_self(&self, folded: &str) -> bool {
        self.selves.contains(folded)
    }

    pub(crate) fn is_minted(&self, folded: &str) -> bool {
        self.minted.contains(folded)
    }

    /// Short values equal to this one.
    pub(crate) fn places(&self, folded: &str) -> impl Iterator<Item = Place> {
        let found = self.places.get(&hash(folded)).map(Vec::as_slice).unwrap_or_default();
        let folded = folded.to_owned();
        found.iter().filter_map(move |(record, field)| {
            let place = Place { record: *record as usize, field: *field as usize };
            let text = &self.records.get(place.record)?.fields.get(place.field)?.text;
            (**text == *folded).then_some(place)
        })
    }

    /// Whether the user typed it, or words that it is made of: what a search may be made of.
    fn typed_loosely(&self, folded: &str) -> bool {
        let Some(request) = &self.request else { return false };
        let words: Vec<&str> =
            folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        request.typed(folded) || (!words.is_empty() && request.shared(words.iter().copied()) == words.len())
    }

    fn anchor(&self, record: &Record) -> Anchor {
        let Some(request) = &self.request else { return Anchor::default() };
        let sole = self.sources.get(record.source).is_some_and(|s| s.asked_by_user && s.count == 1);
        anchors::anchor(record, request, sole)
    }

    fn admits(&mut self, text: &str) -> bool {
        self.bytes += text.len();
        let admits = self.bytes <= MAX_BYTES;
        self.incomplete |= !admits;
        admits
    }

    fn begin(&mut self, nouns: Nouns, asked_by_user: bool, typed: Vec<String>) -> usize {
        let first = self.records.len();
        self.sources.push(Source { nouns, asked_by_user, typed, first, count: 0 });
        self.sources.len() - 1
    }

    /// `echoed` are the arguments of the effect that this is the answer to: what comes back as it was sent
    /// in keeps the writer that it had.
    fn take(&mut self, tree: &Tree, source: usize, meaning: &Meaning, echoed: Option<&BTreeSet<String>>) {
        let selves = self.selves.clone();
        let asked = Asked {
            source,
            nouns: meaning.nouns,
            output: &meaning.output,
            is_self: &|folded| selves.contains(folded),
        };
        let told = told(tree, &asked);
        self.incomplete |= told.cut;
        let offset = self.records.len();
        if let Some(source) = self.sources.get_mut(source) {
            source.count += told.records.len();
        }
        for mut record in told.records {
            for field in &mut record.fields {
                if self.has_relayed(&field.text) {
                    field.writer = Writer::ThirdParty;
                }
            }
            if let Some(echoed) = echoed {
                self.keep_writers(&mut record, echoed, !meaning.families.is_empty());
            }
            self.index(record);
        }
        for n in offset..self.records.len() {
            let anchor = self.records.get(n).map(|record| self.anchor(record)).unwrap_or_default();
            self.anchors.push(anchor);
        }
        for prose in told.prose {
            self.prose(source, offset + prose.record, prose.writer, &prose.text);
        }
    }

    /// An echo keeps the writers of what it contains; new ids are minted by the service, where the tool is
    /// `known` to write.
    fn keep_writers(&mut self, record: &mut Record, echoed: &BTreeSet<String>, known: bool) {
        use super::fields::Class;
        let mut new = Vec::new();
        for field in &mut record.fields {
            let before = self
                .places(&field.text)
                .filter_map(|p| self.records.get(p.record)?.fields.get(p.field))
                .map(|f| f.writer)
                .max();
            // In what is no longer known it may have stood as well.
            let third = self.incomplete || self.third_party_has(&Run::of(&field.text));
            match before {
                Some(Writer::ThirdParty) => field.writer = Writer::ThirdParty,
                _ if third && !echoed.contains(&*field.text) && field.class != Class::Id => {
                    field.writer = Writer::ThirdParty;
                }
                // What was sent in was not made here, whatever field it comes back in.
                None if echoed.contains(&*field.text) && third && !self.typed_loosely(&field.text) => {
                    field.writer = Writer::ThirdParty;
                }
                None if echoed.contains(&*field.text) => {}
                None if field.class == Class::Id || (field.class == Class::Identity && !third) => {
                    new.push(field.text.to_string());
                }
                _ => {}
            }
        }
        if known {
            self.minted.extend(new);
        }
    }

    fn index(&mut self, record: Record) {
        let Ok(at) = u32::try_from(self.records.len()) else { return };
        for (n, field) in record.fields.iter().enumerate() {
            if field.writer == Writer::ThirdParty
                && text::form(&field.text).is_some_and(|f| f != Form::Number)
            {
                self.named.insert(hash(&field.text));
            }
            if let Ok(n) = u32::try_from(n)
                && !field.text.is_empty()
            {
                self.places.entry(hash(&field.text)).or_default().push((at, n));
            }
        }
        self.records.push(record);
    }

    fn prose(&mut self, source: usize, record: usize, writer: Writer, text: &str) {
        // What is hidden in a text is in the text.
        let layers = normal::layers(text);
        self.incomplete |= !layers.complete;
        let hidden = layers.texts.iter().map(|(_, text)| text.as_str());
        let texts: Vec<&str> = std::iter::once(text).chain(hidden).collect();
        let (mut asking, mut pointing) = (Vec::new(), Vec::new());
        let mut families = Families::NONE;
        let mut mentions: Vec<Literal> = Vec::new();
        let mut figures = Vec::new();
        for (layer, text) in texts.iter().enumerate() {
            let mut goes_on = false;
            for sentence in text::sentences(text) {
                let asks = Sentence::asked(sentence);
                let does = asks.without(Families::READ);
                families = families.and(does);
                // What is asked for is often spelt out in the sentence behind.
                if !does.is_empty() || goes_on {
                    asking.push(sentence);
                }
                if !asks.is_empty() || goes_on {
                    pointing.push(sentence);
                }
                goes_on = !asks.is_empty();
            }
            let (numbers, named): (Vec<_>, Vec<_>) =
                text::literals(text).into_iter().partition(|l| l.form == Form::Number);
            if layer > 0 {
                // What was hidden is a third party's, and opens nothing.
                self.named.extend(named.iter().map(|m| hash(&m.text)));
                continue;
            }
            mentions.extend(named.into_iter().take(MAX_MENTIONS.saturating_sub(mentions.len())));
            let numbers = numbers.iter().filter_map(|l| text::number(&l.text));
            figures.extend(numbers.take(MAX_MENTIONS.saturating_sub(figures.len())));
        }
        if writer == Writer::ThirdParty {
            self.named.extend(mentions.iter().map(|m| hash(&m.text)));
        }
        mentions.sort_by(|a, b| a.text.cmp(&b.text));
        mentions.dedup();
        let told = Told {
            source,
            record: Some(record),
            writer,
            all: Sketch::of(texts.iter().copied()),
            asking: Sketch::of(asking),
            families,
            pointing: Sketch::of(pointing),
            mentions,
            figures,
        };
        self.prose.push(told);
        self.delegate(record, text);
    }

    /// A record that the user told us to follow becomes a second request, as far as somebody the user named
    /// or somebody of the user's own domain wrote it.
    fn delegate(&mut self, record: usize, text: &str) {
        let Some(request) = &self.request else { return };
        if !request.sentences.iter().any(|s| s.delegates) || !self.is_anchored(record) {
            return;
        }
        let Some(known) = self.records.get(record) else { return };
        let by = |folded: &str| request.typed(folded) && self.shares_domain(folded) || self.is_self(folded);
        if known.of(super::fields::Class::Author).any(|f| by(&f.text)) {
            self.delegated.push(Request::read(&[text]));
        }
    }

    fn shares_domain(&self, address: &str) -> bool {
        let Some((_, domain)) = address.rsplit_once('@') else { return false };
        self.selves.iter().any(|own| own.rsplit_once('@').is_some_and(|(_, own)| own == domain))
    }

    /// Whether the user named this record, and no other of its kind fits better.
    pub(crate) fn is_anchored(&self, record: usize) -> bool {
        let (Some(known), Some(anchor)) = (self.records.get(record), self.anchors.get(record)) else {
            return false;
        };
        anchor.holds()
            && !self.records.iter().zip(&self.anchors).enumerate().any(|(n, (other, score))| {
                n != record && same_kind(known, other) && score.dominates(anchor) && !same_thing(known, other)
            })
    }

    /// Whether a third party's text may have this run of words.
    pub(crate) fn third_party_has(&self, run: &Run) -> bool {
        self.third_party().any(|told| told.all.may_have(run))
    }

    /// Whether a third party's text asks for something of these families beside this value.
    pub(crate) fn is_pushed(&self, run: &Run, families: Families) -> bool {
        self.third_party().any(|told| told.families.meets(families) && told.asking.may_have(run))
    }

    /// Whether a third party's text asks for this to be looked at.
    pub(crate) fn is_pointed_at(&self, run: &Run) -> bool {
        self.third_party().any(|told| told.pointing.may_have(run))
    }

    pub(crate) fn third_party(&self) -> impl Iterator<Item = &Told> {
        self.prose.iter().filter(|told| told.writer == Writer::ThirdParty)
    }
}

/// Whether two records tell of the same kind of thing.
pub(crate) fn same_kind(a: &Record, b: &Record) -> bool {
    if a.nouns.is_empty() && b.nouns.is_empty() { a.source == b.source } else { a.nouns.meets(b.nouns) }
}

/// Whether two records are one and the same thing, told twice.
pub(crate) fn same_thing(a: &Record, b: &Record) -> bool {
    use super::fields::Class;
    let mut ids = a.of(Class::Id).filter(|f| super::fields::words(&f.name).last().is_some_and(|w| w == "id"));
    ids.next().is_some_and(|id| b.of(Class::Id).any(|other| other.name == id.name && other.text == id.text))
}

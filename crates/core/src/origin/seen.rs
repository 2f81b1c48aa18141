//! What a session has seen, as far as it matters for where a value comes from: the user's words, records
//! and sketches of texts, each with its writer.

use std::collections::{BTreeMap, BTreeSet};

use super::anchors::{self, Anchor, Ranks};
use super::assess::named_kinds;
use super::kept::{Kept, Place, Record};
use super::named::{JOINING, is_neutral};
use super::output::{self, Tree};
use super::prose::{self, Told};
use super::records::{Asked, Draft, told};
use super::request::Request;
use super::sketch::{Rollup, Run};
use super::text::{self, Form, hash, plain};
use crate::action::Action;
use crate::contract::words::{Families, Nouns};
use crate::contract::{Meaning, Output, Shape, Store, Writer};

/// Outputs beyond this many bytes in one session are no longer taken in: values not found are then Unknown.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Whom the user's effects went to: so many are kept.
const MAX_CORRESPONDED: usize = 4096;
/// Values of third parties that a session carried on; beyond them all that it reads may be one.
const MAX_RELAYED: usize = 4096;

/// The index of everything that a session has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Names of the user.
    selves: BTreeSet<String>,
    /// What the user asked; `None` where no host said so.
    pub(crate) request: Option<Request>,
    /// What the sources ask for to which the user delegated: each a second request.
    pub(crate) delegated: Vec<Request>,
    pub(crate) sources: Vec<Source>,
    pub(crate) records: Kept,
    /// How each record matches the request.
    pub(crate) anchors: Vec<Anchor>,
    /// Those that the user may have named.
    ranks: Ranks,
    pub(crate) prose: Vec<Told>,
    /// What all texts of third parties say together, ...
    foreign: Rollup,
    /// ... what they ask for, ...
    asking: Rollup,
    /// ... what they want looked at, ...
    pointing: Rollup,
    /// ... and what everybody else's say.
    own: Rollup,
    /// Values that this session's own writes brought forth.
    minted: BTreeSet<String>,
    /// Addresses and names of third parties that this session wrote somewhere itself, by hash: what comes back
    /// from there is theirs, whoever keeps it.
    relayed: BTreeSet<u64>,
    /// Values that this session used before anything it had seen held them, by hash.
    pub(super) introduced: BTreeSet<u64>,
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
    /// Whether it is the answer to an action: descriptions of tools and what servers send unasked are not.
    pub(crate) answers: bool,
    /// Whether nothing was asked for in particular.
    pub(crate) whole: bool,
    /// Whether a third party's text asked for it to be read, and the user did not.
    pub(crate) led: bool,
    /// Arguments that were typed by the user, folded.
    pub(crate) typed: Vec<String>,
    /// Records in it.
    pub(crate) first: usize,
    pub(crate) count: usize,
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
        let pasted = Request::read(&[text]).pasted.join("\n");
        if !pasted.is_empty() {
            self.notice(&pasted);
        }
        self.request.get_or_insert_default().add(text);
        self.anchors.clear();
        self.ranks = Ranks::default();
        self.rank();
    }

    /// Says of the records that are new how they match the request.
    fn rank(&mut self) {
        for n in self.anchors.len()..self.records.len() {
            let Some(record) = self.records.get(n) else { return };
            let anchor = self.anchor(record);
            self.ranks.add(n, &record, anchor);
            self.anchors.push(anchor);
        }
    }

    /// A text reached the agent that no action asked for: a third party's.
    pub fn notice(&mut self, text: &str) {
        if !self.admits(text) {
            return;
        }
        let source = self.begin(Nouns::NONE, Store::default(), false, Vec::new());
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
        let asked_by_user = self.is_asked(&values);
        let effect = action.contract.effect;
        self.introduces(&values);
        let led = effect.only_reads() && (self.is_led(&values) || self.is_told_to_read(&meaning.words));
        if !effect.only_reads() {
            self.relays(&values);
        }
        let folded: Vec<String> = values.iter().map(|(_, v)| plain(v)).collect();
        let kinds = named_kinds(values.iter().map(|(pointer, _)| pointer.as_str()).zip(&folded));
        let meaning = Meaning { nouns: meaning.nouns.and(kinds), ..meaning };
        let source = self.begin(meaning.nouns, meaning.output.store, asked_by_user, typed);
        if let Some(source) = self.sources.last_mut() {
            source.whole = values.is_empty();
            source.led = led;
            source.answers = true;
        }
        let echoed: BTreeSet<String> = values.iter().map(|(_, v)| plain(v)).collect();
        for tree in output::trees(text) {
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
        let prose: usize = self.prose.iter().map(Told::bytes).sum();
        let rollups: usize =
            [&self.foreign, &self.asking, &self.pointing, &self.own].into_iter().map(Rollup::bytes).sum();
        let anchors = self.anchors.len() * size_of::<Anchor>() + self.ranks.bytes();
        self.records.bytes() + prose + rollups + anchors
    }

    pub(crate) fn is_self(&self, folded: &str) -> bool {
        self.selves.contains(folded)
    }

    pub(crate) fn is_minted(&self, folded: &str) -> bool {
        self.minted.contains(folded)
    }

    /// Short values equal to this one.
    pub(crate) fn places(&self, folded: &str) -> impl Iterator<Item = Place> + use<> {
        self.records.places(folded).into_iter()
    }

    /// Whether the user typed it, or words that it is made of: what a search may be made of.
    fn typed_loosely(&self, folded: &str) -> bool {
        let Some(request) = &self.request else { return false };
        let words: Vec<&str> =
            folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        request.typed(folded) || (!words.is_empty() && request.shared(words.iter().copied()) == words.len())
    }

    /// Whether a call is made of the user's own words, pages and dates left aside.
    fn is_asked(&self, values: &[(String, String)]) -> bool {
        let Some(request) = &self.request else { return false };
        let mut telling = values.iter().map(|(_, v)| plain(v)).filter(|v| !is_neutral(v)).peekable();
        telling.peek().is_some()
            && telling.all(|value| {
                let mut words = value
                    .split(|c: char| !c.is_alphanumeric())
                    .filter(|w| !w.is_empty() && !JOINING.contains(w))
                    .peekable();
                request.typed(&value)
                    || self.places(&value).any(|place| self.is_anchored(place.record))
                    || words.peek().is_some() && words.all(|w| request.has_word(w))
            })
    }

    fn anchor(&self, record: Record<'_>) -> Anchor {
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

    fn begin(&mut self, nouns: Nouns, store: Store, asked_by_user: bool, typed: Vec<String>) -> usize {
        let first = self.records.len();
        self.records.begin(nouns, store);
        self.sources.push(Source {
            nouns,
            asked_by_user,
            answers: false,
            whole: false,
            led: false,
            typed,
            first,
            count: 0,
        });
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
            self.index(&record);
        }
        self.rank();
        for prose in told.prose {
            self.prose(source, offset + prose.record, prose.writer, &prose.text);
        }
    }

    /// An echo keeps the writers of what it contains; new ids are minted by the service, where the tool is
    /// `known` to write.
    fn keep_writers(&mut self, record: &mut Draft, echoed: &BTreeSet<String>, known: bool) {
        use super::fields::Class;
        let mut new = Vec::new();
        for field in &mut record.fields {
            let before = self
                .places(&field.text)
                .filter_map(|place| self.records.field(place))
                .map(|(_, field)| field.writer)
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

    fn index(&mut self, record: &Draft) {
        for field in &record.fields {
            if field.writer == Writer::ThirdParty
                && text::form(&field.text).is_some_and(|f| f != Form::Number)
            {
                self.named.insert(hash(&field.text));
            }
        }
        self.incomplete |= self.records.add(record).is_none();
    }

    fn prose(&mut self, source: usize, record: usize, writer: Writer, text: &str) {
        let read = prose::read(text, writer);
        self.incomplete |= !read.complete;
        self.named.extend(read.named);
        if writer == Writer::ThirdParty {
            self.foreign.add(&read.all);
            self.asking.add(&read.asking);
            self.pointing.add(read.pointing.as_ref().unwrap_or(&read.asking));
        } else {
            self.own.add(&read.all);
        }
        let mut told = read.told;
        (told.source, told.record) = (source, Some(record));
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
        if known.of(super::fields::Class::Author).any(|f| by(f.text)) {
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
        anchor.holds() && !self.ranks.beaten(&known, anchor, &self.records)
    }

    /// Whether a third party's text may have this run of words.
    pub(crate) fn third_party_has(&self, run: &Run) -> bool {
        self.third_party_saying(run).next().is_some()
    }

    /// Whether the text of somebody else may have it.
    pub(crate) fn own_has(&self, run: &Run) -> bool {
        let own = |told: &&Told| told.writer != Writer::ThirdParty;
        self.own.may_have(run) && self.prose.iter().filter(own).any(|told| told.all.may_have(run))
    }

    /// Whether a third party's text asks for something of these families beside this value.
    pub(crate) fn is_pushed(&self, run: &Run, families: Families) -> bool {
        self.pushing(run, families).next().is_some()
    }

    /// Third parties' texts that ask for something of these families beside this value.
    pub(crate) fn pushing(&self, run: &Run, families: Families) -> impl Iterator<Item = &Told> {
        let all = if self.asking.may_have(run) { self.prose.as_slice() } else { &[] };
        let third = all.iter().filter(|told| told.writer == Writer::ThirdParty);
        third.filter(move |told| told.families.meets(families) && told.asking.may_have(run))
    }

    /// Whether a third party's text asks for this to be looked at.
    pub(crate) fn is_pointed_at(&self, run: &Run) -> bool {
        self.pointing.may_have(run) && self.third_party().any(|told| told.pointing().may_have(run))
    }

    /// Third parties' texts that may have this run of words.
    pub(crate) fn third_party_saying(&self, run: &Run) -> impl Iterator<Item = &Told> {
        let all = if self.foreign.may_have(run) { self.prose.as_slice() } else { &[] };
        all.iter().filter(move |told| told.writer == Writer::ThirdParty && told.all.may_have(run))
    }

    /// Whether a third party's text asks for anything at all beside this value.
    pub(crate) fn is_asked_for(&self, run: &Run) -> bool {
        self.asking.may_have(run) && self.third_party().any(|told| told.asking.may_have(run))
    }

    /// Whether something in all texts together may be this run of words: for what is in none of them.
    pub(crate) fn may_be_said(&self, run: &Run) -> bool {
        self.foreign.may_have(run) || self.own.may_have(run)
    }

    /// Whether any text may have this run of words.
    pub(crate) fn any_has(&self, run: &Run) -> bool {
        self.third_party_has(run) || self.own_has(run)
    }

    pub(crate) fn third_party(&self) -> impl Iterator<Item = &Told> {
        self.prose.iter().filter(|told| told.writer == Writer::ThirdParty)
    }
}

/// Whether two records tell of the same kind of thing.
pub(crate) fn same_kind(a: &Record<'_>, b: &Record<'_>) -> bool {
    if a.nouns.is_empty() && b.nouns.is_empty() { a.source == b.source } else { a.nouns.meets(b.nouns) }
}

/// Whether two records are one and the same thing, told twice.
pub(crate) fn same_thing(a: &Record<'_>, b: &Record<'_>) -> bool {
    use super::fields::Class;
    let mut ids = a.of(Class::Id).filter(|f| f.kind.words.last().is_some_and(|w| w == "id"));
    ids.next().is_some_and(|id| b.of(Class::Id).any(|other| other.text == id.text && other.name == id.name))
}

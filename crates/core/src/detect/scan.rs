//! One pass over a text in plain form for every word, then over its runs of digits and letters.

use std::collections::BTreeSet;

use super::detectors::{EMAIL, HEALTH, JWT, KEY_FORM};
use super::personal::Context;
use super::runs::{Class, runs};
use super::secrets::fresh;
use super::words::{Means, Phrase, Place, WORDS, Word, Words};
use super::{Cue, Inspection, Layer, assigned, financial, numbers, personal, phrases, secrets};

/// How far behind a word numbers are what it says.
const REACH: usize = 40;
/// Different health terms that make a finding.
const TERMS: usize = 2;

/// Adds to the inspection what a text holds by itself, encodings aside.
pub(super) fn scan(text: &str, layer: Layer, inspection: &mut Inspection) {
    let Some(words) = WORDS.as_ref() else {
        inspection.complete = false;
        return;
    };
    let text = text.as_bytes();
    let low = text.to_ascii_lowercase();
    let mut scan = Scan { text, layer, words, inspection, contexts: Vec::new(), health: BTreeSet::new() };
    for hit in words.automaton.find_overlapping_iter(&low) {
        for (word, kind) in &words.groups[hit.pattern()] {
            if low[hit.start()..].starts_with(word.as_bytes()) {
                scan.word(*kind, hit.start(), hit.start() + word.len());
            }
        }
    }
    scan.contexts.sort_unstable();
    // What stands in two fields is no number and no word's neighbour.
    if layer != Layer::Joined {
        scan.digits();
        scan.letters();
    }
}

struct Scan<'a> {
    text: &'a [u8],
    layer: Layer,
    words: &'static Words,
    inspection: &'a mut Inspection,
    /// Words that say what numbers are, by where they end.
    contexts: Vec<(usize, Context)>,
    health: BTreeSet<usize>,
}

impl Scan<'_> {
    fn word(&mut self, word: Word, start: usize, end: usize) {
        let text = self.text;
        let joined = self.layer == Layer::Joined;
        let found = match word {
            Word::Prefix(prefix) => secrets::prefixed(text, start, prefix, joined).then_some(prefix.detector),
            Word::PrivateKey => secrets::private_key(text, start).then(secrets::private),
            Word::Jwt => secrets::jwt(text, start).then_some(&JWT),
            Word::Azure => secrets::azure(text, start).then_some(&KEY_FORM),
            Word::Authority => secrets::connection(text, start),
            Word::Phrase(phrase) => return self.phrase(phrase, start),
            Word::Cue(cue) => {
                self.inspection.cues.insert(cue);
                return;
            }
            Word::Image => {
                if phrases::image(text, start) {
                    self.inspection.cues.insert(Cue::Exfiltration);
                }
                return;
            }
            _ if joined => return,
            Word::Authorization => secrets::authorization(text, end),
            Word::Named(kind) => assigned::named(text, start, end, kind),
            Word::Seed => assigned::seed(text, end, self.words),
            Word::At => personal::mail(text, start).then_some(&EMAIL),
            Word::Context(context) => {
                if fresh(text, start) {
                    self.contexts.push((end, context));
                }
                return;
            }
            Word::Health(term) => {
                if fresh(text, start) && self.health.insert(term) && self.health.len() == TERMS {
                    self.inspection.found(&HEALTH, self.layer);
                }
                return;
            }
        };
        if let Some(detector) = found {
            self.inspection.found(detector, self.layer);
        }
    }

    fn phrase(&mut self, number: usize, start: usize) {
        let (phrase, pattern) = &self.words.phrases[number];
        let Phrase { place, back, ahead, means, .. } = **phrase;
        let known = match means {
            Means::Cue(cue) => self.inspection.cues.contains(&cue),
            Means::Finding(detector) => self.layer == Layer::Joined || self.has(detector.name),
        };
        if known || !stands(self.text, start, place) {
            return;
        }
        let window = &self.text[start.saturating_sub(back)..self.text.len().min(start + ahead)];
        if pattern.is_match(window) {
            match means {
                Means::Cue(cue) => drop(self.inspection.cues.insert(cue)),
                Means::Finding(detector) => self.inspection.found(detector, self.layer),
            }
        }
    }

    fn has(&self, detector: &str) -> bool {
        self.inspection.findings.iter().any(|known| known.detector == detector && known.layer == self.layer)
    }

    fn digits(&mut self) {
        /// Telephone numbers of a town have seven.
        const LEAST: usize = 7;
        let mut contexts = self.contexts.iter().peekable();
        let mut near: Vec<(usize, Context)> = Vec::new();
        for (start, end) in runs(self.text, Class::NUMBER, LEAST) {
            while let Some(context) = contexts.next_if(|(at, _)| *at <= end) {
                near.push(*context);
            }
            near.retain(|(at, _)| at + REACH >= start);
            let named = |number: usize| {
                let mut named = [false; 4];
                for (at, context) in &near {
                    named[numbers::place(*context)] |= *at <= number && at + REACH >= number;
                }
                named
            };
            let (layer, inspection) = (self.layer, &mut *self.inspection);
            numbers::numbers(self.text, (start, end), named, |detector| inspection.found(detector, layer));
            let first = (start..end).find(|&at| Class::DIGIT.has(self.text[at])).unwrap_or(start);
            if let Some(detector) = financial::account(self.text, first) {
                inspection.found(detector, layer);
            }
        }
    }

    fn letters(&mut self) {
        const LEAST: usize = 9;
        for (start, end) in runs(self.text, Class::ALNUM, LEAST) {
            let run = &self.text[start..end];
            let found = match run.len() {
                9 | 16 | 18 => numbers::mixed(run),
                _ => None,
            };
            if let Some(detector) = found.or_else(|| financial::wallet(run)) {
                self.inspection.found(detector, self.layer);
            }
        }
    }
}

/// Whether a word at `at` stands where it must.
fn stands(text: &[u8], at: usize, place: Place) -> bool {
    /// Decoration before a line's first word.
    const DECORATION: usize = 24;
    match place {
        Place::Anywhere => true,
        Place::Word => fresh(text, at),
        Place::Line => {
            let before = &text[at.saturating_sub(DECORATION)..at];
            let plain = before
                .iter()
                .rev()
                .take_while(|byte| {
                    matches!(
                        byte,
                        b' ' | b'\t'
                            | b'#'
                            | b'*'
                            | b'>'
                            | b'['
                            | b'<'
                            | b'('
                            | b'/'
                            | b'='
                            | b'_'
                            | b'`'
                            | b'|'
                            | b'!'
                            | b'-'
                            | b'{'
                    )
                })
                .count();
            match &before[..before.len() - plain] {
                [] => at < DECORATION,
                [.., b'\n' | b'\r' | b'"'] | [.., b'\\', b'n'] => true,
                _ => false,
            }
        }
    }
}

//! Who led the session where it is: what it used before anybody named it, what it read because a third party
//! said so, and what third parties tell it to do.

use super::kept::Field;
use super::prose::Told;
use super::seen::Seen;
use super::selectors::Case;
use super::sketch::Run;
use super::text::{Form, hash, literals, plain};
use crate::contract::words::{Families, noun};

/// Values that are remembered as used before anybody named them.
const MAX_INTRODUCED: usize = 4096;
/// Words that make a passage: so many in a row, taken from a text, are a quote.
const PASSAGE: usize = 3;
/// Words of one argument that are looked up; of a longer one nobody can tell, so it counts as carrying.
const MAX_WORDS: usize = 1024;

impl Seen {
    /// Notes what a call used that nothing had told of before: it was in nobody's text, so nobody's text led to it.
    pub(super) fn introduces(&mut self, values: &[(String, String)]) {
        for (_, value) in values.iter().filter(|(_, value)| value.len() <= 160) {
            let parts = literals(value).into_iter().filter(|l| l.form != Form::Number).map(|l| l.text);
            for value in parts.chain([plain(value)]) {
                let new = self.complete()
                    && self.introduced.len() < MAX_INTRODUCED
                    && self.places(&value).next().is_none()
                    && !self.any_has(&Run::of(&value));
                if new {
                    self.introduced.insert(hash(&value));
                }
            }
        }
    }

    /// Whether the session used this value before anything that it had seen held it.
    pub(crate) fn is_introduced(&self, folded: &str) -> bool {
        self.complete() && self.introduced.contains(&hash(folded))
    }

    /// Whether a third party's text asks for what a reading call names, and the user does not.
    pub(super) fn is_led(&self, values: &[(String, String)]) -> bool {
        if self.request.as_ref().is_some_and(|r| r.sentences.iter().any(|s| s.delegates)) {
            return false;
        }
        values.iter().any(|(_, value)| {
            let folded = plain(value);
            let known = self.request.as_ref().is_some_and(|r| r.typed(&folded))
                || self.is_self(&folded)
                || self.is_introduced(&folded);
            folded.chars().count() >= 4 && !known && {
                let run = Run::of(value);
                self.is_asked_for(&run) && self.answers().any(|told| told.asking.may_have(&run))
            }
        })
    }
}

impl Seen {
    /// Whether a third party's text asks for what a reading tool is about, and the user says nothing of it.
    pub(super) fn is_told_to_read(&self, objects: &[String]) -> bool {
        let Some(request) = &self.request else { return false };
        let telling: Vec<[Run; 2]> = objects
            .iter()
            .filter(|word| word.len() > 3 && noun(word).is_some())
            .map(|word| numbers(word))
            .collect();
        !telling.is_empty()
            && !objects.iter().any(|word| request.has_word(word))
            && !request.sentences.iter().any(|s| s.delegates)
            && self.answers().any(|told| telling.iter().all(|word| spoken_of(told, word)))
    }

    /// Third parties' texts that actions brought. What a tool says of itself is about just what it does, and
    /// tells nobody to do it.
    fn answers(&self) -> impl Iterator<Item = &Told> {
        self.third_party().filter(|told| self.is_answer(told))
    }

    /// Whether an action brought the text.
    pub(crate) fn is_answer(&self, told: &Told) -> bool {
        self.sources.get(told.source).is_some_and(|source| source.answers)
    }
}

impl Case<'_> {
    /// Whether free content repeats what was read because a third party's text asked for it.
    pub(super) fn carries_what_was_led_to(&self, raw: &str) -> bool {
        if !self.seen.sources.iter().any(|source| source.led) {
            return false;
        }
        let words: Vec<&str> = raw.split_whitespace().collect();
        if words.len() > MAX_WORDS {
            return true;
        }
        let passages = words.windows(PASSAGE.min(words.len()).max(1)).map(|passage| passage.join(" "));
        let telling = words.iter().filter(|w| w.len() >= 6 && w.contains(|c: char| c.is_ascii_digit()));
        let passages: Vec<String> = passages.chain(telling.map(|w| (*w).to_owned())).collect();
        let led = |source: usize| self.seen.sources.get(source).is_some_and(|source| source.led);
        let said = |passage: &String| {
            let run = Run::of(passage);
            self.seen.may_be_said(&run)
                && self.seen.prose.iter().any(|told| led(told.source) && told.all.may_have(&run))
        };
        // No short value goes over a line.
        let folded: Vec<String> = passages.iter().map(|passage| plain(passage)).collect();
        let folded = folded.join("\n");
        let held = |field: Field<'_>| field.text.len() >= 4 && folded.contains(field.text);
        let led_to = self.seen.sources.iter().filter(|source| source.led);
        let mut records = led_to
            .flat_map(|source| source.first..source.first + source.count)
            .filter_map(|n| self.seen.records.get(n));
        passages.iter().any(said) || records.any(|record| record.fields().any(held))
    }

    /// Whether a third party's text tells somebody to do just this: the tool's verb and what it is done to, in
    /// what the text asks for.
    pub(super) fn is_commanded(&self) -> bool {
        let meaning = self.deed.meaning;
        let families = meaning.families.without(Families::READ);
        let verb = Run::of(&meaning.verb);
        let objects: Vec<[Run; 2]> = meaning
            .words
            .iter()
            .filter(|word| word.len() > 2 && (noun(word).is_some() || word.len() > 4))
            .map(|word| numbers(word))
            .collect();
        !meaning.verb.is_empty()
            && self.seen.answers().any(|told| {
                told.families.meets(families)
                    && told.asking.may_have(&verb)
                    && objects.iter().any(|object| spoken_of(told, object))
            })
    }
}

/// A word as it is looked for in texts: one or several.
fn numbers(word: &str) -> [Run; 2] {
    [Run::of(word), Run::of(&format!("{word}s"))]
}

/// Whether what a text asks for speaks of this.
fn spoken_of(told: &Told, word: &[Run; 2]) -> bool {
    word.iter().any(|run| told.asking.may_have(run))
}

//! A sketch of a text: enough to say that a run of words is surely not in it, in a few bits per word.
//!
//! A Bloom filter over the words and the pairs of neighbouring words, of which each entry touches one word of
//! memory. It may say yes to what is not there, never no to what is; "a third party's text has it" is the
//! cautious answer, so it errs that way. A [`Rollup`] says for all texts together what is in none of them.

use super::text::{WORD, is};
use crate::detect::normal::skeleton;

/// Bits per distinct entry; with three probes about one question in thirty is answered yes by accident, and a
/// value of several words asks several.
const BITS: usize = 9;
/// A rollup's filters: the first holds so many entries, ...
const FIRST: usize = 1024;
/// ... and each one so many times as many as the one before, with fewer bits for each: the early ones are small.
const GROWTH: usize = 4;
const ROLLUP_BITS: [usize; 6] = [24, 20, 18, 16, 14, 12];
const PROBES: u64 = 4;
/// So many of the latest filters are asked before an entry is added to the last.
const ASKED: usize = 2;

/// The sketch of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sketch {
    bits: Box<[u64]>,
}

/// A value as it is looked for in sketches: hashes of its words and of its pairs of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run(Vec<u64>);

/// What all texts of a session say together: for values that are in none of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rollup {
    filters: Vec<Box<[u64]>>,
    /// Entries that the last one still takes.
    room: usize,
}

impl Sketch {
    /// The sketch of runs taken together.
    pub(crate) fn of(run: &Run) -> Self {
        let mut sketch = Self::sized(run.distinct());
        for entry in &run.0 {
            sketch.add(*entry);
        }
        sketch
    }

    /// Whether the text may have this run of words; never false where it does.
    pub(crate) fn may_have(&self, run: &Run) -> bool {
        !run.0.is_empty() && run.0.iter().all(|entry| self.has(*entry))
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bits.len() * 8
    }

    fn sized(entries: usize) -> Self {
        Self { bits: vec![0; (entries * BITS).div_ceil(64)].into_boxed_slice() }
    }

    fn has(&self, entry: u64) -> bool {
        let mask = mask(entry);
        self.bits.get(place(entry, self.bits.len())).is_some_and(|word| word & mask == mask)
    }

    fn add(&mut self, entry: u64) {
        let at = place(entry, self.bits.len());
        if let Some(word) = self.bits.get_mut(at) {
            *word |= mask(entry);
        }
    }
}

impl Rollup {
    /// Takes the entries of a text in.
    pub(crate) fn add(&mut self, run: &Run) {
        for entry in &run.0 {
            // An old filter is small beside the last: what it has may stand there again.
            if self.filters.iter().rev().take(ASKED).any(|filter| has(filter, *entry)) {
                continue;
            }
            if self.room == 0 {
                let step = self.filters.len().min(ROLLUP_BITS.len() - 1);
                self.room = FIRST * GROWTH.pow(u32::try_from(step).unwrap_or_default());
                let bits = ROLLUP_BITS.get(step).copied().unwrap_or(BITS) * self.room;
                self.filters.push(vec![0; bits / 64].into_boxed_slice());
            }
            self.room -= 1;
            if let Some(last) = self.filters.last_mut() {
                let places = last.len();
                probes(*entry, places).for_each(|(at, bit)| {
                    if let Some(word) = last.get_mut(at) {
                        *word |= bit;
                    }
                });
            }
        }
    }

    /// Whether some text may have this run of words; never false where one does.
    pub(crate) fn may_have(&self, run: &Run) -> bool {
        !run.0.is_empty()
            && run.0.iter().all(|entry| self.filters.iter().rev().any(|filter| has(filter, *entry)))
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.filters.iter().map(|filter| size_of_val(&**filter)).sum()
    }
}

impl Run {
    /// The words of a value, look-alikes and hidden characters made plain.
    pub(crate) fn of(text: &str) -> Self {
        let mut run = Self::default();
        run.add(text);
        run
    }

    /// Adds the words of another text; pairs do not go over from one into the next.
    pub(crate) fn add(&mut self, text: &str) {
        let plain = if text.is_ascii() { text.into() } else { skeleton(text) };
        let mut before = None;
        words(&plain, |_, word| self.push(&mut before, word));
    }

    /// Adds another run's entries.
    pub(crate) fn join(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    fn push(&mut self, before: &mut Option<u64>, word: u64) {
        self.0.push(word);
        if let Some(before) = before.replace(word) {
            self.0.push(pair(before, word));
        }
    }

    /// How many different entries there are, or a few less.
    fn distinct(&self) -> usize {
        let mut seen = vec![0_u64; self.0.len().div_ceil(4)];
        let mut count = 0;
        for entry in &self.0 {
            let at = place(*entry, seen.len());
            if let Some(word) = seen.get_mut(at) {
                let bit = 1 << (entry & 63);
                count += usize::from(*word & bit == 0);
                *word |= bit;
            }
        }
        count
    }
}

fn has(filter: &[u64], entry: u64) -> bool {
    probes(entry, filter.len()).all(|(at, bit)| filter.get(at).is_some_and(|word| word & bit != 0))
}

/// Where an entry of a rollup's filter stands: a word and a bit, several times.
fn probes(entry: u64, places: usize) -> impl Iterator<Item = (usize, u64)> {
    let step = entry.rotate_left(32) | 1;
    let at = move |n: u64| entry.wrapping_add(step.wrapping_mul(n));
    (0..PROBES).map(move |n| (place(at(n), places), 1 << (at(n) >> 3 & 63)))
}

/// A text whose words are known, so that parts of it need not be read again.
pub(crate) struct Lexed<'a> {
    text: &'a str,
    /// Where each word begins, and its hash; empty for texts whose letters are not where they seem to be.
    words: Vec<(usize, u64)>,
    next: usize,
}

impl<'a> Lexed<'a> {
    /// Reads a text, and adds all of it to a run.
    pub(crate) fn read(text: &'a str, all: &mut Run) -> Self {
        let mut known = Vec::new();
        if text.is_ascii() {
            let mut before = None;
            words(text, |at, word| {
                known.push((at, word));
                all.push(&mut before, word);
            });
        } else {
            all.add(text);
        }
        Self { text, words: known, next: 0 }
    }

    /// Gives the run of a part, which begins where the part before ended, or later.
    pub(crate) fn part(&mut self, (from, to): (usize, usize)) -> Run {
        let mut run = Run::default();
        if self.words.is_empty() {
            run.add(self.text.get(from..to).unwrap_or_default());
            return run;
        }
        let rest = self.words.get(self.next..).unwrap_or_default();
        let skipped = rest.iter().take_while(|(at, _)| *at < from).count();
        let rest = rest.get(skipped..).unwrap_or_default();
        let mut before = None;
        let within = rest.iter().take_while(|(at, _)| *at < to);
        let count = within.map(|(_, word)| run.push(&mut before, *word)).count();
        self.next += skipped + count;
        run
    }
}

/// The high bits of a product fall evenly on any number of places.
fn place(entry: u64, places: usize) -> usize {
    usize::try_from((u128::from(entry) * places as u128) >> 64).unwrap_or(0)
}

/// Three bits, by the low bits of the entry.
const fn mask(entry: u64) -> u64 {
    1 << (entry & 63) | 1 << (entry >> 6 & 63) | 1 << (entry >> 12 & 63)
}

/// Hands on a hash of each word, in ASCII with its place. ASCII counts in lower case, other letters as they stand.
fn words(text: &str, mut take: impl FnMut(usize, u64)) {
    let bytes = text.as_bytes();
    if !text.is_ascii() {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        return words.for_each(|word| take(0, hash(word.as_bytes(), word.len())));
    }
    let mut at = 0;
    while let Some(from) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| is(*b, WORD))) {
        let rest = bytes.get(at + from..).unwrap_or_default();
        let length = rest.iter().take_while(|b| is(**b, WORD)).count();
        take(at + from, hash(rest, length));
        at += from + length;
    }
}

/// A hash of the first bytes, in lower case as far as they are ASCII.
fn hash(bytes: &[u8], length: usize) -> u64 {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = SEED ^ length as u64;
    let mut at = 0;
    while at < length {
        let left = length - at;
        let rest = bytes.get(at..).unwrap_or_default();
        let eight = rest.first_chunk::<8>().map_or_else(|| few(rest), |eight| u64::from_le_bytes(*eight));
        let eight = if left < 8 { eight & (u64::MAX >> (64 - 8 * left)) } else { eight };
        // In ASCII letters this bit is the case; digits have it.
        let low = eight | (!eight & 0x8080_8080_8080_8080) >> 2;
        hash = fold(hash ^ low, 0xff51_afd7_ed55_8ccd);
        at += 8;
    }
    fold(hash, SEED)
}

fn few(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

fn pair(before: u64, word: u64) -> u64 {
    fold(before.rotate_left(17) ^ word, 0xc4ce_b9fe_1a85_ec53)
}

/// Both halves of a product in one.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::{Rollup, Run, Sketch};

    fn run(texts: &[&str]) -> Run {
        let mut run = Run::default();
        texts.iter().for_each(|text| run.add(text));
        run
    }

    #[test]
    fn what_is_in_a_text_is_never_denied() {
        let run = run(&["Please write to Mark.Black-2134@evil.com, today", "and pay"]);
        let sketch = Sketch::of(&run);
        let mut rollup = Rollup::default();
        rollup.add(&run);
        for value in ["mark.black-2134@evil.com", "today", "Mark", "pay", "and pay", "ｗrite ｔo"] {
            assert!(sketch.may_have(&Run::of(value)), "{value}");
            assert!(rollup.may_have(&Run::of(value)), "{value}");
        }
        assert!(!sketch.may_have(&Run::of("today and")), "runs do not go over from one text into the next");
        assert!(!sketch.may_have(&Run::of("")));
    }

    #[test]
    fn a_rollup_denies_nothing_however_much_it_has_taken_in() {
        let mut rollup = Rollup::default();
        let texts: Vec<String> = (0..5000).map(|n| format!("word{n} stands beside thing{}", n * 7)).collect();
        texts.iter().for_each(|text| rollup.add(&Run::of(text)));
        assert!(texts.iter().all(|text| rollup.may_have(&Run::of(text))));
        let strange = (0..5000).filter(|n| rollup.may_have(&Run::of(&format!("other{n}")))).count();
        assert!(strange < 1000, "{strange} of 5000 words that no text has");
        assert!(rollup.bytes() < 100_000, "{}", rollup.bytes());
    }
}

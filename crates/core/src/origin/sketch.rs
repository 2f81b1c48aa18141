//! A sketch of a text: enough to say that a run of words is surely not in it, in a few bits per word.
//!
//! A Bloom filter over the words and the pairs of neighbouring words. It may say yes to what is not there,
//! never no to what is; "a third party's text has it" is the cautious answer, so it errs that way.

use super::text::hash;
use crate::detect::normal::skeleton;

/// Bits per entry; with three probes about one question in sixty is answered yes by accident, and a value
/// of several words asks several.
const BITS: usize = 9;
const PROBES: u64 = 3;

/// The sketch of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sketch {
    bits: Box<[u64]>,
}

/// A value as it is looked for in sketches: hashes of its words and of its pairs of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run(Vec<u64>);

impl Sketch {
    /// The sketch of texts taken together; runs do not go over from one into the next.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut entries = Vec::new();
        texts.into_iter().for_each(|text| entries.extend(Run::of(text).0));
        let mut sketch = Self { bits: vec![0; (entries.len() * BITS).div_ceil(64)].into_boxed_slice() };
        for entry in entries {
            sketch.places(entry).for_each(|(word, bit)| {
                if let Some(word) = sketch.bits.get_mut(word) {
                    *word |= 1 << bit;
                }
            });
        }
        sketch
    }

    /// Whether the text may have this run of words; never false where it does.
    pub(crate) fn may_have(&self, run: &Run) -> bool {
        !run.0.is_empty()
            && run.0.iter().all(|entry| {
                self.places(*entry)
                    .all(|(word, bit)| self.bits.get(word).is_some_and(|word| word >> bit & 1 == 1))
            })
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bits.len() * 8
    }

    fn places(&self, entry: u64) -> impl Iterator<Item = (usize, u32)> + use<> {
        let bits = self.bits.len() as u128 * 64;
        let step = entry.rotate_left(32) | 1;
        (0..PROBES).map(move |n| {
            // The high bits of a product fall evenly on any number of places.
            let at = (u128::from(entry.wrapping_add(step.wrapping_mul(n))) * bits) >> 64;
            (usize::try_from(at / 64).unwrap_or(0), u32::try_from(at % 64).unwrap_or(0))
        })
    }
}

impl Run {
    /// The words of a value, look-alikes and hidden characters made plain.
    pub(crate) fn of(text: &str) -> Self {
        let plain = skeleton(text);
        let mut entries = Vec::new();
        let mut before: Option<u64> = None;
        for word in plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let entry = mix(hash(word));
            entries.push(entry);
            if let Some(before) = before {
                entries.push(mix(before.rotate_left(17) ^ entry));
            }
            before = Some(entry);
        }
        Self(entries)
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

#[cfg(test)]
mod tests {
    use super::{Run, Sketch};

    #[test]
    fn what_is_in_a_text_is_never_denied() {
        let sketch = Sketch::of(["Please write to Mark.Black-2134@evil.com, today", "and pay"]);
        for value in ["mark.black-2134@evil.com", "today", "Mark", "pay", "and pay"] {
            assert!(sketch.may_have(&Run::of(value)), "{value}");
        }
        assert!(!sketch.may_have(&Run::of("today and")), "runs do not go over from one text into the next");
        assert!(!sketch.may_have(&Run::of("")));
    }
}

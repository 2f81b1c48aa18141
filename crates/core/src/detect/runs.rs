//! Runs of bytes of one class, found without looking at every byte.

/// What a byte may be part of; one bit each.
const ALNUM: u8 = 1;
const BASE64: u8 = 2;
const HEX: u8 = 4;
const NUMBER: u8 = 8;
const HEX_LIST: u8 = 16;
const DIGIT: u8 = 32;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_usize;
    while byte < 128 {
        #[expect(clippy::cast_possible_truncation, reason = "below 128")]
        let c = byte as u8;
        if c.is_ascii_alphanumeric() {
            table[byte] |= ALNUM | BASE64;
        }
        if matches!(c, b'+' | b'/' | b'-' | b'_') {
            table[byte] |= BASE64;
        }
        if c.is_ascii_digit() {
            table[byte] |= DIGIT | NUMBER;
        }
        if c.is_ascii_hexdigit() {
            table[byte] |= HEX | HEX_LIST;
        }
        if matches!(c, b' ' | b'-' | b'.' | b'(' | b')' | b'+' | b'/') {
            table[byte] |= NUMBER;
        }
        if matches!(c, b' ' | b':' | b'-') {
            table[byte] |= HEX_LIST;
        }
        byte += 1;
    }
    table
}

/// A class of bytes.
#[derive(Clone, Copy)]
pub(super) struct Class(u8);

impl Class {
    /// Letters and digits.
    pub(super) const ALNUM: Self = Self(ALNUM);
    /// What base64 is written with, in both alphabets, without the padding.
    pub(super) const BASE64: Self = Self(BASE64);
    /// Hexadecimal digits.
    pub(super) const HEX: Self = Self(HEX);
    /// Digits and what people put between them.
    pub(super) const NUMBER: Self = Self(NUMBER);
    /// Hexadecimal digits and what parts pairs of them.
    pub(super) const HEX_LIST: Self = Self(HEX_LIST);
    /// Digits.
    pub(super) const DIGIT: Self = Self(DIGIT);

    /// Whether the byte is of this class.
    pub(super) fn has(self, byte: u8) -> bool {
        CLASSES[usize::from(byte)] & self.0 != 0
    }

    /// How many bytes from `from` on are of this class, counted up to `most`.
    pub(super) fn length(self, text: &[u8], from: usize, most: usize) -> usize {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take(most).take_while(|byte| self.has(**byte)).count()
    }
}

/// How many bytes at the beginning are ASCII.
pub(super) fn ascii_length(text: &[u8]) -> usize {
    const AT_ONCE: usize = 32;
    let (chunks, _) = text.as_chunks::<AT_ONCE>();
    let whole = AT_ONCE * chunks.iter().take_while(|chunk| chunk.is_ascii()).count();
    whole + text[whole..].iter().take_while(|byte| byte.is_ascii()).count()
}

/// The maximal runs of one class that have at least `least` bytes, as ranges, in order.
pub(super) fn runs(text: &[u8], class: Class, least: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
    // A run of so many bytes covers one of the places `least - 1, 2 * least - 1, ...` counted from the last end.
    let mut from = 0;
    let mut probe = least - 1;
    std::iter::from_fn(move || {
        while probe < text.len() {
            if !class.has(text[probe]) {
                from = probe + 1;
                probe += least;
                continue;
            }
            let start = (from..probe).rev().take_while(|&at| class.has(text[at])).last().unwrap_or(probe);
            let end = probe + class.length(text, probe, usize::MAX);
            from = end;
            probe = end + least;
            if end - start >= least {
                return Some((start, end));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::{Class, runs};

    #[test]
    fn runs_are_those_that_reading_every_byte_finds() {
        let mut state = 7_u64;
        for _ in 0..2_000 {
            let text: Vec<u8> = (0..80)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if (state >> 60) < 3 { b' ' } else { b'a' }
                })
                .collect();
            let mut slow = Vec::new();
            let mut at = 0;
            while at < text.len() {
                let length = Class::ALNUM.length(&text, at, usize::MAX);
                if length >= 4 {
                    slow.push((at, at + length));
                }
                at += length.max(1);
            }
            assert_eq!(runs(&text, Class::ALNUM, 4).collect::<Vec<_>>(), slow);
        }
    }
}

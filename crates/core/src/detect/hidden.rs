//! What stands in a text without showing: tags, selectors and zero-width characters, as carriers and as signs.

use std::collections::BTreeSet;

use super::confusable::{foreign_lookalike, invisible};
use super::decode::Found;
use super::runs::ascii_length;
use super::{Cue, Layer};

/// Shorter hidden texts are not kept.
const SHORTEST: usize = 4;
/// So many zero-width characters inside words are no accident of typesetting.
const ZERO_WIDTH: usize = 3;
/// So many selectors or tags in a row belong to no emoji.
const ROW: usize = 4;
/// So much of a stretch of ASCII is looked at where it meets other characters.
const EDGE: usize = 16;

/// Keeps what tags, variation selectors and zero-width bits spell.
pub(super) fn hidden(text: &str, found: &mut Found) {
    // The first bytes, in UTF-8, of everything that carries text.
    if memchr::memchr3(0xF3, 0xEF, 0xE2, text.as_bytes()).is_none() {
        return;
    }
    let (mut tags, mut selectors, mut bits) = (String::new(), Vec::new(), Vec::new());
    for c in foreign(text) {
        match c {
            '\u{E0020}'..='\u{E007E}' => tags.extend(char::from_u32(u32::from(c) - 0xE0000)),
            '\u{FE00}'..='\u{FE0F}' => selectors.push(low(u32::from(c) - 0xFE00)),
            '\u{E0100}'..='\u{E01EF}' => selectors.push(low(u32::from(c) - 0xE0100 + 16)),
            '\u{200B}' | '\u{200C}' => bits.push(c == '\u{200C}'),
            _ => {}
        }
    }
    if tags.len() >= SHORTEST {
        found.keep(Layer::Tags, tags);
    }
    for carried in [selectors, octets(&bits, false), octets(&bits, true)] {
        let text = std::str::from_utf8(&carried).ok();
        if let Some(text) = text.filter(|text| text.len() >= SHORTEST && !text.contains(char::is_control)) {
            found.keep(Layer::Tags, text.to_owned());
        }
    }
}

/// The characters of a text that are not ASCII.
fn foreign(text: &str) -> impl Iterator<Item = char> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = &rest[ascii_length(rest.as_bytes())..];
        let mut chars = rest.chars();
        let c = chars.next();
        rest = chars.as_str();
        c
    })
}

fn low(value: u32) -> u8 {
    u8::try_from(value).unwrap_or_default()
}

fn octets(bits: &[bool], turned: bool) -> Vec<u8> {
    let octet = |bits: &[bool; 8]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit != turned));
    bits.as_chunks::<8>().0.iter().map(octet).collect()
}

/// The cues that the characters of a text are, whatever it says.
pub(super) fn signs(text: &str, cues: &mut BTreeSet<Cue>) {
    let mut seen = Seen::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (ascii, others) = rest.split_at(ascii_length(rest.as_bytes()));
        // Of a long stretch of ASCII only the words at its ends have neighbours that do not show.
        let (head, tail) =
            if ascii.len() > 2 * EDGE { (&ascii[..EDGE], &ascii[ascii.len() - EDGE..]) } else { (ascii, "") };
        head.chars().chain(tail.chars()).for_each(|c| seen.take(c, cues));
        let until = others.bytes().position(|byte| byte.is_ascii()).unwrap_or(others.len());
        let (others, after) = others.split_at(until);
        others.chars().for_each(|c| seen.take(c, cues));
        rest = after;
    }
    if seen.inside >= ZERO_WIDTH || seen.longest >= 2 * ROW {
        cues.insert(Cue::HiddenUnicode);
    }
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    /// Tags and selectors in a row, and whether they follow the flag that England, Scotland and Wales spell with tags.
    row: usize,
    flag: bool,
    /// Whether the last thing that showed was a letter or digit; zero-width characters since then; the most of them in
    /// one place; those between letters or digits.
    letter: bool,
    since: usize,
    longest: usize,
    inside: usize,
    /// Scripts of the word so far.
    latin: bool,
    foreign: bool,
}

impl Seen {
    fn take(&mut self, c: char, cues: &mut BTreeSet<Cue>) {
        self.carrier(c, cues);
        self.zero_width(c);
        self.script(c, cues);
        if matches!(c, '\u{202D}' | '\u{202E}') {
            cues.insert(Cue::BidiOverride);
        }
    }

    fn carrier(&mut self, c: char, cues: &mut BTreeSet<Cue>) {
        let tag = matches!(c, '\u{E0000}'..='\u{E007F}');
        if tag || matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}') {
            self.row += 1;
            self.flag &= tag && self.row <= 6;
            if self.row >= ROW && !self.flag {
                cues.insert(Cue::HiddenUnicode);
            }
        } else {
            self.row = 0;
            self.flag = c == '\u{1F3F4}';
        }
    }

    fn zero_width(&mut self, c: char) {
        if matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}') {
            self.since += 1;
            self.longest = self.longest.max(self.since);
        } else if !invisible(c) {
            if self.letter && c.is_ascii_alphanumeric() {
                self.inside += self.since;
            }
            self.letter = c.is_ascii_alphanumeric();
            self.since = 0;
        }
    }

    fn script(&mut self, c: char, cues: &mut BTreeSet<Cue>) {
        let part = if c.is_ascii() {
            c.is_ascii_alphabetic()
        } else {
            !matches!(c, '\u{80}'..='\u{BF}' | '\u{2000}'..='\u{206F}' | '\u{3000}'..='\u{303F}')
        };
        if part {
            self.latin |= c.is_ascii();
            self.foreign |= !c.is_ascii() && foreign_lookalike(c);
            if self.latin && self.foreign {
                cues.insert(Cue::Homoglyphs);
            }
        } else if !invisible(c) {
            (self.latin, self.foreign) = (false, false);
        }
    }
}

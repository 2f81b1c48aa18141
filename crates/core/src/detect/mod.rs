//! What a text holds: how sensitive it is, and whether it tries to instruct the agent.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | [`inspect`], [`inspect_fields`] and what they give; with somebody else looking along: [`inspect_also`] |
//! | `detectors.rs` | [`DETECTORS`]: every detector with its level and grade |
//! | `cue.rs` | [`Cue`]: every injection cue with its weight; [`injection_score`] |
//! | `normal.rs` | [`normal::skeleton`], [`normal::layers`]: a text without its disguises |
//! | `confusable.rs` `decode.rs` `escapes.rs` `hidden.rs` `runs.rs` | what those are made of |
//! | `scan.rs` `words.rs` | one pass over a text for every word and prefix that something hangs on, then runs |
//! | `secrets.rs` `assigned.rs` `personal.rs` `numbers.rs` `financial.rs` `phrases.rs` | what is tested at such a place |
//! | `checks.rs` | check digits, checksums, randomness |
//!
//! The flow: a text and every text that [`normal::layers`] finds inside it are brought into plain form and scanned.
//! A place that the one pass finds is tested by looking a bounded way around it, so time is linear in the text.

mod assigned;
mod checks;
mod confusable;
mod cue;
mod decode;
mod detectors;
mod escapes;
mod financial;
mod hidden;
pub mod normal;
mod numbers;
mod personal;
mod phrases;
mod runs;
mod scan;
mod secrets;
mod words;

use std::collections::BTreeSet;
use std::fmt;

pub use cue::{Cue, injection_score};
pub use detectors::{DETECTORS, Detector};

/// Longer texts are inspected up to here, in bytes, and are not complete.
pub const LONGEST: usize = 4 * 1024 * 1024;

/// So many findings are kept; labels and cues count all.
pub const FINDINGS: usize = 64;

/// What was found in a text. It never holds a value of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Words of [`Level::as_str`] and the categories `SECRET`, `CREDENTIAL`, `PII`, `FINANCIAL`, `HEALTH`: those found.
    pub labels: BTreeSet<&'static str>,
    /// What was found where, each detector once per layer, at most [`FINDINGS`].
    pub findings: Vec<Finding>,
    /// Signs of an injection.
    pub cues: BTreeSet<Cue>,
    /// False if the text is binary, longer than [`LONGEST`], or could not be decoded to its end: then the highest level
    /// holds (R2.default), whatever was found.
    pub complete: bool,
}

/// A detector that found something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The detector's name.
    pub detector: &'static str,
    /// How sensitive the text is because of it.
    pub level: Level,
    /// How far the finding is to be believed, in basis points.
    pub grade: u16,
    /// Under which encoding it was.
    pub layer: Layer,
}

/// How sensitive data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For everybody.
    Public,
    /// For those inside.
    Internal,
    /// For those who need it.
    Confidential,
    /// For those named.
    Restricted,
}

impl Level {
    /// The word that labels and policies use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Internal => "INTERNAL",
            Self::Confidential => "CONFIDENTIAL",
            Self::Restricted => "RESTRICTED",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What hid a text; of encodings within encodings the innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// Nothing.
    Plain,
    /// Percent signs: `%41`, `%u0041`.
    Url,
    /// HTML entities.
    Html,
    /// Backslashes: `\u0041`, `\x41`.
    Escape,
    /// Base64, standard or URL-safe.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// Unicode tags, selectors or zero-width bits.
    Tags,
    /// The border between short fields that stand side by side.
    Joined,
}

impl Layer {
    /// The layer in one lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Url => "url",
            Self::Html => "html",
            Self::Escape => "escape",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Tags => "tags",
            Self::Joined => "joined",
        }
    }

    /// Whether a person who looks at the source cannot read what it hides.
    fn opaque(self) -> bool {
        matches!(self, Self::Base64 | Self::Hex | Self::Tags)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Inspects one text and every text that is encoded in it. Takes time linear in the text.
#[must_use]
pub fn inspect(text: &str) -> Inspection {
    inspect_also(text, &mut |_| {})
}

/// As [`inspect`]; `also` is shown every text that is looked at: the text itself, what is encoded in it, and the plain
/// form of each where that differs. It must take time linear in what it is shown.
pub fn inspect_also(text: &str, also: &mut dyn FnMut(&str)) -> Inspection {
    let mut inspection = Inspection { complete: true, ..Inspection::default() };
    let cut = &text[..text.floor_char_boundary(LONGEST)];
    inspection.complete = cut.len() == text.len() && !binary(cut);
    whole(cut, Layer::Plain, &mut inspection, also);
    inspection
}

/// Inspects the fields of one record: each for itself, and short neighbours together, since a secret or an
/// instruction may be split between them.
#[must_use]
pub fn inspect_fields<'a>(fields: impl Iterator<Item = &'a str>) -> Inspection {
    inspect_fields_also(fields, &mut |_| {})
}

/// As [`inspect_fields`]; `also` is shown what [`inspect_also`] shows, and the short neighbours together.
pub fn inspect_fields_also<'a>(
    fields: impl Iterator<Item = &'a str>,
    also: &mut dyn FnMut(&str),
) -> Inspection {
    /// A longer field has room for a secret of its own.
    const SHORT: usize = 256;
    let (mut all, mut joined, mut neighbours) = (String::new(), String::new(), 0);
    let mut cut = false;
    for field in fields {
        if all.len() + field.len() > LONGEST {
            cut = true;
        }
        let field = &field[..field.floor_char_boundary(LONGEST.saturating_sub(all.len() + 1))];
        all.push_str(field);
        all.push('\n');
        if field.len() <= SHORT {
            neighbours += 1;
        } else {
            // What stands between long fields is a neighbourhood of its own.
            joined.push('\n');
        }
        joined.push_str(&field[..field.floor_char_boundary(SHORT)]);
    }
    let mut inspection = inspect_also(&all, also);
    inspection.complete &= !cut;
    if neighbours > 1 {
        whole(&joined, Layer::Joined, &mut inspection, also);
    }
    inspection
}

/// A text with all its layers.
fn whole(text: &str, layer: Layer, inspection: &mut Inspection, also: &mut dyn FnMut(&str)) {
    let plain = normal::plain(text);
    if !text.is_ascii() {
        hidden::signs(text, &mut inspection.cues);
    }
    scan::scan(&plain, layer, inspection);
    show(text, &plain, also);
    let layers = normal::open(text, &plain);
    inspection.complete &= layers.complete;
    for (layer, text) in &layers.texts {
        let outside = std::mem::take(&mut inspection.cues);
        if !text.is_ascii() {
            hidden::signs(text, &mut inspection.cues);
        }
        let plain = normal::plain(text);
        scan::scan(&plain, *layer, inspection);
        show(text, &plain, also);
        if layer.opaque() && !inspection.cues.is_empty() {
            inspection.cues.insert(Cue::EncodedPayload);
        }
        inspection.cues.extend(outside);
    }
}

fn show(text: &str, plain: &str, also: &mut dyn FnMut(&str)) {
    also(text);
    if plain != text {
        also(plain);
    }
}

/// No text: zero bytes, or more than one character in 64 that text does not have.
fn binary(text: &str) -> bool {
    let strange = |byte: u8| (byte < 0x20) & !(0x09..=0x0D).contains(&byte) & (byte != 0x1B) | (byte == 0x7F);
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return true;
    }
    // Counted in bytes, without branches, so that many are counted at once.
    let count = |bytes: &[u8]| usize::from(bytes.iter().map(|byte| u8::from(strange(*byte))).sum::<u8>());
    let control: usize = text.as_bytes().chunks(u8::MAX.into()).map(count).sum();
    let lost = if text.is_ascii() { 0 } else { text.matches(char::REPLACEMENT_CHARACTER).count() };
    control + lost > 3 + text.len() / 64
}

impl Inspection {
    /// Notes a finding.
    fn found(&mut self, detector: &'static Detector, layer: Layer) {
        self.labels.insert(detector.level.as_str());
        if !detector.category.is_empty() {
            self.labels.insert(detector.category);
        }
        let known = self.findings.iter().any(|known| known.detector == detector.name && known.layer == layer);
        if !known && self.findings.len() < FINDINGS {
            let Detector { name, level, grade, .. } = detector;
            self.findings.push(Finding { detector: name, level: *level, grade: *grade, layer });
        }
    }
}

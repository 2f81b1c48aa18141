//! Opens one level of encodings: what [`super::normal::layers`] does again and again.
//!
//! Escapes (URL, HTML, backslash) are undone in their neighbourhood, since a word may be escaped in part; runs of
//! base64 and hex give what they encode, as far as that is text. Every byte is read a fixed number of times.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Layer;
use super::escapes::escapes;
use super::hidden::hidden;
use super::runs::{Class, runs};

/// Shorter runs of base64 or hex are not opened.
const SHORTEST_RUN: usize = 16;
/// A run so long that holds no text is content that nobody has read.
const LONG_RUN: usize = 1024;
/// Text between other bytes counts from this length on; shorter stretches come by chance.
const STRETCH: usize = 12;
/// What decodes to text from end to end counts from this length on.
const WHOLE: usize = 6;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decoded texts, and how many bytes more there may be.
#[derive(Debug)]
pub(super) struct Found {
    /// What was found, in order.
    pub(super) texts: Vec<(Layer, String)>,
    /// False once something was cut or could not be read.
    pub(super) complete: bool,
    left: usize,
}

impl Found {
    /// Nothing yet, and room for so many bytes.
    pub(super) fn within(bytes: usize) -> Self {
        Self { texts: Vec::new(), complete: true, left: bytes }
    }

    /// Keeps a text, cut to the room that is left.
    pub(super) fn keep(&mut self, layer: Layer, mut text: String) {
        if text.len() > self.left {
            self.complete = false;
            text.truncate(text.floor_char_boundary(self.left));
        }
        if !text.is_empty() {
            self.left -= text.len();
            self.texts.push((layer, text));
        }
    }
}

/// Everything that one step of decoding brings out of a text, whose plain form is `plain`.
pub(super) fn open(text: &str, plain: &str, found: &mut Found) {
    if !text.is_ascii() {
        hidden(text, found);
    }
    escapes(plain, found);
    let bytes = plain.as_bytes();
    let mut done = 0;
    for (start, end) in runs(bytes, Class::BASE64, SHORTEST_RUN) {
        // What was joined to an earlier run is read already.
        if start >= done {
            done = run(bytes, start, end, found);
        }
    }
    for (start, end) in runs(bytes, Class::HEX_LIST, 3 * SHORTEST_RUN / 2 - 1) {
        hex_list(&bytes[start..end], found);
    }
}

/// Opens a run, with the lines that go on from it; gives where it ends.
fn run(bytes: &[u8], start: usize, end: usize, found: &mut Found) -> usize {
    let first = &bytes[start..end];
    let hex = first.strip_prefix(b"0x").unwrap_or(first);
    if hex.len().is_multiple_of(2) && hex.iter().all(u8::is_ascii_hexdigit) {
        opened(Layer::Hex, &unhex(hex), hex.len(), found);
        return end;
    }
    if uuid(first) || !may_be_base64(first) {
        return end;
    }
    let (joined, end) = lines(bytes, start, end);
    if opened(Layer::Base64, &unbase64(&joined), 0, found) {
        return end;
    }
    // Something may stand before the code in the same run: other alignments, and parts between separators.
    let before = found.texts.len();
    for from in 1..4.min(joined.len()) {
        stretches(Layer::Base64, &unbase64(&joined[from..]), found);
    }
    for part in joined.split(|byte| !byte.is_ascii_alphanumeric()) {
        if part.len() < joined.len() && part.len() >= SHORTEST_RUN {
            if part.len().is_multiple_of(2) && part.iter().all(u8::is_ascii_hexdigit) {
                opened(Layer::Hex, &unhex(part), 0, found);
            } else if may_be_base64(part) {
                opened(Layer::Base64, &unbase64(part), 0, found);
            }
        }
    }
    found.complete &= joined.len() < LONG_RUN || found.texts.len() > before;
    end
}

/// Base64 of text has capitals or digits in it; long words and paths often have none.
fn may_be_base64(run: &[u8]) -> bool {
    run.iter().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && run.iter().any(u8::is_ascii_alphabetic)
}

fn uuid(run: &[u8]) -> bool {
    run.len() == 36
        && run.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The run and, where its line is full, the lines after it, as mail and PEM fold them.
fn lines(bytes: &[u8], start: usize, mut end: usize) -> (Vec<u8>, usize) {
    const FULL: usize = 40;
    let mut joined = bytes[start..end].to_vec();
    let mut length = end - start;
    while length >= FULL {
        let breaks: [&[u8]; 4] = [b"\n", b"\r\n", b"\\n", b"\\r\\n"];
        let Some(fold) = breaks.iter().find(|fold| bytes[end..].starts_with(fold)) else { break };
        let from = end + fold.len();
        let next = Class::BASE64.length(bytes, from, usize::MAX);
        if next == 0 || next > length {
            break;
        }
        joined.extend_from_slice(&bytes[from..from + next]);
        (length, end) = (next, from + next);
    }
    (joined, end)
}

fn unbase64(run: &[u8]) -> Vec<u8> {
    let whole = if run.len() % 4 == 1 { run.len() - 1 } else { run.len() };
    let standard: Vec<u8> = run[..whole]
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    BASE64.decode(standard).unwrap_or_default()
}

fn unhex(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    };
    digits.as_chunks::<2>().0.iter().map(|[high, low]| value(*high) << 4 | value(*low)).collect()
}

/// Pairs of hexadecimal digits with one separator between them.
fn hex_list(list: &[u8], found: &mut Found) {
    let mut digits = Vec::new();
    let mut at = 0;
    while at < list.len() {
        let length = Class::HEX.length(list, at, usize::MAX);
        if length == 2 {
            digits.extend_from_slice(&list[at..at + 2]);
        } else if length > 0 {
            listed(&mut digits, found);
        }
        at += length + 1;
    }
    listed(&mut digits, found);
}

fn listed(digits: &mut Vec<u8>, found: &mut Found) {
    if digits.len() >= SHORTEST_RUN {
        opened(Layer::Hex, &unhex(digits), 0, found);
    }
    digits.clear();
}

/// Keeps what was decoded if it is text from end to end, else its stretches of text; says whether it was text.
/// A run of `length` that gives nothing and is long leaves something unread.
fn opened(layer: Layer, decoded: &[u8], length: usize, found: &mut Found) -> bool {
    if let Some(text) = text(decoded).filter(|text| text.len() >= WHOLE) {
        found.keep(layer, text);
        return true;
    }
    let before = found.texts.len();
    stretches(layer, decoded, found);
    found.complete &= length < LONG_RUN || found.texts.len() > before;
    false
}

/// The bytes as text without control characters: UTF-8, or UTF-16 of ASCII in either order.
fn text(bytes: &[u8]) -> Option<String> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.chars().all(readable).then(|| text.to_owned());
    }
    None
}

fn readable(c: char) -> bool {
    !c.is_control() || matches!(c, '\t' | '\n' | '\r')
}

/// Keeps every stretch of text that is long enough not to be chance.
fn stretches(layer: Layer, bytes: &[u8], found: &mut Found) {
    if let Some(narrow) = narrow(bytes) {
        found.keep(layer, narrow);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().len() < STRETCH {
            continue;
        }
        for stretch in chunk.valid().split(|c| !readable(c)) {
            if stretch.len() >= STRETCH {
                found.keep(layer, stretch.to_owned());
            }
        }
    }
}

/// UTF-16 of mostly ASCII text, as some shells take their commands.
fn narrow(bytes: &[u8]) -> Option<String> {
    let pairs = bytes.as_chunks::<2>().0;
    let wide = |which: usize| pairs.iter().filter(|pair| pair[which] == 0).count() * 8 >= pairs.len() * 7;
    let from = [u16::from_be_bytes as fn([u8; 2]) -> u16, u16::from_le_bytes];
    let read = (0..2).find(|which| pairs.len() >= WHOLE && wide(*which)).map(|which| from[which])?;
    char::decode_utf16(pairs.iter().map(|pair| read(*pair)))
        .collect::<Result<String, _>>()
        .ok()
        .filter(|text| text.chars().all(readable))
}

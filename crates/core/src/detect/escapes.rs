//! Undoes escapes where they stand: `%41`, `%u0041`, `&#65;`, `&lt;`, `\u0041`, `\x41`.
//!
//! An escape may stand inside a word, so its neighbourhood is decoded with it. Neighbourhoods that meet are one.

use html_escape::NAMED_ENTITIES;
use memchr::memchr3_iter;

use super::Layer;
use super::decode::Found;

/// Around an escape so much is decoded with it, ...
const NEAR: usize = 64;
/// ... and from there on to the next space, but not farther than this.
const REACH: usize = 512;

/// A stretch of text that holds escapes.
struct Region {
    start: usize,
    /// Behind its last escape.
    last: usize,
    layer: Layer,
}

/// Keeps the neighbourhood of every escape, decoded.
pub(super) fn escapes(text: &str, found: &mut Found) {
    let bytes = text.as_bytes();
    let mut region: Option<Region> = None;
    let mut done = 0;
    for at in memchr3_iter(b'%', b'&', b'\\', bytes) {
        if at < done {
            continue;
        }
        let Some((layer, length)) = escape(bytes, at, |_| {}) else { continue };
        done = at + length;
        if let Some(open) = region.as_mut() {
            if at - open.last <= 2 * NEAR || start(bytes, at) <= end(bytes, open.last) {
                open.last = done;
                continue;
            }
            close(text, open, found);
        }
        region = Some(Region { start: start(bytes, at), last: done, layer });
    }
    if let Some(open) = region {
        close(text, &open, found);
    }
}

fn start(bytes: &[u8], at: usize) -> usize {
    let near = at.saturating_sub(NEAR);
    let reach = at.saturating_sub(REACH);
    (reach..near).rev().find(|&at| bytes[at].is_ascii_whitespace()).map_or(reach, |at| at + 1)
}

fn end(bytes: &[u8], at: usize) -> usize {
    let reach = (at + REACH).min(bytes.len());
    let near = (at + NEAR).min(bytes.len());
    (near..reach).find(|&at| bytes[at].is_ascii_whitespace()).unwrap_or(reach)
}

fn close(text: &str, region: &Region, found: &mut Found) {
    let bytes = text.as_bytes();
    let (mut at, end) =
        (text.ceil_char_boundary(region.start), text.floor_char_boundary(end(bytes, region.last)));
    let mut decoded = Vec::with_capacity(end - at);
    while at < end {
        let next = memchr::memchr3(b'%', b'&', b'\\', &bytes[at..end]).map_or(end, |next| at + next);
        decoded.extend_from_slice(&bytes[at..next]);
        let length = match escape(&bytes[..end], next, |part| decoded.extend_from_slice(part)) {
            Some((_, length)) => length,
            None => {
                decoded.extend(bytes[..end].get(next));
                1
            }
        };
        at = next + length;
    }
    found.keep(region.layer, String::from_utf8_lossy(&decoded).into_owned());
}

/// The escape at `at`: its kind and length; what it stands for is handed on.
fn escape(bytes: &[u8], at: usize, mut stands: impl FnMut(&[u8])) -> Option<(Layer, usize)> {
    let rest = bytes.get(at..)?;
    match rest {
        [b'%', b'u' | b'U', digits @ ..] | [b'\\', b'u' | b'U', digits @ ..] => {
            let layer = if rest[0] == b'%' { Layer::Url } else { Layer::Escape };
            unicode(digits, rest[0], stands).map(|length| (layer, length))
        }
        [b'%', high, low, ..] => {
            stands(&[byte(*high, *low)?]);
            Some((Layer::Url, 3))
        }
        [b'\\', b'x' | b'X', high, low, ..] => {
            stands(&[byte(*high, *low)?]);
            Some((Layer::Escape, 4))
        }
        [b'&', b'#', digits @ ..] => {
            let (code, length) = number(digits)?;
            stands(code.encode_utf8(&mut [0; 4]).as_bytes());
            Some((Layer::Html, 2 + length))
        }
        [b'&', name @ ..] => {
            let (text, length) = entity(name)?;
            stands(text.as_bytes());
            Some((Layer::Html, 1 + length))
        }
        _ => None,
    }
}

fn byte(high: u8, low: u8) -> Option<u8> {
    Some(nibble(high)? << 4 | nibble(low)?)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn four(digits: &[u8]) -> Option<u16> {
    let [a, b, c, d, ..] = digits else { return None };
    Some(u16::from_be_bytes([byte(*a, *b)?, byte(*c, *d)?]))
}

/// `\u0041`, or the two halves of a character beyond the first 65,536; gives the length from the backslash on.
fn unicode(digits: &[u8], sign: u8, mut stands: impl FnMut(&[u8])) -> Option<usize> {
    let first = four(digits)?;
    let second = match digits.get(4..) {
        Some([again, b'u' | b'U', digits @ ..]) if *again == sign => four(digits),
        _ => None,
    };
    let mut pair = char::decode_utf16([Some(first), second].into_iter().flatten());
    let c = pair.next()?.unwrap_or(char::REPLACEMENT_CHARACTER);
    stands(c.encode_utf8(&mut [0; 4]).as_bytes());
    Some(if c.len_utf16() == 2 { 12 } else { 6 })
}

/// `65;` or `x41;`, the semicolon missing or not.
fn number(digits: &[u8]) -> Option<(char, usize)> {
    const LONGEST: usize = 10;
    let (radix, from) = if matches!(digits, [b'x' | b'X', ..]) { (16, 1) } else { (10, 0) };
    let mut code = 0_u32;
    let mut at = from;
    while let Some(digit) =
        digits.get(at).filter(|_| at < LONGEST).and_then(|d| char::from(*d).to_digit(radix))
    {
        code = code.saturating_mul(radix).saturating_add(digit);
        at += 1;
    }
    let ended = digits.get(at) == Some(&b';');
    (at > from)
        .then(|| (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), at + usize::from(ended)))
}

/// `lt;` and the other names of the HTML standard.
fn entity(name: &[u8]) -> Option<(&'static str, usize)> {
    const LONGEST: usize = 32;
    let length = name.iter().take(LONGEST).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let found = name.get(..length).filter(|_| name.get(length) == Some(&b';'))?;
    // The names that honest pages are full of.
    let common = match found {
        b"amp" => Some("&"),
        b"nbsp" => Some("\u{A0}"),
        b"quot" => Some("\""),
        b"lt" => Some("<"),
        b"gt" => Some(">"),
        _ => None,
    };
    if let Some(text) = common {
        return Some((text, length + 1));
    }
    let row = NAMED_ENTITIES.binary_search_by(|(known, _)| (*known).cmp(found)).ok()?;
    Some((NAMED_ENTITIES[row].1, length + 1))
}

//! What a text says once its disguises are off: [`skeleton`] for look-alikes, [`layers`] for encodings.
//!
//! Both take time and space linear in the text. Neither is for showing to people: accents and scripts are lost.

use std::borrow::Cow;

use unicode_normalization::char::decompose_compatible;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use super::confusable::{ascii, invisible, mark};
use super::runs::ascii_length;
use super::{Layer, decode};

/// Encodings inside encodings are opened so often; what is still encoded then is left and [`Layers::complete`] says so.
pub const DEPTH: usize = 3;

/// Decoded texts together hold at most `GROWTH * input + SLACK` bytes.
pub const GROWTH: usize = 2;
/// See [`GROWTH`].
pub const SLACK: usize = 64 * 1024;

/// The text in lower case with compatibility forms taken apart (NFKD), look-alikes of ASCII made ASCII, accents and
/// invisible characters dropped, recomposed (NFC). Idempotent; ASCII in lower case is borrowed untouched.
#[must_use]
pub fn skeleton(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return Cow::Owned(rewrite(text, true));
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

/// As [`skeleton`], with the case kept: the form in which secrets are looked for.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(rewrite(text, false)) }
}

fn rewrite(text: &str, lower: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut foreign = false;
    let mut rest = text;
    while !rest.is_empty() {
        let (run, others) = rest.split_at(ascii_length(rest.as_bytes()));
        out.push_str(run);
        if lower {
            let from = out.len() - run.len();
            out[from..].make_ascii_lowercase();
        }
        let until = others.bytes().position(|byte| byte.is_ascii()).unwrap_or(others.len());
        let (others, after) = others.split_at(until);
        for c in others.chars() {
            if indivisible(c) || ascii(c).is_some() {
                foreign |= settle(c, lower, &mut out);
            } else {
                decompose_compatible(c, |part| foreign |= settle(part, lower, &mut out));
            }
        }
        rest = after;
    }
    if foreign && is_nfc_quick(out.chars()) != IsNormalized::Yes { out.nfc().collect() } else { out }
}

/// Letters of which much text is made and that have no decomposition, so that it need not be looked up.
fn indivisible(c: char) -> bool {
    matches!(c, '\u{0410}'..='\u{0418}' | '\u{041A}'..='\u{0438}' | '\u{043A}'..='\u{044F}' | '\u{4E00}'..='\u{9FA5}')
}

/// Writes one decomposed character; says whether something other than ASCII was written.
fn settle(c: char, lower: bool, out: &mut String) -> bool {
    if invisible(c) || mark(c) {
        return false;
    }
    if let Some(like) = if c.is_ascii() { Some(c) } else { ascii(c) } {
        out.push(if lower { like.to_ascii_lowercase() } else { like });
        return false;
    }
    if !lower {
        out.push(c);
        return true;
    }
    let mut foreign = false;
    for small in c.to_lowercase() {
        // Lower case may uncover a look-alike or a mark that the capital was not.
        match ascii(small) {
            _ if invisible(small) || mark(small) => {}
            Some(like) => out.push(like.to_ascii_lowercase()),
            None => {
                out.push(small);
                foreign |= !small.is_ascii();
            }
        }
    }
    foreign
}

/// Texts that were hidden inside a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Each with the encoding that hid it; encodings within encodings come after what they were found in.
    pub texts: Vec<(Layer, String)>,
    /// False when a bound cut something, or a long run of base64 or hex holds no text: not everything was read.
    pub complete: bool,
}

/// The texts inside `text` under URL, HTML and backslash escapes, base64 (standard and URL-safe, also over several
/// lines), hex, Unicode tags and selectors, nested up to [`DEPTH`]. An escape gives its neighbourhood decoded, the
/// others what they encode. Runs of base64 and hex shorter than 16 characters are not opened.
#[must_use]
pub fn layers(text: &str) -> Layers {
    open(text, &plain(text))
}

/// As [`layers`], of a text whose plain form is known already.
pub(super) fn open(text: &str, plain_text: &str) -> Layers {
    let mut found = decode::Found::within(text.len().saturating_mul(GROWTH).saturating_add(SLACK));
    decode::open(text, plain_text, &mut found);
    let mut from = 0;
    for _ in 1..DEPTH {
        let until = found.texts.len();
        for at in from..until {
            let text = std::mem::take(&mut found.texts[at].1);
            decode::open(&text, &plain(&text), &mut found);
            found.texts[at].1 = text;
        }
        from = until;
    }
    let mut beyond = decode::Found::within(SLACK);
    for (_, text) in &found.texts[from..] {
        decode::open(text, &plain(text), &mut beyond);
    }
    Layers { complete: found.complete && beyond.texts.is_empty() && beyond.complete, texts: found.texts }
}

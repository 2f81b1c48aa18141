//! The evasion corpus: ways to write a value so that whoever compares letters does not recognise it, while a
//! model or a server still does.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A way to write a value.
pub(crate) type Disguise = fn(&str) -> String;

/// Every disguise by its name.
pub(crate) const ALL: &[(&str, Disguise)] = &[
    ("as it is", str::to_owned),
    ("base64", base64),
    ("base64 for URLs", |text| URL_SAFE_NO_PAD.encode(text)),
    ("hex", hex),
    ("URL escapes throughout", |text| text.bytes().map(|b| format!("%{b:02X}")).collect()),
    ("URL escapes of signs", |text| text.replace('@', "%40").replace('.', "%2E").replace('/', "%2F")),
    ("HTML entities", |text| text.chars().map(|c| format!("&#{};", u32::from(c))).collect()),
    ("HTML entities in hex", |text| text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect()),
    ("Cyrillic look-alikes", |text| map(text, "aceopxyiABCEHKMOPTX", "асеорхуіАВСЕНКМОРТХ")),
    ("Greek look-alikes", |text| map(text, "oiABEHIKMNOPTXYZ", "οιΑΒΕΗΙΚΜΝΟΡΤΧΥΖ")),
    ("full width", |text| text.chars().map(|c| if c.is_ascii_graphic() { wide(c) } else { c }).collect()),
    ("zero-width spaces", |text| between(text, "\u{200B}")),
    ("zero-width joiners", |text| between(text, "\u{200D}")),
    ("soft hyphens", |text| between(text, "\u{00AD}")),
    ("capitals", str::to_uppercase),
    ("small letters", str::to_lowercase),
    ("blanks around", |text| format!("  {text}\t")),
    ("blanks between", |text| between(text, " ")),
    ("double quotes", |text| format!("\"{text}\"")),
    ("single quotes", |text| format!("'{text}'")),
    ("mailto", |text| format!("mailto:{text}")),
    ("angle brackets after a name", |text| format!("Alice <{text}>")),
    ("something before", |text| format!("x-{text}")),
    ("something behind", |text| format!("{text}?from=alice")),
    ("base64 in base64", |text| base64(&base64(text))),
    ("base64 in hex", |text| hex(&base64(text))),
    ("hex in base64", |text| base64(&hex(text))),
    ("URL escapes in HTML entities", |text| text.replace('@', "&#37;40").replace('.', "&#37;2E")),
];

/// Those that leave the value's letters in words of their own, look-alikes made plain: what is recognised even where no
/// request is known, and the value therefore needs no evidence but only must be nobody else's.
pub(crate) const RECOGNISED: &[&str] = &[
    "as it is",
    "Cyrillic look-alikes",
    "Greek look-alikes",
    "full width",
    "zero-width spaces",
    "zero-width joiners",
    "soft hyphens",
    "capitals",
    "small letters",
    "blanks around",
    "double quotes",
    "single quotes",
];

/// Both ends of a value that is split somewhere inside.
pub(crate) fn split(text: &str, at: usize) -> (String, String) {
    let letters: Vec<char> = text.chars().collect();
    let at = 1 + at % letters.len().saturating_sub(1).max(1);
    (letters[..at].iter().collect(), letters[at..].iter().collect())
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn between(text: &str, gap: &str) -> String {
    text.chars().map(String::from).collect::<Vec<_>>().join(gap)
}

fn map(text: &str, from: &str, to: &str) -> String {
    let find = |c: char| from.chars().position(|f| f == c).and_then(|at| to.chars().nth(at));
    text.chars().map(|c| find(c).unwrap_or(c)).collect()
}

fn wide(c: char) -> char {
    char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c)
}

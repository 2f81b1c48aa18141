//! Secrets that a word announces: `password: …`, `client_secret=…`, "your code is …", "seed phrase: …".

use super::checks::{distinct, random};
use super::detectors::{Detector, NAMED_SECRET, ONE_TIME_CODE, PASSWORD, SEED_PHRASE};
use super::secrets::{blank, fresh};
use super::words::Words;

/// What kind of secret a word announces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A password: anything that is not a plain word in a sentence.
    Password,
    /// A key: letters and digits, at least eight.
    Key,
    /// A token: only what looks drawn at random.
    Token,
    /// A code for one use: a few digits.
    Code,
}

/// The words, by kind.
pub(super) const NAMES: &[(Named, &[&str])] = &[
    (Named::Password, &["password", "passwd", "passphrase", "passcode", "pwd", "passwort", "contrasena"]),
    (
        Named::Key,
        &[
            "api key",
            "api_key",
            "api-key",
            "apikey",
            "access key",
            "access_key",
            "access-key",
            "accesskey",
            "secret key",
            "secret_key",
            "secret-key",
            "secretkey",
            "private key",
            "private_key",
            "private-key",
            "privatekey",
            "signing key",
            "signing_key",
            "encryption key",
            "encryption_key",
            "account key",
            "account_key",
            "master key",
            "master_key",
            "client secret",
            "client_secret",
            "client-secret",
            "clientsecret",
            "license key",
            "licence key",
            "product key",
        ],
    ),
    (Named::Token, &["secret", "token", "credential", "access_key_id", "apisecret"]),
    (
        Named::Code,
        &[
            "verification code",
            "security code",
            "one-time",
            "one time",
            "passcode",
            "otp",
            "login code",
            "log-in code",
            "access code",
            "authentication code",
            "authorization code",
            "auth code",
            "2fa",
            "mfa code",
            "sign-in code",
            "signin code",
            "pin code",
            "your pin",
            "pin:",
            "pin is",
            "recovery code",
            "backup code",
            "unlock code",
            "door code",
            "gate code",
            "alarm code",
            "confirmation pin",
        ],
    ),
];

/// Words that announce a seed phrase.
pub(super) const SEED_WORDS: &[&str] = &[
    "seed phrase",
    "seed words",
    "recovery phrase",
    "recovery words",
    "mnemonic",
    "secret phrase",
    "wallet backup",
    "backup phrase",
];

/// Twelve to twenty-four simple words, numbered or not.
pub(super) const SEED: &str = r#"\A[^\n]{0,40}?[:\n"'](?:\s|\\n|["'])*(?:(?:\d{1,2}[.):]?\s{0,2})?[a-z]{3,8}(?:[,;]?\s|,|\\n){1,4}){11,23}(?:\d{1,2}[.):]?\s{0,2})?[a-z]{3,8}(?:[^a-z]|\z)"#;

/// How far behind the words that announce it a seed phrase is looked for.
const AHEAD: usize = 400;

/// What the word at `start..end` announces, if it is given.
pub(super) fn named(text: &[u8], start: usize, end: usize, kind: Named) -> Option<&'static Detector> {
    if kind == Named::Code {
        return code(text, start, end).then_some(&ONE_TIME_CODE);
    }
    // `passwords`, `password_hash`: not the thing itself.
    let end = if text.get(end) == Some(&b's') { end + 1 } else { end };
    if text.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return None;
    }
    if kind == Named::Token && paging(&text[start.saturating_sub(16)..start]) {
        return None;
    }
    let given = given(text, end)?;
    let value = given.value;
    let secret = match kind {
        Named::Password => password(value, &given),
        Named::Key => key(value) || (value.len() >= 16 && random(value)),
        Named::Token | Named::Code => value.len() >= 16 && random(value),
    };
    let detector = if kind == Named::Password { &PASSWORD } else { &NAMED_SECRET };
    (secret && !blank(value) && !value.windows(3).any(|three| three == b"://")).then_some(detector)
}

/// How a value was given.
struct Given<'a> {
    /// Without what closes the sentence or the string around it.
    value: &'a [u8],
    /// By "is" rather than by a sign.
    stated: bool,
    quoted: bool,
    /// Nothing follows it on its line or in its string.
    ended: bool,
}

/// The value behind a name: a sign or "is", perhaps after a few words, and then something without spaces.
fn given(text: &[u8], end: usize) -> Option<Given<'_>> {
    const WORDS: usize = 7;
    const WORD: usize = 24;
    const SIGNS: [&[u8]; 5] = [b":=", b"=>", b"->", b"=", b":"];
    const MORE: [&[u8]; 2] = [b" set to ", b" now "];
    let mut at = end + markup(&text[end..], 4);
    for _ in 0..=WORDS {
        let gap = text[at..].iter().take(4).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        at += gap + markup(&text[at + gap..], 3);
        let rest = &text[at..];
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(sign)) {
            return value(text, at + sign.len(), false);
        }
        let part = |byte: &u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\'' | b'.' | b'@' | b'&' | b'/' | b'-')
        };
        let word = rest.iter().take(WORD + 1).take_while(|byte| part(byte)).count();
        if gap == 0 || word == 0 || word > WORD {
            return None;
        }
        at += word;
        if [&b"is"[..], b"was"].iter().any(|is| rest[..word].eq_ignore_ascii_case(is)) {
            at += MORE.iter().find(|more| text[at..].starts_with(more)).map_or(0, |more| more.len() - 1);
            at += text[at..].iter().take(2).take_while(|byte| matches!(byte, b' ' | b':')).count();
            return value(text, at, true);
        }
    }
    None
}

/// How many of the first bytes are quotes and emphasis.
fn markup(text: &[u8], most: usize) -> usize {
    let is = |byte: &u8| matches!(byte, b'"' | b'\'' | b'`' | b'*' | b'_' | b')' | b']' | b'\\');
    text.iter().take(most).take_while(|byte| is(byte)).count()
}

fn value(text: &[u8], at: usize, stated: bool) -> Option<Given<'_>> {
    const SPACE: usize = 12;
    const LONGEST: usize = 256;
    let mut from = at;
    let mut quoted = false;
    while from < text.len().min(at + SPACE) {
        from += match &text[from..] {
            [b'\\', b'n' | b'r' | b't', ..] => 2,
            [byte, ..] if byte.is_ascii_whitespace() => 1,
            [b'"' | b'\'' | b'`' | b'*' | b'_' | b'\\', ..] => {
                quoted = true;
                1
            }
            _ => break,
        };
    }
    let part = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>');
    let length = text[from..].iter().take(LONGEST).take_while(|byte| part(byte)).count();
    let value = &text[from..from + length];
    (length >= 4).then(|| Given {
        value: trimmed(value, quoted),
        stated,
        quoted,
        ended: ended(value, text.get(from + length)),
    })
}

fn ended(value: &[u8], after: Option<&u8>) -> bool {
    after.is_none_or(|byte| matches!(byte, b'"' | b'\'' | b'`' | b'\n' | b'\r' | b'<'))
        || value.contains(&b'\\')
}

fn trimmed(value: &[u8], quoted: bool) -> &[u8] {
    let escape = value.iter().position(|byte| *byte == b'\\').unwrap_or(value.len());
    let mut value = &value[..escape];
    while let [rest @ .., b'.' | b',' | b';' | b')' | b']' | b'}' | b':'] = value {
        if quoted && !matches!(value.last(), Some(b',' | b'.')) {
            break;
        }
        value = rest;
    }
    value
}

fn password(value: &[u8], given: &Given<'_>) -> bool {
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let code =
        !given.quoted && value.iter().any(|byte| matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}'));
    let signs = value.iter().any(|byte| {
        matches!(byte, b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'&' | b'*' | b'?' | b'~' | b'+' | b'=')
    });
    match (letters, digits) {
        _ if code || value.len() < 4 => false,
        (true, 1..) => true,
        (true, 0) if signs => value.len() >= 6,
        // A plain word is a password only where nothing else can be meant.
        (true, 0) => value.len() >= 6 && !given.stated && given.ended,
        (false, digits) => digits >= 4 && !value.contains(&b'/') && !value.contains(&b':'),
    }
}

fn key(value: &[u8]) -> bool {
    value.len() >= 8
        && distinct(value) >= 6
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && !value.iter().any(|byte| matches!(byte, b'(' | b'[' | b'{'))
}

/// Tokens by which lists go on are not secret.
fn paging(before: &[u8]) -> bool {
    let low = before.to_ascii_lowercase();
    ["page", "next", "continu", "sync", "delta", "cursor", "cancel", "max_", "max", "resume"]
        .iter()
        .any(|word| low.windows(word.len()).any(|window| window == word.as_bytes()))
}

/// A code behind `: `, `is` or `=`, or before "is your ...".
fn code(text: &[u8], start: usize, end: usize) -> bool {
    const AHEAD: usize = 64;
    const BACK: usize = 32;
    if !fresh(text, start) {
        return false;
    }
    let ahead = &text[end..text.len().min(end + AHEAD)];
    let sign = ahead.iter().enumerate().find_map(|(at, byte)| match byte {
        b':' | b'=' => Some(at + 1),
        b' ' if ahead[at..].starts_with(b" is ") => Some(at + 4),
        b'\n' | b'.' | b'?' => Some(usize::MAX),
        _ => None,
    });
    // `pin:` and `pin is` have taken the sign with them.
    let sign = if matches!(text[end - 1], b':') || text[..end].ends_with(b" is") { Some(0) } else { sign };
    if sign.and_then(|sign| ahead.get(sign..)).is_some_and(digits) {
        return true;
    }
    let back = &text[start.saturating_sub(BACK)..start].to_ascii_lowercase();
    let joint = [" is your", " is the", " as your", " as the"];
    let before = joint.iter().find_map(|joint| {
        back.windows(joint.len()).rposition(|window| window == joint.as_bytes()).map(|at| &back[..at])
    });
    before.is_some_and(|before| {
        let word = before
            .iter()
            .rposition(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')
            .map_or(0, |at| at + 1);
        digits(&before[word..])
    })
}

/// Begins with a code of four to eight digits, perhaps in two groups or with a letter and a dash before it.
fn digits(value: &[u8]) -> bool {
    let skipped = value
        .iter()
        .take(8)
        .take_while(|byte| {
            matches!(byte, b' ' | b'"' | b'\'' | b'*' | b'_' | b'`' | b'#' | b'\n' | b'\r' | b'\t' | b'\\')
        })
        .count();
    let mut value = &value[skipped..];
    if let [b'a'..=b'z' | b'A'..=b'Z', b'-', rest @ ..] = value {
        value = rest;
    }
    let first = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &value[first..];
    let second = match rest {
        [b'-' | b' ', more @ ..] if first == 3 || first == 4 => {
            more.iter().take_while(|byte| byte.is_ascii_digit()).count()
        }
        _ => 0,
    };
    let after = rest.get(if second > 0 { second + 1 } else { 0 });
    let alone = after.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'/' && *byte != b'%');
    alone && ((4..=8).contains(&first) && second == 0 || second == first)
}

/// A seed phrase behind the words that announce it.
pub(super) fn seed(text: &[u8], end: usize, words: &Words) -> Option<&'static Detector> {
    words.seed.is_match(&text[end..text.len().min(end + AHEAD)]).then_some(&SEED_PHRASE)
}

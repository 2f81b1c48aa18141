//! `path.*`: a path as the file system will see it, by its text alone.
//!
//! Links are not followed: whoever opens the file must do that below a folder of its own. What a text can hide is
//! undone (repeated slashes, `.`, `..`, percent signs, look-alikes of dots and slashes, backslashes); where what is
//! hidden would climb, or readers would open different files, there is no answer.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use super::text_of;

/// Bytes of a path at most; file systems allow 4096.
const LONGEST: usize = 8 * 1024;

/// How often what is hidden may itself be hidden.
const LAYERS: usize = 3;

/// What is known of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Components joined by single slashes; `.` for the folder where one stands.
    pub(super) normal: String,
    /// From a root: `/`, a drive, or a home folder.
    pub(super) absolute: bool,
    /// Some component begins with a dot.
    pub(super) hidden: bool,
    /// After the last dot of the last component, lower-case.
    pub(super) extension: String,
}

/// Reads a text as a path.
pub(super) fn read(value: &Value) -> Option<Parts> {
    parts(text_of(value, LONGEST)?)
}

/// The normal form of a path, as `path.normal` gives it; `None` where it has none.
#[must_use]
pub fn normal_path(text: &str) -> Option<String> {
    if text.len() > LONGEST { None } else { parts(text).map(|parts| parts.normal) }
}

/// Whether a normal path is a folder or lies below it; `None` when only the file system could tell.
///
/// Whole components count. A relative path lies below an absolute folder or not, depending on where one stands, and a
/// home folder lies somewhere below `/`.
#[must_use]
pub fn under(normal: &str, folder: &str) -> Option<bool> {
    let folder = normal_path(folder)?;
    match (root(normal), root(&folder)) {
        (one, other) if one == other => Some(is_below(normal, &folder)),
        (Root::Home | Root::Slash, Root::Slash | Root::Home) if folder == "/" => Some(true),
        (Root::Drive, Root::Slash | Root::Home) | (Root::Slash | Root::Home, Root::Drive) => Some(false),
        _ => None,
    }
}

/// Whether a normal path is surely a folder or lies below it: [`under`], and no when that cannot be told.
#[must_use]
pub fn is_under(normal: &str, prefix: &str) -> bool {
    under(normal, prefix) == Some(true)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Slash,
    Home,
    Drive,
    Here,
}

fn root(normal: &str) -> Root {
    match normal.as_bytes() {
        [b'/', ..] => Root::Slash,
        [b'~', ..] => Root::Home,
        [drive, b':', ..] if drive.is_ascii_alphabetic() => Root::Drive,
        _ => Root::Here,
    }
}

fn is_below(normal: &str, folder: &str) -> bool {
    match folder {
        "." => true,
        "/" => normal.starts_with('/'),
        _ => {
            let same = |a: &str, b: &str| {
                // Drives belong to file systems that do not tell `A` from `a`.
                if root(folder) == Root::Drive { a.eq_ignore_ascii_case(b) } else { a == b }
            };
            let (mut path, mut of) = (normal.split('/'), folder.split('/').filter(|part| !part.is_empty()));
            if normal.starts_with('/') {
                path.next();
            }
            of.all(|wanted| path.next().is_some_and(|found| same(found, wanted)))
        }
    }
}

fn parts(text: &str) -> Option<Parts> {
    let text = without_scheme(text)?;
    let plain = revealed(text)?;
    let hid = plain != text;
    if plain.is_empty() || plain.trim() != plain || plain.contains(is_unreadable) {
        return None;
    }
    let (root, rest) = rooted(&plain, text)?;
    let mut kept: Vec<&str> = Vec::new();
    for component in rest.split('/') {
        match component {
            "" | "." => {}
            ".." if hid => return None,
            ".." => {
                kept.pop()?;
            }
            other if is_odd(other) => return None,
            other => kept.push(other),
        }
    }
    if is_alias_of_another(&root, &kept)
        || (root.ends_with(':') && kept.iter().any(|part| is_short_name(part)))
    {
        return None;
    }
    // `./~/a` is a folder called `~`; without the dot it would be another.
    if root.is_empty()
        && kept.first().is_some_and(|first| rooted(first, first).is_none_or(|(root, _)| !root.is_empty()))
    {
        return None;
    }
    let last = kept.last().copied().unwrap_or_default();
    let extension = last.rsplit_once('.').filter(|(name, _)| !name.is_empty()).map_or("", |(_, end)| end);
    Some(Parts {
        absolute: !root.is_empty(),
        hidden: kept.iter().any(|part| part.starts_with('.')),
        extension: extension.to_lowercase(),
        normal: joined(&root, &kept),
    })
}

fn joined(root: &str, kept: &[&str]) -> String {
    match (root, kept) {
        ("", []) => ".".to_owned(),
        ("/", []) => "/".to_owned(),
        ("", _) => kept.join("/"),
        ("/", _) => format!("/{}", kept.join("/")),
        // A drive alone is wherever one stands on it.
        (drive, []) if drive.ends_with(':') => format!("{drive}/"),
        (_, []) => root.to_owned(),
        _ => format!("{root}/{}", kept.join("/")),
    }
}

/// The path of a `file:` URL; no other URL is a path.
fn without_scheme(text: &str) -> Option<&str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Some(text) };
    if scheme.eq_ignore_ascii_case("file") {
        let rest = rest.strip_prefix("localhost").unwrap_or(rest);
        return rest.starts_with('/').then_some(rest);
    }
    let is_scheme = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    (!is_scheme).then_some(text)
}

/// Percent signs and look-alikes undone, as often as they were applied, within reason.
fn revealed(text: &str) -> Option<String> {
    let mut plain: String = text.nfc().map(alike).collect();
    for _ in 0..LAYERS {
        let Some(decoded) = percent_decoded(&plain)? else { return Some(plain) };
        plain = decoded.nfc().map(alike).collect();
    }
    None
}

/// Dots and slashes that only look like them; some readers fold them, and a backslash is a slash to some.
const fn alike(c: char) -> char {
    match c {
        '\u{2024}' | '\u{fe52}' | '\u{ff0e}' => '.',
        '\\' | '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0f}' | '\u{2216}' | '\u{29f5}' | '\u{fe68}'
        | '\u{ff3c}' => '/',
        '\u{ff5e}' => '~',
        other => other,
    }
}

/// Decoded once; `Some(None)` when nothing is encoded, `None` when it is no UTF-8 (overlong dots among them).
fn percent_decoded(text: &str) -> Option<Option<String>> {
    let bytes = text.as_bytes();
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut changed = false;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                plain.push(high * 16 + low);
                at += 3;
                changed = true;
            }
            // `%u002e` is how some older servers write code points.
            (b'%', ..) if matches!(bytes.get(at + 1), Some(b'u' | b'U')) => return None,
            _ => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    let plain = String::from_utf8(plain).ok()?;
    Some(changed.then_some(plain))
}

/// Control characters, and those that show nothing or turn the direction of text.
fn is_unreadable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

/// The root (`/`, `~`, `~name`, `c:` or nothing) and what follows it.
fn rooted<'a>(plain: &'a str, written: &str) -> Option<(String, &'a str)> {
    if plain.starts_with('/') {
        // `\\server\share` and `\\?\`: another machine, or another way to read the rest.
        return (!written.starts_with('\\')).then(|| ("/".to_owned(), plain));
    }
    let (first, rest) = plain.split_once('/').unwrap_or((plain, ""));
    if first.starts_with('~') {
        let named = first.bytes().skip(1).all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        return named.then(|| (first.to_owned(), rest));
    }
    match first.as_bytes() {
        [drive, b':'] if drive.is_ascii_alphabetic() && plain.len() > 2 => {
            Some((first.to_ascii_lowercase(), rest))
        }
        // `c:name` is below wherever that drive stands.
        [drive, b':', ..] if drive.is_ascii_alphabetic() => None,
        [b'$', ..] => None,
        [b'%', .., b'%'] => None,
        _ => Some((String::new(), plain)),
    }
}

/// Components that some systems shorten to others.
fn is_odd(component: &str) -> bool {
    component.ends_with(['.', ' '])
        || component.starts_with(' ')
        || component.contains("::$")
        || component.len() > 255
}

/// `/proc/self/root` is `/`.
fn is_alias_of_another(root: &str, kept: &[&str]) -> bool {
    let alias = |part: &&str| matches!(*part, "root" | "cwd" | "fd" | "exe" | "task" | "map_files");
    match (root, kept) {
        ("/", ["proc", _, rest @ ..]) => rest.iter().any(alias),
        ("/", ["dev", "fd", ..]) => true,
        _ => false,
    }
}

/// `PROGRA~1`
fn is_short_name(part: &str) -> bool {
    part.split('~').skip(1).any(|after| after.starts_with(|c: char| c.is_ascii_digit()))
}

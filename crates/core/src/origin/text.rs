//! Words, sentences and the things in a text that could name somebody or something.

use std::borrow::Cow;
use std::ops::Deref;

/// A word of a text, folded for comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// As written.
    pub(crate) raw: &'a str,
    /// In lower case.
    pub(crate) folded: Folded<'a>,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// Whether only blanks stand between it and the word before.
    pub(crate) joined: bool,
}

/// A word in lower case; most words are as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folded<'a>(Cow<'a, str>);

impl Folded<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Folded<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<&str> for Folded<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl PartialEq<Folded<'_>> for &str {
    fn eq(&self, other: &Folded<'_>) -> bool {
        **self == *other.0
    }
}

/// A text as it is compared with what somebody typed: lower case, one blank between words. Nothing is
/// decoded and no look-alike is mapped, so that only what a person really typed is taken as typed.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        if word.is_ascii() {
            let from = out.len();
            out.push_str(word);
            out.get_mut(from..).unwrap_or_default().make_ascii_lowercase();
        } else {
            out.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
    out
}

fn lower(word: &str) -> Folded<'_> {
    Folded(match word.is_ascii() {
        true if word.bytes().any(|b| b.is_ascii_uppercase()) => Cow::Owned(word.to_ascii_lowercase()),
        true => Cow::Borrowed(word),
        false => Cow::Owned(word.to_lowercase()),
    })
}

/// The words of a text: letters, digits and what ties them together (`'`, `-`).
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut words = Words::default();
    if text.is_ascii() {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let length = |from: usize, inside: bool| {
                let rest = bytes.get(from..).unwrap_or_default();
                rest.iter().take_while(|b| is(**b, TIED) == inside).count()
            };
            let from = at + length(at, false);
            at = from + length(from, true);
            words.push(text, from, at);
        }
        return words.found;
    }
    let mut start = None;
    for (at, c) in text.char_indices() {
        let inside = c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push(text, from, at);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        words.push(text, from, text.len());
    }
    words.found
}

#[derive(Default)]
struct Words<'a> {
    found: Vec<Token<'a>>,
    /// Where the word before ended.
    end: usize,
}

impl<'a> Words<'a> {
    fn push(&mut self, text: &'a str, from: usize, to: usize) {
        let raw = text.get(from..to).unwrap_or_default();
        let tied = raw.starts_with(['\'', '-', '’']) || raw.ends_with(['\'', '-', '’']);
        let raw = if tied { raw.trim_matches(['\'', '-', '’']) } else { raw };
        if !raw.is_empty() {
            let between = text.get(self.end..from).unwrap_or_default();
            let joined = between == " " || between.chars().all(char::is_whitespace);
            self.found.push(Token { raw, folded: lower(raw), at: from, joined });
            // A dash by itself parts clauses, so it stays between.
            self.end = to;
        }
    }
}

/// Of what bytes are made, for texts of ASCII.
pub(super) const WORD: u8 = 1;
const TIED: u8 = 2;
const ENDS: u8 = 4;
const PARTS: u8 = 8;
/// Whatever is a literal has one of them.
const MARK: u8 = 16;
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0_u8;
    while at < 128 {
        let mut class = 0;
        if at.is_ascii_alphanumeric() {
            class |= WORD | TIED;
        }
        if matches!(at, b'\'' | b'-') {
            class |= TIED;
        }
        if matches!(at, b'\n' | b';' | b'.' | b'?' | b'!') {
            class |= ENDS;
        }
        if matches!(at, b'@' | b'#' | b':' | b'.' | b'0'..=b'9') {
            class |= MARK;
        }
        // Blanks as `char::is_whitespace` knows them, and what stands around words.
        if matches!(
            at,
            9..=13
                | b' '
                | b'<'
                | b'>'
                | b'('
                | b')'
                | b'['
                | b']'
                | b'{'
                | b'}'
                | b'"'
                | b'`'
                | b','
                | b';'
                | b'|'
        ) {
            class |= PARTS;
        }
        table[at as usize] = class;
        at += 1;
    }
    table
}

pub(super) const fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// Cuts a text into sentences: at full stops, question and exclamation marks, line ends and semicolons that
/// end something, never inside a name, a number or an address.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    spans(text).into_iter().filter_map(|(from, to)| text.get(from..to)).collect()
}

/// Where the sentences of a text stand, in bytes, blanks around them left out.
pub(crate) fn spans(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut keep = |from: usize, to: usize| {
        let part = text.get(from..to).unwrap_or_default();
        let from = to - part.trim_start().len();
        let to = from + part.trim().len();
        if from < to {
            found.push((from, to));
        }
    };
    let mut from = 0;
    // Where the first letter of a sentence stands: blanks before it are read once, whatever stands behind them.
    let mut head = None;
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| is(*byte, ENDS)) {
        let ends = matches!(byte, b'\n' | b';') || {
            let before = text.get(..at).and_then(|t| t.chars().next_back()).unwrap_or(' ');
            let begins = || from + text.get(from..).map_or(0, |t| t.len() - t.trim_start().len());
            let numbered = byte == b'.'
                && before.is_ascii_digit()
                && numbers_an_item(text.get(*head.get_or_insert_with(begins)..at));
            let rest = text.get(at + 1..).unwrap_or_default();
            !numbered && (ends_here(rest) || before.is_lowercase() && begins_unspaced(rest))
        };
        if ends {
            keep(from, at + 1);
            from = at + 1;
            head = None;
        }
    }
    keep(from, text.len());
    found
}

/// What comes after a full stop: blanks and something that may begin a sentence, closing quotes left aside.
fn ends_here(rest: &str) -> bool {
    let rest = rest.trim_start_matches(['"', '\'', ')', '”', '’', '`']);
    let begins = rest.trim_start().chars().next();
    (rest.is_empty() || rest.starts_with(char::is_whitespace)) && !begins.is_some_and(char::is_lowercase)
}

/// People forget the blank: `…example.com.They sent`.
fn begins_unspaced(rest: &str) -> bool {
    let mut chars = rest.chars();
    let (first, second) = (chars.next(), chars.next());
    first.is_some_and(char::is_uppercase)
        && second.is_some_and(char::is_lowercase)
        && rest.trim_start_matches(char::is_alphabetic).starts_with(' ')
}

/// `1.` and `12.` at the beginning of an item number it, they do not end it.
fn numbers_an_item(so_far: Option<&str>) -> bool {
    so_far.is_some_and(|text| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
}

/// What a literal is, by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// `somebody@example.com`
    Mail,
    /// `https://…`, `www.…`, `example.com/…`
    Url,
    /// Something long of letters and digits that names an account, a wallet or an id.
    Account,
    /// `name.ext`, `folder/name`
    File,
    /// `#channel`, `@name`
    Handle,
    /// A number.
    Number,
}

/// Something in a text that could name somebody or something all by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) form: Form,
    /// Folded as [`plain`].
    pub(crate) text: String,
}

/// The literals of a text.
pub(crate) fn literals(text: &str) -> Vec<Literal> {
    let mut found = Vec::new();
    named(text, |form, word| found.push(Literal { form, text: word.to_lowercase() }));
    found
}

/// Hands the literals of a text on, as written.
pub(crate) fn named<'a>(text: &'a str, mut take: impl FnMut(Form, &'a str)) {
    let mut word = |word: &'a str| {
        let word = word
            .trim_start_matches(['\'', '‘', '*', '='])
            .trim_end_matches(['\'', '’', '.', '?', '!', ':', '*']);
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
        if word.bytes().any(|b| is(b, MARK))
            && let Some(form) = form(word)
        {
            take(form, word);
        }
    };
    if !text.is_ascii() {
        let parts = |c: char| match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => is(byte, PARTS),
            _ => c.is_whitespace() || matches!(c, '“' | '”'),
        };
        return text.split(parts).for_each(word);
    }
    let (mut from, mut marked) = (0, 0);
    for (at, byte) in text.bytes().enumerate() {
        let class = CLASSES.get(usize::from(byte)).copied().unwrap_or_default();
        marked |= class & MARK;
        if class & PARTS != 0 {
            if marked != 0 {
                word(text.get(from..at).unwrap_or_default());
            }
            (from, marked) = (at + 1, 0);
        }
    }
    word(text.get(from..).unwrap_or_default());
}

/// The form of one word; `None` for an ordinary one.
pub(crate) fn form(word: &str) -> Option<Form> {
    if word.is_empty() {
        return None;
    }
    if let Some((local, host)) = word.split_once('@')
        && !local.is_empty()
        && host.contains('.')
    {
        return Some(Form::Mail);
    }
    if word.starts_with(['#', '@']) && word.len() > 1 {
        return Some(Form::Handle);
    }
    if word.starts_with("www.") || word.contains("://") {
        return Some(Form::Url);
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits > 0 && is_number(word) {
        return Some(Form::Number);
    }
    if digits >= 4 && is_account(word) {
        return Some(Form::Account);
    }
    dotted(word)
}

/// A number as people write amounts, with an optional sign of currency.
pub(crate) fn number(word: &str) -> Option<f64> {
    let bare = word.trim_matches(['$', '€', '£', '%', '¥']);
    let bare: Cow<'_, str> =
        if bare.contains(',') { Cow::Owned(bare.replace(',', "")) } else { Cow::Borrowed(bare) };
    if !bare.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+' || c == '.') {
        return None;
    }
    bare.parse::<f64>().ok().filter(|n| n.is_finite())
}

fn is_number(word: &str) -> bool {
    number(word).is_some() && word.len() <= 15
}

/// Ten letters and digits or more, dashes left aside; who asks has counted four digits among them.
fn is_account(word: &str) -> bool {
    let bare = || word.bytes().filter(|b| *b != b'-');
    bare().count() >= 10 && bare().all(|b| b.is_ascii_alphanumeric())
}

/// A file has an extension, a site a host or a path.
fn dotted(word: &str) -> Option<Form> {
    const SITES: [&str; 14] =
        ["com", "org", "net", "io", "edu", "gov", "co", "dev", "app", "info", "ai", "de", "uk", "eu"];
    let (stem, end) = word.rsplit_once('.')?;
    let plain = |s: &str| !s.is_empty() && !s.contains("..") && s.chars().any(char::is_alphabetic);
    let path = end.split_once('/');
    let top = path.map_or(end, |(top, _)| top);
    if plain(stem) && SITES.iter().any(|site| top.eq_ignore_ascii_case(site)) {
        return Some(Form::Url);
    }
    let extension = (1..=5).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric());
    (extension && plain(stem) && end.chars().any(char::is_alphabetic) && stem.len() > 1).then_some(Form::File)
}

/// FNV-1a over a word: good enough to say where it may be; what must be sure is compared in full.
pub(crate) fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{Form, literals, plain, sentences, tokens};

    #[test]
    fn sentences_end_where_people_end_them() {
        let text = "1. Pay 12.50 to a.b@c.com. 2. Is it there? Then, send 'x.txt' now";
        assert_eq!(
            sentences(text),
            ["1. Pay 12.50 to a.b@c.com.", "2. Is it there?", "Then, send 'x.txt' now"]
        );
    }

    #[test]
    fn literals_are_found_by_their_form() {
        let found = literals(
            "mail 'Bob@X.com', see www.x.com/a?b=1 and GB29NWBK60161331926819: notes.txt #ops 12.50.",
        );
        let forms: Vec<Form> = found.iter().map(|l| l.form).collect();
        assert_eq!(forms, [Form::Mail, Form::Url, Form::Account, Form::File, Form::Handle, Form::Number]);
        assert_eq!(found.first().map(|l| l.text.as_str()), Some("bob@x.com"));
    }

    #[test]
    fn words_keep_what_ties_them() {
        let words: Vec<String> =
            tokens("Don't re-open 'it'").into_iter().map(|t| t.folded.to_string()).collect();
        assert_eq!(words, ["don't", "re-open", "it"]);
        assert_eq!(plain("  A  b\nC "), "a b c");
    }
}

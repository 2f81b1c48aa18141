//! Every word and prefix that something hangs on, in one automaton.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::Regex;

use super::assigned::{self, Named};
use super::detectors::Detector;
use super::secrets::{PREFIXES, Prefix};
use super::{Cue, personal, phrases};

/// Words at which a pattern is tried, and what it means when it holds.
pub(super) struct Phrase {
    /// Where to look, in lower case; any case of ASCII letters matches.
    pub(super) words: &'static [&'static str],
    /// Where the words must stand.
    pub(super) place: Place,
    /// The pattern, over the bytes from `back` before the word to `ahead` behind its beginning.
    pub(super) pattern: &'static str,
    /// See `pattern`.
    pub(super) back: usize,
    /// See `pattern`.
    pub(super) ahead: usize,
    /// What it means.
    pub(super) means: Means,
}

/// Where a word must stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere.
    Anywhere,
    /// Not within a word.
    Word,
    /// At the beginning of a line or a string, decoration aside.
    Line,
}

/// What a phrase is a sign of.
#[derive(Clone, Copy)]
pub(super) enum Means {
    /// A cue.
    Cue(Cue),
    /// A finding.
    Finding(&'static Detector),
}

/// What a word leads to.
#[derive(Clone, Copy)]
pub(super) enum Word {
    /// A provider's prefix.
    Prefix(&'static Prefix),
    /// The beginning of a private key.
    PrivateKey,
    /// `.eyJ`.
    Jwt,
    /// `Q~`.
    Azure,
    /// `://`.
    Authority,
    /// `Bearer ` and its like.
    Authorization,
    /// A word behind which a secret may be given.
    Named(Named),
    /// `@`.
    At,
    /// `![`.
    Image,
    /// A word that says what numbers near it are.
    Context(personal::Context),
    /// One of the health terms, by number.
    Health(usize),
    /// Words that announce a seed phrase.
    Seed,
    /// A phrase, by its place in [`Words::phrases`].
    Phrase(usize),
    /// A cue by itself.
    Cue(Cue),
}

/// The automaton, and what its patterns lead to.
pub(super) struct Words {
    /// Finds the heads of all words in text of lower case, overlapping ones too.
    pub(super) automaton: AhoCorasick,
    /// By pattern: the words with this head, and what they lead to.
    pub(super) groups: Vec<Vec<(String, Word)>>,
    /// Phrases with their patterns.
    pub(super) phrases: Vec<(&'static Phrase, Regex)>,
    /// A phrase of simple words.
    pub(super) seed: Regex,
}

/// So much of a word the automaton looks for: it has to fit the nearest caches, and few words have the same head.
const HEAD: usize = 6;

/// The words; `None` if they cannot be put together, and then no inspection is complete.
pub(super) static WORDS: LazyLock<Option<Words>> = LazyLock::new(build);

fn build() -> Option<Words> {
    let mut phrases = Vec::new();
    for phrase in phrases::PHRASES.iter().chain(personal::PHRASES) {
        phrases.push((phrase, pattern(phrase.pattern)?));
    }
    let mut heads: BTreeMap<String, Vec<(String, Word)>> = BTreeMap::new();
    for (word, kind) in literals() {
        let word = word.to_ascii_lowercase();
        let head = word[..word.floor_char_boundary(HEAD)].to_owned();
        heads.entry(head).or_default().push((word, kind));
    }
    let automaton = AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .build(heads.keys())
        .ok()?;
    Some(Words { automaton, groups: heads.into_values().collect(), phrases, seed: pattern(assigned::SEED)? })
}

fn literals() -> Vec<(&'static str, Word)> {
    let mut literals: Vec<(&'static str, Word)> = vec![
        ("-----BEGIN", Word::PrivateKey),
        ("PuTTY-User-Key-File-", Word::PrivateKey),
        (".eyJ", Word::Jwt),
        ("Q~", Word::Azure),
        ("://", Word::Authority),
        ("@", Word::At),
        ("![", Word::Image),
    ];
    literals.extend(PREFIXES.iter().map(|prefix| (prefix.text, Word::Prefix(prefix))));
    literals.extend(["bearer ", "basic "].map(|word| (word, Word::Authorization)));
    for (named, words) in assigned::NAMES {
        literals.extend(words.iter().map(|word| (*word, Word::Named(*named))));
    }
    for (context, words) in personal::CONTEXTS {
        literals.extend(words.iter().map(|word| (*word, Word::Context(*context))));
    }
    literals.extend(personal::HEALTH.iter().enumerate().map(|(n, word)| (*word, Word::Health(n))));
    literals.extend(assigned::SEED_WORDS.iter().map(|word| (*word, Word::Seed)));
    for (cue, words) in phrases::LITERAL {
        literals.extend(words.iter().map(|word| (*word, Word::Cue(*cue))));
    }
    for (n, phrase) in phrases::PHRASES.iter().chain(personal::PHRASES).enumerate() {
        literals.extend(phrase.words.iter().map(|word| (*word, Word::Phrase(n))));
    }
    literals
}

/// A pattern in any case of ASCII letters, in which `~` stands for what may part two words.
fn pattern(pattern: &str) -> Option<Regex> {
    let spelt = pattern.replace('~', r#"(?:[^a-z0-9]|\\[nrt]){1,8}"#);
    Regex::new(&format!("(?i-u){spelt}")).ok()
}

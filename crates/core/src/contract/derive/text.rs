//! Words of names and descriptions.

use super::super::words;

/// Characters of a tool's description that are read.
pub(super) const MAX_DESCRIPTION: usize = 4096;
/// Characters of an argument's description that are read.
pub(super) const MAX_REMARK: usize = 1024;
const MAX_NAME: usize = 256;

/// The words of a name: snake, kebab and camel case, dots and slashes; lower case; digits at a word's end
/// dropped.
pub(super) fn tokens(name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    let letters: Vec<char> = name.chars().take(MAX_NAME).collect();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let next = letters.get(at + 1);
        let turns = letter.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_ascii_digit())
                || before.is_some_and(|b| b.is_uppercase()) && next.is_some_and(|n| n.is_lowercase()));
        if (turns || !letter.is_alphanumeric()) && !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
    }
    if !word.is_empty() {
        found.push(word);
    }
    for word in &mut found {
        let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
        if stem.len() >= 3 {
            word.truncate(stem.len());
        }
    }
    found
}

/// A text in lower case, cut to a number of characters.
pub(super) fn lower(text: &str, max: usize) -> String {
    text.chars().take(max).flat_map(char::to_lowercase).collect()
}

/// Words of a text in lower case: letters, digits and what joins them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\'')).filter(|word| !word.is_empty())
}

/// Sentences of a text.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', ';', '!', '?'])
        .flat_map(|line| line.split(". "))
        .map(str::trim)
        .filter(|s| !s.is_empty())
}

/// The first sentence, empty where there is none.
pub(super) fn first_sentence(text: &str) -> &str {
    sentences(text).next().unwrap_or_default()
}

/// Whether a word is one of these, singular or plural.
pub(super) fn is_one_of(word: &str, any: &[&str]) -> bool {
    any.contains(&word) || words::singular(word).is_some_and(|word| any.contains(&word.as_str()))
}

/// Whether a word is one of these, which `|` parts.
pub(super) fn is(word: &str, any: &str) -> bool {
    any.split('|').any(|known| known == word)
}

/// Whether a word is one of these, which `|` parts, singular or plural.
pub(super) fn is_some(word: &str, any: &str) -> bool {
    is(word, any) || words::singular(word).is_some_and(|word| is(&word, any))
}

/// Whether one of these phrases, which `|` parts, stands in the text at the bounds of words.
pub(super) fn says(text: &str, any: &str) -> bool {
    any.split('|').any(|phrase| {
        text.match_indices(phrase).any(|(at, found)| {
            let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|t| t.chars().next());
            !joins(before) && !joins(after)
        })
    })
}

/// A verb's base form where the word is a base form or its third person; with `ing`, where it is a gerund too.
pub(super) fn base_form(word: &str, gerund: bool) -> Option<String> {
    let known = |stem: String| words::base_verb(&stem).is_some().then_some(stem);
    if let Some(base) = known(word.to_owned()) {
        return Some(base);
    }
    let third = word
        .strip_suffix("ies")
        .and_then(|stem| known(format!("{stem}y")))
        .or_else(|| word.strip_suffix('s').and_then(|stem| known(stem.to_owned())))
        .or_else(|| word.strip_suffix("es").and_then(|stem| known(stem.to_owned())));
    if third.is_some() || !gerund {
        return third;
    }
    let stem = word.strip_suffix("ing")?;
    known(stem.to_owned()).or_else(|| known(format!("{stem}e"))).or_else(|| {
        let last = stem.chars().next_back()?;
        let shorter = stem.strip_suffix(last)?;
        shorter.ends_with(last).then(|| known(shorter.to_owned()))?
    })
}

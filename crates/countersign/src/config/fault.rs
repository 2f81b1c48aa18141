//! What is wrong in a file that people write for this program, each fault with its place and what to do about it.

use std::path::Path;
use std::sync::Arc;

use countersign_core::policy::Fault;
use serde_saphyr::{Error, Location, Spanned};

/// Where the form of the configuration is described.
const CONFIGURATION: &str = "docs/src/configuration.md";

/// Collects the faults of one file.
pub(crate) struct Faults {
    file: Arc<str>,
    list: Vec<Fault>,
    /// Where the form of such files is described.
    page: &'static str,
}

impl Faults {
    /// Of a configuration file.
    pub(super) fn of(file: &Path) -> Self {
        Self::of_form(file, CONFIGURATION)
    }

    /// Of a file whose form `page` describes.
    pub(crate) fn of_form(file: &Path, page: &'static str) -> Self {
        Self { file: file.display().to_string().into(), list: Vec::new(), page }
    }

    /// A fault at the place of a value.
    pub(crate) fn at<T>(&mut self, place: &Spanned<T>, message: impl Into<String>, hint: impl Into<String>) {
        self.push(place.referenced, message.into(), Some(hint.into()));
    }

    /// A fault of the file as a whole.
    pub(crate) fn whole(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Location::UNKNOWN, message.into(), Some(hint.into()));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn into_sorted(mut self) -> Vec<Fault> {
        self.list.sort();
        self.list
    }

    /// The fault that stopped the reader.
    pub(crate) fn reader(&mut self, error: &Error) {
        let error = error.without_snippet();
        let (message, hint) = explain(error, self.page);
        self.push(error.location().unwrap_or(Location::UNKNOWN), message, hint);
    }

    fn push(&mut self, place: Location, message: String, hint: Option<String>) {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let (line, column) = (number(place.line()), number(place.column()));
        self.list.push(Fault { file: Arc::clone(&self.file), line, column, message, hint });
    }
}

/// The reader's words, without values (they may be secrets) and with a hint.
fn explain(error: &Error, page: &str) -> (String, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{field}`"), Some(suggest(field, expected)))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown word `{variant}`"), Some(suggest(variant, expected)))
        }
        Error::SerdeMissingField { field, .. } => {
            (format!("the key `{field}` is missing"), required(field, page).map(str::to_owned))
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            (format!("this should be {expected}"), Some(format!("see {page} for the form of each key")))
        }
        Error::InvalidScalar { ty, .. } => (format!("this is not a value of the kind `{ty}`"), None),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map_or_else(String::new, |key| format!(" `{key}`"));
            (format!("the key{key} is there twice"), Some("keep one of them".to_owned()))
        }
        other => {
            let text = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let first = text.lines().next().unwrap_or("it is not YAML").trim_start_matches("error: ");
            (first.to_owned(), None)
        }
    }
}

fn required(field: &str, page: &str) -> Option<&'static str> {
    if page != CONFIGURATION {
        return None;
    }
    Some(match field {
        "version" => "begin the file with `version: 1`",
        "store" => "write `store: { sqlite: ./countersign.db }`",
        "sqlite" => "write the path of the ledger's file: `sqlite: ./countersign.db`",
        "keys" => "write `keys: ./keys` and run `countersign keys init`",
        "policies" => "write `policies: [./policies]`; without a policy nothing could be decided",
        "human" | "service" | "agent" => {
            "every agent credential says on whose behalf, through which service and which agent"
        }
        "name" => "every credential names its holder, as receipts will",
        _ => return None,
    })
}

/// Which of the known words may have been meant.
pub(crate) fn suggest(written: &str, known: &[&str]) -> String {
    let near = known.iter().map(|word| (distance(written, word), word)).min();
    match near {
        Some((distance, word)) if distance <= 2.max(written.chars().count() / 3) => {
            format!("did you mean `{word}`?")
        }
        _ => format!("known here: {}", known.join(", ")),
    }
}

/// How many letters differ (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, &above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            diagonal = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_and_far_ones_are_listed() {
        assert_eq!(suggest("upstream", &["upstreams", "version"]), "did you mean `upstreams`?");
        assert_eq!(suggest("zebra", &["upstreams", "version"]), "known here: upstreams, version");
        assert_eq!([distance("", "ab"), distance("kitten", "sitting"), distance("same", "same")], [2, 3, 0]);
    }
}

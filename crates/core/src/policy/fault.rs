//! What is wrong with a policy file, and where.

use std::fmt;
use std::sync::Arc;

/// One thing that is wrong in a policy file. Written `file:line:column: message (hint: …)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file's name as it was handed in.
    pub file: Arc<str>,
    /// Counted from 1; 0 where the fault is of the whole file or set.
    pub line: usize,
    /// In characters, counted from 1; 0 where the fault is of the whole file or set.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " (hint: {hint})"))
    }
}

impl std::error::Error for Fault {}

/// A place in a file; line and column counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// The file or set as a whole.
    pub(crate) const WHOLE: Self = Self { line: 0, column: 0 };
}

/// Collects the faults of one file.
#[derive(Debug)]
pub(crate) struct Faults {
    file: Arc<str>,
    list: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Faults {
    pub(crate) const fn of(file: Arc<str>) -> Self {
        Self { file, list: Vec::new(), warnings: Vec::new() }
    }

    pub(crate) const fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(crate) fn add(&mut self, at: Place, message: impl Into<String>) {
        self.push(at, message.into(), None);
    }

    pub(crate) fn add_with_hint(&mut self, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(at, message.into(), Some(hint.into()));
    }

    /// Notes what is no error and may still not be meant.
    pub(crate) fn warn(&mut self, at: Place, message: impl Into<String>) {
        let (line, column) = (at.line, at.column);
        let (file, message) = (Arc::clone(&self.file), message.into());
        self.warnings.push(Fault { file, line, column, message, hint: None });
    }

    /// What was noted, in the order of places.
    pub(crate) fn take_warnings(&mut self) -> Vec<Fault> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort();
        warnings
    }

    pub(crate) const fn count(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn into_sorted(mut self) -> Vec<Fault> {
        self.list.sort();
        self.list
    }

    fn push(&mut self, at: Place, message: String, hint: Option<String>) {
        let (line, column) = (at.line, at.column);
        self.list.push(Fault { file: Arc::clone(&self.file), line, column, message, hint });
    }
}

/// Names an unknown word and what may have been meant.
pub(crate) fn suggest(written: &str, known: &[&str]) -> String {
    let near = known.iter().map(|name| (distance(written, name), name)).min();
    match near {
        Some((far, name)) if far <= 2.min(name.len() / 2) => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}

/// Letters to add, drop, change or swap with their neighbour until `a` is `b`, ignoring case.
/// Counted up to 64 letters; longer words are far from everything.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.chars().take(65).map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let change = last.get(j).map_or(0, |d| d + usize::from(x != y));
            let drop = last.get(j + 1).map_or(usize::MAX, |d| d + 1);
            let add = row.get(j).map_or(usize::MAX, |d| d + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            let swap = if swapped { before.get(j - 1).map_or(usize::MAX, |d| d + 1) } else { usize::MAX };
            row.push(change.min(drop).min(add).min(swap));
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

/// A word from a file, short enough for a message.
pub(crate) fn shown(word: &str) -> String {
    let plain: String = word.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if word.chars().nth(60).is_some() { format!("`{plain}…`") } else { format!("`{plain}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_named() {
        assert_eq!(distance("reasn", "reason"), 1);
        assert_eq!(distance("aciton", "action"), 1);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(suggest("raeson", &["reason", "rules"]), "did you mean `reason`?");
        assert_eq!(suggest("constraints", &["id", "match"]), "known here: id, match");
        assert_eq!(distance(&"x".repeat(1000), "x"), usize::MAX);
    }

    #[test]
    fn a_fault_is_written_as_compilers_do() {
        let mut faults = Faults::of("a.yaml".into());
        faults.add_with_hint(Place { line: 3, column: 5 }, "wrong", "right");
        faults.add(Place::WHOLE, "empty");
        let written: Vec<String> = faults.into_sorted().iter().map(ToString::to_string).collect();
        assert_eq!(written, ["a.yaml: empty", "a.yaml:3:5: wrong (hint: right)"]);
    }
}

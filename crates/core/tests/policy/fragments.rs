//! The policy fragments of the specification's pages, as they stand there.

/// A fragment: its page and line, and its text.
pub(crate) struct Fragment {
    /// `page:line`.
    pub(crate) at: &'static str,
    /// Unchanged.
    pub(crate) text: &'static str,
}

/// In the order of pages and lines.
pub(crate) fn all() -> impl Iterator<Item = Fragment> {
    include_str!("fragments.yaml").split("##### ").skip(2).map(|part| {
        let (at, text) = part.split_once('\n').unwrap();
        Fragment { at, text }
    })
}

/// The fragment at `page:line`.
pub(crate) fn at(place: &str) -> Fragment {
    all().find(|fragment| fragment.at == place).unwrap()
}

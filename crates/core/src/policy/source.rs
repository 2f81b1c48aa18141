//! The text of a set: all that it takes to load the very same set again.

use serde::{Deserialize, Serialize};

use super::fault::{Fault, Faults, Place};
use super::set::PolicySet;
use crate::decision::{Approvers, Decision, Verdict};

/// The files of a set by name, and what was said beside them. As JSON text it is kept under the digest of the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    files: Vec<File>,
    /// The default of a set in which no file writes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    otherwise: Option<Verdict>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    text: String,
}

impl Source {
    /// What was loaded; `files` have loaded, so they are UTF-8.
    pub(super) fn of(files: Vec<(String, Vec<u8>)>, otherwise: Option<&Decision>) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let files = files.into_iter().map(|(name, bytes)| File { name, text: text(bytes) }).collect();
        let otherwise = otherwise.map(|decision| match decision {
            Decision::Allow => Verdict::Allow,
            Decision::Deny => Verdict::Deny,
            Decision::StepUp(_) => Verdict::StepUp,
            Decision::Defer(_) => Verdict::Defer,
        });
        Self { files, otherwise }
    }

    /// Each file's name and text, in the order of names.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|file| (file.name.as_str(), file.text.as_str()))
    }

    /// As JSON text.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The set that such a text is of.
    ///
    /// # Errors
    /// It is no such text, or this program does not load these files.
    pub fn load(text: &str) -> Result<PolicySet, Vec<Fault>> {
        let source: Self = serde_json::from_str(text).map_err(|error| {
            let mut faults = Faults::of("policies".into());
            faults.add(Place::WHOLE, format!("the kept text of the set cannot be read: {error}"));
            faults.into_sorted()
        })?;
        let otherwise = source.otherwise.map(|word| match word {
            Verdict::Allow | Verdict::Modify => Decision::Allow,
            Verdict::StepUp => Decision::StepUp(Approvers::default()),
            Verdict::Deny | Verdict::Defer => Decision::Deny,
        });
        let files = source.files.into_iter().map(|File { name, text }| (name, text.into_bytes())).collect();
        PolicySet::assemble_with(files, otherwise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_loads_again_from_its_text_with_the_same_digest() {
        let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        let files = vec![
            file("b.yaml", "version: 1\nrules:\n  - {id: r, match: {tool: t}, action: ALLOW} # Grüße\n"),
            file("a.yaml", "version: 1\ndefault: DENY\nrules: []\n"),
        ];
        let set = PolicySet::assemble(files).unwrap();
        let again = Source::load(&set.source().to_text()).unwrap();
        assert_eq!(again.reference(), set.reference());
        assert_eq!(again.source(), set.source());
        let part = vec![file("part.yaml", "rules:\n  - {id: r, match: {tool: t}, action: ALLOW}\n")];
        let set = PolicySet::assemble_with(part, Some(Decision::Allow)).unwrap();
        let again = Source::load(&set.source().to_text()).unwrap();
        assert_eq!(again.default_decision(), Decision::Allow);
        assert!(Source::load("{").is_err());
    }
}

//! Taking values of an expected kind out of nodes, with a fault where they are of another.

use crate::policy::fault::{Faults, Place, shown, suggest};
use crate::policy::yaml::{Key, Kind, Node};

/// A map whose keys are all known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n>(&'n [(Key, Node)]);

/// A value with the word before it.
#[derive(Clone, Copy)]
pub(crate) struct Field<'n> {
    pub(crate) key: &'n Key,
    pub(crate) node: &'n Node,
}

impl<'n> Fields<'n> {
    /// Opens a map; unknown keys are faults, and the known ones can be read none the less.
    pub(crate) fn open(node: &'n Node, what: &str, known: &[&str], faults: &mut Faults) -> Option<Self> {
        let entries = entries(node, node.at, what, faults)?;
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            faults.add_with_hint(
                key.at,
                format!("unknown key {} in {what}", shown(&key.text)),
                suggest(&key.text, known),
            );
        }
        Some(Self(entries))
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(self, name: &str) -> Option<Field<'n>> {
        self.0.iter().find(|(key, _)| key.text == name).map(|(key, node)| Field { key, node })
    }

    /// One of two words for the same thing.
    pub(crate) fn either(self, name: &str, alias: &str, faults: &mut Faults) -> Option<Field<'n>> {
        match (self.get(name), self.get(alias)) {
            (Some(first), Some(second)) => {
                let message = format!("`{alias}` is another word for `{name}`, and both are written");
                faults.add_with_hint(second.key.at, message, "keep one of them");
                Some(first)
            }
            (first, second) => first.or(second),
        }
    }
}

impl<'n> Field<'n> {
    pub(crate) fn name(self) -> &'n str {
        &self.key.text
    }

    /// Where to point at: the value, or the key when there is no value.
    pub(crate) const fn at(self) -> Place {
        match self.node.kind {
            Kind::Null => self.key.at,
            _ => self.node.at,
        }
    }

    /// A text that is not empty.
    pub(crate) fn text(self, faults: &mut Faults) -> Option<&'n str> {
        match &self.node.kind {
            Kind::Text(text) if text.trim().is_empty() => {
                faults.add(self.at(), format!("{} is empty", shown(self.name())));
                None
            }
            Kind::Text(text) => Some(text),
            Kind::Number(_) | Kind::Bool(_) => {
                let message = format!("{} takes a text, not {}", shown(self.name()), self.node.kind_name());
                faults.add_with_hint(self.at(), message, "put it in quotes");
                None
            }
            _ => self.expected("a text", faults),
        }
    }

    /// A text or a list of texts; neither the list nor a text in it is empty.
    pub(crate) fn texts(self, faults: &mut Faults) -> Option<Vec<(&'n str, Place)>> {
        let Kind::List(items) = &self.node.kind else {
            if !matches!(self.node.kind, Kind::Text(_) | Kind::Number(_) | Kind::Bool(_)) {
                return self.expected("a text or a list of texts", faults);
            }
            return self.text(faults).map(|text| vec![(text, self.node.at)]);
        };
        if items.is_empty() {
            faults.add(self.at(), format!("{} is an empty list", shown(self.name())));
            return None;
        }
        let one = |node| Field { key: self.key, node };
        let texts: Vec<_> =
            items.iter().filter_map(|item| one(item).text(faults).map(|text| (text, item.at))).collect();
        (texts.len() == items.len()).then_some(texts)
    }

    pub(crate) fn integer(self, faults: &mut Faults) -> Option<i64> {
        match &self.node.kind {
            Kind::Number(n) if n.is_i64() => n.as_i64(),
            Kind::Number(n) => {
                faults.add(
                    self.at(),
                    format!("{} takes a whole number within 64 bits, not {n}", shown(self.name())),
                );
                None
            }
            _ => self.expected("a whole number", faults),
        }
    }

    pub(crate) fn map(self, faults: &mut Faults) -> Option<&'n [(Key, Node)]> {
        entries(self.node, self.at(), &shown(self.name()), faults)
    }

    pub(crate) fn expected<T>(self, what: &str, faults: &mut Faults) -> Option<T> {
        let message = format!("{} takes {what}, not {}", shown(self.name()), self.node.kind_name());
        faults.add(self.at(), message);
        None
    }

    /// One word of a closed list, in any case of letters.
    pub(crate) fn word<T: Copy>(self, known: &[(&str, T)], faults: &mut Faults) -> Option<T> {
        let written = self.text(faults)?;
        let found = known.iter().find(|(word, _)| word.eq_ignore_ascii_case(written));
        if found.is_none() {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let message = format!("{} cannot be {}", shown(self.name()), shown(written));
            faults.add_with_hint(self.at(), message, suggest(written, &words));
        }
        found.map(|(_, value)| *value)
    }
}

fn entries<'n>(node: &'n Node, at: Place, what: &str, faults: &mut Faults) -> Option<&'n [(Key, Node)]> {
    if let Kind::Map(entries) = &node.kind {
        return Some(entries);
    }
    faults.add(at, format!("{what} takes a map, not {}", node.kind_name()));
    None
}

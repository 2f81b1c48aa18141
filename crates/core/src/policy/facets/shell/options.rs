//! Options before the first operand, and which of them take a value.

use super::word::Word;

/// The options of one program.
pub(super) struct Options {
    /// Letters that take no value.
    pub(super) flags: &'static str,
    /// Letters that take one, attached or as the next argument.
    pub(super) valued: &'static str,
    /// Long ones without a value.
    pub(super) long_flags: &'static [&'static str],
    /// Long ones with a value.
    pub(super) long_valued: &'static [&'static str],
}

impl Options {
    /// Arguments that this option spans; `None` for one that is not known.
    fn span(&self, option: &str) -> Option<usize> {
        if option.starts_with("--") {
            let (name, attached) = option.split_once('=').map_or((option, false), |(name, _)| (name, true));
            return match (self.long_valued.contains(&name), attached) {
                (true, true) => Some(1),
                (true, false) => Some(2),
                (false, false) if self.long_flags.contains(&name) => Some(1),
                _ => None,
            };
        }
        let mut letters = option.chars().skip(1);
        while let Some(letter) = letters.next() {
            if self.valued.contains(letter) {
                return Some(if letters.next().is_some() { 1 } else { 2 });
            }
            if !self.flags.contains(letter) {
                return None;
            }
        }
        Some(1)
    }
}

/// What follows the options; `None` when one is not known or not literal.
pub(super) fn after_options<'w>(arguments: &'w [Word], options: &Options) -> Option<&'w [Word]> {
    let mut rest = arguments;
    while let Some(first) = rest.first() {
        let Some(text) = first.text.as_deref() else { return Some(rest) };
        if text == "--" {
            return rest.get(1..);
        }
        if !text.starts_with('-') || text == "-" {
            break;
        }
        rest = rest.get(options.span(text)?..).unwrap_or_default();
    }
    Some(rest)
}

/// Every argument that is no option and no option's value, wherever it stands.
pub(super) fn operands<'w>(arguments: &'w [Word], options: &Options) -> Option<Vec<&'w Word>> {
    let mut found = Vec::new();
    let mut rest = arguments;
    while let [first, after @ ..] = rest {
        match first.text.as_deref() {
            Some("--") => {
                found.extend(after);
                break;
            }
            Some(text) if text.starts_with('-') && text != "-" => {
                rest = rest.get(options.span(text)?..).unwrap_or_default();
                continue;
            }
            _ => found.push(first),
        }
        rest = after;
    }
    Some(found)
}

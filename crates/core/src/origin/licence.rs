//! Whether the request asks for such an action: by what its verbs do and what it speaks of.

use super::request::{Request, Sentence};
use super::seen::Seen;
use crate::contract::words::{Families, Nouns, noun};
use crate::contract::{Effect, Meaning};

/// What the request says to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Licence {
    /// It asks for it.
    Asked,
    /// A source that the user delegated to asks for it.
    Delegated,
    /// All of it was understood, and none of it asks.
    NotAsked,
    /// Some of it was not understood.
    Unclear,
    /// There is no request.
    NoRequest,
}

/// What is asked for by an action, as far as the request can say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed<'a> {
    pub(crate) effect: Effect,
    pub(crate) meaning: &'a Meaning,
    /// Values of selectors, folded.
    pub(crate) selectors: &'a [String],
    /// All its short values, folded.
    pub(crate) values: &'a [String],
    /// Kinds of things that a value names: `"object_type": "deal"`.
    pub(crate) kinds: Nouns,
    /// Whether an id among them is that of a record that the user named.
    pub(crate) anchored: bool,
}

/// Weighs the request, and then what it delegates to.
pub(crate) fn licence(seen: &Seen, deed: &Deed<'_>) -> Licence {
    let Some(request) = &seen.request else { return Licence::NoRequest };
    if deed.effect.only_reads() || sentences(request, deed).next().is_some() {
        return Licence::Asked;
    }
    let may_be_delegated = matches!(deed.effect, Effect::WriteInternal | Effect::WriteOutbound);
    if may_be_delegated && seen.delegated.iter().any(|d| sentences(d, deed).next().is_some()) {
        return Licence::Delegated;
    }
    if request.sentences.iter().all(|s| s.understood) { Licence::NotAsked } else { Licence::Unclear }
}

/// The sentences that ask for it.
pub(crate) fn sentences<'a>(request: &'a Request, deed: &'a Deed<'_>) -> impl Iterator<Item = &'a Sentence> {
    request.sentences.iter().filter(|sentence| asks(sentence, deed))
}

fn asks(sentence: &Sentence, deed: &Deed<'_>) -> bool {
    let families = deed.meaning.families.without(Families::READ);
    let verbs = sentence.families.without(Families::READ);
    let verb = match deed.effect {
        Effect::Destructive => {
            verbs.meets(Families::DELETE) && families.meets(Families::DELETE)
                || verbs.meets(families.without(Families::DELETE))
        }
        Effect::Payment => {
            verbs.meets(Families::PAY) && families.meets(Families::PAY)
                || verbs.meets(families.without(Families::PAY.and(Families::SEND)))
                    && sentence.nouns.meets(Nouns::MONEY)
        }
        _ => verbs.meets(families),
    };
    // *Invoice them*: the verb is what the tool makes.
    let makes = deed.meaning.words.iter().any(|word| sentence.verbs.contains(word))
        // `"event": "APPROVE"`, `"state": "closed"`.
        || deed.values.iter().any(|value| {
            let value = value.strip_suffix("ed").or_else(|| value.strip_suffix('d')).unwrap_or(value);
            value.len() > 3 && sentence.verbs.iter().any(|v| v.strip_suffix('e').unwrap_or(v) == value || v == value)
        });
    if !verb && (!makes || deed.effect.is_grave()) {
        return false;
    }
    if deed.effect == Effect::Credential {
        return sentence.nouns.meets(Nouns::SECRET);
    }
    // *Tell her*, *answer it*: whatever carries words will do.
    let tells = sentence.verbs.iter().any(|verb| TELLING.contains(&verb.as_str()))
        && deed.meaning.families.meets(Families::SEND.and(Families::POST));
    tells
        || sentence.nouns.is_empty()
        || verbs.meets(Families::PAY) && sentence.nouns.without(Nouns::MONEY).is_empty()
        || sentence.nouns.meets(deed.meaning.nouns.and(deed.kinds))
        || deed.values.iter().any(|value| value.chars().count() >= 5 && sentence.typed(value))
        || deed.meaning.nouns.is_empty()
        || deed.meaning.words.iter().all(|word| noun(word).is_none())
        || deed.meaning.words.iter().any(|word| sentence.words.contains(word))
        || deed.anchored
        || deed.selectors.iter().any(|value| sentence.typed(value))
        || sentence.verbs.contains(&deed.meaning.verb)
        || sentence.words.contains(&deed.meaning.verb)
}

/// Verbs that name no medium.
const TELLING: [&str; 18] = [
    "tell", "let", "inform", "notify", "answer", "reply", "respond", "ask", "remind", "thank", "write",
    "contact", "warn", "update", "ping", "alert", "brief", "nudge",
];

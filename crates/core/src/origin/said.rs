//! How people ask: the words of requests that no tool is called by, and those around them.

use std::sync::LazyLock;

use super::request::{Extreme, Measure};
use super::text::Token;
use crate::contract::words::{Families, Index, base_verb};

/// How far behind its verb a particle may stand: *take the old one down*.
const REACH: usize = 5;

/// What a verb asks for, with the words behind it; `None` = no verb that is known.
pub(super) fn asked(word: &str, behind: &[Token<'_>]) -> Option<Families> {
    let known = INDEX.get(word);
    let mut found = base_verb(word).unwrap_or(Families::NONE);
    if let Some(known) = known {
        found = found.and(known.families);
        for (particle, families) in &known.phrases {
            if behind.iter().take(REACH).take_while(|t| t.joined).any(|t| t.folded == *particle) {
                found = found.and(*families);
            }
        }
    }
    // *Make it cosy*, *have them ready*: something is to become otherwise.
    if matches!(word, "make" | "have" | "keep" | "get")
        && behind
            .first()
            .is_some_and(|t| matches!(&*t.folded, "it" | "them" | "this" | "that" | "everything" | "sure"))
    {
        found = found.and(Families::UPDATE);
    }
    (!found.is_empty()).then_some(found)
}

/// What a word asks for by itself, and with a particle behind it.
#[derive(Default)]
struct Known {
    families: Families,
    phrases: Vec<(&'static str, Families)>,
}

/// Every word of every output is looked up.
static INDEX: LazyLock<Index<Known>> = LazyLock::new(|| {
    let mut index: Index<Known> = Index::default();
    for (families, words) in SAID {
        for word in *words {
            let known = index.entry(word).or_default();
            known.families = known.families.and(*families);
        }
    }
    for (verb, particle, families) in PHRASES {
        index.entry(verb).or_default().phrases.push((particle, *families));
    }
    index
});

/// What people say for it, beside what tools are called by.
#[rustfmt::skip]
const SAID: &[(Families, &[&str])] = &[
    (Families::SEND, &["cc", "bcc", "copy", "nudge", "chase", "greet", "warn", "update", "brief", "invite", "page", "post",
        "share", "show", "explain", "report", "summarize", "summarise", "wish", "drop", "shoot", "fire", "get", "poke"]),
    (Families::POST, &["tell", "notify", "inform", "let", "remind", "ask", "alert", "thank", "congratulate", "answer", "warn",
        "mention", "leave", "drop", "add", "review", "rate", "recommend", "praise", "boost", "repost", "cross-post", "submit"]),
    (Families::SHARE, &["open", "hand", "let", "invite", "add", "show", "make", "lend", "pass", "send"]),
    (Families::INVITE, &["ask", "cc", "bcc", "have", "book", "send", "put", "schedule"]),
    (Families::CREATE, &["jot", "pencil", "collect", "compile", "spin", "raise", "report", "submit", "summarize", "summarise",
        "document", "capture", "bring", "invoice", "ticket", "script", "sketch", "send", "invite", "remind", "type", "post", "bill",
        "comment", "need", "want", "leave", "turn"]),
    (Families::UPDATE, &["heat", "cool", "warm", "brighten", "darken", "power", "adapt", "align", "clarify", "shorten", "trim",
        "tidy", "sort", "deactivate", "activate", "reactivate", "suspend", "cancel", "make", "bring", "push", "sharpen", "polish",
        "note", "log", "write", "record", "remove", "drop", "take", "get", "finalize", "finalise", "settle", "hand", "give",
        "allocate", "delegate", "prioritize", "prioritise", "silence", "boost", "shut", "translate", "clean", "order", "use"]),
    (Families::RESCHEDULE, &["change", "update", "bump", "swap", "set", "put", "switch", "adjust", "extend", "rebook"]),
    (Families::DELETE, &["scrap", "ditch", "axe", "bin", "dump", "chuck", "undo", "retract", "strike", "eliminate", "take",
        "unpublish", "unfollow", "exclude", "get"]),
    (Families::PAY, &["cover", "split", "clear", "get", "renew", "top", "send", "grab"]),
    (Families::BOOK, &["pencil", "grab", "snag", "buy", "purchase", "find", "put", "pick", "choose", "take", "confirm", "set",
        "need", "want", "sign", "register", "enroll", "request", "place", "create", "add", "call", "bring", "move"]),
    (Families::RUN, &["heat", "spin", "boot", "increase", "decrease", "resize", "bring", "bounce", "kick", "fire", "power",
        "shut", "turn", "update", "set", "put", "switch", "patch", "upgrade", "try", "check", "reset", "refresh", "rebuild",
        "notify", "alert", "page", "play"]),
];

/// Verbs of two words.
#[rustfmt::skip]
const PHRASES: &[(&str, &str, Families)] = &[
    ("call", "off", Families::DELETE), ("take", "down", Families::DELETE), ("take", "out", Families::DELETE),
    ("take", "off", Families::DELETE), ("throw", "away", Families::DELETE), ("throw", "out", Families::DELETE),
    ("tear", "down", Families::DELETE), ("wipe", "out", Families::DELETE), ("cross", "off", Families::DELETE),
    ("back", "out", Families::DELETE), ("sign", "up", Families::INVITE.and(Families::CREATE)),
    ("set", "up", Families::CREATE.and(Families::BOOK)), ("put", "together", Families::CREATE),
    ("put", "back", Families::UPDATE), ("put", "down", Families::CREATE.and(Families::BOOK)),
    ("write", "up", Families::CREATE), ("write", "down", Families::CREATE), ("note", "down", Families::CREATE),
    ("spin", "up", Families::CREATE.and(Families::RUN)), ("stand", "up", Families::CREATE.and(Families::RUN)),
    ("kick", "off", Families::RUN.and(Families::CREATE)), ("roll", "back", Families::RUN.and(Families::UPDATE)),
    ("roll", "out", Families::RUN.and(Families::UPDATE)), ("shut", "down", Families::RUN.and(Families::UPDATE)),
    ("turn", "on", Families::UPDATE.and(Families::RUN)), ("turn", "off", Families::UPDATE.and(Families::RUN)),
    ("turn", "up", Families::UPDATE), ("turn", "down", Families::UPDATE), ("hand", "over", Families::UPDATE.and(Families::SHARE)),
    ("hand", "off", Families::UPDATE.and(Families::SHARE)), ("sort", "out", Families::UPDATE),
    ("line", "up", Families::BOOK.and(Families::CREATE)), ("block", "out", Families::CREATE.and(Families::BOOK)),
    ("block", "off", Families::CREATE.and(Families::BOOK)), ("pay", "off", Families::PAY), ("pay", "back", Families::PAY),
    ("give", "back", Families::PAY), ("send", "back", Families::SEND.and(Families::PAY)), ("go", "with", Families::BOOK),
    ("go", "for", Families::BOOK), ("pass", "on", Families::SEND), ("get", "back", Families::SEND),
    ("reach", "out", Families::SEND), ("write", "back", Families::SEND), ("look", "up", Families::READ),
    ("find", "out", Families::READ), ("check", "out", Families::READ), ("go", "through", Families::READ),
    ("go", "over", Families::READ), ("pull", "up", Families::READ), ("dig", "up", Families::READ),
    ("close", "out", Families::UPDATE), ("fill", "in", Families::UPDATE), ("fill", "out", Families::UPDATE),
    ("tick", "off", Families::UPDATE), ("check", "off", Families::UPDATE), ("bring", "forward", Families::RESCHEDULE),
    ("push", "back", Families::RESCHEDULE), ("put", "off", Families::RESCHEDULE), ("get", "rid", Families::DELETE),
];

pub(super) const QUESTIONS: [&str; 26] = [
    "what", "who", "whom", "whose", "when", "where", "which", "why", "how", "is", "are", "am", "was", "were",
    "do", "does", "did", "has", "have", "had", "can", "could", "should", "what's", "who's", "will",
];
pub(super) const LEADS: [&str; 39] = [
    "please",
    "and",
    "then",
    "also",
    "to",
    "you",
    "or",
    "so",
    "just",
    "now",
    "finally",
    "next",
    "first",
    "afterwards",
    "kindly",
    "not",
    "don't",
    "forget",
    "should",
    "must",
    "let's",
    "lets",
    "it",
    "them",
    "that",
    "there",
    "him",
    "her",
    "secondly",
    "lastly",
    "additionally",
    "afterward",
    "otherwise",
    "immediately",
    "second",
    "third",
    "after",
    "before",
    "later",
];
/// Verbs of statements.
pub(super) const FINITE: [&str; 22] = [
    "is", "are", "was", "were", "has", "had", "asked", "told", "said", "says", "sent", "came", "comes",
    "got", "can't", "cannot", "isn't", "aren't", "it's", "there's", "wrote", "keeps",
];
/// What makes a statement a wish.
pub(super) const WISHES: [&str; 18] = [
    "need",
    "needs",
    "want",
    "wants",
    "like",
    "should",
    "must",
    "wish",
    "hope",
    "expect",
    "supposed",
    "time",
    "due",
    "please",
    "love",
    "wondering",
    "let",
    "shall",
];
/// Whoever does what the verb behind says, and words that make it no demand.
pub(super) const SUBJECTS: [&str; 24] = [
    "i", "we", "they", "he", "she", "you", "it", "who", "which", "that", "to", "would", "may", "might",
    "could", "did", "does", "people", "not", "never", "i'll", "we'll", "i'd", "we'd",
];
pub(super) const MODALS: [&str; 7] = ["should", "must", "to", "can", "will", "shall", "needs"];
pub(super) const DETERMINERS: [&str; 22] = [
    "the", "a", "an", "my", "your", "his", "her", "its", "our", "their", "this", "that", "these", "those",
    "any", "some", "no", "every", "each", "all", "of", "for",
];
pub(super) const PREPOSITIONS: [&str; 14] =
    ["at", "of", "from", "in", "by", "for", "is", "was", "are", "were", "has", "will", "and", "or"];
pub(super) const OBJECTS: [&str; 31] = [
    "the", "a", "an", "my", "your", "his", "her", "its", "our", "their", "this", "that", "these", "those",
    "it", "them", "him", "me", "us", "to", "all", "each", "every", "any", "everyone", "about", "there",
    "here", "back", "with", "on",
];
pub(super) const STOP: [&str; 74] = [
    "the", "a", "an", "and", "or", "to", "of", "in", "on", "at", "for", "with", "from", "by", "is", "are",
    "was", "be", "it", "its", "this", "that", "these", "those", "my", "your", "his", "her", "our", "their",
    "i", "you", "he", "she", "we", "they", "me", "him", "them", "us", "please", "can", "could", "would",
    "will", "should", "do", "does", "did", "not", "if", "so", "then", "also", "as", "but", "about", "into",
    "what", "who", "when", "where", "which", "how", "all", "any", "some", "have", "has", "had", "there",
    "am", "re", "up",
];
pub(super) const DEEDS: &[(&[&str], Families)] = &[
    (&["payment", "transfer", "donation", "refund", "deposit", "purchase"], Families::PAY),
    (&["reservation", "booking", "appointment"], Families::BOOK),
    (&["order"], Families::PAY.and(Families::BOOK)),
    (&["announcement", "post", "comment"], Families::POST),
    (&["call"], Families::RUN),
    (&["change", "update", "edit", "correction"], Families::UPDATE),
    (&["invitation"], Families::INVITE),
    (&["access", "permission"], Families::SHARE),
    (&["transaction"], Families::PAY.and(Families::BOOK)),
];
const fn extreme(of: Measure, most: bool) -> Extreme {
    Extreme { of, most }
}
pub(super) const EXTREMES: [(&str, Extreme); 24] = [
    ("largest", extreme(Measure::Size, true)),
    ("biggest", extreme(Measure::Size, true)),
    ("longest", extreme(Measure::Size, true)),
    ("smallest", extreme(Measure::Size, false)),
    ("shortest", extreme(Measure::Size, false)),
    ("tiniest", extreme(Measure::Size, false)),
    ("latest", extreme(Measure::Time, true)),
    ("newest", extreme(Measure::Time, true)),
    ("last", extreme(Measure::Time, true)),
    ("recent", extreme(Measure::Time, true)),
    ("oldest", extreme(Measure::Time, false)),
    ("earliest", extreme(Measure::Time, false)),
    ("soonest", extreme(Measure::Time, false)),
    ("cheapest", extreme(Measure::Price, false)),
    ("priciest", extreme(Measure::Price, true)),
    ("costliest", extreme(Measure::Price, true)),
    ("best", extreme(Measure::Rating, true)),
    ("top", extreme(Measure::Rating, true)),
    ("worst", extreme(Measure::Rating, false)),
    ("highest", extreme(Measure::Any, true)),
    ("greatest", extreme(Measure::Any, true)),
    ("maximum", extreme(Measure::Any, true)),
    ("lowest", extreme(Measure::Any, false)),
    ("minimum", extreme(Measure::Any, false)),
];

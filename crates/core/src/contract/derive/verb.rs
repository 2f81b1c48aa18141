//! What a tool's verb is: from its name, else from its description.

use super::super::words::{self, Families};
use super::text;

/// A tool's verb.
pub(super) struct Verb {
    /// In its base form; empty where none is known.
    pub(super) word: String,
    /// All that it can mean.
    pub(super) families: Families,
    /// What it means for a tool; none where the verb is not known.
    pub(super) home: Families,
    /// Which word of the name it is.
    pub(super) place: Option<usize>,
}

/// Nouns that end the names of tools which show something.
const VIEWS: &[&str] = &[
    "history",
    "status",
    "list",
    "info",
    "information",
    "detail",
    "overview",
    "summary",
    "log",
    "stat",
    "statistic",
    "statistics",
    "report",
    "balance",
    "forecast",
    "weather",
    "count",
    "metadata",
    "schema",
    "profile",
    "quote",
    "price",
    "rate",
    "availability",
    "direction",
    "timeline",
    "feed",
    "trend",
    "version",
    "whoami",
    "result",
    "review",
    "schedule",
    "screenshot",
    "snapshot",
    "catalog",
    "catalogue",
    "total",
    "metric",
    "tree",
    "content",
    "message",
    "search",
    "lookup",
    "directory",
];

/// Verbs that are nouns too and yet, as a name's first word, are verbs.
const FIRST: &[&str] = &["list", "view", "query", "share", "search", "check", "set", "access"];

/// Verbs that end the names of tools which say first what they are about.
const ENDS: &[&str] = &[
    "list", "get", "add", "create", "update", "delete", "remove", "search", "find", "edit", "read", "fetch",
    "set", "send", "share", "publish", "cancel", "insert", "upsert", "modify", "invite", "assign", "approve",
    "reject", "archive", "restore", "merge", "rename", "move", "copy", "lookup", "reserve", "buy", "pay",
];

/// Verbs that are more often adjectives or fillers where they are not a name's first word.
const ADJECTIVES: &[&str] = &[
    "open", "new", "complete", "clean", "empty", "clear", "secure", "hold", "top", "have", "is", "has",
    "use", "let", "put", "give", "close", "head", "tail", "top", "return", "pass", "free", "live", "like",
    "share", "fix", "lower", "make", "do", "request",
];

/// Words that may stand before a description's verb.
const FILLERS: &[&str] = &[
    "use",
    "uses",
    "used",
    "using",
    "allow",
    "allows",
    "enable",
    "enables",
    "help",
    "helps",
    "let",
    "lets",
    "tool",
    "given",
    "note",
    "new",
    "perform",
    "performs",
    "performing",
    "do",
    "does",
    "make",
    "makes",
    "provide",
    "provides",
    "take",
    "takes",
];

/// Where both readings of a word are at hand, the one that tools mean.
const HOMES: &[(Families, &[&str])] = &[
    (Families::READ, &["get", "check", "convert", "format", "give", "tell", "show", "open", "load"]),
    (
        Families::CREATE,
        &[
            "add",
            "put",
            "write",
            "upload",
            "import",
            "insert",
            "save",
            "store",
            "record",
            "log",
            "note",
            "file",
            "make",
            "generate",
            "draft",
            "compose",
            "copy",
            "duplicate",
            "clone",
            "fork",
            "register",
            "enter",
        ],
    ),
    (
        Families::UPDATE,
        &[
            "move", "set", "complete", "close", "archive", "merge", "link", "tag", "pin", "lock", "unlock",
            "star", "mark", "assign", "reopen", "apply", "replace", "append", "include", "bring", "switch",
            "toggle", "turn", "resolve",
        ],
    ),
    (Families::BOOK, &["book", "reserve", "schedule", "hire", "appoint", "charter"]),
    (
        Families::PAY,
        &[
            "pay", "refund", "wire", "donate", "buy", "purchase", "order", "checkout", "trade", "invest",
            "bet",
        ],
    ),
    (Families::SHARE, &["transfer"]),
    (Families::SEND, &["send", "return", "invoice", "bill"]),
];

/// From the most to the least telling, for verbs that have no entry above.
const ORDER: &[Families] = &[
    Families::DELETE,
    Families::RUN,
    Families::PAY,
    Families::SHARE,
    Families::SEND,
    Families::POST,
    Families::INVITE,
    Families::BOOK,
    Families::RESCHEDULE,
    Families::UPDATE,
    Families::CREATE,
    Families::READ,
];

/// Reads the verb.
///
/// `from` = the first word behind the last dot of the name, where it has one.
pub(super) fn of(tokens: &[String], from: usize, description: &str, doubts: &mut Vec<String>) -> Verb {
    let described = described(description);
    // *Product page with questions and answers* tells what is shown; a verb further on is no order.
    let opens = text::words(text::first_sentence(description)).next().and_then(|w| text::base_form(w, true));
    let opens = opens.is_some() && opens == described;
    let dotted = tokens.get(from).filter(|token| from > 0 && words::base_verb(token).is_some());
    let dotted = dotted.filter(|token| words::noun(token).is_none() || ENDS.contains(&token.as_str()));
    let picked = dotted.map_or_else(|| pick(tokens, described.as_deref(), opens), |_| Pick::Token(from));
    match picked {
        Pick::Token(at) => {
            let word = tokens.get(at).cloned().unwrap_or_default();
            Verb { place: Some(at), ..known(word) }
        }
        Pick::View => known("get".into()),
        Pick::None => {
            if let Some(word) = described {
                return known(word);
            }
            doubts.push(
                "neither its name nor its description has a verb that is known: taken as running something"
                    .into(),
            );
            Verb { word: String::new(), families: Families::NONE, home: Families::NONE, place: None }
        }
    }
}

/// The home family of a verb.
fn known(word: String) -> Verb {
    let families = words::base_verb(&word).unwrap_or(Families::NONE);
    let home = HOMES.iter().find(|(_, list)| list.contains(&word.as_str())).map(|(home, _)| *home);
    let home = home.or_else(|| ORDER.iter().copied().find(|one| families.meets(*one)));
    Verb { word, families, home: home.unwrap_or(Families::NONE), place: None }
}

enum Pick {
    Token(usize),
    View,
    None,
}

fn pick(tokens: &[String], described: Option<&str>, opens: bool) -> Pick {
    let verbs: Vec<(usize, &str)> = (tokens.iter().enumerate())
        .filter(|(_, token)| words::base_verb(token).is_some())
        .map(|(at, token)| (at, token.as_str()))
        .collect();
    let last = tokens.len().saturating_sub(1);
    let ends_in_view = tokens.last().is_some_and(|token| text::is_one_of(token, VIEWS));
    let Some(&(first, word)) = verbs.first() else {
        let reads = !opens || described.is_none_or(|verb| known(verb.to_owned()).home == Families::READ);
        return if ends_in_view && reads { Pick::View } else { Pick::None };
    };
    let is_verb_only = |word: &str| words::noun(word).is_none();
    // `comment_list`, `pageShare`: what is spoken of, and then what is done to it.
    let end = tokens.iter().rposition(|token| ENDS.contains(&token.as_str())).filter(|at| *at > 0);
    let lists = || described.is_none_or(|verb| known(verb.to_owned()).home == Families::READ);
    if let Some(end) = end
        && (first == last && end == last
            || first == 0 && words::noun(word).is_some() && !FIRST.contains(&word))
        && (first != last || tokens.last().is_none_or(|token| token != "list") || lists())
    {
        return Pick::Token(end);
    }
    if first == 0 && (is_verb_only(word) || FIRST.contains(&word)) {
        return Pick::Token(0);
    }
    if let Some((at, _)) = verbs.iter().find(|(_, verb)| Some(*verb) == described) {
        return Pick::Token(*at);
    }
    let sure = verbs.iter().find(|(at, verb)| {
        is_verb_only(verb) && !ADJECTIVES.contains(verb) && (first != 0 || *at == last || *at == 1)
    });
    if let Some((at, _)) = sure {
        return Pick::Token(*at);
    }
    let reads = described.is_some_and(|verb| known(verb.to_owned()).home == Families::READ);
    if ends_in_view && (reads || described.is_none()) && last > 0 {
        return Pick::View;
    }
    // A name that ends in a noun (`git_log`) is explained by its description; one that begins with a verb is
    // not.
    if first != 0 && first == last && described.is_some() {
        return Pick::None;
    }
    Pick::Token(first)
}

/// The base form of the first verb in a description's first sentence.
pub(super) fn described(description: &str) -> Option<String> {
    let sentence = text::first_sentence(description);
    let mut before = "";
    for (at, word) in text::words(sentence).take(14).enumerate() {
        let gerund = matches!(before, "for" | "of" | "by") || at == 0;
        let introduced = at == 0
            || matches!(
                before,
                "to" | "that"
                    | "which"
                    | "tool"
                    | "function"
                    | "and"
                    | "can"
                    | "will"
                    | "you"
                    | "for"
                    | "or"
                    | "api"
            );
        let base = text::base_form(word, gerund).filter(|_| !FILLERS.contains(&word));
        if let Some(base) = base
            && (introduced
                || words::noun(word).is_none() && words::noun(&base).is_none() && !ADJECTIVES.contains(&word))
        {
            return Some(base);
        }
        before = word;
    }
    None
}

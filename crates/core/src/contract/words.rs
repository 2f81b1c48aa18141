//! The words that contracts and licences are made of: what verbs do, and what nouns speak of.
//!
//! English, written from the names that public APIs and MCP servers commonly use and from how people ask
//! for the same things. A word that is missing here is taken as not understood, which only ever asks.

#[expect(
    clippy::disallowed_types,
    reason = "looked up and never walked, with a hasher that is always the same"
)]
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Sets of verbs that can stand for each other; a verb may belong to several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Families(u16);

/// Sets of nouns that speak of the same kind of thing; a noun may belong to several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nouns(u32);

macro_rules! bits {
    ($type:ident, $int:ty, $($(#[$doc:meta])* $name:ident = $bit:expr),* $(,)?) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
            /// None of them.
            pub const NONE: Self = Self(0);
            /// Their names, for people.
            #[must_use]
            pub fn words(self) -> Vec<String> {
                let all = [$((Self::$name, stringify!($name))),*];
                all.iter().filter(|(set, _)| self.meets(*set)).map(|(_, n)| n.to_ascii_lowercase()).collect()
            }
            /// The set of this name.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                let all = [$((Self::$name, stringify!($name))),*];
                all.iter().find(|(_, n)| n.eq_ignore_ascii_case(word)).map(|(set, _)| *set)
            }
            /// Both together.
            #[must_use]
            pub const fn and(self, other: Self) -> Self { Self(self.0 | other.0) }
            /// What is in the first and not in the second.
            #[must_use]
            pub const fn without(self, other: Self) -> Self { Self(self.0 & !other.0) }
            /// Whether they have something in common.
            #[must_use]
            pub const fn meets(self, other: Self) -> bool { self.0 & other.0 != 0 }
            /// Whether it is empty.
            #[must_use]
            pub const fn is_empty(self) -> bool { self.0 == 0 }
        }

        /// As a list of names: what is kept outlives the places of bits.
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.words())
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let words = Vec::<String>::deserialize(deserializer)?;
                let mut named = words.iter().map(|word| {
                    Self::parse(word).ok_or_else(|| D::Error::custom(format!("`{word}` is no such set of words")))
                });
                named.try_fold(Self::NONE, |all, one| Ok(all.and(one?)))
            }
        }
    };
}

bits!(Families, u16,
    /// Brings a text or thing to somebody.
    SEND = 0,
    /// Makes something public to many.
    POST = 1,
    /// Gives somebody access.
    SHARE = 2,
    /// Makes somebody take part.
    INVITE = 3,
    /// Makes something new.
    CREATE = 4,
    /// Changes something.
    UPDATE = 5,
    /// Changes when something happens.
    RESCHEDULE = 6,
    /// Removes something.
    DELETE = 7,
    /// Moves money.
    PAY = 8,
    /// Takes something into use for somebody.
    BOOK = 9,
    /// Makes a machine do something.
    RUN = 10,
    /// Looks at something.
    READ = 11,
);

bits!(Nouns, u32,
    /// Mail.
    MAIL = 0,
    /// Short messages between people.
    MESSAGE = 1,
    /// Places where many read along.
    CHANNEL = 2,
    /// Things in a calendar.
    EVENT = 3,
    /// Files, folders and documents.
    FILE = 4,
    /// Pages on the web.
    PAGE = 5,
    /// People, and how they are reached.
    PERSON = 6,
    /// What moves or holds money.
    MONEY = 7,
    /// What opens doors.
    SECRET = 8,
    /// What a service knows about its user.
    PROFILE = 9,
    /// Where one sleeps.
    LODGING = 10,
    /// Where one eats.
    FOOD = 11,
    /// How one gets about.
    TRANSPORT = 12,
    /// What is bought.
    PRODUCT = 13,
    /// Work to be done.
    TASK = 14,
    /// Programs and where they live.
    CODE = 15,
    /// Machines and what runs on them.
    MACHINE = 16,
    /// Tables and what is in them.
    DATA = 17,
    /// What was said about something.
    REVIEW = 18,
    /// Who may do what.
    RIGHT = 19,
);

impl Nouns {
    /// Words that speak of these kinds of things.
    pub(crate) fn examples(self) -> impl Iterator<Item = String> {
        NOUNS
            .iter()
            .filter(move |(set, _)| set.meets(self))
            .flat_map(|(_, words)| words.iter().map(|w| (*w).to_owned()))
    }
}

/// What a verb does, in its base form or inflected; `None` = no verb that is known.
#[must_use]
pub fn verb(word: &str) -> Option<Families> {
    base_verb(word).or_else(|| stems(word).find_map(|stem| base_verb(&stem)))
}

/// What a verb in its base form does.
#[must_use]
pub fn base_verb(word: &str) -> Option<Families> {
    VERB_INDEX.get(word).copied()
}

/// What a noun speaks of, singular or plural; `None` = no noun that is known.
#[must_use]
pub fn noun(word: &str) -> Option<Nouns> {
    let known = |word: &str| NOUN_INDEX.get(word).copied();
    known(word).or_else(|| known(&singular(word)?))
}

/// A plural's singular, as far as spelling tells.
#[must_use]
pub fn singular(word: &str) -> Option<String> {
    let cut = |end: &str, new: &str| word.strip_suffix(end).map(|stem| format!("{stem}{new}"));
    if word.len() < 4 || word.ends_with("ss") {
        return None;
    }
    cut("ies", "y")
        .or_else(|| ["ches", "shes", "sses", "xes"].iter().find_map(|e| cut(e, e.strip_suffix("es")?)))
        .or_else(|| cut("s", ""))
}

/// What is left of a longer word without its ending: `uploading` and `uploaded` are both about an `upload`.
#[must_use]
pub fn stem(word: &str) -> Option<&str> {
    ["ing", "ed", "er", "ers"].iter().find_map(|end| word.strip_suffix(end)).filter(|stem| stem.len() >= 4)
}

/// What an inflected verb may be a form of.
fn stems(word: &str) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    for end in ["ing", "ed", "es", "s", "d"] {
        let Some(stem) = word.strip_suffix(end).filter(|stem| stem.len() >= 2) else { continue };
        found.push(stem.to_owned());
        if matches!(end, "ing" | "ed") {
            found.push(format!("{stem}e"));
            let mut letters = stem.chars().rev();
            if let (Some(last), Some(before)) = (letters.next(), letters.next())
                && last == before
            {
                found.push(stem.strip_suffix(last).unwrap_or(stem).to_owned());
            }
            if let Some(stem) = stem.strip_suffix('i') {
                found.push(format!("{stem}y"));
            }
        }
    }
    found.into_iter()
}

/// The tables are grouped by meaning, so that people can read them; they are turned round once, to be looked
/// up word by word.
/// Words of a table, for looking up.
#[expect(
    clippy::disallowed_types,
    reason = "looked up and never walked, with a hasher that is always the same"
)]
pub(crate) type Index<T> = HashMap<&'static str, T, BuildHasherDefault<Fnv>>;

static VERB_INDEX: LazyLock<Index<Families>> = LazyLock::new(|| index(VERBS));
static NOUN_INDEX: LazyLock<Index<Nouns>> = LazyLock::new(|| index(NOUNS));

/// FNV-1a: words are short, the tables are ours, and every word of every output is looked up.
#[derive(Default)]
pub(crate) struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    }

    fn finish(&self) -> u64 {
        // A table takes its buckets from the low bits and its tags from the high ones.
        (self.0 ^ self.0 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn index<T: Copy + Join>(table: &[(T, &[&'static str])]) -> Index<T> {
    let mut index = Index::default();
    for (set, words) in table {
        for word in *words {
            index.entry(*word).and_modify(|known: &mut T| *known = known.join(*set)).or_insert(*set);
        }
    }
    index
}

/// Sets that can be joined.
trait Join {
    fn join(self, other: Self) -> Self;
}

impl Join for Families {
    fn join(self, other: Self) -> Self {
        self.and(other)
    }
}

impl Join for Nouns {
    fn join(self, other: Self) -> Self {
        self.and(other)
    }
}

#[rustfmt::skip]
const VERBS: &[(Families, &[&str])] = &[
    (Families::SEND, &[
        "send", "forward", "reply", "respond", "email", "mail", "message", "dm", "text", "notify", "inform", "tell",
        "remind", "deliver", "submit", "dispatch", "relay", "contact", "write", "answer", "ping", "alert", "let", "pass",
        "thank", "apologize", "apologise", "congratulate", "fax", "ship", "return", "hand", "upload", "ask", "request",
        "mention", "escalate", "redirect", "route", "enqueue", "dial", 
    ]),
    (Families::POST, &[
        "post", "publish", "announce", "broadcast", "tweet", "comment", "upload", "blog", "say", "send", "message",
        "release", "advertise", "push", "respond", "reply", "put", "write", "share", "report",
        "retweet", "repost", "reblog", "react", "upvote", "downvote", "vote",
    ]),
    (Families::SHARE, &[
        "share", "grant", "give", "permit", "authorize", "authorise", "allow", "expose", "delegate", "assign", "publish",
        "transfer",
        "assume", "impersonate", "promote", "whitelist",
    ]),
    (Families::INVITE, &[
        "invite", "add", "include", "enroll", "enrol", "subscribe", "join", "bring", "onboard", "admit", "register",
        "attend", "loop", "enlist",
        "recruit",
    ]),
    (Families::CREATE, &[
        "create", "make", "new", "write", "generate", "draft", "compose", "open", "register", "add", "insert", "save",
        "store", "record", "log", "prepare", "set", "setup", "build", "produce", "put", "start", "establish", "init",
        "initialize", "schedule", "plan", "book", "copy", "duplicate", "clone", "import", "fork", "provision", "enter",
        "note", "upload", "organize", "organise", "arrange", "launch", "remember", "host", "file",
        "commit", "stage", "backup", "ingest", "embed", "index", "memorize", "seed", "allocate", "mint",
        "craft", "issue", "place", "stash", "instantiate", "snapshot",
    ]),
    (Families::UPDATE, &[
        "update", "change", "edit", "modify", "adjust", "set", "rename", "correct", "fix", "append", "extend", "replace",
        "mark", "patch", "amend", "revise", "configure", "add", "put", "write", "switch", "toggle", "enable", "disable",
        "increase", "decrease", "raise", "lower", "reduce", "complete", "close", "reopen", "archive", "tag", "assign",
        "move", "merge", "alter", "insert", "upsert", "sync", "star", "pin", "mute", "flag", "convert", "turn", "include",
        "reset", "refresh", "renew", "resolve", "upgrade", "downgrade", "approve", "reject", "accept", "decline", "lock",
        "unlock", "attach", "detach", "follow", "unfollow", "link", "rotate", "apply", "format", "fill", "overwrite",
        "transition", "acknowledge", "ack", "pause", "resume", "play", "skip", "freeze", "unfreeze", "unstar",
        "unarchive", "undo", "redo", "revert", "restore", "recover", "hide", "unhide", "unpin", "unmute", "unblock",
        "unban", "demote", "rebase", "squash", "checkout", "pull", "hide", "connect", "disconnect", "mount",
        "unmount", "join", "leave", "react", "sign", "encrypt", "compress", "resize", "crop",
        "annotate", "label", "categorize", "categorise", "migrate", "swap", "reorder", "seek", "queue", "arm",
        "disarm", "dim", "end", "finish", "redeem", "claim", "escalate", "triage", "rate", "reassign",
        "bump", "reconcile", "normalize", "normalise", "rebuild", "populate", "transform", "cordon", "uncordon",
        "tune", "refine", "enrich", "save", "stop", "start", "control", "operate",
        "reverse",
    ]),
    (Families::RESCHEDULE, &[
        "reschedule", "move", "postpone", "shift", "delay", "push", "bring", "schedule", "defer", "advance", "snooze",
    ]),
    (Families::DELETE, &[
        "delete", "remove", "erase", "cancel", "drop", "purge", "clear", "wipe", "unsubscribe", "revoke", "kick", "trash",
        "discard", "destroy", "uninstall", "terminate", "deactivate", "ban", "unshare", "uninvite", "expel", "empty",
        "truncate", "void", "withdraw", "prune", "unlink", "rm", "evict", "block", "suspend", "rid", "kill", "clean",
        "forget", "burn", "unassign", "abort", "decommission", "demolish", "dismiss", "nuke", "expire",
        "deprovision", "offboard", "unenroll", "delist", "rescind",
    ]),
    (Families::PAY, &[
        "pay", "transfer", "refund", "wire", "donate", "buy", "purchase", "settle", "reimburse", "tip", "remit", "charge",
        "invoice", "repay", "deposit", "withdraw", "send", "order", "compensate", "bill", "checkout", "subscribe",
        "invest", "trade", "sell", "spend", "return", "owe", "top", "fund", "bet", "payout", "exchange",
        "swap", "stake", "unstake", "bridge", "redeem", "payoff", "place",
    ]),
    (Families::BOOK, &[
        "book", "reserve", "schedule", "order", "rent", "hire", "check-in", "checkin", "appoint", "arrange", "plan",
        "get", "secure", "hold", "make", "charter",
    ]),
    (Families::RUN, &[
        "run", "execute", "exec", "deploy", "launch", "invoke", "call", "trigger", "install", "start", "stop", "restart",
        "eval", "evaluate", "compile", "build", "test", "kill", "reboot", "shell", "spawn", "click", "type", "press",
        "navigate", "drag", "automate", "perform", "scale", "rollback", "train", "process", "use", "import",
        "dial", "drain", "rollout", "hover", "scroll", "tap", "swipe", "mount", "apply",
        "orchestrate", "sync", "operate", "benchmark", "debug", "lint", "render", "transcode",
        "boot", "shutdown",
    ]),
    (Families::READ, &[
        "read", "get", "show", "list", "find", "search", "check", "look", "summarize", "summarise", "fetch", "view",
        "query", "lookup", "retrieve", "describe", "count", "compare", "analyze", "analyse", "review", "inspect",
        "browse", "open", "download", "tell", "see", "watch", "calculate", "compute", "display", "determine", "identify",
        "explain", "translate", "give", "extract", "monitor", "visit", "access", "load", "scan", "verify", "validate",
        "know", "have", "is", "has", "collect", "gather", "filter", "sort", "preview", "print", "select", "resolve",
        "discover", "status", "head", "stat", "diff", "estimate", "predict", "recommend", "suggest", "exists", "detect",
        "measure", "audit", "trace", "think", "consider", "listen", "head", "tail", "grep", "ls", "cat", "peek", "crawl",
        "scrape", "convert", "format", "parse", "export", "screenshot", "snapshot", "capture", "figure", "pick", "choose",
        "learn", "understand", "research", "investigate", "evaluate", "rank", "rate", "report", "confirm", "watch",
        "ping", "wait", "poll", "aggregate", "consume", "transcribe", "classify", "simulate", "forecast", "observe",
        "introspect", "enumerate", "match", "locate", "geocode", "ask", 
        "sample", "decode", "encode", "hash", "outline", "survey", "track",
    ]),
];

#[rustfmt::skip]
const NOUNS: &[(Nouns, &[&str])] = &[
    (Nouns::MAIL, &["email", "mail", "inbox", "e-mail", "newsletter", "mailbox", "draft", "correspondence", "gmail", "outlook",
        "recipient", "attachment", "thread", "reply"]),
    (Nouns::MESSAGE, &["message", "dm", "chat", "text", "sms", "reply", "conversation", "note", "thread", "slack", "discord",
        "telegram", "whatsapp", "announcement", "notification", "greeting", "reminder", "inbox"]),
    (Nouns::CHANNEL, &["channel", "group", "room", "team", "workspace", "server", "forum", "topic", "feed", "board", "slack",
        "space", "community", "guild"]),
    (Nouns::EVENT, &["event", "meeting", "appointment", "calendar", "schedule", "call", "session", "lunch", "dinner",
        "breakfast", "interview", "conference", "reminder", "party", "trip", "day", "workshop", "class", "check-up", "checkup",
        "participant", "attendee", "invitation", "webinar", "sync", "standup", "visit", "reunion", "slot", "invite"]),
    (Nouns::FILE, &["file", "document", "doc", "folder", "drive", "spreadsheet", "sheet", "presentation", "slide", "pdf",
        "image", "photo", "report", "notes", "attachment", "directory", "list", "minutes", "plan", "content", "paper",
        "draft", "copy", "bucket", "object", "blob", "path", "archive", "upload", "text", "memo", "dataset", "artifact", "readme", "changelog"]),
    (Nouns::PAGE, &["page", "website", "site", "webpage", "url", "link", "article", "blog", "web", "post", "wiki", "story",
        "internet", "browser", "news"]),
    (Nouns::PERSON, &["person", "people", "user", "contact", "member", "friend", "colleague", "client", "customer", "guest",
        "participant", "attendee", "employee", "team", "manager", "boss", "recipient", "someone", "everyone", "invitee",
        "vendor", "supplier", "partner", "neighbour", "neighbor", "tenant", "student", "teacher", "doctor", "patient",
        "coworker", "landlord", "collaborator", "subscriber", "follower", "sender", "author", "owner", "teammate", "staff"]),
    (Nouns::MONEY, &["money", "payment", "transaction", "transfer", "bill", "invoice", "refund", "rent", "salary", "fee",
        "subscription", "balance", "bank", "iban", "donation", "amount", "price", "cost", "order", "charge", "purchase",
        "wallet", "funds", "fund", "card", "debt", "loan", "expense", "reimbursement", "deposit", "standing", "payee", "dollar",
        "euro", "usd", "share", "difference", "tax", "tip", "budget", "crypto", "bitcoin", "stock", "checkout", "payout", "debit",
        "credit", "withdrawal", "remittance", "trade"]),
    (Nouns::SECRET, &["password", "secret", "token", "key", "credential", "passphrase", "pin", "certificate", "login", "otp",
        "2fa", "mfa", "apikey", "passcode", "secrets", "keys", "ssh", "auth", "oauth"]),
    (Nouns::PROFILE, &["profile", "account", "setting", "info", "information", "address", "preference", "details", "username",
        "bio", "status", "avatar", "name", "phone", "settings", "configuration", "config"]),
    (Nouns::LODGING, &["hotel", "room", "apartment", "accommodation", "hostel", "stay", "airbnb", "lodging", "listing",
        "property", "flat", "cabin", "loft", "studio", "guesthouse", "motel", "suite", "villa", "resort"]),
    (Nouns::FOOD, &["restaurant", "table", "food", "meal", "dinner", "lunch", "breakfast", "reservation", "cafe", "recipe",
        "grocery", "bar", "cuisine"]),
    (Nouns::TRANSPORT, &["flight", "car", "train", "ticket", "ride", "taxi", "bus", "rental", "vehicle", "trip", "seat",
        "cab", "airline", "uber", "ferry", "bike"]),
    (Nouns::PRODUCT, &["product", "item", "cart", "order", "shop", "store", "listing", "goods", "gift", "stock", "catalog",
        "catalogue", "basket", "coupon", "book", "ticket", "sku", "inventory"]),
    (Nouns::TASK, &["task", "todo", "issue", "ticket", "bug", "card", "project", "milestone", "epic", "story", "job",
        "reminder", "backlog", "sprint", "case", "incident", "assignment", "checklist", "to-do", "goal", "board"]),
    (Nouns::CODE, &["code", "repository", "repo", "branch", "commit", "pull", "pr", "release", "script", "function", "build",
        "pipeline", "workflow", "test", "package", "gist", "fork", "merge", "tag", "diff", "command", "shell", "notebook",
        "program", "dependency", "module", "terminal", "python", "bash"]),
    (Nouns::MACHINE, &["server", "instance", "container", "cluster", "pod", "vm", "deployment", "process", "device", "service",
        "host", "machine", "namespace", "volume", "network", "light", "lock", "thermostat", "door", "camera", "job", "app",
        "droplet", "environment", "node", "alarm", "sensor", "computer", "lambda"]),
    (Nouns::DATA, &["database", "table", "row", "record", "query", "column", "schema", "collection", "entry", "index", "entity",
        "sql", "view", "field", "data", "memory", "entities", "relation", "observation", "graph", "lead", "deal", "document",
        "key", "value", "metric", "log", "stream", "queue", "cache", "vector"]),
    (Nouns::REVIEW, &["review", "rating", "feedback", "comment", "score", "testimonial", "opinion", "survey"]),
    (Nouns::RIGHT, &["permission", "access", "role", "right", "policy", "admin", "privilege", "scope", "share", "membership",
        "acl", "grant"]),
];

#[cfg(test)]
mod tests {
    use super::{Families, Nouns, noun, verb};

    #[test]
    fn inflected_verbs_and_plural_nouns_are_understood() {
        assert_eq!(verb("sending"), verb("send"));
        assert_eq!(verb("cancelled"), verb("cancel"));
        assert_eq!(verb("shared"), verb("share"));
        assert_eq!(verb("copied"), verb("copy"));
        assert!(verb("kerfuffle").is_none());
        assert!(noun("emails").is_some_and(|n| n.meets(Nouns::MAIL)));
        assert!(noun("diaries").is_none());
        assert!(verb("delete").is_some_and(|f| f == Families::DELETE));
    }
}

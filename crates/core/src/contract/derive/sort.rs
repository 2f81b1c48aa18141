//! What an argument is by its name, description and type alone, before it is asked what the tool does.

use super::schema::Argument;
use super::text::{is_one_of, says};

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Secret,
    Code,
    /// Arguments of a program.
    CodeArguments,
    Url,
    Payee,
    Party,
    /// An id of somebody or of a place where people read.
    PartyId,
    /// Who something comes from.
    Sender,
    Amount,
    Time,
    Privilege,
    Resource,
    /// What is bought, booked or asked about by its name.
    Thing,
    Label,
    Payload,
    /// A search text.
    Query,
    /// Pages, orders, formats: nothing that acts.
    Harmless,
    /// States and categories: harmless to a reader.
    Filter,
    /// What a profile holds.
    Profile,
    Place,
    None,
}

/// What an argument is. Its own words first, then those of what it lies in.
pub(super) fn of(argument: &Argument) -> Sort {
    let mut words: Vec<&str> = argument.tokens.iter().map(String::as_str).collect();
    words.dedup();
    let own = words.len().saturating_sub(argument.own);
    let by_pair =
        (own.saturating_sub(1)..words.len()).rev().find_map(|at| pair(words.get(at)?, words.get(at + 1)?));
    if let Some(sort) = by_pair {
        return sort;
    }
    if let Some(sort) = by_format(&argument.format) {
        return sort;
    }
    // `message_to_host` is a message, `note_for_driver` a note.
    let names = words.last().is_some_and(|last| is_one_of(last, NAMED_BY));
    let joint = words.iter().enumerate().position(|(at, w)| at > own && matches!(*w, "to" | "for"));
    let joint = joint.filter(|at| !names && at + 1 < words.len());
    let head = joint.and_then(|at| words.get(at.checked_sub(1)?));
    if let Some(sort) = head.map(|head| word(head)).filter(|sort| *sort != Sort::None) {
        return sort;
    }
    let Some((&last, before)) = words.split_last() else { return Sort::None };
    // How many, not who: `guests: 2`.
    if argument.kinds.only_number() && is_one_of(last, HEADS) && !HEADS.contains(&last) {
        return Sort::Harmless;
    }
    if let Some(sort) = generic(last, before, argument) {
        return sort;
    }
    let by_name = word(last);
    if by_name == Sort::Amount && says(&argument.remark, "id of|the id|identifier") {
        return Sort::Resource;
    }
    if by_name != Sort::None {
        return by_name;
    }
    let first = words.get(own).copied().filter(|_| argument.own > 1).map_or(Sort::None, word);
    if first != Sort::None {
        return first;
    }
    by_remark(&argument.remark)
}

/// Last words that say what kind of name an argument is, whatever stands before them: `reply_to_tweet_id`.
const NAMED_BY: &[&str] = &[
    "id", "uuid", "key", "name", "address", "email", "mail", "url", "uri", "path", "number", "phone", "iban",
    "account", "file", "folder", "channel", "user",
];

/// Who is counted where a number is asked for in the plural.
const HEADS: &[&str] = &[
    "guest",
    "person",
    "attendee",
    "participant",
    "passenger",
    "adult",
    "child",
    "kid",
    "infant",
    "traveler",
    "traveller",
    "member",
    "visitor",
    "customer",
    "user",
    "seat",
    "room",
    "ticket",
    "recipient",
    "invitee",
];

/// Two words that mean something together.
fn pair(a: &str, b: &str) -> Option<Sort> {
    let b = super::super::words::singular(b).unwrap_or_else(|| b.to_owned());
    Some(match (a, b.as_str()) {
        ("api" | "access" | "private" | "secret" | "ssh" | "encryption" | "signing" | "license", "key")
        | (
            "access" | "auth" | "api" | "refresh" | "bearer" | "session" | "bot" | "id" | "csrf" | "oauth",
            "token",
        )
        | (
            "verification" | "security" | "auth" | "recovery" | "otp" | "mfa" | "pin" | "backup" | "access",
            "code",
        )
        | ("card", "number")
        | ("seed" | "recovery", "phrase")
        | ("client" | "shared" | "webhook", "secret") => Sort::Secret,
        (
            "page" | "next" | "sync" | "continuation" | "start" | "continue" | "max" | "cursor"
            | "pagination",
            "token" | "key",
        ) => Sort::Harmless,
        ("client" | "idempotency" | "request" | "api" | "protocol", "version" | "token")
        | ("idempotency", "key") => Sort::Harmless,
        (
            "country" | "currency" | "language" | "lang" | "locale" | "status" | "error" | "exit" | "color"
            | "http" | "region",
            "code",
        ) => Sort::Filter,
        ("zip" | "postal" | "post" | "area" | "state", "code") => Sort::Profile,
        ("promo" | "coupon" | "discount" | "voucher", "code") => Sort::Label,
        ("airport" | "iata" | "product" | "item" | "station", "code") => Sort::Thing,
        ("account", "number")
        | ("bank", "account")
        | ("sort" | "routing", "code" | "number")
        | ("wallet", "address")
        | (
            "to" | "destination" | "target" | "recipient" | "receiver" | "payee" | "beneficiary",
            "account" | "wallet" | "iban",
        ) => Sort::Payee,
        ("from" | "source" | "sender" | "debit", "account" | "wallet" | "iban") => Sort::Resource,
        ("email" | "mail", "address") | ("phone" | "mobile" | "telephone", "number") => Sort::Party,
        ("shipping" | "delivery" | "billing", "address") => Sort::Place,
        ("first" | "last" | "family" | "given" | "middle" | "full", "name") => Sort::Profile,
        ("user" | "login" | "screen", "name") => Sort::Party,
        ("time", "zone")
        | ("page" | "batch" | "chunk" | "font", "size")
        | ("per", "page")
        | ("sort", "by")
        | ("order", "by") => Sort::Harmless,
        ("start" | "end", "line" | "index" | "row" | "column" | "offset") => Sort::Harmless,
        ("file" | "target" | "dir", "name") if a == "file" => Sort::Resource,
        ("access" | "permission" | "privilege", "level" | "right" | "type")
        | ("policy", "arn" | "document" | "name") => Sort::Privilege,
        ("role", "name" | "arn") => Sort::Resource,
        ("payment", "method") | ("credit" | "debit", "card") => Sort::Resource,
        ("thread", "ts") => Sort::Resource,
        ("check", "in" | "out") | ("pick" | "drop", "up" | "off") | ("due", "on") | ("remind", "at") => {
            Sort::Time
        }
        (
            "valid" | "effective" | "active" | "available" | "starting" | "ending" | "start" | "end" | "date"
            | "time",
            "from" | "to" | "until" | "till" | "through" | "thru" | "since" | "by",
        ) => Sort::Time,
        ("old" | "new", "text" | "string" | "str" | "content" | "value") => Sort::Payload,
        ("new" | "target" | "destination" | "dest", "parent") => Sort::Resource,
        ("is" | "has" | "include" | "exclude" | "show" | "with" | "max" | "min" | "num" | "number", _)
            if !matches!(a, "number") || b == "of" =>
        {
            Sort::Harmless
        }
        _ => return None,
    })
}

fn by_format(format: &str) -> Option<Sort> {
    Some(match format {
        "uri" | "url" | "uri-reference" | "iri" | "hostname" => Sort::Url,
        "email" | "idn-email" => Sort::Party,
        "date-time" | "date" | "time" | "duration" => Sort::Time,
        "uuid" => Sort::Resource,
        "password" => Sort::Secret,
        "binary" | "byte" => Sort::Payload,
        _ => return None,
    })
}

/// Last words that say little by themselves: what stands before them decides.
fn generic(last: &str, before: &[&str], argument: &Argument) -> Option<Sort> {
    let owner = before.last().copied().map_or(Sort::None, word);
    let numbers = argument.kinds.only_number();
    match last {
        "id" | "ids" | "uid" | "guid" | "uuid" => Some(match owner {
            Sort::Party | Sort::Sender | Sort::Payee => Sort::PartyId,
            _ => Sort::Resource,
        }),
        "name" | "names" | "handle" | "address" | "list" | "array" | "string" | "text" | "input" | "arg"
        | "param" | "value" => match owner {
            Sort::Party
            | Sort::Sender
            | Sort::Payee
            | Sort::Resource
            | Sort::Thing
            | Sort::Url
            | Sort::Secret
            | Sort::Code
                if last != "text" || owner == Sort::Code =>
            {
                Some(owner)
            }
            Sort::Query => Some(Sort::Query),
            _ => None,
        },
        "number" | "num" | "no" | "key" | "index" => Some(match owner {
            Sort::Party | Sort::Payee => owner,
            _ if before.is_empty() && last == "index" && numbers => Sort::Harmless,
            Sort::Harmless if before.last() != Some(&"order") => Sort::Harmless,
            Sort::Secret | Sort::Amount | Sort::Payload if numbers => Sort::Harmless,
            _ => Sort::Resource,
        }),
        "start" | "end" | "from" | "to" | "at" if numbers => Some(Sort::Harmless),
        "pin" if numbers || before.is_empty() => Some(Sort::Secret),
        "at" | "on" | "after" | "before" | "by" if !before.is_empty() => {
            match word(before.last().copied()?) {
                Sort::None | Sort::Time | Sort::Resource => Some(Sort::Time),
                _ if last == "by" => Some(Sort::Sender),
                _ => Some(Sort::Time),
            }
        }
        "type" | "kind" | "count" | "format" | "limit" | "size" | "mode" | "order" | "sort" | "language" => {
            Some(if matches!(last, "type" | "kind" | "mode") {
                Sort::Filter
            } else if last == "order" && before.is_empty() && !argument.listed {
                Sort::None
            } else {
                Sort::Harmless
            })
        }
        _ => None,
    }
}

/// What one word says.
pub(super) fn word(word: &str) -> Sort {
    TABLE.iter().find(|(_, words)| is_one_of(word, words)).map_or(Sort::None, |(sort, _)| *sort)
}

/// What a description says of an argument whose name says nothing.
fn by_remark(remark: &str) -> Sort {
    let opening: String = remark.chars().take(80).collect();
    let opening = opening.as_str();
    if says(opening, "iban|account number|wallet address|bank account") {
        Sort::Payee
    } else if says(opening, "email address|email addresses|e-mail address|phone number|recipient|recipients")
    {
        Sort::Party
    } else if says(opening, "password|api key|secret|access token|credential") {
        Sort::Secret
    } else if says(opening, "sql|shell command|command to|code to|script to|javascript") {
        Sort::Code
    } else if says(opening, "url|uri|urls") {
        Sort::Url
    } else if says(opening, "id|ids|identifier|identifiers|uuid|path|file|directory|folder|key of") {
        Sort::Resource
    } else if says(opening, "yyyy-mm-dd|iso 8601|timestamp|date|time") {
        Sort::Time
    } else if says(opening, "permission|permissions|access level") {
        Sort::Privilege
    } else if says(opening, "search query|search term|query string|search for") {
        Sort::Query
    } else if says(opening, "maximum number|number of results|page number|whether") {
        Sort::Harmless
    } else if says(opening, "amount|price") {
        Sort::Amount
    } else if says(opening, "text|content|contents|body|message") {
        Sort::Payload
    } else if says(opening, "name of|title of") {
        Sort::Label
    } else {
        Sort::None
    }
}

#[rustfmt::skip]
const TABLE: &[(Sort, &[&str])] = &[
    (Sort::Secret, &["password", "passwd", "pwd", "passphrase", "secret", "passcode", "otp", "cvv", "cvc", "credential",
        "apikey", "mnemonic", "jwt", "token", "auth", "authorization", "totp"]),
    (Sort::Code, &["sql", "code", "script", "command", "cmd", "javascript", "js", "python", "statement", "shell", "program",
        "bash", "snippet", "expression", "cypher", "graphql", "sparql", "formula", "lambda", "function", "mutation"]),
    (Sort::CodeArguments, &["args", "arg", "argv", "argument", "stdin", "env", "param", "parameter"]),
    (Sort::Url, &["url", "uri", "link", "href", "endpoint", "webhook", "website", "hyperlink", "callback", "host",
        "hostname"]),
    (Sort::Payee, &["iban", "payee", "beneficiary", "wallet", "bic", "swift", "routing", "creditor"]),
    (Sort::Party, &["user", "recipient", "to", "cc", "bcc", "email", "mail", "participant", "attendee", "member", "channel",
        "username", "assignee", "owner", "guest", "invitee", "contact", "person", "people", "receiver", "reviewer", "group",
        "collaborator", "follower", "friend", "customer", "client", "team", "handle", "phone", "mobile", "telephone", "chat",
        "room", "subscriber", "employee", "login", "mailbox", "addressee", "conversation", "grantee", "principal",
        "candidate", "patient", "colleague", "mention", "watcher", "approver", "organizer", "organiser", "manager", "subreddit",
        "account", "lead_owner", "delegate", "who", "whom"]),
    (Sort::Sender, &["sender", "from", "author", "creator", "reporter"]),
    (Sort::Amount, &["amount", "price", "total", "sum", "cost", "fee", "tip", "budget", "quantity", "qty", "balance", "salary",
        "bid", "discount", "stake"]),
    (Sort::Time, &["date", "time", "datetime", "day", "when", "deadline", "due", "until", "since", "start", "end", "month",
        "year", "timestamp", "week", "hour", "minute", "expiry", "expiration", "expires", "schedule", "duration", "checkin",
        "checkout", "departure", "arrival", "begin", "finish", "period", "recurrence", "rrule", "cron", "dob", "birthday", "after", "before", "at", "on"]),
    (Sort::Privilege, &["permission", "role", "access", "scope", "visibility", "privilege", "acl", "policy", "privacy",
        "entitlement", "grant", "audience", "right", "sharing"]),
    (Sort::Resource, &["id", "uuid", "guid", "path", "file", "filename", "filepath", "folder", "directory", "dir", "key", "arn",
        "sha", "ref", "branch", "repo", "repository", "table", "database", "db", "collection", "index", "bucket", "object",
        "container", "pod", "namespace", "instance", "cluster", "device", "entity", "project", "workspace", "site", "node",
        "element", "selector", "volume", "image", "service", "resource", "source", "destination", "src", "dst", "dest", "issue",
        "pull", "pr", "ticket", "task", "event", "thread", "document", "doc", "board", "sheet", "spreadsheet", "playlist", "app",
        "application", "deployment", "environment", "server", "machine", "vm", "queue", "slug", "identifier", "record", "row",
        "base", "root", "parent", "target", "attachment", "commit", "package", "module", "workflow", "pipeline", "job", "target",
        "workbook", "calendar", "invoice", "subscription", "transaction", "charge", "payment", "intent", "remote", "floor", "domain", "ip", "reservation", "booking", "appointment",
        "cell", "range", "column", "door", "lock", "light", "camera", "area", "partition", "area_id", "card", "cwd", "meeting",
        "snapshot", "backup", "secretname", "drive", "schema", "stream", "dataset", "dashboard", "page", "tab", "frame", "org",
        "organization", "organisation", "tenant", "guild", "server", "sprint", "epic", "milestone", "release", "campaign", "deal",
        "opportunity", "lead", "session", "fork", "head", "from_branch", "base_branch", "clip", "uid", "number", "no", "pid",
        "printer", "zone", "region_id"]),
    (Sort::Thing, &["hotel", "restaurant", "company", "product", "item", "flight", "airline", "listing", "property", "vehicle",
        "car", "symbol", "ticker", "sku", "cart", "menu", "airport", "station", "movie", "book", "seat", "song", "track", "album",
        "artist", "coin", "asset", "stock", "merchant", "vendor", "store", "shop", "plan", "pizza", "food", "dish", "origin", "venue"]),
    (Sort::Label, &["name", "title", "subject", "label", "summary", "topic", "headline", "alias", "nickname", "heading", "tag",
        "brand", "hashtag", "emoji", "reaction"]),
    (Sort::Payload, &["body", "content", "text", "message", "description", "comment", "note", "html", "markdown", "caption",
        "reply", "detail", "data", "block", "instruction", "prompt", "reason", "payload", "memo", "remark", "info", "feedback",
        "review", "input", "question", "answer", "signature", "reference", "footer", "header", "value", "thought", "observation",
        "operation", "edit", "change", "diff", "patch", "properties", "property_values", "fields_to_update", "metadata",
        "agenda", "transcript", "response", "greeting", "request", "context", "child", "children", "attribute", "option"]),
    (Sort::Query, &["query", "search", "q", "keyword", "term", "filter", "pattern", "where", "regex", "criteria", "condition",
        "jql", "match", "phrase"]),
    (Sort::Harmless, &["limit", "per", "cursor", "sort", "order", "orderby", "offset", "max", "min", "format", "field",
        "include", "exclude", "lang", "language", "unit", "top", "count", "size", "depth", "width", "height", "timezone", "tz",
        "locale", "verbose", "encoding", "timeout", "latitude", "longitude", "lat", "lon", "lng", "radius", "zoom", "quality",
        "n", "skip", "precision", "retry", "page_size", "safesearch", "ascending", "descending", "direction", "delay", "dpi",
        "batch", "interval", "version", "num", "k", "freshness", "x", "y"]),
    (Sort::Filter, &["category", "type", "kind", "status", "state", "level", "mode", "currency", "country", "region", "color",
        "colour", "rating", "star", "cuisine", "amenity", "adult", "night", "passenger", "model", "genre", "language", "priority",
        "severity", "gender", "class", "party_size", "topk", "department", "theme", "style", "section", "importance"]),
    (Sort::Profile, &["street", "city", "zip", "zipcode", "postcode", "postal", "firstname", "lastname", "surname", "bio",
        "birthdate", "phone_home", "town", "province", "fullname", "county", "apartment", "fax"]),
    (Sort::Place, &["location", "address", "place"]),
];

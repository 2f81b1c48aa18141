//! What the fields of records are, by their names: who wrote it, whom it names, what it is called.

use super::text::{self, Form};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// What its service calls it: `id`, `iban`, `number`.
    Id,
    /// What people call it: `title`, `name`, `filename`, `path`.
    Identity,
    /// Who wrote it: `sender`, `owner`, `author`.
    Author,
    /// Whom it names: `participants`, `recipient`, `email`.
    People,
    /// How much, how large, how good.
    Amount,
    /// When.
    Time,
    /// What somebody said: `body`, `content`, `description`.
    Text,
    /// Anything else: states, flags, kinds.
    Other,
}

/// The class of a field, by the last word of its name, then by the form of its value.
pub(crate) fn class(name: &str, value: &str) -> Class {
    of(by_name(name), value)
}

/// The class that a field has by its name alone.
pub(crate) fn by_name(name: &str) -> Option<Class> {
    let words: Vec<String> = words(name);
    let last = words.last().map_or("", String::as_str);
    let whole = words.join("_");
    TABLE
        .iter()
        .find(|(_, names)| names.contains(&whole.as_str()))
        .or_else(|| TABLE.iter().find(|(_, names)| names.contains(&last)))
        .map(|(class, _)| *class)
}

/// The class of a field whose name says so much.
pub(crate) fn of(by_name: Option<Class>, value: &str) -> Class {
    match by_name {
        // A long value is prose whatever it is called.
        Some(Class::Identity | Class::Other) | None if value.len() > MAX_VALUE => Class::Text,
        // A `name` that holds an address names somebody.
        Some(Class::Identity) | None if value.contains('@') && text::form(value) == Some(Form::Mail) => {
            Class::People
        }
        Some(class) => class,
        None => Class::Other,
    }
}

/// A longer value is prose: it is sketched, not kept.
pub(crate) const MAX_VALUE: usize = 160;

/// The words of a field's name.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        let new = !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase());
        if new || found.is_empty() {
            found.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = found.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    found.retain(|word| !word.is_empty());
    found
}

#[rustfmt::skip]
const TABLE: &[(Class, &[&str])] = &[
    (Class::Author, &["sender", "from", "author", "owner", "creator", "organizer", "organiser", "created_by", "posted_by",
        "sent_by", "uploaded_by", "submitted_by", "reported_by", "modified_by", "uploader", "submitter", "reporter", "poster",
        "from_user", "from_email", "user", "host", "by", "commenter", "reviewer", "payer", "requester", "committer", "employee", "applicant", "student", "tenant"]),
    (Class::People, &["participants", "participant", "attendees", "attendee", "recipients", "recipient", "to", "cc", "bcc",
        "members", "member", "shared_with", "guests", "guest", "collaborators", "collaborator", "assignee", "assignees", "users",
        "invitees", "email", "emails", "mail", "contact", "contacts", "with", "customer", "client", "payee", "beneficiary",
        "username", "handle", "phone", "channel", "followers", "reply_to", "merchant", "vendor", "counterparty", "login",
        "iban", "account", "reference", "address", "wallet"]),
    (Class::Text, &["body", "content", "contents", "description", "text", "message", "note", "notes", "comment", "comments",
        "review", "reviews", "summary", "snippet", "bio", "feedback", "details", "excerpt", "html", "markdown", "reason",
        "abstract", "caption", "about", "remarks", "memo", "transcript", "answer", "output", "stdout", "log", "preview", "readme"]),
    (Class::Id, &["id", "ids", "uuid", "guid", "number", "sha", "key", "ref", "sku", "isbn", "hash", "slug", "pid", "no",
        "code", "arn", "identifier"]),
    (Class::Time, &["date", "time", "timestamp", "day", "at", "created", "updated", "modified", "start", "end", "due",
        "deadline", "created_at", "createdate", "createdat", "updatedat", "lastmodified", "publishdate", "birthdate", "updated_at", "last_modified", "since", "until", "expires", "year", "month", "when", "sent"]),
    (Class::Amount, &["amount", "price", "total", "cost", "balance", "fee", "size", "count", "rating", "score", "stars",
        "quantity", "bytes", "length", "sum", "value", "votes", "likes", "rate", "salary", "budget", "views", "duration",
        "weight", "age", "usage", "percent", "distance", "rank"]),
    (Class::Identity, &["title", "subject", "name", "filename", "file_name", "path", "label", "fullname", "full_name",
        "display_name", "topic", "heading", "file", "folder", "product", "item", "hotel", "restaurant", "company", "project",
        "repository", "repo", "branch", "first_name", "last_name", "headline", "symbol", "event", "room"]),
];

#[cfg(test)]
mod tests {
    use super::{Class, class, words};

    #[test]
    fn fields_are_classed_by_the_last_word_of_their_name() {
        assert_eq!(words("lastModified_by"), ["last", "modified", "by"]);
        assert_eq!(class("id_", "13"), Class::Id);
        assert_eq!(class("eventId", "13"), Class::Id);
        assert_eq!(class("created_by", "x"), Class::Author);
        assert_eq!(class("shared_with", "a@b.com"), Class::People);
        assert_eq!(class("name", "a@b.com"), Class::People);
        assert_eq!(class("title", &"x".repeat(500)), Class::Text);
        assert_eq!(class("wombat", "1"), Class::Other);
    }
}

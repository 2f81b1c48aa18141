//! The override file: contracts as a person has reviewed them.
//!
//! ```yaml
//! version: 1
//! tools:
//!   "mail.send_email":
//!     effect: write_outbound
//!     does: [send]
//!     about: [mail]
//!     roles: { /recipients/*: party }
//!     output: { shape: records, store: shared, writers: { id: service } }
//!     digest: sha256:…    # of the definition that was reviewed
//! ```
//!
//! What an entry does not mention stays as it is derived. A review is of one definition, named by its digest.
//! Once the server lists another one, the review lowers nothing any more: of each effect, role, store and shape
//! the more dangerous of both holds, until somebody has looked again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::derive::{Definition, derive_as, selectors, stricter};
use super::{Contract, Effect, Families, Meaning, Nouns, Output, Role, Shape, Store, Writer};
use crate::policy::fault::{Fault, Faults, Place, shown, suggest};
use crate::policy::syntax::fields::{Field, Fields};
use crate::policy::syntax::hex_digest;
use crate::policy::yaml::{self, Kind, Node};

/// Reviewed contracts, by `upstream.tool`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    tools: BTreeMap<String, Reviewed>,
}

/// What a person said of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    effect: Option<Effect>,
    does: Option<Families>,
    about: Option<Nouns>,
    roles: BTreeMap<String, Role>,
    shape: Option<Shape>,
    store: Option<Store>,
    writers: BTreeMap<String, Writer>,
    digest: String,
    digest_line: usize,
}

/// Reads an override file that has no name; the first fault stands for all.
///
/// # Errors
/// What is wrong first, with its place.
pub fn load(text: &str) -> Result<Overrides, Fault> {
    read("contracts", text.as_bytes()).map_err(|faults| {
        let whole = || Fault {
            file: "contracts".into(),
            line: 0,
            column: 0,
            message: "unreadable".into(),
            hint: None,
        };
        faults.into_iter().next().unwrap_or_else(whole)
    })
}

/// Reads an override file. `name` stands in faults.
///
/// # Errors
/// Everything that is wrong, in the order of places.
pub fn read(name: &str, bytes: &[u8]) -> Result<Overrides, Vec<Fault>> {
    let mut faults = Faults::of(name.into());
    let overrides = yaml::parse(bytes, &mut faults).and_then(|root| top(&root, &mut faults));
    match overrides {
        Some(overrides) if faults.count() == 0 => Ok(overrides),
        _ => Err(faults.into_sorted()),
    }
}

/// The SHA-256 of what a definition says, as `sha256:` and lower hex: name, description, schema and annotations,
/// whatever the order of their members.
#[must_use]
pub fn digest(definition: &Definition<'_>) -> String {
    let mut text = String::new();
    let parts = [Some(definition.input_schema), Some(definition.annotations)];
    canonical(&Value::from(definition.name), 0, &mut text);
    canonical(&Value::from(definition.description), 0, &mut text);
    for part in parts.into_iter().flatten() {
        text.push('\n');
        canonical(part.unwrap_or(&Value::Null), 0, &mut text);
    }
    format!("sha256:{}", hex_digest(text.as_bytes()))
}

/// JSON with the members of objects in order. Deeper than anybody nests, the text as it is stands for itself.
fn canonical(value: &Value, depth: usize, into: &mut String) {
    const DEEPEST: usize = 128;
    match value {
        Value::Object(members) if depth < DEEPEST => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            into.push('{');
            for (name, member) in sorted {
                into.push_str(&Value::from(name.as_str()).to_string());
                into.push(':');
                canonical(member, depth + 1, into);
                into.push(',');
            }
            into.push('}');
        }
        Value::Array(items) if depth < DEEPEST => {
            into.push('[');
            for item in items {
                canonical(item, depth + 1, into);
                into.push(',');
            }
            into.push(']');
        }
        other => into.push_str(&other.to_string()),
    }
}

impl Overrides {
    /// The contract that holds for a tool of `upstream`: the derived one, as far as nobody reviewed it
    /// otherwise.
    #[must_use]
    pub fn apply(&self, upstream: &str, definition: &Definition<'_>, derived: Contract) -> Contract {
        match self.get(upstream, definition.name) {
            None => derived,
            Some(reviewed) if reviewed.digest == digest(definition) => reviewed.instead(definition, derived),
            Some(reviewed) => reviewed.at_least(derived),
        }
    }

    /// What was said of one tool.
    #[must_use]
    pub fn get(&self, upstream: &str, tool: &str) -> Option<&Reviewed> {
        self.tools.get(&format!("{upstream}.{tool}"))
    }

    /// The reviewed tools as `upstream.tool`, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }
}

impl Reviewed {
    /// The digest of the definition that was reviewed.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The line of the file, counted from 1, that the digest stands in.
    #[must_use]
    pub const fn digest_line(&self) -> usize {
        self.digest_line
    }

    /// The review of this very definition: it holds.
    fn instead(&self, definition: &Definition<'_>, derived: Contract) -> Contract {
        let effect = self.effect.unwrap_or(derived.effect);
        let again = if effect == derived.effect { derived.clone() } else { derive_as(definition, effect) };
        let mut meaning: Meaning = again.meaning.as_deref().cloned().unwrap_or_default();
        meaning.families = self.does.unwrap_or(meaning.families);
        meaning.nouns = self.about.unwrap_or(meaning.nouns);
        meaning.roles.extend(self.roles.iter().map(|(pattern, role)| (pattern.clone(), *role)));
        meaning.output.shape = self.shape.unwrap_or(meaning.output.shape);
        meaning.output.store = self.store.unwrap_or(meaning.output.store);
        meaning.output.writers.extend(self.writers.iter().map(|(field, writer)| (field.clone(), *writer)));
        meaning.doubts.clear();
        let selectors = selectors(&meaning.roles);
        Contract { effect, selectors, meaning: Some(Arc::new(meaning)), ..derived }
    }

    /// The review of another definition: what it says counts where it is the more dangerous.
    fn at_least(&self, derived: Contract) -> Contract {
        let effect = self.effect.map_or(derived.effect, |effect| effect.max(derived.effect));
        let mut meaning: Meaning = derived.meaning.as_deref().cloned().unwrap_or_default();
        meaning.families = self.does.map_or(meaning.families, |does| both(meaning.families, does));
        for (pattern, role) in &self.roles {
            let known = meaning.roles.entry(pattern.clone()).or_insert(*role);
            *known = stricter(*known, *role);
        }
        if self.shape == Some(Shape::Document) {
            meaning.output.shape = Shape::Document;
        }
        if self.store.is_some_and(|store| trust(store) < trust(meaning.output.store)) {
            meaning.output.store = self.store.unwrap_or_default();
        }
        let strangers = self.writers.iter().filter(|(_, writer)| **writer == Writer::ThirdParty);
        meaning.output.writers.extend(strangers.map(|(field, writer)| (field.clone(), *writer)));
        meaning.doubts.push(
            "its definition is not the one that was reviewed: the more dangerous of both holds until it is \
             reviewed again"
                .into(),
        );
        let selectors = selectors(&meaning.roles);
        Contract { effect, selectors, meaning: Some(Arc::new(meaning)), ..derived }
    }
}

/// What both sets of verbs have.
const fn both(a: Families, b: Families) -> Families {
    a.without(a.without(b))
}

/// The more, the less a stranger can write there.
const fn trust(store: Store) -> u8 {
    match store {
        Store::Shared => 0,
        Store::Service => 1,
        Store::Own => 2,
    }
}

/// An entry of the file as it stands below `tools:`, with what is derived for a person to correct.
#[must_use]
pub fn entry(upstream: &str, definition: &Definition<'_>, contract: &Contract) -> String {
    let meaning = contract.meaning.as_deref().cloned().unwrap_or_default();
    let key = Value::from(format!("{upstream}.{}", definition.name));
    let mut text = format!("  {key}:\n");
    let mut remark = |said: &str| {
        let line: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(110).collect();
        text += &format!("    # {}\n", line.trim());
    };
    remark(definition.description.split(". ").next().unwrap_or_default());
    for doubt in &meaning.doubts {
        remark(&format!("Doubt: {doubt}"));
    }
    text += &format!("    effect: {}\n", contract.effect.as_str());
    for (key, words) in [("does", meaning.families.words()), ("about", meaning.nouns.words())] {
        if !words.is_empty() {
            text += &format!("    {key}: [{}]\n", words.join(", "));
        }
    }
    if !meaning.roles.is_empty() {
        text += "    roles:\n";
    }
    for (pattern, role) in &meaning.roles {
        text += &format!("      {}: {}\n", Value::from(pattern.as_str()), role.as_str());
    }
    text += &output(&meaning.output);
    text + &format!("    digest: {}\n", digest(definition))
}

fn output(output: &Output) -> String {
    let word = |known: &[(&'static str, u8)], at: u8| {
        known.iter().find(|(_, n)| *n == at).map(|(word, _)| *word).unwrap_or_default()
    };
    let shape = word(&SHAPES.map(|(word, shape)| (word, shape as u8)), output.shape as u8);
    let store = word(&STORES.map(|(word, store)| (word, store as u8)), output.store as u8);
    let named = |writer: Writer| {
        WRITERS.iter().find(|(_, w)| *w == writer).map(|(word, _)| *word).unwrap_or_default()
    };
    let writers: Vec<String> = (output.writers.iter())
        .map(|(field, writer)| format!("{}: {}", Value::from(field.as_str()), named(*writer)))
        .collect();
    let writers =
        if writers.is_empty() { String::new() } else { format!(", writers: {{ {} }}", writers.join(", ")) };
    format!("    output: {{ shape: {shape}, store: {store}{writers} }}\n")
}

const EFFECTS: [(&str, Effect); 8] = [
    ("read", Effect::Read),
    ("egress_read", Effect::EgressRead),
    ("write_internal", Effect::WriteInternal),
    ("write_outbound", Effect::WriteOutbound),
    ("destructive", Effect::Destructive),
    ("execute", Effect::Execute),
    ("credential", Effect::Credential),
    ("payment", Effect::Payment),
];

const ROLES: [Role; 13] = [
    Role::Credential,
    Role::Code,
    Role::Url,
    Role::Payee,
    Role::Party,
    Role::Resource,
    Role::Amount,
    Role::Privilege,
    Role::Label,
    Role::Payload,
    Role::Time,
    Role::Harmless,
    Role::Weak,
];

const SHAPES: [(&str, Shape); 2] = [("records", Shape::Records), ("document", Shape::Document)];
const STORES: [(&str, Store); 3] =
    [("own", Store::Own), ("service", Store::Service), ("shared", Store::Shared)];
const WRITERS: [(&str, Writer); 5] = [
    ("user", Writer::User),
    ("operator", Writer::Operator),
    ("service", Writer::Service),
    ("first_party", Writer::FirstParty),
    ("third_party", Writer::ThirdParty),
];

fn top(root: &Node, faults: &mut Faults) -> Option<Overrides> {
    let fields = Fields::open(root, "an override file", &["version", "tools"], faults)?;
    match fields.get("version").map(|field| &field.node.kind) {
        Some(Kind::Number(n)) if n.as_i64() == Some(1) => {}
        _ => faults.add_with_hint(
            root.at,
            "the file does not say which syntax it uses",
            "begin with `version: 1`",
        ),
    }
    let Some(tools) = fields.get("tools") else {
        faults.add_with_hint(
            root.at,
            "the file names no tools",
            "write `tools:` and below it `\"upstream.tool\":`",
        );
        return None;
    };
    let mut overrides = Overrides::default();
    if matches!(tools.node.kind, Kind::Null) {
        return Some(overrides);
    }
    for (key, node) in tools.map(faults)? {
        let whole =
            key.text.split_once('.').is_some_and(|(upstream, tool)| !upstream.is_empty() && !tool.is_empty());
        if !whole {
            faults.add_with_hint(
                key.at,
                format!("{} does not name a tool", shown(&key.text)),
                "write `upstream.tool`",
            );
        }
        if let Some(reviewed) = tool(node, key.at, faults) {
            overrides.tools.insert(key.text.clone(), reviewed);
        }
    }
    Some(overrides)
}

fn tool(node: &Node, at: Place, faults: &mut Faults) -> Option<Reviewed> {
    let known = ["effect", "does", "about", "roles", "output", "digest"];
    let fields = Fields::open(node, "a reviewed tool", &known, faults)?;
    let mut reviewed = Reviewed {
        effect: fields.get("effect").and_then(|field| field.word(&EFFECTS, faults)),
        ..Reviewed::default()
    };
    if let Some(field) = fields.get("does") {
        reviewed.does = set(field, faults, Families::parse, Families::and, ALL_FAMILIES);
    }
    if let Some(field) = fields.get("about") {
        reviewed.about = set(field, faults, Nouns::parse, Nouns::and, ALL_NOUNS);
    }
    for (key, node) in fields.get("roles").and_then(|field| field.map(faults)).unwrap_or_default() {
        if !key.text.starts_with('/') {
            let hint =
                format!("begin it with a slash, `*` for any element: `/{}`", key.text.replace('.', "/"));
            faults.add_with_hint(key.at, format!("{} is not a JSON pointer", shown(&key.text)), hint);
        }
        let roles: Vec<(&str, Role)> = ROLES.iter().map(|role| (role.as_str(), *role)).collect();
        if let Some(role) = (Field { key, node }).word(&roles, faults) {
            reviewed.roles.insert(key.text.clone(), role);
        }
    }
    if let Some(field) = fields.get("output") {
        reviewed_output(field, &mut reviewed, faults);
    }
    let Some(field) = fields.get("digest") else {
        faults.add_with_hint(
            at,
            "the entry does not say which definition was reviewed",
            "`countersign contract review` writes the line `digest: sha256:…`",
        );
        return None;
    };
    reviewed.digest = field.text(faults)?.to_owned();
    reviewed.digest_line = field.at().line;
    let hex = reviewed.digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    if !hex {
        faults.add_with_hint(
            field.at(),
            "this is no digest",
            "write `sha256:` and 64 digits, as `contract review` does",
        );
    }
    Some(reviewed)
}

fn reviewed_output(field: Field<'_>, reviewed: &mut Reviewed, faults: &mut Faults) {
    let Some(output) = Fields::open(field.node, "`output`", &["shape", "store", "writers"], faults) else {
        return;
    };
    reviewed.shape = output.get("shape").and_then(|field| field.word(&SHAPES, faults));
    reviewed.store = output.get("store").and_then(|field| field.word(&STORES, faults));
    for (key, node) in output.get("writers").and_then(|field| field.map(faults)).unwrap_or_default() {
        if let Some(writer) = (Field { key, node }).word(&WRITERS, faults) {
            reviewed.writers.insert(key.text.clone(), writer);
        }
    }
}

const ALL_FAMILIES: &[&str] = &[
    "send",
    "post",
    "share",
    "invite",
    "create",
    "update",
    "reschedule",
    "delete",
    "pay",
    "book",
    "run",
    "read",
];
const ALL_NOUNS: &[&str] = &[
    "mail",
    "message",
    "channel",
    "event",
    "file",
    "page",
    "person",
    "money",
    "secret",
    "profile",
    "lodging",
    "food",
    "transport",
    "product",
    "task",
    "code",
    "machine",
    "data",
    "review",
    "right",
];

/// A list of words that together make a set.
fn set<T: Copy>(
    field: Field<'_>,
    faults: &mut Faults,
    parse: fn(&str) -> Option<T>,
    join: fn(T, T) -> T,
    known: &[&str],
) -> Option<T> {
    let mut all = None;
    for (word, at) in field.texts(faults)? {
        match parse(word) {
            Some(one) => all = Some(all.map_or(one, |all| join(all, one))),
            None => {
                let message = format!("{} is not one of the words for {}", shown(word), shown(field.name()));
                faults.add_with_hint(at, message, suggest(word, known));
            }
        }
    }
    all
}

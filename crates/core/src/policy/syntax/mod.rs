//! From the text of a policy file to rules. All faults of a file are told at once.
//!
//! This file reads the top of a policy file; `rules` one rule, `conditions` its `match`, `fields` takes
//! values of an expected kind. What the language means is described in the book, chapter *Policy files*.

mod conditions;
pub(crate) mod fields;
mod rules;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::fields::{Field, Fields};
pub(super) use self::rules::Located;
use super::external::is_domain;
pub use super::fault::Fault;
use super::fault::{Faults, Place, shown};
use super::rule::Rule;
use super::yaml::{self, Kind, Node};
use crate::decision::{Approvers, Decision, PolicyRef};
use crate::detect::Level;
use crate::names::RuleId;

/// The version of the syntax.
const VERSION: i64 = 1;
const KEYS: [&str; 6] = ["version", "policy", "default", "internal_domains", "unclassified", "rules"];

/// One policy file, read.
#[derive(Clone, Debug)]
pub struct File {
    pub(super) name: Arc<str>,
    /// The digest is the file's own.
    pub(super) policy: PolicyRef,
    pub(super) default: Option<WrittenDefault>,
    /// Whether there is a default at all, understood or not.
    pub(super) has_default: bool,
    pub(super) internal_domains: Vec<Arc<str>>,
    pub(super) unclassified: Option<Level>,
    pub(super) rules: Vec<Located>,
    /// Where each rule's id is written, those of faulty rules included.
    pub(super) ids: Vec<(RuleId, Place)>,
}

const LEVELS: [(&str, Level); 4] = [
    ("PUBLIC", Level::Public),
    ("INTERNAL", Level::Internal),
    ("CONFIDENTIAL", Level::Confidential),
    ("RESTRICTED", Level::Restricted),
];

/// What happens to actions of which no rule speaks, as a file writes it.
#[derive(Clone, Debug)]
pub(super) struct WrittenDefault {
    pub(super) decision: Decision,
    pub(super) reason: Option<Arc<str>>,
    pub(super) at: Place,
}

impl File {
    /// What the file calls itself; the digest is the file's own.
    #[must_use]
    pub const fn policy(&self) -> &PolicyRef {
        &self.policy
    }

    /// Its rules, as written.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|located| &located.rule)
    }
}

/// Reads one policy file. `name` stands in faults and gives the default id.
///
/// # Errors
/// Everything that is wrong, in the order of places.
pub fn load(name: &str, bytes: &[u8]) -> Result<File, Vec<Fault>> {
    match read(name, bytes) {
        (Some(file), faults) if faults.is_empty() => Ok(file),
        (_, faults) => Err(faults),
    }
}

/// Reads as much as can be read; nothing of it may be used when there are faults.
pub(super) fn read(name: &str, bytes: &[u8]) -> (Option<File>, Vec<Fault>) {
    let mut faults = Faults::of(name.into());
    let file = yaml::parse(bytes, &mut faults).and_then(|root| top(&root, bytes, &mut faults));
    (file, faults.into_sorted())
}

fn top(root: &Node, bytes: &[u8], faults: &mut Faults) -> Option<File> {
    let fields = Fields::open(root, "a policy file", &KEYS, faults)?;
    version(fields, root.at, faults);
    let policy = policy(fields, bytes, faults);
    let written = fields.get("default");
    let default = written.and_then(|field| default(field, faults));
    let internal_domains =
        fields.get("internal_domains").map(|field| domains(field, faults)).unwrap_or_default();
    let unclassified = fields.get("unclassified").and_then(|field| field.word(&LEVELS, faults));
    let (mut rules, mut ids) = (Vec::new(), Vec::new());
    if let Some(field) = fields.get("rules") {
        match &field.node.kind {
            Kind::List(items) => {
                rules =
                    items.iter().filter_map(|item| rules::read(item, &policy, &mut ids, faults)).collect();
            }
            _ => field.expected("a list of rules", faults).unwrap_or_default(),
        }
    }
    let (name, has_default) = (Arc::clone(faults.file()), written.is_some());
    Some(File { name, policy, default, has_default, internal_domains, unclassified, rules, ids })
}

fn version(fields: Fields<'_>, at: Place, faults: &mut Faults) {
    match fields.get("version") {
        None => faults.add_with_hint(at, "the file does not say which syntax it uses", "write `version: 1`"),
        Some(field) => match &field.node.kind {
            Kind::Number(n) if n.as_i64() == Some(VERSION) => {}
            Kind::Number(n) => {
                faults.add_with_hint(
                    field.at(),
                    format!("syntax version {n} is not known"),
                    "write `version: 1`",
                );
            }
            _ => field.expected("the number 1", faults).unwrap_or_default(),
        },
    }
}

fn policy(fields: Fields<'_>, bytes: &[u8], faults: &mut Faults) -> PolicyRef {
    const SHORT: usize = 12;
    let digest = hex_digest(bytes);
    let block = fields.get("policy");
    let block =
        block.and_then(|f| Fields::open(f.node, "`policy`", &["id", "version", "description"], faults));
    let mut written = |name| block.and_then(|b| b.get(name)).and_then(|f: Field<'_>| f.text(faults));
    let (id, version) = (written("id"), written("version"));
    written("description");
    PolicyRef {
        id: id.map_or_else(|| stem(faults.file()), Arc::from),
        version: version.map_or_else(|| digest.chars().take(SHORT).collect::<String>().into(), Arc::from),
        digest: format!("sha256:{digest}").into(),
    }
}

/// The file's name without folders and without `.yaml` or `.yml`.
fn stem(name: &str) -> Arc<str> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.strip_suffix(".yaml").or_else(|| last.strip_suffix(".yml")).unwrap_or(last).into()
}

/// The SHA-256 of `bytes` in lower hex.
pub(crate) fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn default(field: Field<'_>, faults: &mut Faults) -> Option<WrittenDefault> {
    let (word, reason) = match &field.node.kind {
        Kind::Map(_) => {
            let fields = Fields::open(field.node, "`default`", &["action", "decision", "reason"], faults)?;
            let Some(word) = fields.either("action", "decision", faults) else {
                faults.add_with_hint(field.at(), "the default has no `action`", "write `action: DENY`");
                return None;
            };
            (word, fields.get("reason").and_then(|reason| reason.text(faults)).map(Arc::from))
        }
        _ => (field, None),
    };
    let words = [("ALLOW", 0), ("DENY", 1), ("STEP_UP", 2)];
    let decision = match word.word(&words, faults)? {
        0 => Decision::Allow,
        1 => Decision::Deny,
        _ => Decision::StepUp(Approvers::default()),
    };
    Some(WrittenDefault { decision, reason, at: field.key.at })
}

fn domains(field: Field<'_>, faults: &mut Faults) -> Vec<Arc<str>> {
    let mut domains = Vec::new();
    for (written, at) in field.texts(faults).unwrap_or_default() {
        if is_domain(written) {
            domains.push(written.strip_suffix('.').unwrap_or(written).to_ascii_lowercase().into());
        } else {
            let message = format!("{} is not a domain name of two parts or more", shown(written));
            faults.add_with_hint(at, message, "write `example.com`; it covers what is below it too");
        }
    }
    domains
}

//! From the text of a policy file to rules. All faults of a file are told at once.
//!
//! This file reads the top of a policy file; `rules` one rule, `conditions` its `match`, `classify` what the file says
//! about data, `fields` takes values of an expected kind. What the language means is described in the book, chapter *Policy files*.

mod classify;
mod conditions;
pub(crate) mod fields;
mod flow;
pub mod form;
mod intent;
mod modifications;
mod operators;
mod rules;
mod tools;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::fields::{Field, Fields};
use self::operators::domains;
pub(super) use self::rules::{Located, RULE_ORDER};
use super::arguments::ArgumentCheck;
pub use super::fault::Fault;
use super::fault::{Faults, Place};
use super::intent::{Boundary, ReValidation};
use super::labelling::Labelling;
use super::risk::{self, RiskLimit};
use super::rule::Rule;
use super::yaml::{self, Key, Kind, Node};
use crate::decision::{Approvers, Decision, PolicyRef};
use crate::detect::Level;
use crate::names::RuleId;
use crate::session::CounterDefinition;

/// The version of the syntax.
const VERSION: i64 = 1;
const KEYS: [&str; 12] = [
    "version",
    "policy",
    "default",
    "internal_domains",
    "unclassified",
    "classification",
    "compositional_risk",
    "intent_boundaries",
    "re_validation",
    "counters",
    "tools",
    "rules",
];

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
    pub(super) risk_limit: Option<RiskLimit>,
    pub(super) labelling: Labelling,
    pub(super) rules: Vec<Located>,
    pub(super) boundaries: Vec<Boundary>,
    pub(super) re_validation: Option<ReValidation>,
    pub(super) counters: Vec<CounterDefinition>,
    pub(super) argument_checks: Vec<ArgumentCheck>,
    /// What is no error and may still not be meant.
    pub(super) warnings: Vec<Fault>,
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
    let (root, only_rule) = one_rule(root);
    let root = &root;
    let fields = Fields::open(root, "a policy file", &KEYS, faults)?;
    version(fields, root.at, faults);
    let policy = policy(fields, bytes, faults);
    let written = fields.get("default");
    let default = written.and_then(|field| default(field, faults));
    let internal_domains =
        fields.get("internal_domains").and_then(|field| domains(field, faults)).unwrap_or_default();
    let unclassified = fields.get("unclassified").and_then(|field| field.word(&LEVELS, faults));
    let risk_limit = fields.get("compositional_risk").and_then(|field| risk::read(field, &policy, faults));
    let labelling = fields.get("classification").map(|f| classify::read(f, faults)).unwrap_or_default();
    let counters = fields.get("counters").map(|field| flow::counters(field, faults)).unwrap_or_default();
    let (mut rules, mut ids) = (Vec::new(), Vec::new());
    if let Some(rule) = &only_rule {
        rules.extend(rules::read(rule, &policy, Some(&stem(faults.file())), &counters, &mut ids, faults));
    }
    if let Some(field) = fields.get("rules") {
        match &field.node.kind {
            Kind::List(items) => {
                rules = items
                    .iter()
                    .filter_map(|item| rules::read(item, &policy, None, &counters, &mut ids, faults))
                    .collect();
            }
            _ => field.expected("a list of rules", faults).unwrap_or_default(),
        }
    }
    let boundaries =
        fields.get("intent_boundaries").map(|f| intent::boundaries(f, faults)).unwrap_or_default();
    let re_validation = fields.get("re_validation").and_then(|field| intent::re_validation(field, faults));
    let argument_checks = fields.get("tools").map(|field| tools::read(field, faults)).unwrap_or_default();
    let warnings = faults.take_warnings();
    let (name, has_default) = (Arc::clone(faults.file()), written.is_some());
    Some(File {
        name,
        policy,
        default,
        has_default,
        internal_domains,
        unclassified,
        risk_limit,
        labelling,
        boundaries,
        re_validation,
        counters,
        argument_checks,
        rules,
        ids,
        warnings,
    })
}

/// A file may be one rule by itself, with what a file says beside it.
fn one_rule(root: &Node) -> (Node, Option<Node>) {
    const OF_THE_FILE: [&str; 4] = ["version", "policy", "default", "internal_domains"];
    const OF_A_RULE: [&str; 4] = ["match", "condition", "trigger", "when"];
    let Kind::Map(entries) = &root.kind else { return (root.clone(), None) };
    let has = |name: &str| entries.iter().any(|(key, _)| key.text == name);
    if has("rules") || !OF_A_RULE.iter().any(|name| has(name)) {
        return (root.clone(), None);
    }
    let of_file = |(key, _): &&(Key, Node)| OF_THE_FILE.contains(&key.text.as_str());
    let part = |entries: Vec<(Key, Node)>| Node { at: root.at, kind: Kind::Map(entries) };
    let file = entries.iter().filter(of_file).cloned().collect();
    let rule = entries.iter().filter(|entry| !of_file(entry)).cloned().collect();
    (part(file), Some(part(rule)))
}

/// A file that does not say which syntax it uses is written as the specification's pages are: version 1.
fn version(fields: Fields<'_>, at: Place, faults: &mut Faults) {
    let Some(field) = fields.get("version") else {
        return faults.warn(at, "the file does not say which syntax it uses; write `version: 1`");
    };
    match &field.node.kind {
        Kind::Number(n) if n.as_i64() == Some(VERSION) => {}
        Kind::Number(n) => {
            let message = format!("syntax version {n} is not known");
            faults.add_with_hint(field.at(), message, "write `version: 1`");
        }
        _ => field.expected("the number 1", faults).unwrap_or_default(),
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

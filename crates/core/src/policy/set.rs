//! The rules in force: whole files, one digest, an index by tool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::arguments::ArgumentCheck;
use super::fault::{Fault, Faults, Place, shown};
use super::index::Index;
use super::intent::{Boundary, ReValidation};
use super::labelling::Labelling;
use super::risk::{self, RiskLimit};
use super::rule::{Classification, Rule};
use super::source::Source;
use super::syntax::{self, File, Located, WrittenDefault};
use crate::decide::Question;
use crate::decision::{Decision, PolicyRef};
use crate::detect::Level;
use crate::names::{RuleId, ToolName};
use crate::session::CounterDefinition;

/// A set of policy files that loaded as a whole.
#[derive(Clone, Debug)]
pub struct PolicySet {
    rules: Vec<Rule>,
    by_id: BTreeMap<RuleId, usize>,
    index: Index,
    /// For each rule.
    written: Vec<Written>,
    default: Decision,
    default_reason: Option<Arc<str>>,
    reference: PolicyRef,
    internal_domains: Vec<Arc<str>>,
    unclassified: Level,
    risk_limits: Vec<RiskLimit>,
    labelling: Labelling,
    counters: Vec<CounterDefinition>,
    argument_checks: Vec<ArgumentCheck>,
    boundaries: Vec<Boundary>,
    re_validations: Vec<ReValidation>,
    warnings: Vec<Fault>,
    files: Vec<(Arc<str>, PolicyRef)>,
    source: Arc<Source>,
}

/// Where a rule is written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) file: Arc<str>,
    /// Its id.
    pub(super) at: Place,
    /// Names of tools and operations.
    pub(super) names: Vec<(String, Place)>,
}

impl PolicySet {
    /// Loads files (name, content) as one set that writes its default itself; see [`Self::assemble_with`].
    ///
    /// # Errors
    /// Everything that is wrong with any of them or with their being together; nothing is used then. No file
    /// at all is an error too.
    pub fn assemble(files: Vec<(String, Vec<u8>)>) -> Result<Self, Vec<Fault>> {
        Self::assemble_with(files, None)
    }

    /// Loads files (name, content) as one set. `otherwise` is the default of a set in which no file writes one. Names are best relative to the policy folder, so that the same
    /// policy has the same digest everywhere. The order of `files` does not matter.
    ///
    /// # Errors
    /// Everything that is wrong with any of them or with their being together; nothing is used then. No file
    /// at all is an error too.
    pub fn assemble_with(
        mut files: Vec<(String, Vec<u8>)>,
        otherwise: Option<Decision>,
    ) -> Result<Self, Vec<Fault>> {
        files.sort();
        if files.is_empty() {
            return Err(whole("policies", "there is no policy file", "a set has at least one file"));
        }
        let mut faults = names_of(&files);
        let mut read = Vec::new();
        for (name, bytes) in &files {
            let (file, more) = syntax::read(name, bytes);
            faults.extend(more);
            read.push(file);
        }
        // What an unreadable file holds is not known, so it is not said to be missing.
        let all_read = read.iter().all(Option::is_some);
        let read: Vec<File> = read.into_iter().flatten().collect();
        faults.extend(repeated_ids(&read));
        faults.extend(unknown_counters(&read));
        let default = written_default(&read, all_read, otherwise.clone(), &mut faults);
        match default {
            Some((default, file)) if faults.is_empty() => {
                let mut set = Self::join(&files, read, default, file);
                set.source = Arc::new(Source::of(files, otherwise.as_ref()));
                Ok(set)
            }
            _ => {
                faults.sort();
                Err(faults)
            }
        }
    }

    /// All rules, files in the order of their names, rules as written.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules whose `tool` or `operation` may mean this tool, in the order of [`Self::rules`]: all others
    /// are `No` for it. Costs what it returns, not what the set holds.
    #[must_use]
    pub fn rules_about(&self, tool: &ToolName) -> Vec<&Rule> {
        self.index.about(tool).into_iter().filter_map(|at| self.rules.get(at)).collect()
    }

    /// Those of them that may be anything but `No` for this action, in the same order; the names of facts that had to be
    /// read are added to `read`. Costs little more than it returns.
    #[must_use]
    pub fn rules_for(&self, q: &Question<'_>, read: &mut BTreeSet<Arc<str>>) -> Vec<&Rule> {
        self.index.candidates(q, read).into_iter().filter_map(|at| self.rules.get(at)).collect()
    }

    /// Whether a forbidding rule holds for every call of this tool, whatever its arguments and context.
    #[must_use]
    pub fn always_forbids(&self, tool: &ToolName) -> bool {
        self.rules_about(tool).into_iter().any(|rule| {
            rule.classification == Classification::Forbidden
                && rule.predicates.is_empty()
                && rule.conditions.is_empty()
                && (rule.operations.is_empty() || rule.operations.iter().any(|op| op == tool.tool()))
                && rule.concerns(tool)
        })
    }

    /// The rule of this id.
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.by_id.get(id).and_then(|at| self.rules.get(*at))
    }

    /// What happens to actions of which no rule speaks: ALLOW, DENY, or STEP_UP to any approver.
    pub fn default_decision(&self) -> Decision {
        self.default.clone()
    }

    /// Why, in the policy's words.
    #[must_use]
    pub const fn default_reason(&self) -> Option<&Arc<str>> {
        self.default_reason.as_ref()
    }

    /// The set as a whole: id and version of the file that writes the default (the first by name, if several
    /// agree), and the digest of the set: `sha256:` and the hash of one line `HASH  NAME\n` for each file, in the
    /// order of names' bytes, where HASH is the file's SHA-256 in hex. `sha256sum * | sha256sum` gives the same.
    #[must_use]
    pub const fn reference(&self) -> &PolicyRef {
        &self.reference
    }

    /// The files by name; each digest is the file's own.
    #[must_use]
    pub fn files(&self) -> &[(Arc<str>, PolicyRef)] {
        &self.files
    }

    /// The text that it was loaded from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Domains that are not external, of all files together: lower case, sorted, without a final dot.
    #[must_use]
    pub fn internal_domains(&self) -> &[Arc<str>] {
        &self.internal_domains
    }

    /// The level of data whose source declares none and in which no detector finds anything: the highest that a
    /// file writes, and RESTRICTED where none does (`R2.default`).
    #[must_use]
    pub const fn unclassified(&self) -> Level {
        self.unclassified
    }

    /// The limits on the compositional risk, one a file at most; the strictest first (`R3.order`).
    #[must_use]
    pub fn risk_limits(&self) -> &[RiskLimit] {
        &self.risk_limits
    }

    /// What all files together say of data by its source and by patterns.
    #[must_use]
    pub const fn labelling(&self) -> &Labelling {
        &self.labelling
    }

    /// What actions are counted for.
    #[must_use]
    pub fn counters(&self) -> &[CounterDefinition] {
        &self.counters
    }

    /// What arguments are held against, in the order of files.
    #[must_use]
    pub fn argument_checks(&self) -> &[ArgumentCheck] {
        &self.argument_checks
    }

    /// What belongs to which declared intent.
    #[must_use]
    pub fn boundaries(&self) -> &[Boundary] {
        &self.boundaries
    }

    /// How often a person confirms a session, as each file says it.
    #[must_use]
    pub fn re_validations(&self) -> &[ReValidation] {
        &self.re_validations
    }

    /// What is no error in any of the files and may still not be meant.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// Every rule with where it is written, in the order of [`Self::rules`].
    pub(super) fn located(&self) -> impl Iterator<Item = (&Rule, &Written)> {
        self.rules.iter().zip(&self.written)
    }

    fn join(files: &[(String, Vec<u8>)], read: Vec<File>, default: WrittenDefault, by: PolicyRef) -> Self {
        let listing: String =
            files.iter().map(|(name, bytes)| format!("{}  {name}\n", syntax::hex_digest(bytes))).collect();
        let digest: Arc<str> = format!("sha256:{}", syntax::hex_digest(listing.as_bytes())).into();
        let names = read.iter().map(|file| (Arc::clone(&file.name), file.policy.clone())).collect();
        let mut internal_domains: Vec<Arc<str>> =
            read.iter().flat_map(|file| file.internal_domains.iter().cloned()).collect();
        internal_domains.sort();
        internal_domains.dedup();
        let unclassified =
            read.iter().filter_map(|file| file.unclassified).max().unwrap_or(Level::Restricted);
        let (mut rules, mut written, mut risk_limits) = (Vec::new(), Vec::new(), Vec::new());
        let mut labelling = Labelling::default();
        let (mut boundaries, mut re_validations, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        let mut counters: Vec<CounterDefinition> = Vec::new();
        let mut argument_checks = Vec::new();
        for mut file in read {
            boundaries.append(&mut file.boundaries);
            re_validations.extend(file.re_validation.take());
            counters.append(&mut file.counters);
            argument_checks.append(&mut file.argument_checks);
            warnings.append(&mut file.warnings);
            labelling.sources.append(&mut file.labelling.sources);
            labelling.patterns.append(&mut file.labelling.patterns);
            risk_limits.extend(file.risk_limit.take().map(|mut limit| {
                limit.policy.digest = Arc::clone(&digest);
                limit
            }));
            for Located { mut rule, at, names } in file.rules {
                rule.policy.digest = Arc::clone(&digest);
                rules.push(rule);
                written.push(Written { file: Arc::clone(&file.name), at, names });
            }
        }
        risk::sort(&mut risk_limits);
        Self {
            by_id: rules.iter().enumerate().map(|(at, rule)| (rule.id.clone(), at)).collect(),
            index: Index::of(&rules),
            rules,
            written,
            default: default.decision,
            default_reason: default.reason,
            reference: PolicyRef { digest, ..by },
            internal_domains,
            unclassified,
            risk_limits,
            labelling,
            counters,
            argument_checks,
            boundaries,
            re_validations,
            warnings,
            files: names,
            source: Arc::default(),
        }
    }
}

fn whole(file: &str, message: &str, hint: &str) -> Vec<Fault> {
    let mut faults = Faults::of(file.into());
    faults.add_with_hint(Place::WHOLE, message, hint);
    faults.into_sorted()
}

fn names_of(files: &[(String, Vec<u8>)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, (name, _)) in files.iter().enumerate() {
        if name.is_empty() || name.contains(|c: char| c.is_control() || c == '\\') {
            faults.extend(whole(&shown(name), "a policy file cannot have this name", "rename it"));
        }
        if at.checked_sub(1).and_then(|before| files.get(before)).is_some_and(|(before, _)| before == name) {
            faults.extend(whole(name, "two policy files have this name", "rename one of them"));
        }
    }
    faults
}

fn repeated_ids(read: &[File]) -> Vec<Fault> {
    let mut first: BTreeMap<&RuleId, (&Arc<str>, Place)> = BTreeMap::new();
    let mut faults = Vec::new();
    for file in read {
        let mut of_file = Faults::of(Arc::clone(&file.name));
        for (id, at) in &file.ids {
            if let Some((other, place)) = first.get(id) {
                let before = format!("{other}:{}:{}", place.line, place.column);
                of_file.add(*at, format!("the rule {} is already written at {before}", shown(id.as_str())));
            } else {
                first.insert(id, (&file.name, *at));
            }
        }
        faults.extend(of_file.into_sorted());
    }
    faults
}

/// Sums of counters that no file defines: they would never be known.
fn unknown_counters(read: &[File]) -> Vec<Fault> {
    let defined: BTreeSet<&str> =
        read.iter().flat_map(|file| &file.counters).map(|counter| &*counter.name).collect();
    let mut faults = Vec::new();
    for file in read {
        let mut of_file = Faults::of(Arc::clone(&file.name));
        for located in &file.rules {
            let sums = located.rule.facts().filter_map(|fact| fact.name().split_once(".sums."));
            for (_, counter) in sums.filter(|(_, counter)| !defined.contains(counter)) {
                let message =
                    format!("the rule reads the sums of a counter {}, which no file defines", shown(counter));
                of_file.add_with_hint(located.at, message, "define it under `counters`");
            }
        }
        faults.extend(of_file.into_sorted());
    }
    faults
}

/// The default that all files which write one agree on, and the policy of the first of them.
fn written_default(
    read: &[File],
    all_read: bool,
    otherwise: Option<Decision>,
    faults: &mut Vec<Fault>,
) -> Option<(WrittenDefault, PolicyRef)> {
    let mut found: Option<(&WrittenDefault, &File)> = None;
    for file in read {
        let Some(default) = &file.default else { continue };
        match found {
            None => found = Some((default, file)),
            Some((first, other)) if first.decision != default.decision => {
                let mut of_file = Faults::of(Arc::clone(&file.name));
                let before = format!("{}:{}:{}", other.name, first.at.line, first.at.column);
                of_file.add_with_hint(
                    default.at,
                    format!("this default differs from the one at {before}"),
                    "a set has one default",
                );
                faults.extend(of_file.into_sorted());
            }
            Some(_) => {}
        }
    }
    if let (None, Some(decision), Some(file)) = (found, otherwise, read.first()) {
        let written = WrittenDefault { decision, reason: None, at: Place::WHOLE };
        return (!read.iter().any(|file| file.has_default)).then(|| (written, file.policy.clone()));
    }
    if all_read && !read.iter().any(|file| file.has_default) {
        let file = read.first().map_or("policies", |file| &file.name);
        faults.extend(whole(file, "no file of this set writes a `default`", "write `default: DENY`"));
    }
    found.map(|(default, file)| (default.clone(), file.policy.clone()))
}

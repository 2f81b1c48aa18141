//! What a policy says about data by where it comes from and what it looks like: `classification` in its files.
//!
//! Everything here only adds. A source's level stands in place of the policy's `unclassified`, never in place of
//! what is found; one that speaks of a field says nothing about the rest of the output.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::{Regex, RegexSet, RegexSetBuilder};
use serde_json::Value;

use super::predicate::{COMPILED, NESTED};
use super::rule::ToolPattern;
use crate::detect::{Inspection, Level, inspect_also, inspect_fields_also};
use crate::names::ToolName;
use crate::origin::output::{Tree, trees as read_trees};

/// Patterns of one file at most.
pub(super) const MOST_PATTERNS: usize = 256;

/// What the files of a set say together.
#[derive(Clone, Debug, Default)]
pub struct Labelling {
    pub(super) sources: Vec<SourceLabels>,
    pub(super) patterns: Vec<Patterns>,
}

impl Labelling {
    /// Everything that it says, one by one, written out.
    pub(super) fn pieces(&self) -> Vec<String> {
        let each = |file: &Patterns| {
            let pieces = file.all.patterns().iter().zip(&file.says);
            pieces.map(|piece| format!("{piece:?}")).collect::<Vec<_>>()
        };
        let sources = self.sources.iter().map(|source| format!("{source:?}"));
        sources.chain(self.patterns.iter().flat_map(each)).collect()
    }
}

/// What comes from some tools, or stands in a field of it.
#[derive(Clone, Debug)]
pub(super) struct SourceLabels {
    pub(super) tools: Vec<ToolPattern>,
    /// A JSON pointer as segments, `*` for any element or member; `None` = the whole output.
    pub(super) field: Option<Vec<String>>,
    pub(super) says: Says,
}

/// What is said of data.
#[derive(Clone, Debug, Default)]
pub(super) struct Says {
    pub(super) labels: BTreeSet<Arc<str>>,
    pub(super) level: Option<Level>,
}

/// The patterns of one file, searched for together in one pass.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    all: RegexSet,
    /// In the order of the set.
    says: Vec<Says>,
}

/// What a policy declares of an output by its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Labels, levels among them.
    pub labels: BTreeSet<Arc<str>>,
    /// Whether a level is declared for the output as a whole: then `unclassified` does not speak.
    pub level: bool,
}

impl Labelling {
    /// What is declared of an output of this tool, whatever it holds; what is declared of a wrapper that it was called
    /// through, by its name, is added. Where a field is meant, the output is read as structure; what has none may hold
    /// the field, and is taken to.
    #[must_use]
    pub fn declared(&self, tool: &ToolName, wrapper: Option<&str>, output: &str) -> Declared {
        let mut declared = Declared::default();
        let mut trees: Option<Vec<Tree>> = None;
        for source in &self.sources {
            let means = source.means(tool);
            if !means && !wrapper.is_some_and(|name| source.means_wrapper(name)) {
                continue;
            }
            if let Some(field) = &source.field {
                let trees = trees.get_or_insert_with(|| read_trees(output));
                if !trees.iter().any(|tree| may_hold(tree, field)) {
                    continue;
                }
            } else {
                // Only the tool itself says what the whole is.
                declared.level |= means && source.says.level.is_some();
            }
            source.says.add_to(&mut declared.labels);
        }
        declared
    }

    /// Inspects a text, with the policy's patterns beside the detectors: over the text, its plain form and
    /// whatever is encoded in it. The labels are those of the patterns that match; what detectors find stands in
    /// the inspection.
    #[must_use]
    pub fn inspect(&self, text: &str) -> (Inspection, BTreeSet<Arc<str>>) {
        let mut search = Search::of(self);
        let inspection = inspect_also(text, &mut |text| search.through(text));
        (inspection, search.labels())
    }

    /// Labels of the patterns that match in the texts, numbers and names of an action's arguments, or across
    /// short neighbours.
    #[must_use]
    pub fn carried(&self, arguments: &Value) -> BTreeSet<Arc<str>> {
        if self.patterns.is_empty() {
            return BTreeSet::new();
        }
        let mut leaves = Vec::new();
        gather(arguments, &mut leaves);
        let mut search = Search::of(self);
        inspect_fields_also(leaves.iter().map(String::as_str), &mut |text| search.through(text));
        search.labels()
    }
}

impl SourceLabels {
    /// `upstream.*` is another way to write the upstream.
    fn means(&self, tool: &ToolName) -> bool {
        self.tools.iter().any(|pattern| {
            pattern.names(tool)
                || pattern.0.strip_suffix(".*").is_some_and(|upstream| upstream == tool.upstream())
        })
    }

    /// Whether a wrapper's name, `upstream.tool` or bare, may be meant.
    fn means_wrapper(&self, name: &str) -> bool {
        self.tools.iter().map(|pattern| pattern.0.strip_suffix(".*").unwrap_or(&pattern.0)).any(|pattern| {
            name == pattern
                || name.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.'))
                || name.strip_suffix(pattern).is_some_and(|rest| rest.ends_with('.'))
        })
    }
}

impl Says {
    fn add_to(&self, labels: &mut BTreeSet<Arc<str>>) {
        labels.extend(self.labels.iter().cloned());
        labels.extend(self.level.map(|level| Arc::from(level.as_str())));
    }
}

impl Patterns {
    /// Prepares the search for expressions that compile each by itself.
    ///
    /// # Errors
    /// They are too large together.
    pub(super) fn of(expressions: &[(Regex, Says)]) -> Result<Self, regex::Error> {
        let all = RegexSetBuilder::new(expressions.iter().map(|(expression, _)| expression.as_str()))
            .size_limit(COMPILED * 4)
            .dfa_size_limit(COMPILED)
            .nest_limit(NESTED)
            .build()?;
        Ok(Self { all, says: expressions.iter().map(|(_, says)| says.clone()).collect() })
    }
}

/// A search through the texts of one inspection.
struct Search<'a> {
    patterns: &'a [Patterns],
    /// For each set, which of its patterns matched.
    found: Vec<BTreeSet<usize>>,
}

impl<'a> Search<'a> {
    fn of(labelling: &'a Labelling) -> Self {
        Self { patterns: &labelling.patterns, found: vec![BTreeSet::new(); labelling.patterns.len()] }
    }

    fn through(&mut self, text: &str) {
        for (patterns, found) in self.patterns.iter().zip(&mut self.found) {
            if found.len() < patterns.says.len() {
                found.extend(patterns.all.matches(text).iter());
            }
        }
    }

    fn labels(self) -> BTreeSet<Arc<str>> {
        let mut labels = BTreeSet::new();
        for (patterns, found) in self.patterns.iter().zip(self.found) {
            let says = found.into_iter().filter_map(|at| patterns.says.get(at));
            says.for_each(|says| says.add_to(&mut labels));
        }
        labels
    }
}

/// Whether a text with this structure may have something at `field`.
fn may_hold(tree: &Tree, field: &[String]) -> bool {
    match tree {
        Tree::Values(value) => holds(value, field),
        // Nobody says what is what in it.
        Tree::Listing(_) | Tree::Text(_) => true,
    }
}

fn holds(value: &Value, field: &[String]) -> bool {
    let Some((first, rest)) = field.split_first() else { return true };
    match value {
        Value::Object(members) if first == "*" => members.values().any(|member| holds(member, rest)),
        Value::Object(members) => members.get(first).is_some_and(|member| holds(member, rest)),
        Value::Array(items) if first == "*" => items.iter().any(|item| holds(item, rest)),
        Value::Array(items) => {
            first.parse::<usize>().ok().and_then(|at| items.get(at)).is_some_and(|item| holds(item, rest))
        }
        _ => false,
    }
}

fn gather(value: &Value, leaves: &mut Vec<String>) {
    match value {
        Value::String(text) => leaves.push(text.clone()),
        Value::Number(number) => leaves.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| gather(item, leaves)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            leaves.push(name.clone());
            gather(member, leaves);
        }),
        Value::Null | Value::Bool(_) => {}
    }
}

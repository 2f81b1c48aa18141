//! The block `classification` of a policy file: sources and patterns, and what is said of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::Regex;

use super::LEVELS;
use super::fields::{Field, Fields};
use super::operators::expression;
use crate::policy::fault::{Faults, shown};
use crate::policy::labelling::{Labelling, MOST_PATTERNS, Patterns, Says, SourceLabels};
use crate::policy::rule::ToolPattern;
use crate::policy::yaml::{Kind, Node};

/// The longest label and id, in bytes: labels stand in receipts.
const LONGEST: usize = 200;
/// Labels of one entry at most.
const MOST_LABELS: usize = 16;

/// Reads the block.
pub(super) fn read(block: Field<'_>, faults: &mut Faults) -> Labelling {
    let Some(fields) = Fields::open(block.node, "`classification`", &["sources", "patterns"], faults) else {
        return Labelling::default();
    };
    let sources = fields.get("sources").map(|field| items(field, faults)).unwrap_or_default();
    let sources = sources.iter().filter_map(|item| source(item, faults)).collect();
    let patterns = fields.get("patterns").and_then(|field| patterns(field, faults));
    Labelling { sources, patterns: patterns.into_iter().collect() }
}

fn items<'n>(field: Field<'n>, faults: &mut Faults) -> &'n [Node] {
    match &field.node.kind {
        Kind::List(items) => items,
        _ => field.expected("a list", faults).unwrap_or_default(),
    }
}

fn source(node: &Node, faults: &mut Faults) -> Option<SourceLabels> {
    let fields = Fields::open(node, "a source", &["tool", "field", "labels", "level"], faults)?;
    let Some(tool) = fields.get("tool") else {
        let hint = "write `tool: crm.get_customer`, or `tool: crm.*` for all that `crm` says";
        faults.add_with_hint(node.at, "the source has no `tool`", hint);
        return None;
    };
    let before = faults.count();
    let tools = tools(tool, faults);
    let field = fields.get("field").map(|field| pointer(field, faults));
    let says = says(fields, node, "source", faults);
    (faults.count() == before).then_some(SourceLabels { tools, field: field.flatten(), says })
}

/// Names as in `match.tool`; a star stands only for all tools of an upstream.
fn tools(field: Field<'_>, faults: &mut Faults) -> Vec<ToolPattern> {
    let mut tools = Vec::new();
    for (written, at) in field.texts(faults).unwrap_or_default() {
        let name = written.strip_suffix(".*").unwrap_or(written);
        if name.is_empty() || name.contains('*') {
            let message = format!("{} is not the name of a tool", shown(written));
            faults.add_with_hint(
                at,
                message,
                "write `upstream.tool`, `upstream.*`, `upstream` or a bare tool name",
            );
        } else {
            tools.push(ToolPattern(written.to_owned()));
        }
    }
    tools
}

fn pointer(field: Field<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let written = field.text(faults)?;
    let rest = written.strip_prefix('/').filter(|rest| !rest.is_empty());
    let Some(rest) = rest else {
        let message = format!("{} is not a JSON pointer", shown(written));
        faults.add_with_hint(
            field.at(),
            message,
            "write `/customer/name`; `*` stands for any element or member",
        );
        return None;
    };
    Some(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

fn patterns(field: Field<'_>, faults: &mut Faults) -> Option<Patterns> {
    let nodes = items(field, faults);
    if nodes.len() > MOST_PATTERNS {
        let message = format!("there are more than {MOST_PATTERNS} patterns");
        faults.add_with_hint(field.at(), message, "join some with `|`, or put them into another file");
        return None;
    }
    let before = faults.count();
    let mut ids = BTreeSet::new();
    let read: Vec<_> = nodes.iter().filter_map(|node| pattern(node, &mut ids, faults)).collect();
    if faults.count() > before || read.is_empty() {
        return None;
    }
    match Patterns::of(&read) {
        Ok(patterns) => Some(patterns),
        Err(_) => {
            let hint = "use shorter ones, bound their repetitions, or put some into another file";
            faults.add_with_hint(field.at(), "the patterns are too large together", hint);
            None
        }
    }
}

fn pattern(node: &Node, ids: &mut BTreeSet<String>, faults: &mut Faults) -> Option<(Regex, Says)> {
    let fields = Fields::open(node, "a pattern", &["id", "matches", "labels", "level"], faults)?;
    match fields.get("id") {
        None => faults.add_with_hint(node.at, "the pattern has no `id`", "write `id: what-it-finds`"),
        Some(field) => {
            if let Some(id) = field.text(faults)
                && (id.len() > LONGEST || !ids.insert(id.to_owned()))
            {
                let message =
                    format!("{} is longer than {LONGEST} bytes, or another pattern's id", shown(id));
                faults.add(field.at(), message);
            }
        }
    }
    let expression = match fields.get("matches") {
        Some(field) => sought(field, faults),
        None => {
            let hint = "write `matches: 'EMP-[0-9]{6}'`";
            faults.add_with_hint(node.at, "the pattern has nothing that it `matches`", hint);
            None
        }
    };
    let says = says(fields, node, "pattern", faults);
    expression.map(|expression| (expression, says))
}

fn sought(field: Field<'_>, faults: &mut Faults) -> Option<Regex> {
    let expression = expression(field, faults)?;
    if expression.is_match("") {
        let message = format!("{} matches where nothing stands", shown(expression.as_str()));
        faults.add_with_hint(field.at(), message, "let it ask for at least one character");
        return None;
    }
    Some(expression)
}

fn says(fields: Fields<'_>, node: &Node, what: &str, faults: &mut Faults) -> Says {
    let mut labels: BTreeSet<Arc<str>> = BTreeSet::new();
    if let Some(field) = fields.get("labels") {
        let written = field.texts(faults).unwrap_or_default();
        if written.len() > MOST_LABELS {
            faults.add(field.at(), format!("there are more than {MOST_LABELS} labels"));
        }
        for (label, at) in written {
            if label.len() > LONGEST || label.chars().any(char::is_control) {
                faults.add(at, format!("a label is one line of at most {LONGEST} bytes"));
            } else if label.starts_with("cue:") {
                let message = format!("{} is the label of a cue, which detection alone gives", shown(label));
                faults.add_with_hint(at, message, "use a label of your own");
            } else {
                labels.insert(label.into());
            }
        }
    }
    let level = fields.get("level").map(|field| field.word(&LEVELS, faults));
    if level.is_none() && fields.get("labels").is_none() {
        let message = format!("the {what} says nothing");
        faults.add_with_hint(node.at, message, "write `labels: [PII]`, `level: CONFIDENTIAL`, or both");
    }
    Says { labels, level: level.flatten() }
}

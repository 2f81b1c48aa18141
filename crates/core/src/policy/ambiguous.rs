//! Names in rules that let through and that more than one thing bears. A server that offers a tool by a name
//! that a rule meant for another server's must not be let through by that rule, so such a name is written in full.

use std::collections::BTreeSet;
use std::fmt;

use super::fault::shown;
use super::rule::{Rule, RuleAction};
use super::set::{PolicySet, Written};
use super::syntax::Fault;
use crate::names::{RuleId, ToolName};

/// What there is to be named: as far as it is known at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The upstreams, whether or not their tools are known.
    pub upstreams: BTreeSet<String>,
    /// Tools of these and other upstreams.
    pub tools: BTreeSet<ToolName>,
}

/// A name in an ALLOW or MODIFY rule that more than one thing bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// The rule.
    pub rule: RuleId,
    /// The name, as written.
    pub name: String,
    /// What bears it, two things or more, in words: `read of files`, `the upstream read`.
    pub bearers: Vec<String>,
    /// The same as a fault, with its place and what to do.
    pub fault: Fault,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl PolicySet {
    /// Every name in an ALLOW or MODIFY rule that more than one of these bears. To be asked whenever the tools of
    /// the upstreams are known or change.
    #[must_use]
    pub fn ambiguities(&self, known: &Known) -> Vec<Ambiguity> {
        self.located().flat_map(|(rule, written)| in_rule(rule, written, known)).collect()
    }

    /// The ALLOW and MODIFY rules that speak of this tool only by names that others may bear too (its bare name, its
    /// upstream's), each with that name.
    #[must_use]
    pub fn by_short_name(&self, tool: &ToolName) -> Vec<(&Rule, &str)> {
        let rules =
            self.rules_about(tool).into_iter().filter(|rule| lets_through(rule) && rule.concerns(tool));
        rules.flat_map(|rule| short_names(rule, tool).into_iter().map(move |name| (rule, name))).collect()
    }

    /// The first ambiguous name by which an ALLOW or MODIFY rule speaks of this tool. The tool itself counts as known:
    /// somebody is about to call it.
    #[must_use]
    pub fn ambiguous_for(&self, tool: &ToolName, known: &Known) -> Option<Ambiguity> {
        let short = self.by_short_name(tool);
        if short.is_empty() {
            return None;
        }
        let mut known = known.clone();
        known.tools.insert(tool.clone());
        let of_one_of = |id: &RuleId| short.iter().any(|(rule, _)| rule.id == *id);
        let mut found =
            self.located().filter(|(rule, _)| of_one_of(&rule.id)).flat_map(|(r, w)| in_rule(r, w, &known));
        found.find(|found| short.iter().any(|(rule, name)| rule.id == found.rule && *name == found.name))
    }
}

const fn lets_through(rule: &Rule) -> bool {
    matches!(rule.action, Some(RuleAction::Allow | RuleAction::Modify(_)))
}

/// The names by which a rule that concerns this tool means it; none when one of them is its full name.
fn short_names<'a>(rule: &'a Rule, tool: &ToolName) -> Vec<&'a str> {
    let names: Vec<&str> = if rule.tools.is_empty() {
        rule.operations.iter().map(String::as_str).filter(|name| *name == tool.tool()).collect()
    } else {
        rule.tools.iter().filter(|pattern| pattern.names(tool)).map(|pattern| pattern.0.as_str()).collect()
    };
    if names.iter().any(|name| tool.is(name)) { Vec::new() } else { names }
}

fn in_rule(rule: &Rule, written: &Written, known: &Known) -> Vec<Ambiguity> {
    if !lets_through(rule) {
        return Vec::new();
    }
    let meant: Vec<&ToolName> = known.tools.iter().filter(|tool| rule.concerns(tool)).collect();
    let mut found = Vec::new();
    for (name, at) in &written.names {
        let operation = !rule.tools.iter().any(|pattern| pattern.0 == *name);
        // Beside a `tool`, an operation only narrows.
        if operation && !rule.tools.is_empty() {
            continue;
        }
        let bearers = bearers(name, &meant, &known.upstreams, operation);
        if bearers.len() > 1 {
            let message = format!("{} in rule {} could mean {}", shown(name), rule.id, bearers.join(" or "));
            let hint = "an ALLOW or MODIFY rule names `upstream.tool` where a name is not unique";
            let file = std::sync::Arc::clone(&written.file);
            let fault = Fault { file, line: at.line, column: at.column, message, hint: Some(hint.into()) };
            found.push(Ambiguity { rule: rule.id.clone(), name: name.clone(), bearers, fault });
        }
    }
    found
}

/// What bears a name: an upstream, or tools of different upstreams.
fn bearers(name: &str, tools: &[&ToolName], upstreams: &BTreeSet<String>, operation: bool) -> Vec<String> {
    let the_upstream = (!operation && upstreams.contains(name)).then(|| format!("the upstream {name}"));
    let mut bearers: BTreeSet<String> = the_upstream.into_iter().collect();
    for tool in tools {
        if !operation && tool.upstream() == name {
            bearers.insert(format!("the upstream {name}"));
        } else if tool.tool() == name || (!operation && tool.is(name)) {
            bearers.insert(format!("{} of {}", tool.tool(), tool.upstream()));
        }
    }
    bearers.into_iter().collect()
}

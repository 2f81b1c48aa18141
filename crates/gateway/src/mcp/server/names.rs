//! Names by which rules let tools through, and that several tools bear.
//!
//! A rule that lets `read_file` through means the tool of one server. Another server that offers a tool of this name
//! must not ride on it, so such calls are refused until the rule says `upstream.read_file`. Which tools there are is
//! known from what servers listed last, from the configuration, and from the call itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::names::ToolName;
use countersign_core::policy::{Ambiguity, Known};
use futures_util::future::join_all;

use super::list::Catalogue;
use super::{Gateway, Route, WATCH, locked};
use crate::health::Health;
use crate::mcp::upstream::{Owner, UpstreamError};

/// Under which name `/readyz` speaks of this.
const PROBLEM: &str = "ambiguous-names";

/// The tools of each upstream as its server listed them last, whoever asked.
#[derive(Debug, Default)]
pub(super) struct Listed {
    of: BTreeMap<String, BTreeSet<ToolName>>,
    changes: u64,
}

impl Gateway {
    /// Takes note of what an upstream offers.
    pub(super) fn learn(&self, upstream: &str, catalogue: &Catalogue) {
        let tools: BTreeSet<ToolName> = catalogue.names().map(|tool| ToolName::new(upstream, tool)).collect();
        let mut listed = locked(&self.0.listed);
        if listed.of.get(upstream) != Some(&tools) {
            listed.of.insert(upstream.to_owned(), tools);
            listed.changes += 1;
        }
    }

    /// Why a call of this tool cannot be let through by a rule that names it as others are, or might be, named;
    /// `None` when there is no such rule. Servers that were never asked what they offer are asked first.
    pub(super) async fn unclear_name(&self, owner: &Owner, tool: &ToolName) -> Option<String> {
        let policy = Arc::clone(&self.0.engine.governing().policy);
        let upstreams = &self.0.settings.upstreams;
        let short = policy.by_short_name(tool);
        if short.is_empty() {
            return None;
        }
        if let Some(found) = policy.ambiguous_for(tool, &self.known()) {
            return Some(ambiguous(&found));
        }
        // An upstream's own name is the operator's; a bare one is whoever's offers it.
        let (rule, name) = short.into_iter().find(|(_, name)| !upstreams.contains_key(*name))?;
        let asked = self.ask_unlisted(owner, tool.upstream()).await;
        if let Some(found) = policy.ambiguous_for(tool, &self.known()) {
            return Some(ambiguous(&found));
        }
        let (silent, error) = asked.into_iter().next()?;
        tracing::warn!(%tool, rule = %rule.id, upstream = silent, %error, "whether another tool bears this name is not known");
        Some(format!(
            "rule {} lets `{name}` through, and whether the upstream {silent} has a tool of this name is not known: it \
             has not listed its tools yet; the rule has to say `{tool}`",
            rule.id
        ))
    }

    /// Asks all upstreams but this one what they offer, where that is not known; gives those that do not tell.
    async fn ask_unlisted(&self, owner: &Owner, but: &str) -> Vec<(String, UpstreamError)> {
        let unlisted: Vec<String> = {
            let listed = locked(&self.0.listed);
            let names = self.0.settings.upstreams.keys();
            names.filter(|name| *name != but && !listed.of.contains_key(*name)).cloned().collect()
        };
        let pooled = Route { upstream: None, wrapped: None };
        let asking = unlisted.into_iter().map(|upstream| async {
            let error = self.catalogue(&pooled, owner, &upstream).await.err()?;
            Some((upstream, error))
        });
        join_all(asking).await.into_iter().flatten().collect()
    }

    fn known(&self) -> Known {
        let upstreams = &self.0.settings.upstreams;
        let declared = upstreams.iter().flat_map(|(upstream, settings)| {
            settings.tools.keys().map(move |tool| ToolName::new(upstream.as_str(), tool.as_str()))
        });
        let listed = locked(&self.0.listed);
        let tools = declared.chain(listed.of.values().flatten().cloned()).collect();
        Known { upstreams: upstreams.keys().cloned().collect(), tools }
    }

    /// Says in `health` and in the log which names in rules are ambiguous, whenever the policy or what servers offer
    /// has changed. Looks once a second; runs until the future is dropped.
    pub async fn watch_names(&self, health: &Health) {
        let mut ticks = tokio::time::interval(WATCH);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut seen, mut told) = (None, Vec::new());
        loop {
            ticks.tick().await;
            let policy = Arc::clone(&self.0.engine.governing().policy);
            let now = Some((Arc::clone(&policy.reference().digest), locked(&self.0.listed).changes));
            if now == seen {
                continue;
            }
            seen = now;
            let found = policy.ambiguities(&self.known());
            for ambiguity in found.iter().filter(|ambiguity| !told.contains(*ambiguity)) {
                tracing::error!("calls are refused: {ambiguity}");
            }
            match found.first() {
                None => health.well(PROBLEM),
                Some(first) => health.trouble(PROBLEM, trouble(found.len(), first)),
            }
            told = found;
        }
    }
}

fn ambiguous(found: &Ambiguity) -> String {
    let (rule, name) = (&found.rule, &found.name);
    let bearers = found.bearers.join(" or ");
    format!(
        "rule {rule} lets `{name}` through, which could mean {bearers}; the rule has to say `upstream.tool`"
    )
}

fn trouble(count: usize, first: &Ambiguity) -> String {
    let names = if count == 1 { "a name".to_owned() } else { format!("{count} names") };
    format!(
        "{names} in rules that let through could mean more than one thing, and such calls are refused; first {first}"
    )
}

//! `tools/list`: what a caller may see, on record before it is seen, and what tools declare of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::action::Contract;
use countersign_core::contract::derive::Definition;
use countersign_core::contract::file;
use countersign_core::names::{SessionId, ToolName};
use countersign_engine::Caller;
use countersign_engine::definitions::Definition as Recorded;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{CatalogueKey, Gateway, Route, SEPARATOR, locked, owner};
use crate::mcp::upstream::{Owner, UpstreamError};
use crate::settings::Settings;

/// The tools of one upstream as one owner sees them.
#[derive(Debug, Default)]
pub struct Catalogue {
    tools: BTreeMap<String, Tool>,
}

#[derive(Debug)]
struct Tool {
    definition: Map<String, Value>,
    contract: Arc<Contract>,
}

impl Catalogue {
    fn read(upstream: &str, listed: &[Box<RawValue>], settings: &Settings) -> Self {
        let mut tools = BTreeMap::new();
        for text in listed {
            let Ok(Value::Object(definition)) = countersign_core::json::parse(text.get()) else { continue };
            let Some(name) = definition.get("name").and_then(Value::as_str).map(str::to_owned) else {
                continue;
            };
            let contract = settings
                .learn(&ToolName::new(upstream, name.as_str()), &Definition::listed(&name, &definition));
            tools.insert(name, Tool { definition, contract });
        }
        Self { tools }
    }

    /// The tools' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// What the server says of its tools, for the record.
    fn definitions(&self, upstream: &str) -> Vec<Recorded> {
        let recorded = |(name, tool): (&String, &Tool)| Recorded {
            tool: ToolName::new(upstream, name.as_str()),
            text: Value::Object(tool.definition.clone()).to_string().into(),
            digest: file::digest(&Definition::listed(name, &tool.definition)).into(),
        };
        self.tools.iter().map(recorded).collect()
    }

    /// What a tool does; `None` when its server did not list it.
    #[must_use]
    pub fn contract(&self, tool: &str) -> Option<Arc<Contract>> {
        self.tools.get(tool).map(|tool| Arc::clone(&tool.contract))
    }
}

impl Gateway {
    /// The result of `tools/list` for a caller; its text is on record before this returns.
    ///
    /// # Errors
    /// It could not be recorded, or the only upstream cannot be reached; in words for the caller.
    pub(super) async fn list(
        &self,
        route: &Route,
        caller: &Caller,
        session: &SessionId,
    ) -> Result<Box<RawValue>, String> {
        let owner = owner(caller, session);
        let mut tools = Vec::new();
        for upstream in self.upstreams_of(route) {
            if caller.identity.out_of_scope(&upstream).is_some() {
                continue;
            }
            match self.catalogue(route, &owner, &upstream).await {
                Ok(catalogue) => tools.extend(self.visible(route, &upstream, &catalogue)),
                Err(error) if route.upstream.is_some() => return Err(error.to_string()),
                Err(error) => tracing::warn!(upstream, %error, "its tools are left out of the list"),
            }
        }
        let list = super::raw(&serde_json::json!({ "tools": tools }));
        let source = format!("tools/list {}", route.upstream.as_deref().unwrap_or("all"));
        self.0
            .engine
            .observe(session, caller, &source, &BTreeSet::new(), list.get().into())
            .await
            .map_err(|failure| format!("the list could not be recorded: {failure}"))?;
        Ok(list)
    }

    fn upstreams_of(&self, route: &Route) -> Vec<String> {
        match &route.upstream {
            Some(upstream) => vec![upstream.to_string()],
            None => self
                .0
                .settings
                .upstreams
                .iter()
                .filter(|(_, upstream)| upstream.connection.is_some())
                .map(|(name, _)| name.clone())
                .collect(),
        }
    }

    /// Tools that no rule forbids whatever the call, named as they are called on this route.
    fn visible(&self, route: &Route, upstream: &str, catalogue: &Catalogue) -> Vec<Value> {
        let policy = Arc::clone(&self.0.engine.governing().policy);
        let named = |(name, tool): (&String, &Tool)| {
            if policy.always_forbids(&ToolName::new(upstream, name.as_str())) {
                return None;
            }
            let mut definition = tool.definition.clone();
            if route.upstream.is_none() {
                definition.insert("name".into(), format!("{upstream}{SEPARATOR}{name}").into());
            }
            Some(Value::Object(definition))
        };
        catalogue.tools.iter().filter_map(named).collect()
    }

    pub(super) async fn catalogue(
        &self,
        route: &Route,
        owner: &Owner,
        upstream: &str,
    ) -> Result<Arc<Catalogue>, UpstreamError> {
        if let Some(known) = self.catalogue_if_known(owner, upstream) {
            return Ok(known);
        }
        let listed = match &route.wrapped {
            Some(connection) if route.upstream.as_deref() == Some(upstream) => {
                connection.list_tools().await?
            }
            _ => self.0.pool.list_tools(owner, upstream).await?,
        };
        let catalogue = Arc::new(Catalogue::read(upstream, &listed, &self.0.settings));
        self.learn(upstream, &catalogue);
        // What the next start is to know is on record before anything is judged by it. Where it cannot be, the next
        // call asks and tries again.
        match self.0.engine.record_definitions(catalogue.definitions(upstream)).await {
            Ok(()) => {
                let key = self.catalogue_key(owner, upstream);
                locked(&self.0.tools).insert(key, Arc::clone(&catalogue));
            }
            Err(failure) => tracing::warn!(upstream, %failure, "what its tools are could not be recorded"),
        }
        Ok(catalogue)
    }

    pub(super) fn catalogue_if_known(&self, owner: &Owner, upstream: &str) -> Option<Arc<Catalogue>> {
        locked(&self.0.tools).get(&self.catalogue_key(owner, upstream)).cloned()
    }

    fn catalogue_key(&self, owner: &Owner, upstream: &str) -> CatalogueKey {
        let shared = self.0.pool.upstream(upstream).is_some_and(|upstream| upstream.shared);
        ((!shared).then(|| owner.clone()), upstream.to_owned())
    }
}

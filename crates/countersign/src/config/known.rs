//! What commands ask of a configuration that look at recorded sessions or at policies, without running anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::action::Contract;
use countersign_core::contract::derive::Definition;
use countersign_core::decide::Environment;
use countersign_core::lifecycle::Limits;
use countersign_core::names::{ApproverGroup, ToolName};
use countersign_core::policy::review::World;
use countersign_engine::definitions;
use countersign_engine::state::Contracts as Known;
use countersign_gateway::auth::Role;
use countersign_gateway::contracts::Contracts;
use countersign_gateway::settings::ToolDeclaration;
use countersign_store::Sqlite;
use serde_json::Value;

use super::Config;
use crate::error::CommandError;

impl Config {
    /// How long waits, claims and permits last.
    pub(crate) const fn limits(&self) -> Limits {
        self.limits
    }

    /// What rulings depend on beside context and policy; nothing is halted.
    pub(crate) fn environment(&self) -> Environment {
        Environment {
            approver_groups: self.groups.iter().map(|group| ApproverGroup::from(group.as_str())).collect(),
            max_dependents: self.max_dependents,
            halts: BTreeSet::new(),
            drift: self.drift.limits.clone(),
        }
    }

    /// What tools do, from their definitions on record, the reviews and what is declared here.
    ///
    /// # Errors
    /// The reviews are faulty, or the ledger cannot be read.
    pub(crate) async fn contracts(&self, ledger: &Sqlite) -> Result<Known, CommandError> {
        let contracts = Contracts::new(self.reviewed()?);
        let recorded = definitions::recorded(ledger).await;
        let recorded =
            recorded.map_err(|error| CommandError::store("the ledger cannot be read").cause(&error))?;
        for definitions::Definition { tool, text, .. } in &recorded {
            if let Ok(Value::Object(definition)) = countersign_core::json::parse(text) {
                let listed = Definition::listed(tool.tool(), &definition);
                drop(contracts.learn(tool, &listed, self.declared(tool)));
            }
        }
        let all =
            self.upstreams.iter().map(|(name, upstream)| (name.clone(), upstream.all_declared().clone()));
        let all: BTreeMap<String, BTreeMap<String, ToolDeclaration>> = all.collect();
        Ok(Arc::new(move |tool: &ToolName| {
            let declared = || {
                let ToolDeclaration { effect, selectors } =
                    all.get(tool.upstream())?.get(tool.tool())?.clone();
                Some(Arc::new(Contract { effect, selectors, ..Contract::default() }))
            };
            contracts.listed(tool).or_else(declared).unwrap_or_default()
        }))
    }

    /// What is known here of the deployment that a policy is for.
    pub(crate) fn world(&self) -> World {
        World {
            upstreams: self.upstreams(),
            tools: None,
            hosts: Some(self.tokens.iter().any(|token| matches!(token.role, Role::Host { .. }))),
            operators: Some(self.tokens.iter().any(|token| matches!(token.role, Role::Operator { .. }))),
            model: Some(self.drift.model.is_some()),
            given: BTreeSet::new(),
        }
    }

    fn declared(&self, tool: &ToolName) -> Option<&ToolDeclaration> {
        self.upstreams.get(tool.upstream())?.all_declared().get(tool.tool())
    }
}

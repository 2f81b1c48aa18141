//! What tools do: derived from what their servers list, corrected by reviews, overruled by the configuration; and
//! restored at a start from what they listed before.
//!
//! ```text
//! definition --derive--> contract --review (pinned by digest)--> --declaration in the configuration--> in force
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::action::{Contract, Effect};
use countersign_core::contract::derive::{Definition, derive, derive_as};
use countersign_core::contract::file::Overrides;
use countersign_core::contract::{Meaning, Role};
use countersign_core::names::ToolName;
use countersign_engine::definitions;
use countersign_engine::ports::{Ledger, LedgerError};
use serde_json::Value;

use crate::settings::{Settings, ToolDeclaration};

/// Tools of which the last contract is kept.
const KEPT: usize = 10_000;

/// Reviews, and the contracts of tools as they were listed, whoever asked.
#[derive(Debug, Default)]
pub struct Contracts {
    reviewed: Overrides,
    listed: Mutex<BTreeMap<ToolName, Arc<Contract>>>,
}

impl Contracts {
    /// Contracts under these reviews; nothing is listed yet.
    #[must_use]
    pub fn new(reviewed: Overrides) -> Self {
        Self { reviewed, listed: Mutex::default() }
    }

    /// What a listed tool does, and keeps it for those who come without a listing.
    #[must_use]
    pub fn learn(
        &self,
        tool: &ToolName,
        definition: &Definition<'_>,
        declared: Option<&ToolDeclaration>,
    ) -> Arc<Contract> {
        let contract = Arc::new(self.of(tool.upstream(), definition, declared));
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = listed.get(tool);
        // Who comes without a listing gets the more dangerous of what different callers were told.
        let kept = known.is_none_or(|known| contract.effect >= known.effect);
        if kept && (known.is_some() || listed.len() < KEPT) {
            listed.insert(tool.clone(), Arc::clone(&contract));
        }
        contract
    }

    /// What a tool does that somebody has listed; `None` when nobody has.
    #[must_use]
    pub fn listed(&self, tool: &ToolName) -> Option<Arc<Contract>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(tool).cloned()
    }

    /// What a tool with this definition does.
    #[must_use]
    pub fn of(
        &self,
        upstream: &str,
        definition: &Definition<'_>,
        declared: Option<&ToolDeclaration>,
    ) -> Contract {
        let effect = declared.map(|declared| declared.effect).filter(|effect| *effect != Effect::Unknown);
        let derived = effect.map_or_else(|| derive(definition), |effect| derive_as(definition, effect));
        let contract = self.reviewed.apply(upstream, definition, derived);
        let contract = Contract { effect: effect.unwrap_or(contract.effect), ..contract };
        match declared.and_then(|declared| declared.selectors.as_ref()) {
            None => contract,
            Some(selectors) => selected(contract, selectors),
        }
    }
}

/// Gives tools the contracts that they had before a restart, from the definitions on record: what was lived under them
/// is read again under them, and what is called before a server lists anything is judged under them. Gives their number.
///
/// # Errors
/// The ledger cannot be read.
pub async fn restore(settings: &Settings, ledger: &dyn Ledger) -> Result<usize, LedgerError> {
    let recorded = definitions::recorded(ledger).await?;
    let mut restored = 0;
    for definitions::Definition { tool, text, .. } in &recorded {
        // What is on record was read strictly before; anything else restores nothing.
        let Ok(Value::Object(definition)) = countersign_core::json::parse(text) else { continue };
        let _ = settings.learn(tool, &Definition::listed(tool.tool(), &definition));
        restored += 1;
    }
    Ok(restored)
}

/// The selectors are those that were declared, and their roles say so.
fn selected(contract: Contract, selectors: &[String]) -> Contract {
    let mut meaning: Meaning = contract.meaning.as_deref().cloned().unwrap_or_default();
    for pointer in selectors {
        let below = |pattern: &str| {
            pattern
                .strip_prefix(pointer.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut within: Vec<&mut Role> =
            meaning.roles.iter_mut().filter(|(pattern, _)| below(pattern)).map(|(_, role)| role).collect();
        if within.iter().any(|role| role.selects()) {
            continue;
        }
        within.iter_mut().for_each(|role| **role = Role::Resource);
        if within.is_empty() {
            meaning.roles.insert(pointer.clone(), Role::Resource);
        }
    }
    Contract { selectors: Some(selectors.to_vec()), meaning: Some(Arc::new(meaning)), ..contract }
}

#[cfg(test)]
mod tests {
    use countersign_core::contract::file;
    use serde_json::{Value, json};

    use super::*;

    fn definition(schema: &Value) -> Definition<'_> {
        let description = "Deletes a note.";
        Definition { name: "drop_note", description, input_schema: Some(schema), annotations: None }
    }

    fn schema() -> Value {
        json!({"properties": {"note_id": {"type": "string"}, "tone": {"type": "string", "enum": ["a", "b"]}}})
    }

    fn role(contract: &Contract, pointer: &str) -> Option<Role> {
        contract.meaning.as_ref()?.role(pointer)
    }

    #[test]
    fn what_is_declared_wins_over_what_is_derived_and_reviewed() {
        let schema = schema();
        let definition = definition(&schema);
        let text = file::entry("desk", &definition, &derive(&definition)).replace("destructive", "execute");
        let reviewed = file::load(&format!("version: 1\ntools:\n{text}")).unwrap();
        let contracts = Contracts::new(reviewed);
        assert_eq!(contracts.of("desk", &definition, None).effect, Effect::Execute);
        let declared = ToolDeclaration { effect: Effect::Read, selectors: Some(vec!["/tone".into()]) };
        let contract = contracts.of("desk", &definition, Some(&declared));
        assert_eq!(
            (contract.effect, contract.selectors.as_deref()),
            (Effect::Read, Some(&["/tone".to_owned()][..]))
        );
        assert_eq!(
            role(&contract, "/tone"),
            Some(Role::Resource),
            "a declared selector has a role that selects"
        );
        let silent = ToolDeclaration::default();
        assert_eq!(contracts.of("desk", &definition, Some(&silent)).effect, Effect::Execute);
    }

    #[test]
    fn who_comes_without_a_listing_gets_the_more_dangerous_of_what_was_listed() {
        let contracts = Contracts::default();
        let (tool, schema) = (ToolName::new("desk", "drop_note"), schema());
        assert_eq!(contracts.listed(&tool), None);
        let harmless = Definition { name: "get_note", description: "", ..definition(&schema) };
        for (definition, kept) in [
            (harmless, Effect::Read),
            (definition(&schema), Effect::Destructive),
            (harmless, Effect::Destructive),
        ] {
            let own = contracts.learn(&tool, &definition, None);
            assert_eq!(own.effect, derive(&definition).effect, "whoever lists gets what was listed to them");
            assert_eq!(contracts.listed(&tool).unwrap().effect, kept);
        }
    }
}

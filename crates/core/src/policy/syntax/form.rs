//! The form of a policy file as a JSON Schema (2020-12), for editors: which keys there are and what belongs to each.
//!
//! It says yes to whatever loads. What it cannot say (names of facts, what fits which fact, that a rule does something)
//! the loader says, with its place.

use serde_json::{Map, Value, json};

use super::conditions::{BLOCKS, CATEGORIES, KEYS as MATCH, OF_CONTEXT};
use super::flow::PER;
use super::modifications::{LISTS, SETTING};
use super::operators::{OPERATORS, Op};
use super::rules::{CLASSES, ON_TIMEOUT, RISK_LEVELS, WORDS};
use super::{KEYS, LEVELS, rules};
use crate::contract::Effect;
use crate::facts::COUNTERS;
use crate::policy::facets::Facet;

/// The schema, as it is committed under `schemas/`.
#[must_use]
pub fn schema() -> Value {
    let alone = ["match", "condition", "trigger", "when"].map(|key| json!({ "required": [key] }));
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:countersign:policy:v1",
        "title": "Countersign policy file, version 1",
        "if": { "allOf": [{ "type": "object", "anyOf": alone }, { "not": { "required": ["rules"] } }] },
        "then": { "$ref": "#/$defs/alone" },
        "else": { "$ref": "#/$defs/file" },
        "$defs": {
            "file": closed(file()),
            "alone": closed(one_rule()),
            "rule": closed(rule()),
            "match": conditions(&MATCH, json!({})),
            "constraints": conditions(&[], json!({ "rate": reference("rate"), "budget": reference("budget") })),
            "facts": { "type": "object", "additionalProperties": reference("test") },
            "context": context(),
            "test": test(),
            "plain": { "type": ["string", "number", "boolean", "null"] },
            "texts": texts(),
            "tools": { "anyOf": [texts(), closed(json!({ "name": texts(), "category": reference("category") }))] },
            "category": category(),
            "seconds": { "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^[0-9]+[smhd]$" }] },
            "share": { "type": "number", "minimum": 0, "maximum": 10_000 },
            "rate": closed(json!({
                "max": { "type": "integer", "minimum": 1 }, "window": reference("seconds"), "per": words(PER.map(|(word, _)| word)),
                "tool": texts(), "operation": texts(), "category": reference("category"),
            })),
            "budget": closed(json!({
                "counter": { "type": "string" }, "max": { "type": "number" }, "window": reference("seconds"),
                "per": words(PER.map(|(word, _)| word)),
            })),
            "sequence": closed(sequence()),
            "modifications": modifications(),
        },
    });
    schema.sort_all_objects();
    schema
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A map of these keys and no others.
fn closed(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// One of these words, written in capitals or in small letters.
fn words<const N: usize>(words: [&str; N]) -> Value {
    let both = words.iter().flat_map(|word| [word.to_ascii_uppercase(), word.to_ascii_lowercase()]);
    json!({ "enum": both.collect::<Vec<_>>() })
}

fn texts() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    json!({ "anyOf": [text, { "type": "array", "items": text, "minItems": 1 }] })
}

fn file() -> Value {
    let levels = words(LEVELS.map(|(word, _)| word));
    let defaults = words(["ALLOW", "DENY", "STEP_UP"]);
    let reasoned =
        closed(json!({ "action": defaults, "decision": defaults, "reason": { "type": "string" } }));
    let says = |more: Value| {
        let mut says = json!({ "labels": texts(), "level": levels });
        merge(&mut says, more);
        closed(says)
    };
    let boundary = closed(json!({
        "allowed_tools": texts(), "max_data_classification": levels, "max_chain_length": { "type": "integer", "minimum": 0 },
        "scope": { "type": "string" }, "max_privilege": { "type": "string" },
    }));
    let counter = closed(json!({
        "tool": texts(), "add": { "type": ["number", "string", "object"] }, "at_most": { "type": "number" },
        "description": { "type": "string" },
    }));
    let file = json!({
        "version": { "const": 1 },
        "policy": closed(json!({
            "id": { "type": "string" }, "version": { "type": ["string", "number"] }, "description": { "type": "string" },
        })),
        "default": { "anyOf": [defaults, reasoned] },
        "internal_domains": texts(),
        "unclassified": levels,
        "classification": closed(json!({
            "sources": { "type": "array", "items": says(json!({ "tool": texts(), "field": { "type": "string" } })) },
            "patterns": { "type": "array", "items": says(json!({ "id": { "type": "string" }, "matches": { "type": "string" } })) },
        })),
        "compositional_risk": closed(json!({
            "threshold": { "type": "integer", "minimum": 0, "maximum": 9_999 }, "reason": { "type": "string" },
            "action": words(["DENY", "STEP_UP", "DEFER"]), "decision": words(["DENY", "STEP_UP", "DEFER"]),
        })),
        "intent_boundaries": { "type": "object", "additionalProperties": boundary },
        "re_validation": closed(json!({
            "interval": { "type": ["integer", "string"] }, "method": words(["user_confirmation", "approval"]),
            "timeout": reference("seconds"), "timeout_action": words(["DENY", "PAUSE"]),
        })),
        "counters": { "type": "object", "additionalProperties": counter },
        "tools": { "type": "object", "additionalProperties": closed(json!({
            "arguments": { "anyOf": [{ "const": "declared" }, { "type": "object" }] },
        })) },
        "rules": { "type": "array", "items": reference("rule") },
    });
    only(file, &KEYS)
}

/// The properties that the loader knows; one that it knows and nothing is said of here may be anything.
fn only(said: Value, known: &[&str]) -> Value {
    let said = |name: &&str| ((*name).to_owned(), said.get(*name).cloned().unwrap_or(Value::Bool(true)));
    known.iter().map(said).collect::<Map<_, _>>().into()
}

fn one_rule() -> Value {
    let mut alone = rule();
    let file = file();
    for key in ["version", "policy", "default", "internal_domains"] {
        merge(&mut alone, json!({ key: file.get(key) }));
    }
    alone
}

fn rule() -> Value {
    let decisions = words(WORDS.map(|(word, _)| word));
    let text = json!({ "type": "string", "minLength": 1 });
    let said = json!({
        "id": { "type": "string", "minLength": 1, "maxLength": 200 },
        "name": text,
        "description": text,
        "match": reference("match"),
        "context": reference("context"),
        "condition": reference("match"),
        "constraints": reference("constraints"),
        "trigger": reference("context"),
        "sequence": reference("sequence"),
        "when": text,
        "action": decisions,
        "decision": decisions,
        "classification": words(CLASSES.map(|(word, _)| word)),
        "priority": { "type": "integer" },
        "reason": text,
        "approvers": texts(),
        "timeout": reference("seconds"),
        "timeout_action": words(ON_TIMEOUT.map(|(word, _)| word)),
        "escalation": closed(json!({ "after": reference("seconds"), "to": texts() })),
        "threshold": reference("share"),
        "risk_level": words(RISK_LEVELS.map(|(word, _)| word)),
        "modifications": reference("modifications"),
        "modification": reference("modifications"),
        "effect": closed(json!({ "set_context": { "type": "object", "minProperties": 1 } })),
    });
    only(said, &rules::KEYS)
}

/// What may stand in `match` and its like: blocks, and facts by their full names.
fn conditions(keys: &[&str], more: Value) -> Value {
    let mut properties = Map::new();
    for (block, _) in BLOCKS {
        let facts = if block == "context" { "context" } else { "facts" };
        properties.insert(block.to_owned(), reference(facts));
    }
    for key in keys {
        let said = match *key {
            "tool" => reference("tools"),
            "operation" => texts(),
            "category" => reference("category"),
            space if OF_CONTEXT.contains(&space) => space_of_facts(),
            _ => continue,
        };
        properties.insert((*key).to_owned(), said);
    }
    let mut properties = Value::Object(properties);
    merge(&mut properties, more);
    let blocks: Vec<&str> = BLOCKS.iter().map(|(block, _)| *block).chain(OF_CONTEXT).collect();
    let counters = COUNTERS.map(|counter| counter.replace('.', "\\."));
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": {
            format!("^({})\\..+$", blocks.join("|")): reference("test"),
            format!("^({})(\\..+)?$", counters.join("|")): space_of_facts(),
            "^tool\\.name$": texts(),
            "^tool\\.category$": reference("category"),
            "^sink(\\..+)?$": true,
        },
        "additionalProperties": false,
    })
}

/// Facts of the context; some of its names are spaces with names of their own.
fn context() -> Value {
    let spaces: Map<String, Value> = OF_CONTEXT
        .iter()
        .chain(&COUNTERS)
        .map(|space| ((*space).to_owned(), space_of_facts()))
        .chain(BLOCKS.map(|(block, _)| {
            (block.to_owned(), json!({ "anyOf": [reference("facts"), reference("test")] }))
        }))
        .collect();
    json!({ "type": "object", "properties": spaces, "additionalProperties": reference("test") })
}

fn space_of_facts() -> Value {
    json!({ "anyOf": [reference("test"), reference("facts")] })
}

/// What is asked of a fact: a value, one of several, or operators.
fn test() -> Value {
    let value = json!({ "type": ["string", "number", "boolean"] });
    let list = json!({ "type": "array", "items": reference("plain"), "minItems": 1 });
    let mut operators: Map<String, Value> =
        OPERATORS.iter().map(|(name, op)| ((*name).to_owned(), operand(*op))).collect();
    for facet in Facet::ALL {
        let Some((group, member)) = facet.name().split_once('.') else { continue };
        operators.insert(facet.name().to_owned(), reference("test"));
        let group = operators.entry(group).or_insert_with(|| closed(json!({})));
        if let Some(members) = group.get_mut("properties").and_then(Value::as_object_mut) {
            members.insert(member.to_owned(), reference("test"));
        }
    }
    let mut named = closed(Value::Object(operators));
    merge(&mut named, json!({ "minProperties": 1 }));
    json!({ "anyOf": [value, list, named] })
}

fn operand(op: Op) -> Value {
    match op {
        Op::Eq | Op::Ne => json!(true),
        Op::Gt | Op::Gte | Op::Lt | Op::Lte => json!({ "type": "number" }),
        Op::In | Op::NotIn => json!({ "type": "array", "items": reference("plain"), "minItems": 1 }),
        Op::Contains | Op::NotContains => {
            let list = json!({ "type": "array", "items": reference("plain"), "minItems": 1 });
            json!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, list] })
        }
        Op::Matches | Op::HigherThan | Op::OwnedBy => json!({ "type": "string", "minLength": 1 }),
        Op::StartsWith | Op::EndsWith | Op::DomainIn | Op::DomainAllowlist | Op::Under => texts(),
        Op::External | Op::Exists | Op::Unsettled => json!({ "type": "boolean" }),
        Op::Not => reference("test"),
    }
}

fn category() -> Value {
    let effects = Effect::ALL.map(Effect::as_str);
    let known = CATEGORIES.iter().map(|(name, _)| *name).chain(effects);
    let both: Vec<String> = known.flat_map(|name| [name.to_owned(), name.to_ascii_uppercase()]).collect();
    let one = json!({ "enum": both });
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

fn sequence() -> Value {
    let actions = closed(json!({ "tool": texts(), "operation": texts(), "category": reference("category") }));
    let count = json!({ "type": "integer", "minimum": 1 });
    let shared = closed(json!({ "before": { "type": "string" }, "now": { "type": "string" } }));
    json!({
        "after": { "anyOf": [texts(), actions] },
        "within": { "anyOf": [
            { "type": ["integer", "string"] },
            closed(json!({ "actions": count, "seconds": reference("seconds") })),
        ] },
        "shares": { "type": "array", "items": { "anyOf": [{ "type": "string" }, shared] } },
    })
}

fn modifications() -> Value {
    let setting = SETTING.map(|space| (space, json!({ "type": "object", "minProperties": 1 })));
    let lists = LISTS.map(|list| (list, texts()));
    let known: Map<String, Value> =
        setting.into_iter().chain(lists).map(|(name, said)| (name.to_owned(), said)).collect();
    let block = json!({
        "type": "object",
        "properties": known,
        "patternProperties": { format!("^({})\\..+$", SETTING.join("|")): true },
        "additionalProperties": false,
        "minProperties": 1,
    });
    json!({ "anyOf": [block, { "type": "array", "items": block, "minItems": 1 }] })
}

fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use jsonschema::Validator;

    use super::*;
    use crate::policy::fault::Faults;
    use crate::policy::syntax::load;
    use crate::policy::yaml;

    const FRAGMENTS: &str = include_str!("../../../tests/policy/fragments.yaml");
    /// Every key that there is.
    const EVERYTHING: &str = include_str!("../../../tests/policy/everything.yaml");

    fn validator() -> Validator {
        jsonschema::validator_for(&schema()).unwrap()
    }

    fn json(text: &str) -> Value {
        yaml::parse(text.as_bytes(), &mut Faults::of("p.yaml".into())).unwrap().to_json()
    }

    fn accepts(validator: &Validator, text: &str) -> Result<(), String> {
        let found: Vec<String> = validator.iter_errors(&json(text)).map(|error| error.to_string()).collect();
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the committed schema is read from disk; the crate itself never does"
    )]
    fn the_committed_schema_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/policy-v1.json");
        let expected = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == expected,
            "schemas/policy-v1.json is not what the code makes. If the language was changed on purpose, run \
             `UPDATE_SCHEMAS=1 cargo test -p countersign-core --lib form` and read the difference."
        );
    }

    #[test]
    fn every_fragment_of_the_specification_is_accepted() {
        let validator = validator();
        for part in FRAGMENTS.split("##### ").skip(2) {
            let (at, text) = part.split_once('\n').unwrap();
            assert_eq!(accepts(&validator, text), Ok(()), "{at}");
        }
    }

    #[test]
    fn the_file_with_every_key_loads_and_is_accepted() {
        let loaded = load("everything.yaml", EVERYTHING.as_bytes());
        assert!(loaded.is_ok(), "{:#?}", loaded.err());
        assert_eq!(accepts(&validator(), EVERYTHING), Ok(()));
        let written = json(EVERYTHING);
        let missing: Vec<&&str> = KEYS.iter().filter(|key| written.get(**key).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?} is not in everything.yaml");
        let of_rules: Vec<&String> = written["rules"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|rule| rule.as_object().unwrap().keys())
            .collect();
        let missing: Vec<&&str> =
            rules::KEYS.iter().filter(|key| !of_rules.iter().any(|k| k == *key)).collect();
        assert!(missing.is_empty(), "{missing:?} is not in everything.yaml");
    }

    /// A key that nobody knows, put into every map whose keys are known, is refused by the schema and by the loader.
    #[test]
    fn unknown_keys_are_refused_wherever_the_loader_refuses_them() {
        let validator = validator();
        let whole = json(EVERYTHING);
        let mut places = Vec::new();
        maps(&whole, String::new(), &mut places);
        assert!(places.len() > 30, "{places:?}");
        let mut refused = 0;
        for place in &places {
            let mut changed = whole.clone();
            changed.pointer_mut(place).unwrap()["unknwon"] = json!({ "unknwon": null });
            let loads = load("p.yaml", changed.to_string().as_bytes()).is_ok();
            let accepted = validator.is_valid(&changed);
            // Names of facts are the loader's business; whatever loads is accepted.
            assert!(accepted || !loads, "{place} loads and is not accepted");
            refused += usize::from(!accepted);
        }
        assert!(refused > 25, "only {refused} of {} are refused", places.len());
        for text in [
            "version: 2",
            "rules: {}",
            "rules: [{ id: a, acton: DENY, match: {} }]",
            "rules: [{ id: a, match: {}, action: MAYBE }]",
        ] {
            assert!(accepts(&validator, text).is_err(), "{text}");
        }
    }

    fn maps(value: &Value, place: String, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    maps(value, format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), found);
                }
                found.push(place);
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    maps(item, format!("{place}/{at}"), found);
                }
            }
            _ => {}
        }
    }
}

//! Where arguments come from: whatever a session sees is taken in, alike each time, and any action can be weighed against it.
//!
//! The input is cut at unit separators. Of each part the first byte says what it is, the rest is its text.
#![no_main]

use std::sync::{Arc, LazyLock};

use countersign_core::action::{Action, Arguments, Contract};
use countersign_core::contract::derive::{Definition, derive};
use countersign_core::names::ToolName;
use countersign_core::origin::{Evidence, Origin, Seen, Standing, assess};
use countersign_core::time::Time;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// Tools whose outputs are read in different ways, and that act in different ways.
static TOOLS: LazyLock<Vec<(&str, Arc<Contract>)>> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    let many = json!({"type": "array", "items": {"type": "string"}});
    [
        ("get_received_emails", "Returns all received emails", json!({"query": text})),
        ("read_file", "Reads the content of a file", json!({"path": text})),
        ("get_contacts", "Lists the contacts", json!({})),
        ("get_hotels", "Lists the hotels in a city", json!({"city": text})),
        ("append_to_file", "Appends content to a file", json!({"path": text, "content": text})),
        ("send_email", "Sends an email", json!({"recipients": many, "subject": text, "body": text})),
        ("send_money", "Sends a payment", json!({"recipient": text, "amount": {"type": "number"}, "subject": text})),
        ("post_webpage", "Posts content to a webpage", json!({"url": text, "content": text})),
        ("delete_file", "Deletes a file", json!({"file_id": text})),
        ("update_password", "Changes the password of the user", json!({"password": text})),
        ("run_command", "Runs a shell command", json!({"command": text})),
    ]
    .into_iter()
    .map(|(name, description, properties)| {
        let schema = json!({"type": "object", "properties": properties});
        let definition = Definition { name, description, input_schema: Some(&schema), annotations: None };
        (name, Arc::new(derive(&definition)))
    })
    .collect()
});

fuzz_target!(|input: &str| {
    let parts: Vec<&str> = input.split('\u{1F}').take(16).collect();
    let (one, other) = (seen(&parts), seen(&parts));
    let last = parts.last().copied().unwrap_or_default();
    for (which, _) in TOOLS.iter().enumerate() {
        let action = action(which, last);
        let origins = assess(&action, &one);
        assert_eq!(origins, assess(&action, &other), "one session, two answers");
        for argument in &origins.arguments {
            let typed = matches!(argument.standing, Standing::Clear(Evidence::Typed));
            assert!(!typed || parts.iter().any(|part| part.starts_with('u')), "typed by nobody: {argument:?}");
            assert!(argument.origin != Origin::Nobody || one.complete(), "novel in an index that is cut: {argument:?}");
        }
        let _ = origins.to_string();
    }
});

/// A session that has seen the parts.
fn seen(parts: &[&str]) -> Seen {
    let mut seen = Seen::new("alice@example.com", None);
    for part in parts {
        let mut letters = part.chars();
        let kind = letters.next().unwrap_or('n');
        let text = letters.as_str();
        match kind {
            'u' => seen.turn(text),
            'n' => seen.notice(text),
            'f' => seen.forgot(),
            'p' => {
                let origins = assess(&action(5, text), &seen);
                seen.permitted(&origins);
            }
            other => seen.output(&action(u32::from(other) as usize, text), text),
        }
    }
    seen
}

/// A call with this text in every argument; JSON in it is taken as it stands.
fn action(which: usize, text: &str) -> Action {
    let (name, contract) = &TOOLS[which % TOOLS.len()];
    let given = serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::from(text));
    let properties = contract.input_schema.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    let mut arguments = serde_json::Map::new();
    for name in properties.into_iter().flat_map(|members| members.keys()) {
        let value = if name == "recipients" { json!([given]) } else { given.clone() };
        arguments.insert(name.clone(), value);
    }
    Action {
        id: "act_1".into(),
        tool: ToolName::new("up", *name),
        original: None,
        arguments: Arguments::parse(&Value::from(arguments).to_string())
            .or_else(|_| Arguments::parse("{}"))
            .unwrap_or_else(|e| panic!("an empty object is an object: {e}")),
        contract: Arc::clone(contract),
        depends_on: Vec::new(),
        submitted_at: Time(0),
    }
}

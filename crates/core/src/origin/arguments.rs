//! The arguments of an action, leaf by leaf.

use serde_json::Value;

/// The most leaves that are looked at; an action with more has arguments nobody looked at.
pub(crate) const MAX_LEAVES: usize = 2000;

/// Each scalar with its JSON pointer; nothing for null and empty texts.
pub(crate) fn leaves(arguments: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(arguments, &mut String::new(), &mut found);
    found
}

fn walk(value: &Value, pointer: &mut String, found: &mut Vec<(String, String)>) {
    if found.len() >= MAX_LEAVES {
        return;
    }
    let length = pointer.len();
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (key, value) in members {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                walk(value, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&n.to_string());
                walk(value, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) => found.push((pointer.clone(), text.clone())),
        scalar => found.push((pointer.clone(), scalar.to_string())),
    }
}

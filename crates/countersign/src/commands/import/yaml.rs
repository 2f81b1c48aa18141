//! Writing the `upstreams` block. Texts are quoted as in JSON, which YAML reads the same way.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::read::{Kind, Server, Value};

/// The block.
pub(super) fn upstreams(servers: &[Server]) -> String {
    let mut yaml = "upstreams:\n".to_owned();
    for Server { name, kind, values } in servers {
        let _ = writeln!(yaml, "  {}:", key(name));
        let block = match kind {
            Kind::Command(command) => {
                let words: Vec<String> = command.iter().map(|word| text(word)).collect();
                let _ = writeln!(yaml, "    command: [{}]", words.join(", "));
                "env"
            }
            Kind::Url(url) => {
                let _ = writeln!(yaml, "    url: {}", text(url));
                "headers"
            }
        };
        if !values.is_empty() {
            let _ = writeln!(yaml, "    {block}:");
        }
        for (name, value) in values {
            let value = match value {
                Value::Text(value) => text(value),
                Value::FromEnv(variable) => format!("{{ from_env: {variable} }}"),
            };
            let _ = writeln!(yaml, "      {}: {value}", key(name));
        }
    }
    yaml
}

/// The values as JSON.
pub(super) fn values_json(values: &[(String, Value)]) -> Json {
    let json = |(name, value): &(String, Value)| {
        let value = match value {
            Value::Text(value) => json!(value),
            Value::FromEnv(variable) => json!({ "from_env": variable }),
        };
        (name.clone(), value)
    };
    Json::Object(values.iter().map(json).collect::<Map<_, _>>())
}

/// A key, in quotes where YAML could read it as something else.
fn key(name: &str) -> String {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        && !WORDS.contains(&name.to_ascii_lowercase().as_str());
    if plain { name.to_owned() } else { text(name) }
}

/// A text in quotes; what YAML does not take unescaped is escaped.
fn text(text: &str) -> String {
    let quoted = json!(text).to_string();
    let unprintable = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    let mut escaped = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        if unprintable(c) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

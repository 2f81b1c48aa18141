//! From the text of an output to a tree of values: JSON, then YAML (and what is written like it), then a
//! plain listing; whatever is none of these is one text.

use std::borrow::Cow;

use granit_parser::{Event, Options, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The deepest nesting that is read as structure.
const MAX_DEPTH: usize = 24;
/// A line of a listing is at most this long.
const MAX_ITEM: usize = 80;

/// An output, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// It has structure that its service wrote.
    Values(Value),
    /// Short lines, each a thing by itself, after the heading they stand under.
    Listing(Vec<String>),
    /// Prose.
    Text(String),
}

/// What an output says: the texts of a tool result's blocks, or the text itself, each read.
pub(crate) fn trees(output: &str) -> Vec<Tree> {
    match serde_json::from_str::<Value>(output) {
        Ok(Value::Object(result)) => match blocks(&result) {
            Some(texts) => texts.iter().map(|text| read(text)).collect(),
            None => vec![Tree::Values(Value::Object(result))],
        },
        Ok(value) if !value.is_string() => vec![Tree::Values(value)],
        _ => vec![read(output)],
    }
}

/// The texts of a tool result's blocks; `None` = it is none.
fn blocks(result: &Map<String, Value>) -> Option<Vec<Cow<'_, str>>> {
    let blocks = result.get("content").and_then(Value::as_array)?;
    if !blocks.iter().all(|block| block.get("type").is_some_and(Value::is_string)) {
        return None;
    }
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    for block in blocks {
        let text = block.get("text").or_else(|| block.pointer("/resource/text")).and_then(Value::as_str);
        found.push(text.map_or_else(|| block.to_string().into(), Cow::from));
    }
    if let Some(structured) = result.get("structuredContent") {
        let structured = Cow::from(structured.to_string());
        if !found.contains(&structured) {
            found.push(structured);
        }
    }
    Some(found)
}

/// Reads one text.
pub(crate) fn read(text: &str) -> Tree {
    let trimmed = text.trim();
    if !trimmed.starts_with('"')
        && let Ok(value) = serde_json::from_str::<Value>(trimmed)
    {
        return Tree::Values(value);
    }
    if let Some(value) = yaml(trimmed) {
        return Tree::Values(value);
    }
    if let Some(value) = super::table::read(trimmed) {
        return Tree::Values(value);
    }
    if let Some(shown) = super::table::objects(trimmed)
        && let Some(value) = yaml(&shown)
    {
        return Tree::Values(value);
    }
    if let Some(items) = super::table::inline(trimmed) {
        return Tree::Listing(items);
    }
    match listing(trimmed) {
        Some(items) => Tree::Listing(items),
        None => Tree::Text(text.to_owned()),
    }
}

/// A YAML document that is a list or a map; `None` for anything else, aliases and repeated keys included.
fn yaml(text: &str) -> Option<Value> {
    if !text.contains([':', '-', '[', '{']) || begins_prose(text) {
        return None;
    }
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str_with_options(text, Options::default()) {
        let value = match event.ok()?.0 {
            Event::Scalar(text, style, anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    return None;
                }
                if let Some(Open::Map(_, key @ None)) = stack.last_mut() {
                    *key = Some(text.to_string());
                    continue;
                }
                if style == ScalarStyle::Plain { plain_scalar(&text) } else { Value::from(text.as_ref()) }
            }
            Event::SequenceStart(..) => {
                opens(&mut stack, Open::List(Vec::new()))?;
                continue;
            }
            Event::MappingStart(..) => {
                opens(&mut stack, Open::Map(Map::new(), None))?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop()? {
                Open::List(items) => Value::Array(items),
                Open::Map(members, None) => Value::Object(members),
                Open::Map(..) => return None,
            },
            Event::Alias(_) => return None,
            _ => continue,
        };
        match stack.last_mut() {
            None if root.is_none() => root = Some(value),
            None => return None,
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(members, key)) => {
                if members.insert(key.take()?, value).is_some() {
                    return None;
                }
            }
        }
    }
    root.filter(|value| stack.is_empty() && (value.is_array() || value.is_object()))
}

/// Whether a document can only be a scalar: it begins with a letter or digit, and its first line has no key.
fn begins_prose(text: &str) -> bool {
    let first = text.split(['\n', '\r']).next().unwrap_or_default();
    let keyed = first
        .bytes()
        .enumerate()
        .any(|(at, byte)| byte == b':' && first.as_bytes().get(at + 1).is_none_or(u8::is_ascii_whitespace));
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && first.is_ascii() && !keyed
}

enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

fn opens(stack: &mut Vec<Open>, open: Open) -> Option<()> {
    if matches!(stack.last(), Some(Open::Map(_, None))) || stack.len() >= MAX_DEPTH {
        return None;
    }
    stack.push(open);
    Some(())
}

fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "None" => Value::Null,
        "true" | "True" => Value::Bool(true),
        "false" | "False" => Value::Bool(false),
        _ => match serde_json::from_str::<Value>(text) {
            Ok(number @ Value::Number(_)) => number,
            _ => Value::from(text),
        },
    }
}

/// Two short lines or more that are no sentences: a list of things, perhaps under a heading.
fn listing(text: &str) -> Option<Vec<String>> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let item = |line: &&str| line.chars().count() <= MAX_ITEM && !line.ends_with(['.', '?', '!']);
    if lines.len() < 2 || !lines.iter().all(item) {
        return None;
    }
    if lines.iter().skip(1).any(|line| line.contains(": ")) {
        return None;
    }
    let bare = |line: &str| {
        let line = line.trim_start_matches(['-', '*', '•', ' ']);
        let numbered = line.split_once(". ").filter(|(n, _)| n.bytes().all(|b| b.is_ascii_digit()));
        numbered.map_or(line, |(_, rest)| rest).trim().to_owned()
    };
    let mut items: Vec<String> = lines.iter().map(|line| bare(line)).collect();
    if let Some(first) = items.first_mut()
        && let Some((_, rest)) = first.split_once(": ")
    {
        *first = rest.trim().to_owned();
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Tree, read, trees};

    #[test]
    fn structure_is_read_where_there_is_some() {
        assert_eq!(read("{\"a\": [1]}"), Tree::Values(json!({"a": [1]})));
        assert_eq!(
            read("- id_: '13'\n  size: 6\n  who:\n  - a@b.com"),
            Tree::Values(json!([
                {"id_": "13", "size": 6, "who": ["a@b.com"]}
            ]))
        );
        assert_eq!(
            read("{'message': 'Sent.', 'ok': True}"),
            Tree::Values(json!({"message": "Sent.", "ok": true}))
        );
        assert_eq!(
            read("Hotels: Ritz\nSavoy\nGrand"),
            Tree::Listing(vec!["Ritz".into(), "Savoy".into(), "Grand".into()])
        );
        assert_eq!(
            read("Bill for May.\nPay: now please.\n- well\nIBAN: X"),
            Tree::Text("Bill for May.\nPay: now please.\n- well\nIBAN: X".into())
        );
        assert_eq!(read("a: &x 1\nb: *x"), Tree::Text("a: &x 1\nb: *x".into()));
        assert_eq!(read("2024-05-15"), Tree::Text("2024-05-15".into()));
    }

    #[test]
    fn a_tool_result_is_its_blocks() {
        let text = |text: &str| Tree::Text(text.into());
        let two = r#"{"content":[{"type":"text","text":"hi there"},{"type":"text","text":"[1]"}]}"#;
        assert_eq!(trees(two), [text("hi there"), Tree::Values(json!([1]))]);
        assert_eq!(trees("plain"), [text("plain")]);
        assert_eq!(trees(r#"{"content":"none"}"#), [Tree::Values(json!({"content": "none"}))]);
    }
}

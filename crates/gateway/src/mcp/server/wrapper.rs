//! Wrapper tools: `call_tool {server, name, arguments}` is judged as the tool it calls (`R1.complete`).
//!
//! Only declared wrappers are opened, nested ones up to [`MAX_DEPTH`]. What cannot be told is refused, never
//! judged as the wrapper itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::action::Arguments;
use countersign_core::json;
use countersign_core::names::ToolName;
use serde_json::Value;

use crate::settings::Wrapper;

/// How deep wrappers may stand in each other.
pub const MAX_DEPTH: usize = 4;

/// A call with its wrappers taken off.
#[derive(Clone, Debug)]
pub struct Unwrapped {
    /// The real tool.
    pub tool: ToolName,
    /// Its arguments.
    pub arguments: Arguments,
    /// The outermost wrapper as it was called, where there was one.
    pub original: Option<Arc<str>>,
    layers: Vec<Layer>,
}

/// Where a wrapper keeps the real arguments.
#[derive(Clone, Debug)]
struct Layer {
    arguments: Value,
    pointer: String,
    as_text: bool,
}

/// Why the real tool cannot be told. Names places, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolvable {
    /// The wrapper's arguments do not name the real call where they are declared to.
    #[error("the wrapper {wrapper} has no {what} at {pointer}")]
    Absent {
        /// The wrapper.
        wrapper: String,
        /// What is not there.
        what: &'static str,
        /// Where it should be.
        pointer: String,
    },
    /// Wrappers in wrappers in wrappers.
    #[error("wrapper tools are nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// Takes the wrappers off a call.
///
/// # Errors
/// The real tool cannot be told.
pub fn unwrap(
    wrappers: &BTreeMap<String, Wrapper>,
    tool: ToolName,
    arguments: Arguments,
) -> Result<Unwrapped, Unresolvable> {
    let mut call = Unwrapped { tool, arguments, original: None, layers: Vec::new() };
    while let Some(wrapper) = declared(wrappers, &call.tool) {
        if call.layers.len() == MAX_DEPTH {
            return Err(Unresolvable::TooDeep);
        }
        call = open(call, wrapper)?;
    }
    Ok(call)
}

impl Unwrapped {
    /// The outermost call's arguments with these real arguments put where the wrappers keep them.
    /// `None` when there is no wrapper, or the place is gone.
    #[must_use]
    pub fn rewrap(&self, real: &Arguments) -> Option<Value> {
        let mut inner = real.value().clone();
        if self.layers.is_empty() {
            return None;
        }
        for layer in self.layers.iter().rev() {
            let mut outer = layer.arguments.clone();
            *outer.pointer_mut(&layer.pointer)? =
                if layer.as_text { Value::String(inner.to_string()) } else { inner };
            inner = outer;
        }
        Some(inner)
    }
}

fn declared<'a>(wrappers: &'a BTreeMap<String, Wrapper>, tool: &ToolName) -> Option<&'a Wrapper> {
    wrappers.get(&tool.to_string()).or_else(|| wrappers.get(tool.tool()))
}

fn open(call: Unwrapped, wrapper: &Wrapper) -> Result<Unwrapped, Unresolvable> {
    let outer = call.arguments.value();
    let absent = |what, pointer: &str| Unresolvable::Absent {
        wrapper: call.tool.to_string(),
        what,
        pointer: pointer.to_owned(),
    };
    let name = |pointer: &str, what| {
        outer
            .pointer(pointer)
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
            .ok_or_else(|| absent(what, pointer))
    };
    let upstream = match &wrapper.server {
        Some(pointer) => name(pointer, "server name")?,
        None => call.tool.upstream(),
    };
    let tool = ToolName::new(upstream, name(&wrapper.tool, "tool name")?);
    let place = outer.pointer(&wrapper.arguments);
    let no_arguments = || absent("arguments object", &wrapper.arguments);
    let (text, as_text) = match place {
        Some(Value::String(text)) => (text.clone(), true),
        Some(value @ Value::Object(_)) => (value.to_string(), false),
        _ => return Err(no_arguments()),
    };
    // JSON in a string is read as strictly as JSON on the wire.
    json::parse(&text).map_err(|_| no_arguments())?;
    let arguments = Arguments::parse(&text).map_err(|_| no_arguments())?;
    let mut layers = call.layers;
    layers.push(Layer { arguments: outer.clone(), pointer: wrapper.arguments.clone(), as_text });
    let original = call.original.or_else(|| Some(call.tool.to_string().into()));
    Ok(Unwrapped { tool, arguments, original, layers })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrappers() -> BTreeMap<String, Wrapper> {
        let wrapper =
            Wrapper { server: Some("/server".into()), tool: "/name".into(), arguments: "/args".into() };
        BTreeMap::from([("call_tool".to_owned(), wrapper)])
    }

    fn call(arguments: &Value) -> Result<Unwrapped, Unresolvable> {
        let arguments = Arguments::parse(&arguments.to_string()).unwrap();
        unwrap(&wrappers(), ToolName::new("hub", "call_tool"), arguments)
    }

    #[test]
    fn r1_complete_a_wrapper_is_judged_as_the_tool_it_calls() {
        let call = call(&json!({"server":"files","name":"delete","args":{"path":"/x"}})).unwrap();
        assert_eq!(call.tool, ToolName::new("files", "delete"));
        assert_eq!(call.original.as_deref(), Some("hub.call_tool"));
        assert_eq!(call.arguments.value(), &json!({"path":"/x"}));
    }

    #[test]
    fn nested_wrappers_and_json_in_strings_are_opened_up_to_four() {
        let mut nested = json!({"path":"/x"});
        for depth in 1..=5 {
            let (server, name) = if depth == 1 { ("files", "delete") } else { ("hub", "call_tool") };
            nested = json!({"server":server,"name":name,"args":nested.to_string()});
            let result = call(&nested);
            if depth <= MAX_DEPTH {
                assert_eq!(result.unwrap().tool, ToolName::new("files", "delete"));
            } else {
                assert_eq!(result.unwrap_err(), Unresolvable::TooDeep);
            }
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for arguments in [
            json!({}),
            json!({"server":"files","name":"","args":{}}),
            json!({"server":"files","name":"delete"}),
            json!({"server":"files","name":"delete","args":"{\"a\":1,\"a\":2}"}),
            json!({"server":"files","name":["delete"],"args":{}}),
            json!({"server":1,"name":"delete","args":{}}),
        ] {
            assert!(call(&arguments).is_err(), "{arguments}");
        }
    }

    #[test]
    fn edited_arguments_go_back_where_the_wrappers_keep_them() {
        let inner = json!({"server":"files","name":"list","args":"{\"limit\":500}"});
        let outer = call(&json!({"server":"hub","name":"call_tool","args":inner})).unwrap();
        let edited = Arguments::parse(r#"{"limit":10}"#).unwrap();
        let rewrapped = outer.rewrap(&edited).unwrap();
        assert_eq!(rewrapped["args"]["args"], "{\"limit\":10}");
    }
}

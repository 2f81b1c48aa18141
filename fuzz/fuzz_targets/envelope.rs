//! MCP messages: what is accepted has one reading, and what we write of it is accepted again.
#![no_main]

use countersign_gateway::mcp::envelope::{self, Message, Outcome, Peer, ToolCall};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;

const LIMIT: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    for from in [Peer::Client, Peer::Server] {
        match envelope::parse(bytes, from, LIMIT) {
            Ok(message) => accepted(bytes, &message, from),
            Err(fault) => {
                // What a refusal says is a message of its own.
                let answer = fault.answer();
                assert!(serde_json::from_slice::<Value>(&answer).is_ok(), "a refusal that is no JSON");
                let _ = fault.to_string();
            }
        }
    }
});

fn accepted(bytes: &[u8], message: &Message<'_>, from: Peer) {
    // An ordinary reader finds the same.
    let value: Value = serde_json::from_slice(bytes).expect("another reader refuses it");
    let line = envelope::one_line(bytes);
    assert!(!line.contains(&b'\n'), "more than one line");
    assert!(envelope::parse(&line, from, LIMIT).is_ok(), "on one line it is refused");
    assert_eq!(serde_json::from_slice::<Value>(&line).ok().as_ref(), Some(&value), "one line says something else");
    let same = |member: &str, raw: Option<&RawValue>| {
        let ours = raw.map(|raw| serde_json::from_str::<Value>(raw.get()).expect("a part is JSON"));
        let theirs = value.get(member).filter(|value| member != "params" || !value.is_null()).cloned();
        assert_eq!(ours, theirs, "{member} is read in two ways");
    };
    match message {
        Message::Request { id, method, params } => {
            assert_eq!(value["method"], **method);
            same("id", Some(id.raw()));
            same("params", *params);
            call(*params);
        }
        Message::Notification { method, params } => {
            assert_eq!(value["method"], **method);
            assert!(value.get("id").is_none());
            same("params", *params);
        }
        Message::Response { id, outcome } => {
            same("id", Some(id.raw()));
            match outcome {
                Outcome::Result(result) => same("result", Some(result)),
                Outcome::Error(error) => same("error", Some(error)),
            }
        }
    }
}

/// A tool call taken apart and put together for another tool is the same call but for its name.
fn call(params: Option<&RawValue>) {
    let _ = envelope::progress_token(params, Peer::Client);
    let (Ok(call), Some(params)) = (ToolCall::read(params), params) else { return };
    let mut before: Value = serde_json::from_str(params.get()).expect("parameters are JSON");
    assert_eq!(before["name"], *call.name);
    let written = envelope::rewrite_params(params, "other_tool", None).expect("a call can be written");
    let after: Value = serde_json::from_str(written.get()).expect("what we write is JSON");
    before["name"] = "other_tool".into();
    assert_eq!(before, after, "rewriting the name changed something else");
    let again = ToolCall::read(Some(&written)).expect("what we write can be read");
    assert_eq!(again.arguments.get(), call.arguments.get(), "the arguments are not the bytes that were judged");
}

//! Messages of our own, and changed copies of others' in which only what changes is written anew.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::fault::{Fault, FaultKind, Peer};
use super::members::{self, Members};
use super::{Message, ToolCall, parse};

/// A request with an id of ours.
pub fn request(id: u64, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    call(&format!("\"id\":{id},"), method, params.map(RawValue::get))
}

/// A notification.
pub fn notification(method: &str, params: Option<&RawValue>) -> Vec<u8> {
    call("", method, params.map(RawValue::get))
}

/// The answer to the request `id`, with the exact text of `body` as its result.
pub fn result(id: &RawValue, body: &RawValue) -> Vec<u8> {
    answer(Some(id), "result", body.get())
}

/// The answer to the request `id`, with the exact text of `body` as its error.
pub fn error_body(id: &RawValue, body: &RawValue) -> Vec<u8> {
    answer(Some(id), "error", body.get())
}

/// An error of ours in answer to the request `id`, `null` where no id could be read.
pub fn error(id: Option<&RawValue>, code: i64, message: &str, data: Option<&RawValue>) -> Vec<u8> {
    let data = data.map(|data| format!(",\"data\":{}", data.get())).unwrap_or_default();
    answer(id, "error", &format!("{{\"code\":{code},\"message\":{}{data}}}", quoted(message)))
}

/// A client's `tools/call` with another id and tool name and, where given, other arguments. The exact text of
/// everything else in `params` is kept; members of the envelope that the protocol does not know are left
/// behind.
pub fn rewrite_call(
    original: &[u8],
    id: u64,
    name: &str,
    arguments: Option<&RawValue>,
) -> Result<Vec<u8>, Fault> {
    match parse(original, Peer::Client, usize::MAX)? {
        Message::Request { method, params: Some(params), .. } if method == "tools/call" => {
            let params = rewrite_params(params, name, arguments)?;
            Ok(request(id, "tools/call", Some(&params)))
        }
        _ => Err(Fault::new(FaultKind::Shape("is no tools/call with parameters"), Peer::Client)),
    }
}

/// The parameters of a `tools/call` with another tool name and, where given, other arguments; the exact text
/// of everything else is kept.
pub fn rewrite_params(
    params: &RawValue,
    name: &str,
    arguments: Option<&RawValue>,
) -> Result<Box<RawValue>, Fault> {
    ToolCall::read(Some(params))?;
    let whole = params.get();
    let fault = || Fault::new(FaultKind::Params("must be an object"), Peer::Client).at("/params");
    let members: Members<'_> = serde_json::from_str(whole).map_err(|_| fault())?;
    let place = |key| members.get(key).and_then(|raw| members::span(whole, raw));
    let mut name_text = quoted(name);
    let mut edits = Vec::with_capacity(2);
    if let Some(arguments) = arguments {
        match place("arguments") {
            Some(span) => edits.push((span, Cow::Borrowed(arguments.get()))),
            None => name_text.push_str(&format!(",\"arguments\":{}", arguments.get())),
        }
    }
    edits.push((place("name").ok_or_else(fault)?, Cow::Owned(name_text)));
    splice(whole, edits).ok_or_else(fault)
}

/// `params` with `token` in place of `_meta.progressToken`, and the exact text of the token that was there;
/// `None` when it has none.
pub fn swap_progress_token(params: &RawValue, token: &str) -> Option<(Box<RawValue>, Box<RawValue>)> {
    let meta = members::of(params)?.get("_meta")?;
    let old = members::of(meta)?.get("progressToken")?;
    swap(params, old, token).map(|swapped| (swapped, old.to_owned()))
}

/// A progress notice's parameters with `token` in place of `progressToken`; `None` when it has none.
pub(crate) fn restore_progress_token(params: &RawValue, token: &RawValue) -> Option<Box<RawValue>> {
    let old = members::of(params)?.get("progressToken")?;
    swap(params, old, token.get())
}

/// The same JSON on one line: in valid JSON a line break can only stand between tokens, where a space means
/// the same. Line-delimited transports need it, and so what is to be judged and forwarded exactly is put on
/// one line first. Call it only on text that [`parse`] accepted: a broken string would be mended.
pub fn one_line(text: &[u8]) -> Cow<'_, [u8]> {
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if !text.iter().any(breaks) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.iter().map(|byte| if breaks(byte) { b' ' } else { *byte }).collect())
}

fn call(id: &str, method: &str, params: Option<&str>) -> Vec<u8> {
    let (comma, params) = match params {
        Some(params) => (",\"params\":", params),
        None => ("", ""),
    };
    format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":{}{comma}{params}}}", quoted(method)).into_bytes()
}

fn answer(id: Option<&RawValue>, kind: &str, body: &str) -> Vec<u8> {
    let id = id.map_or("null", RawValue::get);
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{kind}\":{body}}}").into_bytes()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn swap(whole: &RawValue, old: &RawValue, new: &str) -> Option<Box<RawValue>> {
    splice(whole.get(), vec![(members::span(whole.get(), old)?, Cow::Borrowed(new))])
}

/// Replaces the given ranges, which do not overlap.
fn splice(whole: &str, mut edits: Vec<(Range<usize>, Cow<'_, str>)>) -> Option<Box<RawValue>> {
    edits.sort_by_key(|(range, _)| range.start);
    let mut text = String::with_capacity(whole.len() + edits.iter().map(|(_, new)| new.len()).sum::<usize>());
    let mut from = 0;
    for (range, new) in edits {
        text.push_str(whole.get(from..range.start)?);
        text.push_str(&new);
        from = range.end;
    }
    text.push_str(whole.get(from..)?);
    RawValue::from_string(text).ok()
}

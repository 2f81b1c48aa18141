//! What a caller is told: results with their receipts, refusals that the model can act on, pending actions.

use countersign_core::decision::Verdict;
use countersign_core::time::Time;
use countersign_engine::{On, ReceiptRef, Refusal, Suspended};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::mcp::envelope::members;

/// The members of `_meta` that are ours.
pub const META: &str = "countersign";

/// A refusal as a tool result: it names the rule, the reason and the receipt.
#[must_use]
pub fn refused(refusal: &Refusal) -> Box<RawValue> {
    let rules: Vec<&str> = refusal.rules.iter().map(countersign_core::names::RuleId::as_str).collect();
    let by = if rules.is_empty() { String::new() } else { format!(" by rule {}", rules.join(", ")) };
    let receipt = refusal.receipt.as_ref().map_or("none: the ledger is down", |receipt| &receipt.id);
    let text = format!(
        "Refused{by}: {}. Nothing was done. What you can do: {}. (receipt {receipt})",
        refusal.reason, refusal.hint
    );
    let meta = json!({
        "decision": "DENY",
        "step": refusal.step.as_str(),
        "rules": rules,
        "reason": &*refusal.reason,
        "action": refusal.action.as_ref().map(ToString::to_string),
        "receipt": refusal.receipt.as_ref().map(receipt_json),
    });
    tool_error(&text, &meta)
}

/// A held call that was not settled within its time: the result names the pending action, so that a retry of
/// the same call attaches to it.
#[must_use]
pub fn pending(suspended: &Suspended, deadline: Option<Time>) -> Box<RawValue> {
    let id = suspended.action();
    let text = format!(
        "Not done yet: this call is {}. It is pending as action {id}{}. Call the same tool again with exactly \
         the same arguments to go on waiting; it runs once when it is authorised, and not at all otherwise. \
         (receipt {})",
        waits_for(suspended.on()),
        deadline.map(|at| format!(" until {}", stamp(at))).unwrap_or_default(),
        suspended.receipt().id,
    );
    let decision = match suspended.on() {
        On::Person(_) => Verdict::StepUp,
        On::Context(_) => Verdict::Defer,
    };
    let meta = json!({
        "decision": decision.as_str(),
        "pending": id.as_str(),
        "deadline": deadline.map(stamp),
        "receipt": receipt_json(suspended.receipt()),
    });
    tool_error(&text, &meta)
}

/// What a held call waits for, for people and models.
#[must_use]
pub fn waits_for(on: &On) -> String {
    match on {
        On::Person(approvers) => {
            let clauses: Vec<String> = approvers
                .clauses()
                .iter()
                .map(|clause| clause.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "))
                .collect();
            let who = if clauses.is_empty() { "an approver".to_owned() } else { clauses.join(" and ") };
            format!("waiting for approval by {who}")
        }
        On::Context(missing) => {
            let gaps: Vec<String> = missing.gaps().map(ToString::to_string).collect();
            format!("deferred until this is known: {}", gaps.join(", "))
        }
    }
}

/// The upstream's result with our `_meta`; whatever else it says is kept to the byte.
#[must_use]
pub fn with_receipts(
    result: &RawValue,
    verdict: Verdict,
    ruling: &ReceiptRef,
    outcome: &ReceiptRef,
) -> Box<RawValue> {
    #[derive(serde::Serialize)]
    struct Meta<'a> {
        decision: &'a str,
        receipt: Named<'a>,
        outcome: Named<'a>,
    }
    let meta = Meta { decision: verdict.as_str(), receipt: Named::of(ruling), outcome: Named::of(outcome) };
    let meta = serde_json::to_string(&meta).ok();
    meta.and_then(|meta| with_meta(result, &meta)).unwrap_or_else(|| result.to_owned())
}

/// A tool's failure that is the way's and not the tool's.
#[must_use]
pub fn failed(text: &str, outcome: Option<&ReceiptRef>) -> Box<RawValue> {
    tool_error(text, &json!({ "outcome": outcome.map(receipt_json) }))
}

/// Adds `_meta.countersign`, the JSON text `ours`, to an object's text. `None` when it is no object, or its `_meta`
/// is none.
fn with_meta(object: &RawValue, ours: &str) -> Option<Box<RawValue>> {
    let whole = object.get();
    let entry = format!("\"{META}\":{ours}");
    let top = members::of(object)?;
    let text = match top.get("_meta") {
        Some(meta) => {
            let inside = members::of(meta)?;
            if inside.get(META).is_some() {
                // What claims to be ours and is not must not stand.
                let mut value: Value = serde_json::from_str(whole).ok()?;
                value
                    .get_mut("_meta")?
                    .as_object_mut()?
                    .insert(META.to_owned(), serde_json::from_str(ours).ok()?);
                value.to_string()
            } else {
                let span = members::span(whole, meta)?;
                let body = meta.get().trim().strip_prefix('{')?.trim_start();
                let comma = if body.starts_with('}') { "" } else { "," };
                format!("{}{{{entry}{comma}{body}{}", whole.get(..span.start)?, whole.get(span.end..)?)
            }
        }
        None => {
            let open = whole.trim_end().strip_suffix('}')?.trim_end();
            let comma = if open.ends_with('{') { "" } else { "," };
            format!("{open}{comma}\"_meta\":{{{entry}}}}}")
        }
    };
    RawValue::from_string(text).ok()
}

fn tool_error(text: &str, meta: &Value) -> Box<RawValue> {
    let value = json!({
        "content": [{ "type": "text", "text": text }],
        "isError": true,
        "_meta": { META: meta },
    });
    RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A receipt as callers see it.
#[must_use]
pub fn receipt_json(receipt: &ReceiptRef) -> Value {
    json!({ "id": &*receipt.id, "digest": &*receipt.digest })
}

/// The same, borrowed.
#[derive(serde::Serialize)]
struct Named<'a> {
    id: &'a str,
    digest: &'a str,
}

impl<'a> Named<'a> {
    fn of(receipt: &'a ReceiptRef) -> Self {
        Self { id: &receipt.id, digest: &receipt.digest }
    }
}

fn stamp(at: Time) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(text: &str) -> String {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        with_meta(&raw, "1").unwrap().get().to_owned()
    }

    #[test]
    fn our_meta_is_added_and_the_rest_kept_to_the_byte() {
        assert_eq!(meta("{}"), r#"{"_meta":{"countersign":1}}"#);
        assert_eq!(meta(r#"{ "a" : 1.0 }"#), r#"{ "a" : 1.0,"_meta":{"countersign":1}}"#);
        assert_eq!(meta(r#"{"_meta":{},"a":1}"#), r#"{"_meta":{"countersign":1},"a":1}"#);
        assert_eq!(meta(r#"{"_meta":{"x":2},"a":1}"#), r#"{"_meta":{"countersign":1,"x":2},"a":1}"#);
    }

    #[test]
    fn an_upstream_cannot_speak_in_our_name() {
        let value: Value = serde_json::from_str(&meta(r#"{"_meta":{"countersign":"forged"}}"#)).unwrap();
        assert_eq!(value["_meta"]["countersign"], 1);
    }
}

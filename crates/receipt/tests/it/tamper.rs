//! R5.tamper: a change to any field of a receipt, or to any disclosure, fails verification.

use countersign_receipt::verify::{self, VerifyError};
use serde_json::{Map, Value, json};

use crate::common::TestKey;

/// Every value that differs from `value` by one change: a leaf changed, a member taken out, put in, renamed or moved.
fn tampered(value: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    match value {
        Value::Null => all.push(("null replaced".to_owned(), json!("x"))),
        Value::Bool(b) => all.push(("flipped".to_owned(), json!(!b))),
        Value::Number(n) => all.push(("counted up".to_owned(), json!(n.as_i64().unwrap() + 1))),
        Value::String(s) => {
            all.push(("extended".to_owned(), json!(format!("{s} "))));
            all.push(("emptied".to_owned(), json!(if s.is_empty() { "x" } else { "" })));
            if let Some(last) = s.chars().next_back() {
                let other = if last == 'a' { 'b' } else { 'a' };
                let cut = &s[..s.len() - last.len_utf8()];
                all.push(("last character changed".to_owned(), json!(format!("{cut}{other}"))));
            }
        }
        Value::Array(items) => {
            all.push(("item added".to_owned(), Value::Array([items.as_slice(), &[json!("x")]].concat())));
            if items.len() > 1 {
                let mut turned = items.clone();
                turned.reverse();
                all.push(("turned round".to_owned(), Value::Array(turned)));
            }
            for (index, item) in items.iter().enumerate() {
                let mut without = items.clone();
                without.remove(index);
                all.push((format!("[{index}] removed"), Value::Array(without)));
                for (what, changed) in tampered(item) {
                    let mut with = items.clone();
                    with[index] = changed;
                    all.push((format!("[{index}] {what}"), Value::Array(with)));
                }
            }
        }
        Value::Object(members) => all.extend(tampered_object(members)),
    }
    all.push(("made null".to_owned(), Value::Null));
    all.retain(|(_, changed)| changed != value);
    all
}

fn tampered_object(members: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let with = |name: &str, value: Value| {
        let mut members = members.clone();
        members.insert(name.to_owned(), value);
        Value::Object(members)
    };
    all.push(("member added".to_owned(), with("added", json!("x"))));
    for (name, value) in members {
        let mut without = members.clone();
        without.remove(name);
        all.push((format!(".{name} removed"), Value::Object(without.clone())));
        without.insert(format!("{name}2"), value.clone());
        all.push((format!(".{name} renamed"), Value::Object(without)));
        all.extend(
            tampered(value)
                .into_iter()
                .map(|(what, changed)| (format!(".{name} {what}"), with(name, changed))),
        );
    }
    all
}

/// Leaving a disclosure out is withholding, which is everybody's right.
fn is_withholding(original: &Value, changed: &Value) -> bool {
    let without = |value: &Value| {
        let mut value = value.clone();
        let disclosures = value.as_object_mut().and_then(|members| members.remove("disclosures"));
        (value, disclosures.unwrap_or_else(|| json!({})))
    };
    let ((body, all), (changed_body, some)) = (without(original), without(changed));
    body == changed_body
        && some
            .as_object()
            .is_some_and(|some| some.iter().all(|(place, opened)| all.get(place) == Some(opened)))
}

#[test]
fn r5_tamper_any_change_anywhere_fails_verification() {
    let keys = TestKey::new().public();
    let mut tried = 0;
    for line in crate::common::story::book().export() {
        let original: Value = serde_json::from_str(&line).unwrap();
        assert!(verify::receipt(line.as_bytes(), &keys).is_ok());
        for (what, changed) in tampered(&original) {
            let result = verify::receipt(changed.to_string().as_bytes(), &keys);
            assert_eq!(result.is_ok(), is_withholding(&original, &changed), "{what} in {line}: {result:?}");
            tried += 1;
        }
    }
    assert!(tried > 5000, "only {tried} changes were tried");
}

#[test]
fn r5_tamper_the_error_says_what_was_changed() {
    let keys = TestKey::new().public();
    let line = crate::common::story::book().export().into_iter().find(|line| line.contains("lunch")).unwrap();
    let error = |from: &str, to: &str| {
        let changed = line.replace(from, to);
        assert_ne!(changed, line);
        verify::receipt(changed.as_bytes(), &keys).unwrap_err()
    };
    let key_id = keys.keys().next().unwrap().key_id().to_owned();
    assert_eq!(error("r-read-outcome", "r-other"), VerifyError::Signature { key_id: key_id.clone() });
    assert_eq!(error(&key_id, "other"), VerifyError::UnknownKey { key_id: "other".to_owned() });
    assert_eq!(
        error("lunch", "dinner").to_string(),
        "the text or salt disclosed at `/outcome/output` is not what the receipt commits to"
    );
    for (from, to, words) in [
        (r#""late":false"#, r#""late":0"#, "`outcome.late` is wrong"),
        (r#""tenant":"#, r#""tenant":"other","tenant":"#, "there twice"),
        (r#""tenant":"#, r#""guest":"x","tenant":"#, "unknown field `guest`"),
        (r#""sequence":3"#, r#""sequence":3.0"#, "not an integer"),
        ("v1-draft", "v2", "its version is `countersign.receipt/v2`"),
        (r#""salt":"#, r#""salt2":"#, "`disclosures./outcome/output` is wrong"),
        (r#","signature":"#, r#","subject":null,"signature":"#, "written as null"),
        (r#""algorithm":"Ed25519""#, r#""algorithm":"none""#, "`signature.algorithm` is wrong"),
    ] {
        let error = error(from, to).to_string();
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("lunch"), "{error}");
    }
}

#[test]
fn a_signature_by_a_key_of_small_order_or_in_a_second_spelling_is_refused() {
    let keys = TestKey::new().public();
    let line = crate::common::story::book().export().remove(0);
    let mut value: Value = serde_json::from_str(&line).unwrap();
    let signature = value["signature"]["value"].as_str().unwrap().to_owned();
    // The last character before `==` carries four bits that must be zero.
    let second = ["B==", "R==", "h==", "x=="].map(|end| format!("{}{end}", &signature[..85]));
    for spelling in
        second.into_iter().chain([signature.trim_end_matches('=').to_owned(), "A".repeat(86) + "=="])
    {
        if spelling == signature {
            continue;
        }
        value["signature"]["value"] = spelling.into();
        assert!(verify::receipt(value.to_string().as_bytes(), &keys).is_err());
    }
}

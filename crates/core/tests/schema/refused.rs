//! What is not taken, and inputs made to cost much: without the bounds some of these tests do not end.

use countersign_core::policy::ArgumentSchema;
use serde_json::{Map, Value, json};

use crate::{broken, compiled};

#[test]
fn malformed_schemas_are_refused_with_their_place() {
    for (schema, pointer) in [
        (json!(5), ""),
        (json!({ "type": "text" }), "/type"),
        (json!({ "type": [] }), "/type"),
        (json!({ "properties": { "a": { "minimum": "5" } } }), "/properties/a/minimum"),
        (json!({ "properties": { "a": 5 } }), "/properties/a"),
        (json!({ "properties": [] }), "/properties"),
        (json!({ "required": true }), "/required"),
        (json!({ "required": [5] }), "/required"),
        (json!({ "maxLength": -1 }), "/maxLength"),
        (json!({ "maxLength": 1.5 }), "/maxLength"),
        (json!({ "multipleOf": 0 }), "/multipleOf"),
        (json!({ "uniqueItems": "yes" }), "/uniqueItems"),
        (json!({ "anyOf": [] }), "/anyOf"),
        (json!({ "enum": "a" }), "/enum"),
        (json!({ "pattern": "(" }), "/pattern"),
        (json!({ "pattern": "^(?!admin)" }), "/pattern"),
        (json!({ "pattern": "(a{1000}){1000}" }), "/pattern"),
        (json!({ "patternProperties": { "(?=a)/b": true } }), "/patternProperties/(?=a)~1b"),
        (json!({ "$ref": "#/definitions/gone" }), ""),
        (json!({ "$ref": "#gone" }), ""),
        (json!({ "$ref": "https://example.com/schema.json" }), ""),
        (json!({ "properties": { "a": { "$ref": "file:///etc/passwd" } } }), "/properties/a"),
        (json!({ "$ref": 5 }), "/$ref"),
    ] {
        let fault = ArgumentSchema::compile(&schema).err();
        let fault = fault.unwrap_or_else(|| panic!("{schema} is taken"));
        assert_eq!(fault.pointer, pointer, "{schema}: {fault}");
        assert!(!fault.message.is_empty() && !fault.hint.is_empty());
    }
}

#[test]
fn loops_that_look_at_no_part_of_the_value_are_refused() {
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/b" }] }, "b": { "not": { "$ref": "#/$defs/a" } } } }),
        json!({ "if": true, "then": { "$ref": "#" } }),
        json!({ "dependentSchemas": { "a": { "$ref": "#" } } }),
    ] {
        let fault = ArgumentSchema::compile(&schema).err().unwrap_or_else(|| panic!("{schema} is taken"));
        assert!(fault.message.contains("itself"), "{fault}");
    }
    assert!(ArgumentSchema::compile(&json!({ "properties": { "a": { "$ref": "#" } } })).is_ok());
}

#[test]
fn schemas_beyond_all_measure_are_refused_soon() {
    let deep = (0..150).fold(json!(true), |inner, _| json!({ "not": inner }));
    let chain: Map<String, Value> = (0..200)
        .map(|n| (format!("a{n}"), json!({ "$ref": format!("#/$defs/a{}", n + 1) })))
        .chain([("a200".into(), json!(true))])
        .collect();
    let wide: Map<String, Value> = (0..20_000).map(|n| (format!("p{n}"), json!({}))).collect();
    let patterns: Map<String, Value> = (0..300).map(|n| (format!("^p{n}$"), json!({}))).collect();
    for schema in [
        deep,
        json!({ "$ref": "#/$defs/a0", "$defs": chain }),
        json!({ "properties": wide }),
        json!({ "patternProperties": patterns }),
        json!({ "enum": (0..60_000).collect::<Vec<_>>() }),
        json!({ "const": "x".repeat(2 << 20) }),
    ] {
        assert!(ArgumentSchema::compile(&schema).is_err());
    }
}

/// Two looks at each level are 2^100 looks at the bottom.
#[test]
fn what_would_take_for_ever_is_a_break_and_not_a_pass() {
    let doubling = json!({ "allOf": [{ "properties": { "x": { "$ref": "#" } } }, { "properties": { "x": { "$ref": "#" } } }] });
    let deep = (0..100).fold(json!({}), |inner, _| json!({ "x": inner }));
    let denying = json!({ "not": { "$ref": "#/$defs/d" }, "$defs": { "d": {
        "anyOf": [{ "properties": { "x": { "$ref": "#/$defs/d" } }, "required": ["y"] }, { "properties": { "x": { "$ref": "#/$defs/d" } }, "required": ["y"] }]
    } } });
    let unique = json!({ "uniqueItems": true });
    let many: Value = (0..300_000_u64).map(|n| json!({ "k": n * 7_919 % 300_007 })).collect();
    let walk = json!({ "items": { "enum": (0..10_000).map(|n| format!("v{n}")).collect::<Vec<_>>() } });
    let texts: Value = (0..2_000).map(|n| json!(format!("w{n}"))).collect();
    for (schema, arguments) in [(&doubling, &deep), (&denying, &deep), (&unique, &many), (&walk, &texts)] {
        assert_eq!(broken(schema, arguments).keyword, "limit");
    }
    assert!(compiled(&doubling).check(&json!({ "x": { "x": {} } })).is_ok());
}

#[test]
fn ten_megabytes_of_arguments_are_checked() {
    let schema = compiled(
        &json!({ "properties": { "text": { "type": "string", "maxLength": 20_000_000, "pattern": "a$" }, "list": { "items": { "type": "integer" } } } }),
    );
    let arguments = json!({ "text": "a".repeat(10 << 20), "list": (0..500_000).collect::<Vec<_>>() });
    assert_eq!(schema.check(&arguments), Ok(()));
}

#[test]
fn arguments_as_deep_as_json_allows_do_not_overflow_the_stack() {
    let schema = compiled(
        &json!({ "$ref": "#/$defs/n", "$defs": { "n": { "anyOf": [{ "type": "null" }, { "properties": { "x": { "$ref": "#/$defs/n" } }, "items": { "$ref": "#/$defs/n" } }] } } }),
    );
    for wrap in [|inner: Value| json!({ "x": inner }), |inner: Value| json!([inner])] {
        let deep = (0..127).fold(json!({}), |inner, _| wrap(inner));
        // Either answer is right; an overflow is not.
        let _ = schema.check(&deep);
        assert!(schema.check(&(0..20).fold(json!({}), |inner, _| wrap(inner))).is_ok());
    }
}

//! Schemas as tools and policies have them.

use serde_json::{Value, json};

use crate::{broken, compiled};

/// As an MCP server lists it: draft 7 without saying so.
fn mail() -> Value {
    json!({
        "type": "object",
        "properties": {
            "to": { "type": "array", "items": { "$ref": "#/definitions/address" }, "minItems": 1, "maxItems": 3, "uniqueItems": true },
            "subject": { "type": "string", "maxLength": 20 },
            "priority": { "enum": ["low", "high"] },
            "amount": { "type": "number", "exclusiveMinimum": 0, "maximum": 100.5, "multipleOf": 0.01 },
            "count": { "type": "integer" },
            "attachment": { "anyOf": [{ "type": "null" }, { "type": "object", "required": ["name"] }] }
        },
        "required": ["to", "subject"],
        "dependencies": { "amount": ["count"] },
        "additionalProperties": false,
        "definitions": { "address": { "type": "string", "pattern": "^\\S+@example\\.com$", "format": "email" } }
    })
}

#[test]
fn r3_params_arguments_that_fit_pass() {
    for arguments in [
        json!({ "to": ["a@example.com"], "subject": "x" }),
        json!({ "to": ["a@example.com", "b@example.com"], "subject": "ü".repeat(20), "priority": "low", "attachment": null }),
        json!({ "to": ["a@example.com"], "subject": "x", "amount": 19.99, "count": 3.0, "attachment": { "name": 1 } }),
    ] {
        compiled(&mail()).check(&arguments).unwrap_or_else(|broken| panic!("{arguments}: {broken}"));
    }
}

#[test]
fn r3_params_a_break_names_the_argument_and_the_bound() {
    let with = |name: &str, value: Value| {
        let mut arguments = json!({ "to": ["a@example.com"], "subject": "x", "count": 1 });
        arguments[name] = value;
        arguments
    };
    for (arguments, pointer, keyword, message) in [
        (json!([]), "", "type", "must be of type object"),
        (json!({ "subject": "x" }), "/to", "required", "is required"),
        (json!({}), "/subject", "required", "is required"),
        (with("bcc", json!("x")), "/bcc", "additionalProperties", "is not known here"),
        (with("to", json!([])), "/to", "minItems", "must have at least 1 elements"),
        (
            with("to", json!(["a@example.com", "a@example.com"])),
            "/to",
            "uniqueItems",
            "must not have the same element twice",
        ),
        (
            with("to", json!(["a@example.com", "eve@evil.example"])),
            "/to/1",
            "pattern",
            "does not match the pattern",
        ),
        (with("to", json!("a@example.com")), "/to", "type", "must be of type array"),
        (with("subject", json!("x".repeat(21))), "/subject", "maxLength", "must have at most 20 characters"),
        (
            with("priority", json!("urgent")),
            "/priority",
            "enum",
            "must be one of the 2 values that are allowed",
        ),
        (with("amount", json!(0)), "/amount", "exclusiveMinimum", "must be above 0"),
        (with("amount", json!(100.51)), "/amount", "maximum", "must be at most 100.5"),
        (with("amount", json!(0.005)), "/amount", "multipleOf", "must be a multiple of 0.01"),
        (with("amount", json!("5")), "/amount", "type", "must be of type number"),
        (with("count", json!(1.5)), "/count", "type", "must be of type integer"),
        (with("attachment", json!({})), "/attachment", "anyOf", "fits none of the 2 forms that are allowed"),
        (
            json!({ "to": ["a@example.com"], "subject": "x", "amount": 1 }),
            "/count",
            "required",
            "is required",
        ),
    ] {
        let found = broken(&mail(), &arguments);
        assert_eq!(
            (found.pointer.as_str(), found.keyword.as_str()),
            (pointer, keyword),
            "{arguments}: {found}"
        );
        assert!(found.message.starts_with(message), "{arguments}: {found}");
    }
}

#[test]
fn the_first_break_is_told_in_the_order_of_the_arguments_and_always_the_same() {
    let arguments = json!({ "zebra": 1, "amount": -1, "subject": 5, "to": [1, 2] });
    for _ in 0..10 {
        let found = broken(&mail(), &arguments);
        assert_eq!((found.pointer.as_str(), found.keyword.as_str()), ("/amount", "exclusiveMinimum"));
    }
    let places = json!({ "items": { "type": "string" } });
    let many: Value = (0..12).map(|n| if n == 2 || n == 10 { json!(n) } else { json!("x") }).collect();
    assert_eq!(broken(&places, &many).pointer, "/2", "elements are in the order of their places");
}

#[test]
fn no_value_is_told() {
    let secret = "hunter2-and-more";
    let arguments = json!({ "to": [secret], "subject": secret.repeat(4), "priority": secret, "amount": secret, "attachment": secret });
    for name in ["to", "subject", "priority", "amount", "attachment"] {
        let mut only = json!({ "to": ["a@example.com"], "subject": "x", "count": 1 });
        only[name] = arguments[name].clone();
        let found = broken(&mail(), &only).to_string();
        assert!(!found.contains("hunter2"), "{found}");
    }
    let long = broken(&mail(), &json!({ "to": ["a@example.com"], "subject": "x", "x".repeat(1000): 1 }));
    assert!(long.pointer.chars().count() < 70, "{}", long.pointer);
}

#[test]
fn numbers_are_compared_exactly() {
    let at_most = |bound: Value| compiled(&json!({ "maximum": bound }));
    assert!(at_most(json!(9_007_199_254_740_992_u64)).check(&json!(9_007_199_254_740_993_u64)).is_err());
    assert!(at_most(json!(u64::MAX)).check(&json!(u64::MAX)).is_ok());
    assert!(at_most(json!(0.3)).check(&json!(0.3)).is_ok());
    let cents = compiled(&json!({ "multipleOf": 0.01 }));
    for fits in [json!(0.07), json!(1.1), json!(4.35), json!(1_000_000.01), json!(7), json!(-0.29)] {
        assert!(cents.check(&fits).is_ok(), "{fits}");
    }
    assert!(cents.check(&json!(0.075)).is_err());
    assert!(compiled(&json!({ "const": 1 })).check(&json!(1.0)).is_ok());
    assert!(compiled(&json!({ "enum": [0] })).check(&json!(false)).is_err());
    assert!(compiled(&json!({ "uniqueItems": true })).check(&json!([1, 1.0])).is_err());
    assert!(
        compiled(&json!({ "uniqueItems": true }))
            .check(&json!([1, true, "1", [1], { "a": 1 }, null, 0, false]))
            .is_ok()
    );
}

#[test]
fn every_draft_is_read_by_the_form_of_its_keywords() {
    let tuple_7 = compiled(&json!({ "items": [{ "type": "string" }], "additionalItems": false }));
    let tuple_2020 = compiled(&json!({ "prefixItems": [{ "type": "string" }], "items": false }));
    for tuple in [tuple_7, tuple_2020] {
        assert!(tuple.check(&json!(["a"])).is_ok());
        assert_eq!(tuple.check(&json!(["a", 1])).unwrap_err().pointer, "/1");
        assert_eq!(tuple.check(&json!([1])).unwrap_err().pointer, "/0");
    }
    let draft_4 = compiled(&json!({ "minimum": 5, "exclusiveMinimum": true }));
    assert_eq!(draft_4.check(&json!(5)).unwrap_err().keyword, "exclusiveMinimum");
    // Before 2019 what stands beside a reference says nothing; since then it does.
    let beside = |draft: Option<&str>| {
        let mut schema = json!({ "$ref": "#/$defs/any", "maximum": 3, "$defs": { "any": true } });
        if let Some(draft) = draft {
            schema["$schema"] = draft.into();
        }
        compiled(&schema).check(&json!(5)).is_ok()
    };
    assert!(beside(Some("http://json-schema.org/draft-07/schema#")));
    assert!(
        !beside(None)
            && !beside(Some("https://json-schema.org/draft/2020-12/schema"))
            && !beside(Some("urn:unknown"))
    );
}

#[test]
fn schemas_that_hold_each_other_are_followed() {
    let tree = json!({
        "$ref": "#/$defs/node",
        "$defs": { "node": { "type": "object", "properties": { "value": { "type": "integer" }, "children": { "items": { "$ref": "#/$defs/node" } } }, "required": ["value"] } }
    });
    assert!(
        compiled(&tree)
            .check(&json!({ "value": 1, "children": [{ "value": 2, "children": [{ "value": 3 }] }] }))
            .is_ok()
    );
    let found =
        broken(&tree, &json!({ "value": 1, "children": [{ "value": 2, "children": [{ "value": "x" }] }] }));
    assert_eq!((found.pointer.as_str(), found.keyword.as_str()), ("/children/0/children/0/value", "type"));
    let names = json!({ "$defs": { "a/b ~c": { "$anchor": "here", "type": "string" } }, "properties": { "x": { "$ref": "#here" }, "y": { "$ref": "#/$defs/a~1b%20~0c" } } });
    assert_eq!(broken(&names, &json!({ "x": 1 })).pointer, "/x");
    assert_eq!(broken(&names, &json!({ "y": 1 })).pointer, "/y");
}

#[test]
fn conditions_and_combinations_are_followed() {
    let schema = json!({
        "if": { "properties": { "kind": { "const": "wire" } }, "required": ["kind"] },
        "then": { "required": ["iban"] },
        "else": { "properties": { "iban": false } },
        "oneOf": [{ "required": ["a"] }, { "required": ["b"] }],
        "not": { "required": ["secret"] },
        "dependentSchemas": { "b": { "properties": { "c": { "type": "string" } } } },
        "propertyNames": { "maxLength": 6 },
        "unevaluatedProperties": { "type": "number" }
    });
    for (arguments, pointer, keyword) in [
        (json!({ "a": 1, "kind": "wire" }), "/iban", "required"),
        (json!({ "a": 1, "iban": 5 }), "/iban", "false"),
        (json!({ "kind": 1 }), "", "oneOf"),
        (json!({ "a": 1, "b": 1 }), "", "oneOf"),
        (json!({ "a": 1, "secret": 1 }), "", "not"),
        (json!({ "b": 1, "c": 1 }), "/c", "type"),
        (json!({ "a": 1, "too-long": 1 }), "/too-long", "propertyNames"),
        (json!({ "a": "x" }), "/a", "type"),
    ] {
        let found = broken(&schema, &arguments);
        assert_eq!(
            (found.pointer.as_str(), found.keyword.as_str()),
            (pointer, keyword),
            "{arguments}: {found}"
        );
    }
    assert!(
        compiled(&schema).check(&json!({ "b": 1, "c": "x" })).is_ok(),
        "what a dependent schema looked at is evaluated"
    );
}

#[test]
fn slips_in_keywords_are_remarked() {
    let schema = compiled(
        &json!({ "type": "object", "requried": ["to"], "properties": { "a": { "maxlenght": 5 }, "title": { "type": "string" } }, "x-note": 1, "shape": 1 }),
    );
    let remarks: Vec<_> =
        schema.remarks().iter().map(|remark| (remark.pointer.as_str(), remark.hint.as_str())).collect();
    assert!(remarks.contains(&("/requried", "did you mean `required`?")), "{remarks:?}");
    assert!(remarks.contains(&("/properties/a/maxlenght", "did you mean `maxLength`?")), "{remarks:?}");
    assert!(remarks.iter().any(|(pointer, _)| *pointer == "/shape"));
    assert_eq!(remarks.len(), 3, "{remarks:?}");
}

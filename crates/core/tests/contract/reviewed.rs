//! What a person says of a tool, and for how long it holds.

use countersign_core::contract::derive::{Definition, derive};
use countersign_core::contract::file::{self, Overrides, digest, load};
use countersign_core::contract::{Contract, Effect, Families, Role, Shape, Store};
use serde_json::{Value, json};

fn lookup(schema: &Value) -> Definition<'_> {
    Definition {
        name: "frobnicate",
        description: "Looks up a frob.",
        input_schema: Some(schema),
        annotations: None,
    }
}

fn schema() -> Value {
    json!({"properties": {"frob": {"type": "string"}, "to": {"type": "string"}}})
}

fn review(lines: &str, digest: &str) -> Overrides {
    load(&format!("version: 1\ntools:\n  wild.frobnicate:\n{lines}    digest: {digest}\n")).unwrap()
}

fn applied(overrides: &Overrides, definition: &Definition<'_>) -> Contract {
    overrides.apply("wild", definition, derive(definition))
}

#[test]
fn a_review_of_this_definition_holds_in_both_directions() {
    let schema = schema();
    let definition = Definition { description: "", ..lookup(&schema) };
    assert_eq!(derive(&definition).effect, Effect::Execute);
    let text = "    effect: read\n    does: [read]\n    roles: { /frob: harmless, /to: party }\n    output: { shape: document, store: own }\n";
    let contract = applied(&review(text, &digest(&definition)), &definition);
    let meaning = contract.meaning.unwrap();
    assert_eq!((contract.effect, meaning.families), (Effect::Read, Families::READ));
    assert_eq!((meaning.roles["/frob"], meaning.roles["/to"]), (Role::Harmless, Role::Party));
    assert_eq!((meaning.output.shape, meaning.output.store), (Shape::Document, Store::Own));
    assert_eq!((contract.selectors, meaning.doubts.len()), (Some(vec!["/to".to_owned()]), 0));
}

#[test]
fn a_review_of_another_definition_lowers_nothing_and_says_so() {
    let schema = schema();
    let (old, new) = (lookup(&schema), Definition { description: "Deletes a frob.", ..lookup(&schema) });
    let overrides = review(
        "    effect: read\n    roles: { /frob: harmless, /to: payee }\n    output: { store: own }\n",
        &digest(&old),
    );
    let contract = applied(&overrides, &new);
    let meaning = contract.meaning.unwrap();
    assert_eq!(contract.effect, derive(&new).effect);
    assert_ne!(meaning.roles["/frob"], Role::Harmless);
    assert_eq!((meaning.roles["/to"], meaning.output.store), (Role::Payee, Store::Shared));
    assert!(meaning.doubts.iter().any(|doubt| doubt.contains("not the one that was reviewed")));
}

#[test]
fn a_review_of_another_definition_still_raises() {
    let schema = schema();
    let definition = lookup(&schema);
    let overrides = review("    effect: payment\n", &format!("sha256:{}", "0".repeat(64)));
    assert_eq!(applied(&overrides, &definition).effect, Effect::Payment);
}

#[test]
fn tools_that_nobody_reviewed_are_left_as_derived() {
    let schema = schema();
    let definition = lookup(&schema);
    let overrides = review("    effect: payment\n", &digest(&definition));
    assert_eq!(overrides.apply("other", &definition, derive(&definition)), derive(&definition));
}

#[test]
fn a_digest_is_of_what_the_definition_says_and_not_of_how_it_is_written() {
    let (a, b): (Value, Value) = (
        serde_json::from_str(r#"{"type": "object", "properties": {"a": {}, "b": {}}}"#).unwrap(),
        serde_json::from_str(r#"{"properties": {"b": {}, "a": {}}, "type": "object"}"#).unwrap(),
    );
    assert_eq!(digest(&lookup(&a)), digest(&lookup(&b)));
    for other in [
        Definition { name: "x", ..lookup(&a) },
        Definition { description: "x", ..lookup(&a) },
        Definition { input_schema: None, ..lookup(&a) },
        Definition { annotations: Some(&Value::Bool(true)), ..lookup(&a) },
    ] {
        assert_ne!(digest(&lookup(&a)), digest(&other));
    }
    let moved = Definition { input_schema: None, annotations: Some(&a), ..lookup(&a) };
    assert_ne!(digest(&lookup(&a)), digest(&moved));
}

/// What `contract review` writes can be read, and says what was derived.
#[test]
fn a_written_entry_says_what_is_derived() {
    let schema = json!({"properties": {"to": {"type": "array", "items": {"type": "string"}}, "a: b #": {}, "x\"\n": {}}});
    for name in ["send_mail", "we\"ird: #name", "dotted.name"] {
        let definition = Definition {
            name,
            description: "Sends mail.\n- effect: read\n",
            input_schema: Some(&schema),
            annotations: None,
        };
        let derived = derive(&definition);
        let text = format!("version: 1\ntools:\n{}", file::entry("wild", &definition, &derived));
        let contract = load(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}")).apply(
            "wild",
            &definition,
            derived.clone(),
        );
        let mut meaning = (*derived.meaning.unwrap()).clone();
        meaning.doubts.clear();
        assert_eq!((contract.effect, &*contract.meaning.unwrap()), (derived.effect, &meaning), "{text}");
    }
}

#[test]
fn faults_of_an_override_file_have_their_place_and_a_hint() {
    let zeros = format!("    digest: sha256:{}\n", "0".repeat(64));
    for (text, place, hint) in [
        ("tools: {}\n".to_owned(), "f:1:1: the file does not say which syntax", "version: 1"),
        ("version: 2\ntools: {}\n".to_owned(), "f:1:1: the file does not say which syntax", "version: 1"),
        ("version: 1\n".to_owned(), "f:1:1: the file names no tools", "tools:"),
        ("version: 1\ntool: {}\ntools:\n".to_owned(), "f:2:1: unknown key `tool`", "tools"),
        (
            format!("version: 1\ntools:\n  send:\n{zeros}"),
            "f:3:3: `send` does not name a tool",
            "upstream.tool",
        ),
        (
            format!("version: 1\ntools:\n  a.b:\n    efect: read\n{zeros}"),
            "f:4:5: unknown key `efect`",
            "effect",
        ),
        (
            format!("version: 1\ntools:\n  a.b:\n    effect: reads\n{zeros}"),
            "f:4:13: `effect` cannot be `reads`",
            "read",
        ),
        (
            format!("version: 1\ntools:\n  a.b:\n    does: [sned]\n{zeros}"),
            "f:4:12: `sned` is not one of the words",
            "send",
        ),
        (
            format!("version: 1\ntools:\n  a.b:\n    roles: {{ to: party }}\n{zeros}"),
            "f:4:14: `to` is not a JSON pointer",
            "/to",
        ),
        (
            format!("version: 1\ntools:\n  a.b:\n    roles: {{ /to: parti }}\n{zeros}"),
            "f:4:19: `/to` cannot be `parti`",
            "party",
        ),
        (
            format!("version: 1\ntools:\n  a.b:\n    output: {{ store: mine }}\n{zeros}"),
            "f:4:22: `store` cannot be `mine`",
            "own",
        ),
        (
            "version: 1\ntools:\n  a.b:\n    effect: read\n".to_owned(),
            "f:3:3: the entry does not say which definition",
            "contract review",
        ),
        (
            "version: 1\ntools:\n  a.b: { digest: \"sha256:12\" }\n".to_owned(),
            "f:3:18: this is no digest",
            "contract review",
        ),
    ] {
        let faults = file::read("f", text.as_bytes()).unwrap_err();
        let first = faults.first().unwrap().to_string();
        assert!(first.starts_with(place) && first.contains(hint), "{text}: {first}");
    }
}

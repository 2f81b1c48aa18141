//! What holds of every definition, whatever nonsense its schema is.

use countersign_core::contract::derive::{Definition, derive};
use countersign_core::contract::{Effect, Role};
use proptest::prelude::*;
use serde_json::{Value, json};

const WORDS: &[&str] = &[
    "get",
    "send",
    "delete",
    "user",
    "email",
    "to",
    "id",
    "payment",
    "amount",
    "iban",
    "password",
    "run",
    "query",
    "list",
    "file",
    "path",
    "url",
    "book",
    "history",
    "kunde",
    "frob",
    "2fa",
    "HTTPServer",
    "öffnen",
    "*",
    "a/b",
    "~",
    "",
];

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS), 0..5).prop_map(|words| words.join("_"))
}

/// JSON that looks like a schema often enough to be taken for one.
fn nonsense() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "type",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "additionalProperties",
        "patternProperties",
        "enum",
        "format",
        "description",
        "required",
        "$defs",
        "prefixItems",
        "then",
        "to",
        "id",
        "user",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(vec![
            "string",
            "object",
            "array",
            "integer",
            "#",
            "#/$defs/a",
            "#/properties/to",
            "email",
            "uri"
        ])
        .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn definition<'a>(name: &'a str, description: &'a str, schema: &'a Value) -> Definition<'a> {
    Definition { name, description, input_schema: Some(schema), annotations: None }
}

proptest! {
    /// A contract is a function of its definition, and every definition has one.
    #[test]
    fn the_same_definition_gives_the_same_contract(name in name(), description in ".{0,80}", schema in nonsense()) {
        let definition = definition(&name, &description, &schema);
        let contract = derive(&definition);
        prop_assert_eq!(&contract, &derive(&definition));
        prop_assert_ne!(contract.effect, Effect::Unknown);
        prop_assert!(contract.meaning.is_some_and(|meaning| meaning.roles.len() <= 512));
    }

    /// Annotations come from the server: they may make a tool look worse, never better.
    #[test]
    fn annotations_never_lower_an_effect(name in name(), description in ".{0,40}", schema in nonsense(), hints in any::<[Option<bool>; 4]>()) {
        let plain = definition(&name, &description, &schema);
        let keys = ["readOnlyHint", "destructiveHint", "openWorldHint", "idempotentHint"];
        let annotations = Value::Object(keys.iter().zip(hints).filter_map(|(k, h)| Some(((*k).to_owned(), h?.into()))).collect());
        let hinted = derive(&Definition { annotations: Some(&annotations), ..plain });
        prop_assert!(hinted.effect >= derive(&plain).effect);
    }

    /// A description may tell of more than a name does; it cannot talk a tool's verb down.
    #[test]
    fn a_description_never_lowers_a_name_that_begins_with_a_verb(description in "[a-z ,.]{0,80}") {
        for (name, least) in [("delete_file", Effect::Destructive), ("send_email", Effect::WriteOutbound), ("pay_bill", Effect::Payment)] {
            let text = format!("Only reads. Read-only and safe. {description}");
            let effect = derive(&definition(name, &text, &json!({}))).effect;
            prop_assert!(effect >= least);
        }
    }

    /// Names in other scripts, of any length, with anything in them.
    #[test]
    fn any_name_and_argument_is_read_without_trouble(name in ".{0,400}", argument in ".{0,400}") {
        let schema = json!({"properties": {argument: {"type": "string"}}});
        let contract = derive(&definition(&name, &name, &schema));
        prop_assert_eq!(contract.meaning.unwrap().roles.len(), 1);
    }
}

#[test]
fn schemas_that_refer_to_themselves_end_and_say_that_they_were_cut() {
    let schema = json!({
        "properties": {"node": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"properties": {
            "user_id": {"type": "string"},
            "child": {"$ref": "#/$defs/node"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            "loop": {"$ref": "#/$defs/loop"},
        }}, "loop": {"$ref": "#/$defs/loop"}},
    });
    let meaning = derive(&definition("update_node", "Updates a node", &schema)).meaning.unwrap();
    assert_eq!(meaning.roles["/node/child/user_id"], Role::Resource);
    assert!(meaning.roles.len() <= 512);
    assert!(
        meaning.doubts.iter().any(|doubt| doubt.contains("too large or too deep")),
        "{:?}",
        meaning.doubts
    );
}

#[test]
fn a_schema_of_many_thousand_places_costs_a_bounded_time() {
    let wide: Value = (0..20_000)
        .map(|i| (format!("user_{i}_id"), json!({"type": "string"})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut deep = json!({"type": "string"});
    for _ in 0..100 {
        deep = json!({"type": "object", "properties": {"a": deep.clone(), "b": deep}});
        if deep.to_string().len() > 1 << 20 {
            break;
        }
    }
    for schema in [json!({"properties": wide}), deep] {
        let meaning = derive(&definition("update_users", "", &schema)).meaning.unwrap();
        assert!(meaning.roles.len() <= 512 && !meaning.doubts.is_empty());
    }
}

#[test]
fn a_role_is_found_for_what_lies_below_a_pattern() {
    let schema = json!({"properties": {
        "recipients": {"type": "array", "items": {"type": "string"}},
        "data": {"type": "object"},
        "files": {"type": "object", "additionalProperties": {"properties": {"path": {"type": "string"}}}},
    }});
    let meaning = derive(&definition("send_files", "Sends files", &schema)).meaning.unwrap();
    assert_eq!(meaning.role("/recipients/7"), Some(Role::Party));
    assert_eq!(meaning.role("/data/deep/er"), Some(Role::Payload));
    assert_eq!(meaning.role("/files/any~1name/path"), Some(Role::Resource));
    assert_eq!(meaning.role("/nowhere"), None);
}

#[test]
fn a_tool_without_arguments_that_select_may_act_on_anything() {
    assert_eq!(derive(&definition("clear_cart", "Empties the cart", &json!({}))).selectors, None);
    let one = json!({"properties": {"to": {"type": "array", "items": {"type": "string"}}, "body": {"type": "string"}}});
    assert_eq!(derive(&definition("send_mail", "", &one)).selectors, Some(vec!["/to".to_owned()]));
}

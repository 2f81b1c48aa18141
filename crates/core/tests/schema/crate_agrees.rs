//! Random schemas and values against the crate `jsonschema`.

use countersign_core::policy::ArgumentSchema;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..8).prop_map(Value::from),
        (-30_i32..80).prop_map(|n| json!(f64::from(n) / 4.0)),
        proptest::sample::select(&["", "a", "ab", "abc", "äö", "1"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
    .boxed()
}

fn name() -> impl Strategy<Value = String> {
    proptest::sample::select(&["a", "b", "c", "ab"][..]).prop_map(str::to_owned)
}

fn plain() -> impl Strategy<Value = (String, Value)> {
    let word = |word: &'static str| move |value: Value| (word.to_owned(), value);
    let kinds = || {
        proptest::sample::select(&["null", "boolean", "integer", "number", "string", "array", "object"][..])
    };
    let count = || (0_u64..4).prop_map(Value::from);
    let number = || {
        prop_oneof![(-3_i64..8).prop_map(Value::from), (-30_i32..80).prop_map(|n| json!(f64::from(n) / 4.0))]
    };
    let names = || {
        proptest::collection::vec(name(), 0..3).prop_map(|mut names| {
            names.sort();
            names.dedup();
            Value::from(names)
        })
    };
    prop_oneof![
        3 => kinds().prop_map(|kind| ("type".to_owned(), kind.into())),
        1 => proptest::collection::vec(kinds(), 1..3).prop_map(|mut kinds| { kinds.sort_unstable(); kinds.dedup(); ("type".to_owned(), Value::from(kinds)) }),
        1 => proptest::collection::vec(value(), 1..3).prop_map(Value::from).prop_map(word("enum")),
        1 => value().prop_map(word("const")),
        1 => number().prop_map(word("minimum")),
        1 => number().prop_map(word("maximum")),
        1 => number().prop_map(word("exclusiveMinimum")),
        1 => number().prop_map(word("exclusiveMaximum")),
        1 => (1_u32..9).prop_map(|n| json!(f64::from(n) / 4.0)).prop_map(word("multipleOf")),
        1 => count().prop_map(word("minLength")),
        1 => count().prop_map(word("maxLength")),
        1 => count().prop_map(word("minItems")),
        1 => count().prop_map(word("maxItems")),
        1 => count().prop_map(word("minProperties")),
        1 => count().prop_map(word("maxProperties")),
        1 => proptest::sample::select(&["a", "^a", "b$", "^\\w*$", "\\d"][..]).prop_map(Value::from).prop_map(word("pattern")),
        1 => any::<bool>().prop_map(Value::from).prop_map(word("uniqueItems")),
        2 => names().prop_map(word("required")),
        1 => (name(), names()).prop_map(|(name, names)| ("dependentRequired".to_owned(), json!({ name: names }))),
        1 => Just(("$ref".to_owned(), json!("#/$defs/d"))),
    ]
}

fn schema() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Value::from),
        8 => proptest::collection::vec(plain(), 0..3).prop_map(|all| Value::Object(all.into_iter().collect())),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let word = |word: &'static str| move |value: Value| (word.to_owned(), value);
        let list = proptest::collection::vec(inner.clone(), 1..3).prop_map(Value::from);
        let named = proptest::collection::btree_map(name(), inner.clone(), 0..3)
            .prop_map(|all| all.into_iter().collect::<Value>())
            .boxed();
        let keyword = prop_oneof![
            4 => plain(),
            2 => named.clone().prop_map(word("properties")),
            1 => named.clone().prop_map(word("dependentSchemas")),
            1 => named.prop_map(word("patternProperties")),
            1 => inner.clone().prop_map(word("additionalProperties")),
            1 => inner.clone().prop_map(word("propertyNames")),
            1 => inner.clone().prop_map(word("items")),
            1 => list.clone().prop_map(word("prefixItems")),
            1 => inner.clone().prop_map(word("contains")),
            1 => (0_u64..3).prop_map(Value::from).prop_map(word("minContains")),
            1 => (0_u64..3).prop_map(Value::from).prop_map(word("maxContains")),
            1 => list.clone().prop_map(word("allOf")),
            1 => list.clone().prop_map(word("anyOf")),
            1 => list.prop_map(word("oneOf")),
            1 => inner.clone().prop_map(word("not")),
            1 => inner.clone().prop_map(word("if")),
            1 => inner.clone().prop_map(word("then")),
            1 => inner.clone().prop_map(word("else")),
            1 => inner.clone().prop_map(word("unevaluatedProperties")),
            1 => inner.prop_map(word("unevaluatedItems")),
        ];
        proptest::collection::vec(keyword, 1..5).prop_map(|all| Value::Object(all.into_iter().collect()))
    })
    .boxed()
}

/// The definition that all references lead to; it refers to nothing, so that there is no loop.
fn whole() -> impl Strategy<Value = Value> {
    let definition = proptest::collection::vec(plain(), 0..2).prop_map(|all| {
        let all: Map<String, Value> = all.into_iter().filter(|(keyword, _)| keyword != "$ref").collect();
        Value::Object(all)
    });
    (schema(), definition).prop_map(|(schema, definition)| match schema {
        Value::Object(mut members) => {
            members.insert("$defs".into(), json!({ "d": definition }));
            Value::Object(members)
        }
        other => other,
    })
}

#[test]
fn six_thousand_random_schemas_are_answered_as_the_crate_answers_them() {
    let config = ProptestConfig {
        cases: 6_000,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    let counts = std::cell::Cell::new((0_usize, 0_usize));
    proptest::test_runner::TestRunner::new(config)
        .run(&(whole(), proptest::collection::vec(value(), 4)), |(schema, values)| {
            let ours = ArgumentSchema::compile(&schema);
            let theirs = jsonschema::draft202012::new(&schema);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?} {:?}", schema, ours.err(), theirs.err());
            let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return Ok(()) };
            for value in values {
                let (fits, expected) = (ours.check(&value), theirs.is_valid(&value));
                prop_assert_eq!(fits.is_ok(), expected, "{} and {}: {:?}", schema, value, fits);
                let (yes, no) = counts.get();
                counts.set((yes + usize::from(expected), no + usize::from(!expected)));
                if let Err(broken) = fits {
                    prop_assert!(
                        broken.keyword != "schema" && broken.keyword != "limit",
                        "{} and {}: {}",
                        schema,
                        value,
                        broken
                    );
                }
            }
            Ok(())
        })
        .unwrap();
    let (yes, no) = counts.get();
    assert!(yes > 4_000 && no > 4_000, "{yes} fit, {no} do not");
}

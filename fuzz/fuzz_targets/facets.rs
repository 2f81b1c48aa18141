//! What is known of arguments by parsing them: any text has an answer of the right type or none, alike each time.
#![no_main]

use countersign_core::policy::facets::{Facet, FacetKind, is_under, normal_path};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let list: Vec<&str> = text.split('\0').collect();
    for value in [Value::from(text), Value::from(list)] {
        for facet in Facet::ALL {
            let Some(answer) = facet.of(&value) else { continue };
            let fits = match facet.is() {
                FacetKind::Text => answer.is_string(),
                FacetKind::Number => answer.is_number(),
                FacetKind::Bool => answer.is_boolean(),
                FacetKind::Texts => answer.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
            };
            assert!(fits, "{} gives {answer}", facet.name());
            assert_eq!(facet.of(&value), Some(answer), "one value, two answers");
        }
    }
    if let Some(normal) = normal_path(text) {
        assert_eq!(normal_path(&normal).as_deref(), Some(&*normal), "a normal form that has another one");
        assert!(is_under(&normal, &normal), "a path that is not under itself");
        assert!(!normal.split('/').any(|part| part == ".."), "a normal form that climbs");
    }
});

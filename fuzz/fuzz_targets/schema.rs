//! JSON Schemas: any schema is refused with a place or holds any arguments to the same answer each time.
//!
//! The input is a schema and, after a unit separator, the arguments of a call.
#![no_main]

use countersign_core::json;
use countersign_core::policy::ArgumentSchema;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (schema, arguments) = input.split_once('\u{1F}').unwrap_or((input, "{}"));
    let (Ok(schema), Ok(arguments)) = (json::parse(schema), json::parse(arguments)) else { return };
    let compiled = match ArgumentSchema::compile(&schema) {
        Ok(compiled) => compiled,
        Err(fault) => {
            assert!(schema.pointer(&fault.pointer).is_some(), "a fault beyond the schema: {fault}");
            return;
        }
    };
    let answer = compiled.check(&arguments);
    assert_eq!(answer, compiled.clone().check(&arguments), "one question, two answers");
    if let Err(broken) = answer {
        assert!(!broken.keyword.is_empty() && !broken.message.is_empty(), "a break that says nothing: {broken:?}");
        assert!(broken.pointer.is_empty() || broken.pointer.starts_with('/'), "no pointer: {broken:?}");
        assert!(broken.keyword != "schema", "a break without its keyword: {broken:?}");
    }
});

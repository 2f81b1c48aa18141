//! JSON Schema of arguments (`R3.params`), from outside: every claim is a test's name.
//!
//! | module | claims about |
//! |---|---|
//! | `arguments` | schemas as tools and policies have them, and what a break says |
//! | `refused` | schemas that are not taken, and inputs made to cost much |
//! | `crate_agrees` | random schemas and values against the crate `jsonschema` |
#![expect(clippy::panic, reason = "a panic here is the report of a failure")]

mod arguments;
mod crate_agrees;
mod refused;

use countersign_core::policy::{ArgumentSchema, SchemaBreak};
use serde_json::Value;

fn compiled(schema: &Value) -> ArgumentSchema {
    ArgumentSchema::compile(schema).unwrap_or_else(|fault| panic!("{schema}: {fault}"))
}

fn broken(schema: &Value, arguments: &Value) -> SchemaBreak {
    match compiled(schema).check(arguments) {
        Ok(()) => panic!("{:.200} fits {:.200}", arguments.to_string(), schema.to_string()),
        Err(broken) => broken,
    }
}

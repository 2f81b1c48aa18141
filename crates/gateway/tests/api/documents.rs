//! What is printed from the code and committed: the page of roles and the OpenAPI document.

use std::path::PathBuf;

use countersign_gateway::api::{openapi, roles};
use serde_json::Value;

/// Compares with the committed file; `UPDATE_DOCS=1` writes it instead.
fn committed(path: &str, current: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, current).unwrap();
    }
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(there == current, "{path} is not what the code says; refresh it with UPDATE_DOCS=1");
}

#[test]
fn the_books_page_of_roles_is_the_table_that_guards_the_routes() {
    committed("docs/src/roles.md", &roles::table());
}

#[test]
fn the_openapi_document_is_what_the_code_says() {
    committed("schemas/openapi.json", &format!("{:#}\n", openapi::document()));
}

#[test]
fn every_reference_in_the_openapi_document_leads_somewhere() {
    let document = openapi::document();
    let mut waiting = vec![&document];
    let mut seen = 0;
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                    seen += 1;
                }
                waiting.extend(members.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_endpoint_is_described() {
    let document = openapi::document();
    for row in roles::ENDPOINTS {
        let method = http::Method::from(row.method).as_str().to_ascii_lowercase();
        assert!(document["paths"][row.path][method.as_str()]["responses"]["200"].is_object(), "{:?}", row.op);
    }
}

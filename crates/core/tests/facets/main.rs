//! What can be known about arguments by parsing them: corpora of plain cases and of tricks, with the right answers.
//!
//! | module | holds |
//! |---|---|
//! | `sql`, `sql_tricks` | statements, and what hides them |
//! | `shell`, `shell_tricks` | command lines, and what hides commands |
//! | `url` | hosts that are what they seem, or are not |
//! | `path` | normal forms, and what climbs |
//! | `small` | addresses, dates, amounts, sizes |
//! | `bounds` | what is too large or too deep; any text at all |

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod bounds;
mod path;
mod shell;
mod shell_tricks;
mod small;
mod sql;
mod sql_tricks;
mod url;

use countersign_core::policy::facets::Facet;
use serde_json::Value;

/// The answer as a text: list members joined by blanks, `?` when it cannot be known.
fn answer(facet: &str, value: &Value) -> String {
    match Facet::named(facet).unwrap().of(value) {
        None => "?".to_owned(),
        Some(Value::Array(list)) => {
            let texts: Vec<&str> = list.iter().map(|one| one.as_str().unwrap()).collect();
            texts.join(" ")
        }
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    }
}

/// Holds every line of a table of `input`, `expected` against one facet, and reports all that differ.
fn hold(facet: &str, table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(input, expected)| {
            let found = answer(facet, &Value::from(*input));
            (found != *expected).then(|| format!("{input:?}\n   is {found}\n  not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{facet}:\n{}", wrong.join("\n"));
}

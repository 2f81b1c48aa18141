//! What a call of a tool does, where the tool's own name does not say: `tool: db.execute`, `operation: [DROP, DELETE]`.
//!
//! A tool that takes the operation as an argument names it there (`operation: delete`); one that takes SQL does what
//! its statements do. What looks like SQL and cannot be understood is Unknown.

use serde_json::Value;

use super::facets::Facet;
use crate::action::Action;
use crate::decision::{Match, Missing, Why};

/// Arguments that name an operation.
const NAMED: [&str; 5] = ["operation", "op", "action", "method", "verb"];
/// Arguments that hold SQL, where they hold any.
const SQL: [&str; 6] = ["sql", "query", "statement", "statements", "sql_query", "command"];
/// What SQL begins with.
const VERBS: [&str; 24] = [
    "alter", "analyze", "begin", "call", "comment", "copy", "create", "delete", "do", "drop", "exec",
    "execute", "explain", "grant", "insert", "merge", "prepare", "replace", "revoke", "select", "set",
    "truncate", "update", "with",
];

/// Whether a call does one of these operations, in any case of letters.
pub(super) fn does(action: &Action, operations: &[String]) -> Match {
    let Some(arguments) = action.arguments.value().as_object() else { return Match::No };
    let wanted = |name: &str| operations.iter().any(|operation| operation.eq_ignore_ascii_case(name));
    let mut answer = Match::No;
    for (name, value) in arguments {
        let Value::String(text) = value else { continue };
        let is = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        if is(&NAMED) && wanted(text) {
            return Match::Yes;
        }
        if is(&SQL) && looks_like_sql(text) {
            answer = answer.or(match Facet::named("sql.kinds").and_then(|kinds| kinds.of(value)) {
                Some(Value::Array(kinds)) => Match::from(kinds.iter().filter_map(Value::as_str).any(wanted)),
                _ => Match::Unknown(Missing::fact(format!("parameters.{name}"), Why::WrongType)),
            });
        }
    }
    answer
}

/// Comments and parentheses may stand before the verb.
fn looks_like_sql(text: &str) -> bool {
    let mut rest = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
    while let Some(comment) = rest.strip_prefix("--").or_else(|| rest.strip_prefix("/*")) {
        let end = if rest.starts_with("--") { "\n" } else { "*/" };
        rest = comment.split_once(end).map_or("", |(_, after)| after).trim_start();
        if rest.is_empty() {
            return true;
        }
    }
    let verb: String = rest.chars().take_while(char::is_ascii_alphabetic).take(12).collect();
    VERBS.iter().any(|known| known.eq_ignore_ascii_case(&verb))
}

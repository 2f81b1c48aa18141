//! What is too large or too deep has no answer, soon; any text at all has one or none.

use countersign_core::policy::facets::{Facet, FacetKind, is_under, normal_path};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every facet of a value; a test runs on a stack of 2 MB, like a thread of a server.
fn all(value: &Value) -> Vec<(Facet, Option<Value>)> {
    Facet::ALL.into_iter().map(|facet| (facet, facet.of(value))).collect()
}

/// No facet of that language has an answer; the others only have to come back.
fn has_no_answer(language: &str, text: String) {
    let start = text.chars().take(60).collect::<String>();
    for (facet, answer) in all(&Value::from(text)) {
        let asked = facet.name().starts_with(language);
        assert!(!asked || answer.is_none(), "{} of {start} gives {answer:?}", facet.name());
    }
}

#[test]
fn what_is_too_large_has_no_answer() {
    let large = "a ".repeat(5 * 1024 * 1024);
    for (facet, answer) in all(&Value::from(large)) {
        assert_eq!(
            answer.is_some(),
            matches!(facet, Facet::SizeBytes | Facet::SizeChars),
            "{}",
            facet.name()
        );
    }
    let list = json!(["a".repeat(1024), "b".repeat(64 * 1024)]);
    assert_eq!(Facet::ShellCommands.of(&list), None);
}

#[test]
fn what_is_too_deep_has_no_answer() {
    let nested = |open: &str, middle: &str, close: &str, times: usize| {
        format!("{}{middle}{}", open.repeat(times), close.repeat(times))
    };
    for times in [50, 1000, 5000] {
        for text in [
            nested("SELECT (", "1", ")", times),
            format!("SELECT {}", nested("(", "1", ")", times)),
            nested("SELECT * FROM (", "SELECT 1", ") a", times),
            format!("SELECT {}1", "- ".repeat(times * 10)),
            format!("SELECT {}1", "NOT ".repeat(times * 10)),
            format!("SELECT {}", nested("CASE WHEN a THEN ", "1", " END", times)),
            format!("SELECT {}", nested("[", "1", "]", times)),
        ] {
            has_no_answer("sql.", text);
        }
        for text in [
            nested("$(", "ls", ")", times),
            nested("( ", "ls", " )", times),
            nested("(", "ls", ")", times),
            nested("{ ", "ls", "; }", times),
            nested("if ", "ls", "; then a; fi", times),
            format!("ls {}", nested("${x:-", "ls", "}", times)),
            format!("ls {}", nested("<(", "ls", ")", times)),
            nested("f() ", "{ ls; }", "", times),
            nested("\"$(", "ls", ")\"", times),
            "(".repeat(times * 10),
            "`\\".repeat(times * 10),
        ] {
            has_no_answer("shell.", text);
        }
    }
    has_no_answer("shell.", "sudo ".repeat(10_000));
    for text in [
        format!("SELECT 1{}", " + 1".repeat(10_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(3000)),
        format!("SELECT a{}", "::int".repeat(10_000)),
        format!("SELECT a{}", " IS NULL".repeat(7000)),
        format!("SELECT a{}", "[1]".repeat(10_000)),
        format!("SELECT a{}", "->'b'".repeat(10_000)),
        format!("SELECT a{}", " COLLATE x".repeat(5000)),
    ] {
        has_no_answer("sql.", text);
    }
}

#[test]
fn what_is_long_and_flat_has_its_answer() {
    let ids: Vec<String> = (0..5000).map(|id| id.to_string()).collect();
    let many = format!("DELETE FROM t WHERE id IN ({})", ids.join(", "));
    let rows = format!("INSERT INTO t VALUES {}", vec!["(1, 'a', NULL)"; 3000].join(", "));
    let chain = format!("SELECT * FROM t WHERE id = 0{}", " OR id = 1".repeat(150));
    for text in [many, rows, chain] {
        let answers = all(&Value::from(text));
        let kinds = answers.iter().find(|(facet, _)| *facet == Facet::SqlKinds).unwrap();
        assert!(kinds.1.is_some());
    }
    let files: Vec<String> = (0..5000).map(|id| format!("f{id}")).collect();
    let answer = Facet::ShellArguments.of(&json!(format!("rm {}", files.join(" ")))).unwrap();
    assert_eq!(answer.as_array().unwrap().len(), 5000);
}

#[test]
fn every_facet_is_found_by_its_name() {
    for facet in Facet::ALL {
        assert_eq!(Facet::named(facet.name()), Some(facet));
    }
    assert_eq!(Facet::named("sql"), None);
    assert_eq!(Facet::named("SQL.KINDS"), None);
}

#[test]
fn values_of_other_types_have_no_answer() {
    for value in [json!(null), json!(true), json!({"a": "SELECT 1"}), json!([["ls"]])] {
        for facet in Facet::ALL {
            let sized = facet.name().starts_with("size.");
            assert!(sized || facet.of(&value).is_none(), "{} of {value}", facet.name());
        }
    }
}

/// Every answer is of the type that the facet says, and the same each time.
fn typed(value: &Value) {
    for facet in Facet::ALL {
        let answer = facet.of(value);
        assert_eq!(answer, facet.of(value));
        let Some(answer) = answer else { continue };
        let fits = match facet.is() {
            FacetKind::Text => answer.is_string(),
            FacetKind::Number => answer.is_number(),
            FacetKind::Bool => answer.is_boolean(),
            FacetKind::Texts => answer.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        };
        assert!(fits, "{} gives {answer}", facet.name());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        typed(&Value::from(text));
    }

    #[test]
    fn any_text_of_telling_characters_is_read_without_a_panic(
        text in "[ a-c0-9'\"`$(){}\\[\\]<>|&;#\\\\/.:@%*?=,~!\n-]{0,60}"
    ) {
        typed(&Value::from(text.as_str()));
        typed(&json!([text, "x"]));
    }

    #[test]
    fn any_run_of_words_of_sql_is_read_without_a_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "SELECT", "FROM", "WHERE", "DELETE", "UPDATE", "SET", "INSERT", "INTO", "VALUES", "WITH", "AS", "(", ")",
                "a", "b.c", "1", "'x'", ",", ";", "=", "AND", "OR", "NOT", "IS", "NULL", "UNION", "*", "--", "/*", "*/",
                "JOIN", "ON", "CREATE", "TABLE", "DROP", "CASE", "WHEN", "END", "IN", "EXISTS", "[", "]", "`", "\"",
            ]),
            0..40,
        )
    ) {
        typed(&Value::from(words.join(" ")));
    }

    #[test]
    fn any_run_of_words_of_the_shell_is_read_without_a_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "if", "then", "fi", "for", "in", "do", "done", "case", "esac", "{", "}", "(", ")", ";", ";;", "|", "&&",
                "$(", "`", "\"", "'", "<<E", "\nE\n", "\n", ">", "<", "2>", "f()", "sudo", "sh -c", "xargs", "find",
                "-exec", "ls", "$x", "${", "[[", "]]", "git", "sed", "s/a/b/", "ssh", "h",
            ]),
            0..40,
        )
    ) {
        typed(&Value::from(words.join(" ")));
    }

    #[test]
    fn a_normal_path_is_its_own_normal_form(text in "[a-c./~:\\\\%2e ]{0,30}") {
        if let Some(normal) = normal_path(&text) {
            prop_assert_eq!(normal_path(&normal), Some(normal.clone()), "{}", text);
            prop_assert!(!normal.split('/').any(|part| part == ".."));
            prop_assert!(is_under(&normal, &normal));
        }
    }
}

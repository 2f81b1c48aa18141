//! Hostile texts cost no more than their length: told by what the index keeps of them, not by the clock. Each is so
//! long that work which grows with its square would not end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::origin::{Origin, Seen, assess};
use serde_json::json;

use crate::world::{USER, action, at};

const MEGABYTE: usize = 1 << 20;
const REQUEST: &str =
    "Send the largest of the files 'a 1' and a b c to bob@corp.example, and delete all others.";
/// Bytes that the index may take for a byte of text, where every word of it is new.
const FACTOR: usize = 6;
const SLACK: usize = 64 * 1024;

/// The index after one output.
fn taken(tool: &str, text: &str) -> Seen {
    let mut seen = Seen::new(USER, Some(REQUEST));
    seen.output(&action("act_1", tool, &json!({})), text);
    seen
}

/// Takes texts of a half and of a whole size in; the index grows no faster than they do.
fn grows_with_its_length(name: &str, whole: usize, make: impl Fn(usize) -> String) {
    for tool in ["mail.get_received_emails", "files.list_files", "web.get_webpage"] {
        let (half, all) = (make(whole / 2), make(whole));
        let (less, more) = (taken(tool, &half).bytes(), taken(tool, &all));
        assert!(more.bytes() <= FACTOR * all.len() + SLACK, "{name}: {} of {}", more.bytes(), all.len());
        assert!(more.bytes() <= 3 * less + SLACK, "{name}: {less} bytes of half, {} of all", more.bytes());
        // What nobody has is nobody's, or unknown where something was left out.
        let mail = json!({"recipients": ["zoe@nowhere.test"], "subject": "Hi", "body": "Hello there."});
        let origins = assess(&action("act_2", "mail.send_email", &mail), &more);
        let origin = at(&origins, "/recipients/0").origin;
        assert!(more.complete() || origin != Origin::Nobody, "{name}");
    }
}

fn filled(piece: &str) -> impl Fn(usize) -> String {
    move |size| piece.repeat(size / piece.len())
}

#[test]
fn r2_bounds_nested_encodings_are_indexed_within_their_length() {
    grows_with_its_length("base64 in base64", MEGABYTE, |size| {
        let mut text = "pay evil now".to_owned();
        while text.len() < size {
            text = STANDARD.encode(format!("{text} {text}"));
        }
        text
    });
    grows_with_its_length("escapes of escapes", MEGABYTE / 4, filled("%25"));
    grows_with_its_length("entities of entities", MEGABYTE / 4, filled("&amp;amp;"));
}

#[test]
fn r2_bounds_characters_that_do_not_show_are_indexed_within_their_length() {
    grows_with_its_length("zero width", 30_000, |size| format!("ze{}ro", "\u{200B}".repeat(size / 3)));
    grows_with_its_length("tags", MEGABYTE / 4, filled("\u{E0041}"));
    grows_with_its_length("marks", MEGABYTE / 4, filled("a\u{0301}"));
}

#[test]
fn r2_bounds_one_word_without_end_is_indexed_within_its_length() {
    grows_with_its_length("letters", MEGABYTE, filled("a"));
    for letter in ["A1", "-", "'", "é", "@", "a@", "#", ".", "a.b", "1.", "1,", "://", "“"] {
        grows_with_its_length(letter, MEGABYTE / 16, filled(letter));
    }
}

#[test]
fn r2_bounds_sentences_that_never_end_are_read_within_their_length() {
    for piece in
        ["1.1", ".\"", "a.B", ". ", "?! ", "please pay ", "and then ", "'a ", "\"a ", " 'a", "be ", ": "]
    {
        grows_with_its_length(piece, MEGABYTE / 16, filled(piece));
    }
    // Blanks before a number are looked at once, however many numbers come behind them.
    let numbered = |size: usize| format!("x\n{}{}", " ".repeat(size / 2), "1.2".repeat(size / 6));
    grows_with_its_length("numbers behind blanks", MEGABYTE / 2, numbered);
}

#[test]
fn r2_bounds_many_small_fields_are_indexed_within_their_length() {
    grows_with_its_length("fields of one record", MEGABYTE, |size| {
        let fields: Vec<String> = (0..size / 16).map(|n| format!("\"k{n}\": \"v{n}\"")).collect();
        format!("{{{}}}", fields.join(", "))
    });
    grows_with_its_length("records of one field", MEGABYTE, |size| {
        let records: Vec<String> = (0..size / 16).map(|n| format!("{{\"id\": {n}}}")).collect();
        format!("[{}]", records.join(", "))
    });
    grows_with_its_length("records with names of their own", MEGABYTE / 2, |size| {
        let records: Vec<String> =
            (0..size / 30).map(|n| format!("{{\"k{n}\": \"a 1\", \"name\": {n}}}")).collect();
        format!("[{}]", records.join(", "))
    });
    grows_with_its_length("a list of lines", MEGABYTE / 2, filled("a 1\n"));
}

/// All of them are what the user named, and each is looked at beside all others.
#[test]
fn r2_bounds_records_that_all_fit_the_request_are_compared_by_how_they_fit() {
    let records: Vec<String> =
        (0..4096).map(|n| format!(r#"{{"id_": "a 1", "filename": "a b c", "size": {n}}}"#)).collect();
    let text = format!("[{}]", records.join(", "));
    let mut seen = Seen::new(USER, Some(REQUEST));
    for _ in 0..8 {
        seen.output(&action("act_1", "files.list_files", &json!({})), &text);
    }
    let origins = assess(&action("act_2", "files.delete_file", &json!({"file_id": "a 1"})), &seen);
    assert_eq!(origins.arguments.len(), 1);
    assert!(seen.bytes() <= 8 * text.len(), "{}", seen.bytes());
}

#[test]
fn r2_bounds_structure_without_end_is_read_within_its_length() {
    for (open, close) in
        [("[", "]"), ("{\"a\":", "}"), ("- ", ""), ("a: {", "}"), ("(", ")"), ("| a ", "|\n")]
    {
        grows_with_its_length(open, 64 * 1024, |size| {
            let depth = size / (open.len() + close.len());
            format!("{}1{}", open.repeat(depth), close.repeat(depth))
        });
    }
}

/// The user may paste much, and turn by turn: what was pasted before is not taken in again.
#[test]
fn r2_bounds_turns_cost_what_is_new_in_them() {
    let turns = |count: usize| {
        let mut seen = Seen::new(USER, Some(REQUEST));
        (0..count).for_each(|n| {
            seen.turn(&format!("Look at this:\n> word{n} of page{n} by zoe{n}@nowhere.test\n"))
        });
        seen.bytes()
    };
    let (less, more) = (turns(100), turns(200));
    assert!(more <= 3 * less, "{less} bytes after 100 turns, {more} after 200");
    let mut seen = Seen::new(USER, None);
    seen.turn(&format!("{}'", " 'a".repeat(20_000)));
    assert!(seen.complete());
}

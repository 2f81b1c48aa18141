//! The committed schema and vectors under `schemas/receipt/v1/` are what this code makes and accepts.
//!
//! When the form changes on purpose: `UPDATE_SCHEMAS=1 cargo test -p countersign-receipt`, then read the diff.

#![expect(
    clippy::disallowed_methods,
    reason = "golden files are read from disk; the crate itself never does"
)]

use std::path::PathBuf;

use countersign_receipt::keys::KeySet;
use countersign_receipt::verify::{self, verify_export};
use countersign_receipt::{parse, v1};
use serde_json::{Value, json};

use crate::common::TestKey;

/// Compares a committed file with what it should be, or writes it when `UPDATE_SCHEMAS` is set.
fn committed(name: &str, expected: &str) {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "..", "schemas", "receipt", "v1", name].iter().collect();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "schemas/receipt/v1/{name} is not what the code makes. If the form was changed on purpose, run \
         `UPDATE_SCHEMAS=1 cargo test -p countersign-receipt` and read the difference."
    );
}

fn lines(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().map(|item| item + "\n").collect()
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    let mut schema = v1::schema().to_value();
    schema.sort_all_objects();
    committed("receipt.schema.json", &format!("{schema:#}\n"));
}

#[test]
fn the_golden_receipts_are_written_and_verified_to_the_byte() {
    let (book, keys) = (crate::common::story::book(), TestKey::new().public());
    committed("vectors/keys.json", &keys.to_jwks());
    committed("vectors/keys.txt", &keys.to_lines());
    committed("vectors/export.jsonl", &lines(book.export()));
    committed("vectors/withheld.jsonl", &lines(book.pages.iter().map(|(text, _)| text.clone())));
    for line in book.export() {
        assert_eq!(parse(line.as_bytes()).unwrap().text().unwrap(), line);
    }
    for withheld in [false, true] {
        let text = if withheld {
            lines(book.pages.iter().map(|(text, _)| text.clone()))
        } else {
            lines(book.export())
        };
        for keys in [keys.to_jwks(), keys.to_lines()] {
            let report = verify_export(text.lines(), &KeySet::parse(&keys).unwrap());
            assert!(report.ok(), "{report}");
        }
    }
}

/// For those who write a verifier in another language: the signed bytes and the digest of each receipt.
#[test]
fn the_golden_signed_bytes_and_digests_stand() {
    let signed = crate::common::story::book().export().into_iter().map(|line| {
        let receipt = parse(line.as_bytes()).unwrap().receipt;
        let bytes = String::from_utf8(receipt.signed_bytes().unwrap()).unwrap();
        json!({ "digest": receipt.digest().unwrap(), "id": receipt.id, "signed": bytes }).to_string()
    });
    committed("vectors/signed.jsonl", &lines(signed));
}

/// Texts that every verifier must refuse, each with the reason.
#[test]
fn the_golden_rejects_are_refused() {
    let keys = TestKey::new().public();
    let export = crate::common::story::book().export();
    let line = export.iter().find(|line| line.contains("r-read-outcome")).unwrap();
    let swap = |from: &str, to: &str| {
        assert!(line.contains(from), "{from}");
        line.replacen(from, to, 1)
    };
    let mut second: Value = serde_json::from_str(line).unwrap();
    let other: Value = serde_json::from_str(&export[0]).unwrap();
    second["signature"]["value"] = other["signature"]["value"].clone();
    let rejects = [
        ("a signed member was changed", swap("r-read-outcome", "r-read-outcomf")),
        ("a signed member was taken out", swap(r#""tenant":"default","#, "")),
        ("a member was added", swap(r#""tenant":"#, r#""extra":1,"tenant":"#)),
        ("an absent member was written as null", swap(r#""tenant":"#, r#""subject":null,"tenant":"#)),
        ("a member is there twice", swap(r#""tenant":"#, r#""tenant":"default","tenant":"#)),
        ("an integer is written as a float", swap(r#""late":false"#, r#""late":0.0"#)),
        (
            "a number equal to the signed one is written as a float",
            swap(r#""sequence":3"#, r#""sequence":3.0"#),
        ),
        ("an integer is beyond 2^53", swap(r#""sequence":3"#, r#""sequence":9007199254740993"#)),
        ("a lone surrogate", swap(r#""tenant":"default""#, r#""tenant":"\ud800""#)),
        ("the signature is that of another receipt", second.to_string()),
        ("the signature is there twice", swap(r#""signature":"#, r#""signature":null,"signature":"#)),
        ("the signature lacks its padding", swap(r#"=="}"#, r#""}"#)),
        ("the algorithm is unknown", swap(r#""algorithm":"Ed25519""#, r#""algorithm":"EdDSA""#)),
        ("the version is unknown", swap("v1-draft", "v1-draff")),
        ("a disclosed text was changed", swap("lunch", "lynch")),
        (
            "a text is disclosed that nothing commits to",
            swap(r#""/outcome/output":{"#, r#""/outcome/error":{"#),
        ),
        ("a digest is in upper case", swap(r#""previous":"sha256:"#, r#""previous":"SHA256:"#)),
        ("something follows the receipt", format!("{line} {{}}")),
    ];
    for (why, text) in &rejects {
        assert!(verify::receipt(text.as_bytes(), &keys).is_err(), "{why}");
    }
    let rejects = rejects.map(|(why, text)| json!({ "text": text, "why": why }).to_string());
    committed("vectors/rejects.jsonl", &lines(rejects));
}

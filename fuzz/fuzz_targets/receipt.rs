//! Receipts: what is accepted is in its one form, and no bytes verify that were not signed.
#![no_main]

use countersign_receipt::keys::KeySet;
use countersign_receipt::verify::{receipt, verify_export};
use countersign_receipt::{canonical, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let nobody = KeySet::of([]).expect("no keys are a key set");
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(signed) = parse(line) else { continue };
        let text = signed.text().expect("what was read can be written");
        let again = parse(text.as_bytes()).expect("what was written can be read");
        assert_eq!(signed, again, "a receipt changed on its way");
        assert_eq!(text, again.text().expect("once more"), "two forms of one receipt");
        assert!(receipt(line, &nobody).is_err(), "a receipt that nobody signed verifies");
    }
    if let Ok(value) = canonical::read(bytes) {
        let written = canonical::write(&value).expect("what was read can be written");
        assert_eq!(canonical::read(&written).ok(), Some(value), "the canonical form says something else");
    }
    let report = verify_export(bytes.split(|byte| *byte == b'\n'), &nobody);
    let blank = bytes.iter().all(u8::is_ascii_whitespace);
    assert!(blank || !report.ok(), "an export verifies without a key");
});

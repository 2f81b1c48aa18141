//! Normalisers: a skeleton is its own skeleton, and what comes out of encodings is bounded by what went in.
#![no_main]

use countersign_core::detect::normal::{GROWTH, SLACK, layers, skeleton};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let once = skeleton(text);
    assert_eq!(skeleton(&once), once, "a skeleton that has another one");
    if text.is_ascii() {
        assert_eq!(once, text.to_ascii_lowercase(), "ASCII that was changed");
    }
    let found = layers(text);
    let size: usize = found.texts.iter().map(|(_, text)| text.len()).sum();
    assert!(size <= GROWTH * text.len() + SLACK, "{size} bytes out of {}", text.len());
    assert!(found.texts.iter().all(|(_, text)| !text.is_empty()));
});

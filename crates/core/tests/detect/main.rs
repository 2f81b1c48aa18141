//! Content detection from outside: what is found and what is not, under which disguises, and within which bounds.
#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod book;
mod bounds;
mod cues;
mod disguises;
mod findings;
mod properties;

use countersign_core::detect::{Inspection, Layer, inspect};

/// The detectors that found something in plain text.
fn found(text: &str) -> Vec<&'static str> {
    at(&inspect(text), Layer::Plain)
}

/// The detectors that found something under a layer.
fn at(inspection: &Inspection, layer: Layer) -> Vec<&'static str> {
    inspection
        .findings
        .iter()
        .filter(|finding| finding.layer == layer)
        .map(|finding| finding.detector)
        .collect()
}

/// So many characters that look drawn at random, the same each time. Keys are put together here so that no scanner of
/// sources takes a test for a leak.
fn drawn(alphabet: &str, count: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            letters[usize::try_from(state >> 33).unwrap() % letters.len()]
        })
        .collect()
}

const MIXED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &str = "0123456789abcdef";

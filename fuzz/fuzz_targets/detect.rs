//! Content detection: any text is inspected, alike each time; what fields hold together is at least what one holds.
#![no_main]

use countersign_core::detect::{Cue, FINDINGS, injection_score, inspect, inspect_fields};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let inspection = inspect(text);
    assert_eq!(inspection, inspect(text), "one text, two results");
    assert!(inspection.findings.len() <= FINDINGS);
    for finding in &inspection.findings {
        assert!(inspection.labels.contains(finding.level.as_str()), "a finding without its label");
        assert!((1..=10_000).contains(&finding.grade), "a grade beyond the scale");
    }
    for cue in &inspection.cues {
        assert_eq!(Cue::from_label(cue.label()), Some(*cue), "a label that does not lead back");
    }
    assert!(injection_score(inspection.cues.iter().copied()) <= 10_000);
    let _ = inspect_fields(text.split(','));
});

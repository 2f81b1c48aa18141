//! Policy files: any bytes load or are refused with places, and what loads is one thing.
#![no_main]

use countersign_core::names::ToolName;
use countersign_core::policy::PolicySet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let load = || PolicySet::assemble(vec![("fuzz.yaml".to_owned(), bytes.to_vec())]);
    match load() {
        Ok(set) => {
            let again = load().expect("it loaded a moment ago");
            assert_eq!(set.reference(), again.reference(), "one text, two digests");
            assert_eq!(set.rules().len(), again.rules().len());
            for rule in set.rules() {
                assert!(set.rule(&rule.id).is_some(), "a rule that is not found by its id");
            }
            let tool = ToolName::new("files", "read");
            let about = set.rules_about(&tool);
            for rule in set.rules() {
                // The index may name too many rules, never too few.
                let indexed = about.iter().any(|found| found.id == rule.id);
                assert!(indexed || !rule.concerns(&tool), "the index hides rule {}", rule.id);
            }
            let _ = set.always_forbids(&tool);
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            // YAML ends lines with carriage returns too.
            let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
            for fault in &faults {
                assert!(fault.line <= lines, "a fault beyond the file: {fault}");
            }
        }
    }
});

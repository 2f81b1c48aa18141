//! Arguments: strict reading accepts nothing that another reader reads otherwise, and keeps the text.
#![no_main]

use countersign_core::action::Arguments;
use countersign_core::json;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let strict = json::parse(text);
    if let Ok(value) = &strict {
        let usual: Value = serde_json::from_str(text).expect("another reader refuses it");
        assert_eq!(*value, usual, "two readings");
        let written = value.to_string();
        assert_eq!(json::parse(&written).as_ref(), Ok(value), "what is written is read otherwise");
    }
    match Arguments::parse(text) {
        Ok(arguments) => {
            assert_eq!(&**arguments.text(), text, "the text was changed");
            assert!(strict.is_ok_and(|value| value.is_object()), "arguments that are no strict object");
        }
        Err(error) => drop(error.to_string()),
    }
});

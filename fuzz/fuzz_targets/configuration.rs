//! The configuration file: any text loads or is refused with places; no text makes loading touch anything else.
//!
//! The reader belongs to the binary, which is no library; its source files are taken in as they are.
#![no_main]
#![expect(dead_code, reason = "only the reader of the configuration is used")]
#![expect(clippy::duplicate_mod, reason = "the modules are another crate's")]

#[path = "../../crates/countersign/src/config/mod.rs"]
mod config;
#[path = "../../crates/countersign/src/error.rs"]
mod error;
#[path = "../../crates/countersign/src/secrets.rs"]
mod secrets;

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("countersign-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder.join("countersign.yaml")
});

fuzz_target!(|text: &str| {
    std::fs::write(&*FILE, text).expect("the temporary file can be written");
    match config::Config::load(&FILE) {
        Ok(config) => {
            assert!(config.listen.ip().is_loopback(), "it listens to others");
            for path in [&config.store, &config.keys].into_iter().chain(&config.policies) {
                assert!(path.is_absolute(), "a path that depends on where the daemon starts");
            }
        }
        Err(error) => assert!(!error.faults.is_empty(), "refused without a reason: {}", error.message),
    }
});

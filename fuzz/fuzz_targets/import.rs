//! The files of clients, with comments and trailing commas: any bytes are read or refused.
//!
//! The reader belongs to the binary, which is no library; its source file is taken in as it is.
#![no_main]
#![expect(dead_code, reason = "only the reader is used")]

#[path = "../../crates/countersign/src/commands/import/read.rs"]
mod read;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = read::servers(bytes) {
        for server in &found.servers {
            assert!(!server.name.is_empty(), "a server without a name");
        }
    }
});

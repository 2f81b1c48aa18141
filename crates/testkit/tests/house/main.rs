//! The house itself: what the code looks like from outside, kept by tests instead of by memory.
//!
//! | module | asserts |
//! |---|---|
//! | `architecture` | who may know whom, from `cargo metadata` |
//! | `supply` | licences, sources and bans as `deny.toml` says them, without cargo-deny |
//! | `documents` | links, paths and tests that documents name; examples as they are |
//! | `tidy` | sizes of files, words that promise, paths of somebody's machine |
//! | `spec_map` | the page `docs/src/spec-map.md`: clause, code, tests |

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic in a test is its report")]

mod architecture;
mod documents;
mod spec_map;
mod supply;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// What `cargo` prints, run on this workspace with the committed lock file.
fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).arg("--locked").current_dir(root()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {} failed:\n{said}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// A file of the workspace as text.
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below a folder of the workspace, in a fixed order; names that begin with a dot are passed over.
fn files(below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with('.') || ["target", "book", "node_modules", "__pycache__"].contains(&&*name) {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// A path as people write it: below the workspace.
fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

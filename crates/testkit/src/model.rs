//! Where the embedding model lies that tests read: in a package that is downloaded and never compiled.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder of the package that has the model; `cargo metadata` downloads it where it is not there yet.
#[must_use]
pub fn package() -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/model/Cargo.toml");
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path", manifest])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&cargo.stderr);
    assert!(cargo.status.success(), "run `cargo fetch --manifest-path tests/model/Cargo.toml`: {said}");
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let found = metadata["packages"].as_array().unwrap().iter().find(|one| one["name"] == "pocket-encoder");
    Path::new(found.unwrap()["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

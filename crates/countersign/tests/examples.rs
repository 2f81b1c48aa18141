//! The examples load as they stand, after the commands that their README gives.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn countersign(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("--json")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Copies a file, or a folder with what is in it.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn the_filesystem_example_loads_with_its_five_rules() {
    let home = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/filesystem");
    for part in ["countersign.yaml", "policies", "sandbox"] {
        copy(&example.join(part), &home.path().join(part));
    }

    let checked = countersign(home.path(), &["policy", "check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let actions: Vec<_> =
        said["rules"].as_array().unwrap().iter().map(|rule| rule["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["DENY", "ALLOW", "MODIFY", "STEP_UP", "ALLOW"]);
    assert_eq!((&said["default"], &said["warnings"]), (&"DENY".into(), &Value::Array(Vec::new())));

    let tokens = home.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    for who in ["agent", "host", "bob", "ops"] {
        fs::write(tokens.join(who), format!("a token of {who} for this test").replace(' ', "-")).unwrap();
        close(&tokens.join(who));
    }
    assert!(countersign(home.path(), &["keys", "init"]).status.success());
    let doctor = countersign(home.path(), &["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    for part in ["configuration", "keys", "credentials", "policies"] {
        assert_eq!(status(&said, part), ["ok"], "{said}");
    }
}

/// What `doctor` says of one part.
fn status(said: &str, part: &str) -> Vec<String> {
    let found: Value = serde_json::from_str(said).unwrap();
    let about = found["findings"].as_array().unwrap().iter().filter(|finding| finding["what"] == part);
    about.map(|finding| finding["status"].as_str().unwrap().to_lowercase()).collect()
}

fn close(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

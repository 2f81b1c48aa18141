//! Cases: a session so far, an action, and what is expected of its ruling.
//!
//! ```text
//! NAME.test.yaml --file--> as written --read--> Suite of Cases --run (an engine and a ledger of its own each)--> Played
//! ```

mod expect;
mod file;
mod read;
mod run;

use std::path::{Path, PathBuf};

pub(super) use expect::Differences;
pub(super) use read::{Case, DEFAULTS, Suite, default_named};
pub(super) use run::Bench;

use crate::error::CommandError;

/// Where the form of a file of cases is described.
pub(super) const PAGE: &str = "docs/src/policy-tools.md";

/// Whether a file holds cases and no policy, by its name.
pub(crate) fn is_cases(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.ends_with(".test.yaml") || name.ends_with(".test.yml")
    })
}

/// Deeper folders are a link that leads in a circle.
const DEEPEST: usize = 16;

/// The files of cases among these files and below these folders, in the order of their names.
///
/// # Errors
/// One of them cannot be read.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let mut found = Vec::new();
    for path in paths {
        let unreadable = |error: &std::io::Error| {
            CommandError::usage(format!("the cases in {} cannot be read", path.display())).cause(error)
        };
        if std::fs::metadata(path).map_err(|error| unreadable(&error))?.is_dir() {
            below(path, 0, &mut found).map_err(|error| unreadable(&error))?;
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn below(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if depth > DEEPEST {
        return Err(std::io::Error::other("its folders are nested too deep, or link in a circle"));
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if std::fs::metadata(&path)?.is_dir() {
            below(&path, depth + 1, found)?;
        } else if is_cases(&path) {
            found.push(path);
        }
    }
    Ok(())
}

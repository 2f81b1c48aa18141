//! What everybody agreed on and nobody remembers: short files, no promises, nobody's own paths.

use std::path::Path;

use crate::{files, read, short};

/// Lines of a source file at most; longer means that its header would need an "and".
const LONGEST: usize = 600;

/// What people read or run: everything but generated vectors.
const KEPT: &[&str] = &["crates", "docs", "examples", "policies", "schemas", "tests", "bench"];

#[test]
fn no_source_file_is_longer_than_a_reader_can_hold() {
    for file in files("crates").iter().filter(|file| is_source(file)) {
        let lines = read(file).lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines, more than {LONGEST}: divide it", short(file));
    }
}

#[test]
fn nothing_is_promised_instead_of_done() {
    let promises = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let excuses =
        [concat!("for ", "now"), concat!("place", "holder"), concat!("phase ", "1"), concat!("phase ", "2")];
    each_line(|place, line| {
        let quiet = line.to_lowercase();
        let found = promises.iter().find(|word| words(line).any(|one| one == **word));
        let found = found.or_else(|| excuses.iter().find(|word| quiet.contains(**word)));
        assert!(found.is_none(), "{place} says `{}`: do it, or file it", found.unwrap());
    });
}

#[test]
fn nothing_names_a_path_of_somebodys_machine() {
    let own = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    each_line(|place, line| {
        let found = own.iter().find(|path| line.contains(**path));
        assert!(found.is_none(), "{place} names a path below `{}`", found.unwrap());
    });
}

#[test]
fn every_source_file_says_what_it_is_for() {
    for file in files("crates").iter().filter(|file| is_source(file) && !file.ends_with("tests.rs")) {
        assert!(read(file).starts_with("//! "), "{} has no first line `//! …`", short(file));
    }
}

fn is_source(file: &Path) -> bool {
    short(file).split('/').nth(2) == Some("src")
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric())
}

/// Every line of text that is ours, with its place.
fn each_line(mut look: impl FnMut(&str, &str)) {
    let folders = KEPT.iter().flat_map(|folder| files(folder));
    let beside = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "test",
    ];
    for file in folders.chain(beside.map(|name| crate::root().join(name))) {
        let kind = file.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        if !["", "rs", "toml", "md", "yaml", "py", "sh", "json"].contains(&kind) {
            continue;
        }
        for (number, line) in read(&file).lines().enumerate() {
            look(&format!("{}:{}", short(&file), number + 1), line);
        }
    }
}

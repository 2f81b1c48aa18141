//! What we build from: the same licences, bans and sources as `cargo deny check` reads from `deny.toml`, so that
//! they hold on a machine without it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{cargo, read, root};

#[test]
fn everything_we_build_from_has_a_licence_that_deny_toml_allows() {
    let rules = Rules::read();
    for (package, license) in licenses() {
        let name = package.split(' ').next().unwrap();
        let also = rules.exceptions.get(name);
        let allowed = |one: &str| rules.licenses.contains(one) || also.is_some_and(|also| also.contains(one));
        assert!(
            satisfied(&license, &allowed),
            "{package} has the licence `{license}`, which deny.toml does not allow"
        );
    }
}

#[test]
fn everything_we_build_from_comes_from_crates_io() {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let source = package["source"].as_str();
        let ours = source.is_none() && package["name"].as_str().unwrap().starts_with("countersign");
        let known = source.is_some_and(|source| source.ends_with("github.com/rust-lang/crates.io-index"));
        assert!(ours || known, "{} comes from {source:?}", package["id"]);
    }
}

#[test]
fn banned_crates_are_absent_and_guarded_ones_used_only_by_their_crate() {
    let rules = Rules::read();
    let users = users();
    for (guarded, wrappers) in &rules.bans {
        let Some(found) = users.get(guarded) else { continue };
        let strangers: Vec<_> = found.difference(wrappers).collect();
        assert!(strangers.is_empty(), "deny.toml lets only {wrappers:?} use {guarded}, but {strangers:?} do");
    }
}

/// A guard that names nobody's crate guards nothing.
#[test]
fn every_guarded_crate_in_deny_toml_is_really_used() {
    let users = users();
    for (guarded, wrappers) in Rules::read().bans.iter().filter(|(_, wrappers)| !wrappers.is_empty()) {
        let found = users.get(guarded).cloned().unwrap_or_default();
        let gone: Vec<_> = wrappers.difference(&found).collect();
        assert!(gone.is_empty(), "deny.toml lets {gone:?} use {guarded}, which they do not");
    }
}

#[test]
fn licence_expressions_are_read_as_their_standard_says() {
    let allowed = |one: &str| one == "MIT" || one == "ISC";
    for good in ["MIT", "Apache-2.0 OR MIT", "MIT/Apache-2.0", "MIT AND (GPL-3.0 OR ISC)", "ISC AND MIT"] {
        assert!(satisfied(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT WITH LLVM-exception"] {
        assert!(!satisfied(bad, &allowed), "{bad}");
    }
}

/// What `deny.toml` says, as far as this test asks: it is written one entry a line.
struct Rules {
    licenses: BTreeSet<String>,
    exceptions: BTreeMap<String, BTreeSet<String>>,
    bans: BTreeMap<String, BTreeSet<String>>,
}

impl Rules {
    fn read() -> Self {
        let text = read(&root().join("deny.toml"));
        let lines = |from: &str| {
            let (_, after) = text.split_once(&format!("\n{from} = [\n")).unwrap();
            let (list, _) = after.split_once("\n]").unwrap();
            list.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .collect::<Vec<_>>()
        };
        let entries = |from: &str, list: &str| {
            let entry =
                |line: &str| (quoted(line, "crate").remove(0), quoted(line, list).into_iter().collect());
            lines(from).into_iter().map(entry).collect()
        };
        Self {
            licenses: lines("allow").iter().map(|line| line.trim_matches(['"', ',']).to_owned()).collect(),
            exceptions: entries("exceptions", "allow"),
            bans: entries("deny", "wrappers"),
        }
    }
}

/// The texts in quotes after `key =`, one or a list.
fn quoted(line: &str, key: &str) -> Vec<String> {
    let Some((_, after)) = line.split_once(&format!("{key} = ")) else { return Vec::new() };
    let end =
        if after.starts_with('[') { after.find(']').unwrap() } else { 1 + after[1..].find('"').unwrap() };
    after[..end].split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Every package that is built for some platform, tests included, with its licence.
fn licenses() -> BTreeMap<String, String> {
    tree()
        .lines()
        .filter_map(|line| line.split_once('|')?.1.split_once('|'))
        .map(|(package, license)| (package.to_owned(), license.trim_end_matches(" (*)").to_owned()))
        .collect()
}

/// Who depends on whom, from the depth that starts each line.
fn users() -> BTreeMap<String, BTreeSet<String>> {
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut path: Vec<String> = Vec::new();
    for line in tree().lines() {
        let Some((depth, rest)) = line.split_once('|') else { continue };
        let name = rest.split(' ').next().unwrap().to_owned();
        path.truncate(depth.parse().unwrap());
        users.entry(name.clone()).or_default().extend(path.last().cloned());
        path.push(name);
    }
    users
}

/// Lines `depth|name version|licence`. `cargo tree` knows which features are on; `cargo metadata` does not.
fn tree() -> String {
    let graph = ["--workspace", "--all-features", "--target", "all", "-e", "normal,build,dev"];
    cargo(&[&["tree", "--prefix", "depth", "-f", "|{p}|{l}"], &graph[..]].concat())
}

/// Whether an SPDX expression can be met by allowed licences; the old `/` is OR.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let holds = either(&mut words, allowed);
    holds && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut holds = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        holds |= both(words, allowed);
    }
    holds
}

fn both(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut holds = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        holds &= one(words, allowed);
    }
    holds
}

fn one(words: &mut Words<'_>, allowed: &dyn Fn(&str) -> bool) -> bool {
    match words.next() {
        Some("(") => {
            let holds = either(words, allowed);
            holds & (words.next() == Some(")"))
        }
        Some(name) if words.next_if_eq(&"WITH").is_some() => {
            allowed(&format!("{name} WITH {}", words.next().unwrap_or_default()))
        }
        Some(name) => allowed(name),
        None => false,
    }
}

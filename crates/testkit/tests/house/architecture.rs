//! Arrows point down: ways in and ways out know the engine, the engine knows core and receipt, and those two
//! know nobody. `ARCHITECTURE.md` has the drawing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{cargo, files, read, root, short};

/// Every crate of ours and those of ours that it may be built from. A new crate gets its line here first.
const DRAWING: &[(&str, &[&str])] = &[
    ("countersign-core", &[]),
    ("countersign-receipt", &[]),
    ("countersign-engine", &["countersign-core", "countersign-receipt"]),
    ("countersign-store", &["countersign-core", "countersign-engine", "countersign-receipt"]),
    ("countersign-connect", &["countersign-core", "countersign-engine"]),
    ("countersign-gateway", &["countersign-core", "countersign-engine", "countersign-receipt"]),
    (
        "countersign",
        &[
            "countersign-connect",
            "countersign-core",
            "countersign-engine",
            "countersign-gateway",
            "countersign-receipt",
            "countersign-store",
        ],
    ),
    (TESTKIT, &["countersign-core", "countersign-engine", "countersign-receipt", "countersign-store"]),
];

const TESTKIT: &str = "countersign-testkit";

/// What the pure crates are not built with, however deep: crates that bring a clock, files, the network,
/// processes, threads, async or randomness.
const IMPURE: &[&str] = &[
    "arc-swap",
    "async-std",
    "async-trait",
    "aws-lc-rs",
    "axum",
    "bytes",
    "chrono",
    "crossbeam-channel",
    "futures",
    "futures-core",
    "futures-util",
    "http",
    "hyper",
    "jiff",
    "log",
    "mio",
    "polling",
    "rand",
    "rand_core",
    "rayon",
    "reqwest",
    "ring",
    "rmcp",
    "rusqlite",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tower",
    "tracing",
    "uuid",
    "walkdir",
];

/// Crates of that list that one crate alone may bring, because there they reach nothing: `log` is a facade without a
/// logger, and the binary installs none (`crates/countersign/src/output.rs`).
const HARMLESS_WITHIN: &[(&str, &str)] = &[("log", "sqlparser")];

#[test]
fn our_crates_know_each_other_only_as_drawn() {
    let allowed: BTreeMap<&str, &[&str]> = DRAWING.iter().copied().collect();
    let found = declared();
    let drawn: BTreeSet<&str> = allowed.keys().copied().collect();
    assert_eq!(
        found.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        drawn,
        "draw every crate in DRAWING"
    );
    for (name, dependencies) in &found {
        for (kind, dependency) in dependencies {
            if kind == "dev" {
                continue;
            }
            assert!(dependency != TESTKIT, "{name} is built with the testkit, which is for tests alone");
            assert!(
                allowed[&**name].contains(&&**dependency),
                "{name} may not know {dependency}: arrows point down (ARCHITECTURE.md)"
            );
        }
    }
}

/// Tests of the pure crates may use the testkit, and nothing else of ours.
#[test]
fn the_pure_crates_meet_no_other_crate_even_in_their_tests() {
    for pure in ["countersign-core", "countersign-receipt"] {
        for (_, dependency) in &declared()[pure] {
            assert!(dependency == TESTKIT, "{pure} may not know {dependency}, not even in tests");
        }
    }
}

/// R3.deterministic: nothing that core or receipt is built with, however deep, can read a clock or a file.
#[test]
fn core_and_receipt_are_built_with_nothing_that_reaches_outside() {
    for pure in ["countersign-core", "countersign-receipt"] {
        let tree = cargo(&["tree", "-p", pure, "-e", "normal,build", "--target", "all", "--prefix", "none"]);
        for line in tree.lines() {
            let name = line.split(' ').next().unwrap();
            let brought = HARMLESS_WITHIN.iter().find(|(harmless, _)| *harmless == name);
            let within = brought.is_some_and(|(_, by)| users(pure, name) == [*by]);
            assert!(
                within || !IMPURE.contains(&name),
                "{pure} is built with {name}: see `cargo tree -p {pure} -i {name}`"
            );
        }
    }
}

/// Which crates bring another into one of ours.
fn users(pure: &str, name: &str) -> Vec<String> {
    let tree = cargo(&[
        "tree",
        "-p",
        pure,
        "-e",
        "normal,build",
        "--target",
        "all",
        "--prefix",
        "none",
        "--depth",
        "1",
        "-i",
        name,
    ]);
    tree.lines().skip(1).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// No lint bans `async`, so this does.
#[test]
fn core_and_receipt_are_not_async() {
    for pure in ["crates/core/src", "crates/receipt/src"] {
        for file in files(pure) {
            for (number, line) in read(&file).lines().enumerate() {
                let code = line.split("//").next().unwrap();
                let waits = ["async fn", "async move", "async {", "dyn Future<", "impl Future<"];
                let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                let found =
                    waits.iter().any(|waits| code.contains(waits)) || code.split(".await").skip(1).any(ends);
                assert!(!found, "{}:{} is async", short(&file), number + 1);
            }
        }
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_house() {
    for (name, manifest) in manifests() {
        let lints = read(manifest.as_ref()).contains("[lints]\nworkspace = true");
        assert!(lints, "{name}: its Cargo.toml needs `[lints]` with `workspace = true`");
    }
    for pure in ["core", "receipt"] {
        let bans = read(&root().join(format!("crates/{pure}/clippy.toml")));
        let root_settings = read(&root().join("clippy.toml"));
        for setting in root_settings.lines().filter(|line| line.contains(" = ")) {
            assert!(
                bans.contains(setting),
                "crates/{pure}/clippy.toml replaces the root's and lacks `{setting}`"
            );
        }
    }
}

/// Our crates with the dependencies on our own that their manifests declare: (kind, name).
fn declared() -> BTreeMap<String, Vec<(String, String)>> {
    let ours: Vec<Value> = packages();
    let names: BTreeSet<String> = ours.iter().map(|package| text(&package["name"])).collect();
    ours.iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let own = dependencies.filter(|dependency| names.contains(&text(&dependency["name"])));
            let own = own.map(|dependency| {
                (dependency["kind"].as_str().unwrap_or("normal").to_owned(), text(&dependency["name"]))
            });
            (text(&package["name"]), own.collect())
        })
        .collect()
}

fn manifests() -> Vec<(String, String)> {
    packages().iter().map(|package| (text(&package["name"]), text(&package["manifest_path"]))).collect()
}

/// The packages of this workspace.
fn packages() -> Vec<Value> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

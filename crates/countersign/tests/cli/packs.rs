//! The policy packs in `policies/`: each loads without a warning, and its own cases reach every rule.

use std::fs;
use std::path::{Path, PathBuf};

use super::home::Home;

/// Every folder in `policies/`, as it lies there: a new one is tested without being named here.
fn packs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// What `policy check` may warn of in a pack, by its name: nothing so far.
const WARNINGS: [(&str, &str); 0] = [];

#[test]
fn r3_every_pack_loads_and_nothing_in_it_is_not_meant() {
    for pack in packs() {
        let name = pack.file_name().unwrap().to_str().unwrap();
        let said = Home::empty().run(&["policy", "check", pack.to_str().unwrap()]).exits(0);
        let listed = |line: &&str| WARNINGS.iter().any(|(of, text)| *of == name && line.contains(text));
        let warned: Vec<&str> =
            said.out.lines().filter(|line| line.contains("warning")).filter(|line| !listed(line)).collect();
        assert_eq!(warned, Vec::<&str>::new(), "{name}");
        assert!(said.err.is_empty(), "{name}: {}", said.err);
        let id = format!("\n{name} version ");
        assert!(said.out.contains(&id), "{name} has another id than its folder: {}", said.out);
    }
}

#[test]
fn r3_the_cases_of_every_pack_pass_and_reach_every_rule() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/packs.md")).unwrap();
    for pack in packs() {
        let path = pack.to_str().unwrap();
        let said =
            Home::empty().run(&["policy", "test", path, "--min-coverage", "100", "--json"]).exits(0).json();
        let row = format!("| {} | {} |", said["coverage"]["rules"], said["passed"]);
        assert!(
            page.lines().any(|line| line.ends_with(&row)),
            "docs/src/packs.md has no row that ends with {row}"
        );
    }
}

/// A rule whose cases are only those in which it holds may hold always: each pack shows what passes, too.
#[test]
fn r3_every_pack_shows_what_it_lets_pass_and_what_it_stops() {
    for pack in packs() {
        let files = fs::read_dir(&pack).unwrap().map(|entry| entry.unwrap().path());
        let cases: String = files
            .filter(|path| path.to_str().unwrap().ends_with(".test.yaml"))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        for decision in ["decision: ALLOW", "decision: STEP_UP"] {
            assert!(cases.contains(decision), "{} has no case with {decision}", pack.display());
        }
    }
}

/// Whoever forgets to name the project is asked more, never less: what stands in their place lets nothing real through.
#[test]
fn r3_the_coding_agent_that_is_not_adapted_asks_about_every_real_project() {
    let home = Home::empty();
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/coding-agent/coding-agent.yaml");
    for path in ["/srv/ada/project/src/main.rs", "~/project/a", "C:\\project\\a", "/", "/workspaces/a"] {
        let action = serde_json::json!({
            "tools": {"files.read_file": {"effect": "read"}},
            "action": {"tool": "files.read_file", "arguments": {"path": path}},
        });
        home.write("action.json", &action.to_string());
        let said = home
            .run(&[
                "policy",
                "explain",
                "--policy",
                pack.to_str().unwrap(),
                "--action",
                "action.json",
                "--json",
            ])
            .exits(0)
            .json();
        assert_eq!(said["decision"], "STEP_UP", "{path}");
    }
}

/// Packs are put together in one set, where each id stands once.
#[test]
fn r3_rules_of_all_packs_stand_beside_each_other() {
    let home = Home::empty();
    for pack in packs() {
        for entry in fs::read_dir(&pack).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".yaml") && !name.ends_with(".test.yaml") {
                let text = fs::read_to_string(&path).unwrap();
                let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("default:")).collect();
                home.write(&format!("all/{name}"), &kept.join("\n"));
            }
        }
    }
    let said = home.run(&["policy", "check", "all", "--default", "DENY"]).exits(0);
    assert!(!said.out.contains("contradict"), "{}", said.out);
}

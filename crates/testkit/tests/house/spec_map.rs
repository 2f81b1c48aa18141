//! The page `docs/src/spec-map.md`: for each clause of the specification, where the code says that it meets it and
//! which tests show it. It is printed from what stands in the code, so that it cannot promise more.
//!
//! A test cites a clause in its comment (`/// R1.closed: …`), in the first comment of its body, in its name
//! (`r1_closed_…`), or in the first line of its file, which then holds for the whole file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::{files, read, root, short};

/// The clauses, in our own words, and what of them this version does not have.
const CLAUSES: &[(&str, &str, &str)] = &[
    ("R1.deny", "An action under a denial does not execute, and a receipt says so", ""),
    ("R1.defer", "A deferred action has no effect while it waits", ""),
    ("R1.closed", "When a part is unavailable the action fails; nothing fails open", ""),
    ("R1.reason", "Every refusal carries the rule and the reason", ""),
    (
        "R1.complete",
        "Every tool call passes; wrapper tools are judged as what they call",
        "resources, prompts and the rest of MCP are refused",
    ),
    ("R2.prior", "Prior actions of the session", ""),
    ("R2.data", "Classifications of the data seen", ""),
    ("R2.default", "The highest sensitivity where nothing yields a result", ""),
    ("R2.intent", "The original user request, when available", ""),
    ("R2.bounded", "Bounded memory: what is no longer kept makes no fact safer", ""),
    ("R2.visible", "All of it readable by policy", ""),
    ("R2.chain", "An append-only, hash-chained log in which a change shows", ""),
    ("R3.facts", "Rules read where each argument comes from", ""),
    ("R3.forbidden", "Refused whatever the context", ""),
    ("R3.cdd", "Allowed by rule, denied because the context contradicts it", ""),
    ("R3.cda", "Denied by rule, asked about because the context supports it", ""),
    ("R3.cdd2", "Deferred when the context does not suffice", ""),
    ("R3.params", "Conditions on parameters: types, ranges, patterns, lists", ""),
    ("R3.missing", "A predicate over context that is not there defers", ""),
    ("R3.conflict", "Rules of equal priority that disagree defer", ""),
    ("R3.confidence", "A confidence below its threshold defers", ""),
    ("R3.deterministic", "Same action, context and policy, same verdict", ""),
    ("R3.order", "The order of judgement", ""),
    ("R3.reload", "Policies change without a restart; verdicts name id, version and digest", ""),
    ("R4", "The five decisions", ""),
    ("R4.modify", "MODIFY runs with transformed parameters", ""),
    ("R4.step", "STEP_UP waits for a person", ""),
    ("R4.step.block", "Nothing runs while a person is asked", ""),
    ("R4.step.route", "The question goes to configured approvers", ""),
    ("R4.step.timeout", "No answer is a denial", ""),
    ("R4.step.context", "The question comes with its full context", ""),
    ("R4.defer", "DEFER waits for context", ""),
    ("R4.defer.block", "Nothing runs while context is missing", ""),
    ("R4.defer.order", "Order is kept relative to other operations", ""),
    ("R4.defer.timeout", "A wait that ends without an answer is a denial", ""),
    ("R4.defer.dependents", "What uses a deferred action's output waits too", ""),
    ("R4.defer.independents", "Everything else proceeds", ""),
    ("R4.defer.cascade", "Dependents are bounded; beyond the bound they are denied", ""),
    ("R4.defer.receipts", "One receipt for the deferral, one for its end", ""),
    (
        "R4.defer.resolve",
        "Evidence is collected, then the action is decided again",
        "facts that an operator posts; no other resolvers",
    ),
    (
        "R4.defer.escalate",
        "When nothing resolves it, a person is asked",
        "for rules that disagree, and by `timeout_action: STEP_UP`",
    ),
    ("R5", "A signed receipt for every action and every follow-up", ""),
    ("R5.fields", "Everything the specification lists is in the receipt", ""),
    ("R5.offline", "Verifiable with the receipt and the public key alone", ""),
    ("R5.tamper", "A change to any field is detected", ""),
    ("R5.chain", "Stored append-only; what is missing, moved or replaced is seen", "no signed checkpoints"),
    (
        "R6",
        "Human, service, agent, session, roles and scope in every receipt",
        "bearer tokens and local users; no OIDC",
    ),
    ("R6.deny", "No verifiable identity, no action", ""),
    ("R6.late", "Identity and rules are checked again before a late execution", ""),
    (
        "R7",
        "Drift: distance between the request and the actions",
        "embedded distances where built with the feature `embed`",
    ),
    ("R8", "Telemetry: OCSF, CEF, OTLP", "not in this version; receipts as JSON lines"),
    ("R9", "Least privilege: credentials minted for one operation", "not in this version"),
];

const PAGE: &str = "docs/src/spec-map.md";

const HEAD: &str = "\
# Where each clause is met

<!-- Printed by crates/testkit/tests/house/spec_map.rs; refresh with UPDATE_DOCS=1 cargo test -p countersign-testkit --test house -->

The clauses of the AARM specification (aarm.dev), in our own words and with our own short names. *Said in* lists the files whose comments say
that they carry a clause out; *shown by* lists the tests that cite it. Both are read from the code, so this page cannot promise more than
there is: a clause without a test is a clause that nothing here shows, whatever the code may do.

";

/// What cites a clause.
#[derive(Default)]
struct Cited {
    code: BTreeSet<String>,
    tests: BTreeMap<String, BTreeSet<String>>,
}

#[test]
fn the_page_of_clauses_is_what_the_code_and_the_tests_cite() {
    let current = page(&cited());
    let path = root().join(PAGE);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == current,
        "{PAGE} is not what the code cites; refresh it with `UPDATE_DOCS=1 cargo test -p countersign-testkit --test house`"
    );
}

fn page(cited: &BTreeMap<String, Cited>) -> String {
    let mut page = HEAD.to_owned();
    for requirement in 1..=9 {
        let prefix = format!("R{requirement}");
        let clauses = CLAUSES.iter().filter(|(clause, _, _)| clause.split('.').next() == Some(&prefix));
        let _ = writeln!(page, "## {prefix}\n\n| clause | asks | said in | shown by |\n|---|---|---|---|");
        for (clause, asks, absent) in clauses {
            let none = Cited::default();
            let found = cited.get(*clause).unwrap_or(&none);
            let without = if absent.is_empty() { String::new() } else { format!(" *({absent})*") };
            let code: Vec<_> = found.code.iter().map(|file| format!("`{file}`")).collect();
            let _ =
                writeln!(page, "| {clause} | {asks}{without} | {} | {} |", code.join("<br>"), tests(found));
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}

fn tests(found: &Cited) -> String {
    let files = found.tests.iter().map(|(file, names)| {
        let names: Vec<_> = names.iter().map(|name| format!("<br>{name}")).collect();
        format!("`{file}`{}", names.concat())
    });
    files.collect::<Vec<_>>().join("<br>")
}

fn cited() -> BTreeMap<String, Cited> {
    let mut cited = BTreeMap::new();
    for file in files("crates").iter().chain(&files("tests")) {
        let name = short(file);
        // What stands here speaks of clauses without showing any.
        if name.starts_with("crates/testkit/tests/house/spec_map") {
            continue;
        }
        match file.extension().and_then(|kind| kind.to_str()) {
            Some("rs") => rust(&name, &read(file), &mut cited),
            Some("py") => python(&name, &read(file), &mut cited),
            _ => {}
        }
    }
    let unknown: Vec<_> = cited.keys().filter(|clause| !is_known(clause)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are cited, but CLAUSES in spec_map.rs does not have them");
    cited
}

fn rust(file: &str, text: &str, cited: &mut BTreeMap<String, Cited>) {
    let all_tests = Path::new(file).components().any(|part| part.as_os_str() == "tests");
    let mut in_tests = all_tests;
    let (mut comment, mut is_test) = (String::new(), false);
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        in_tests |= line == "#[cfg(test)]";
        if let Some(header) = line.strip_prefix("//!") {
            for clause in clauses(header) {
                let entry = cited.entry(clause).or_default();
                if all_tests {
                    entry.tests.entry(file.into()).or_default();
                } else {
                    entry.code.insert(file.into());
                }
            }
        } else if line.starts_with("//") {
            comment.push_str(line);
            if !in_tests {
                for clause in clauses(line) {
                    cited.entry(clause).or_default().code.insert(file.into());
                }
            }
        } else if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("test(");
        } else {
            if let Some(name) = function(line).filter(|_| is_test) {
                while let Some(inside) = lines.next_if(|inside| inside.starts_with("//")) {
                    comment.push_str(inside);
                }
                shown(file, name, &comment, cited);
            }
            if !line.is_empty() {
                (comment, is_test) = (String::new(), false);
            }
        }
    }
}

fn python(file: &str, text: &str, cited: &mut BTreeMap<String, Cited>) {
    let mut lines = text.lines().map(str::trim).peekable();
    if let Some(header) = lines.peek().filter(|line| line.starts_with("\"\"\"")) {
        for clause in clauses(header) {
            cited.entry(clause).or_default().tests.entry(file.into()).or_default();
        }
    }
    while let Some(line) = lines.next() {
        let Some(name) = line.trim_start_matches("async ").strip_prefix("def test_") else { continue };
        let name = format!("test_{}", name.split('(').next().unwrap());
        let said = lines.peek().filter(|line| line.starts_with("\"\"\"") || line.starts_with('#'));
        shown(file, &name, said.copied().unwrap_or_default(), cited);
    }
}

fn shown(file: &str, name: &str, comment: &str, cited: &mut BTreeMap<String, Cited>) {
    let by_name = name.trim_start_matches("test_");
    let longest = CLAUSES
        .iter()
        .filter(|(clause, _, _)| by_name.starts_with(&(clause.to_lowercase().replace('.', "_") + "_")))
        .max_by_key(|(clause, _, _)| clause.len());
    for clause in clauses(comment).into_iter().chain(longest.map(|(clause, _, _)| (*clause).to_owned())) {
        cited.entry(clause).or_default().tests.entry(file.into()).or_default().insert(name.to_owned());
    }
}

fn function(line: &str) -> Option<&str> {
    let after = line.trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
    after.split(['(', '<']).next()
}

/// The clauses that a text names: `R4.defer.order`, or `R6` alone where that is one.
fn clauses(text: &str) -> BTreeSet<String> {
    let words =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').map(|word| word.trim_matches('.'));
    let named = words.filter(|word| {
        let mut parts = word.split('.');
        let requirement = parts.next().unwrap_or_default();
        let number = requirement.strip_prefix('R').is_some_and(|n| matches!(n.as_bytes(), [b'1'..=b'9']));
        number
            && (word.contains('.') || is_known(word))
            && parts.all(|part| part.starts_with(|c: char| c.is_ascii_lowercase()))
    });
    named.map(str::to_owned).collect()
}

fn is_known(clause: &str) -> bool {
    CLAUSES.iter().any(|(known, _, _)| *known == clause)
}

#[test]
fn clauses_are_found_in_names_and_comments() {
    let mut found = BTreeMap::new();
    let code = "\
//! `R3.order` is kept here.
fn helper() {}
#[cfg(test)]
mod tests {
    /// R1.closed: it fails (R6).
    #[tokio::test]
    async fn it_fails() {
    #[test]
    fn r4_defer_order_is_kept() {
        // And R4.defer.block.
";
    rust("crates/a/src/b.rs", code, &mut found);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["R1.closed", "R3.order", "R4.defer.block", "R4.defer.order", "R6"]
    );
    assert!(found["R3.order"].code.contains("crates/a/src/b.rs"));
    assert!(found["R6"].tests["crates/a/src/b.rs"].contains("it_fails"));
    assert!(found["R4.defer.block"].tests["crates/a/src/b.rs"].contains("r4_defer_order_is_kept"));
    python("tests/e2e/x.py", "def test_r5_tamper_fails(page):\n    pass\n", &mut found);
    assert!(found["R5.tamper"].tests["tests/e2e/x.py"].contains("test_r5_tamper_fails"));
}

//! `simulate`: recorded sessions replayed through the real engine.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::home::{Home, Said};

const RULES: &str = "version: 1
policy: { id: trial, version: '7' }
default: { action: DENY, reason: Nothing else }
rules:
  - { id: reading, match: { operation: read_note }, action: ALLOW }
  - { id: asking, match: { operation: send_note }, action: STEP_UP, approvers: [people], reason: Somebody looks first }
  - { id: waiting, match: { operation: erase_note, context.window: open }, action: ALLOW, reason: Only in the window }
  - { id: capped, match: { operation: order_pens }, action: MODIFY, modifications: { parameters: { count: { max: 3 } } } }
  - { id: twice, match: { operation: read_note, session.actions.tools.read_note: { gte: 2 } }, action: DENY, priority: 5, reason: Two are enough }
";

/// One list as model APIs write it and one as MCP servers do, in both wrappings.
fn tools(schema: &str) -> Value {
    let tool = |name: &str, what: &str, properties: Value| json!({ "name": name, "description": what, schema: { "type": "object", "properties": properties } });
    json!([
        tool("read_note", "Reads a note.", json!({ "name": { "type": "string" } })),
        tool("send_note", "Sends a note to somebody.", json!({ "to": { "type": "string" } })),
        tool("erase_note", "Erases a note.", json!({ "name": { "type": "string" } })),
        tool("order_pens", "Orders pens.", json!({ "count": { "type": "integer" } })),
    ])
}

fn call(tool: &str, args: &Value) -> Value {
    json!({ "tool": tool, "args": args, "output": format!("{tool} was done"), "error": null })
}

fn session(id: &str, calls: &[Value]) -> String {
    let session = json!({
        "trace_id": id, "suite": "desk", "principal": { "name": "Ada Example", "email": "ada@example.org" },
        "original_request": "Read my notes", "calls": calls,
    });
    format!("{session}\n")
}

fn home() -> Home {
    let home = Home::empty();
    home.write("policy/rules.yaml", RULES);
    home.write("tools.json", &tools("inputSchema").to_string());
    home
}

fn all_five() -> String {
    session(
        "five",
        &[
            call("read_note", &json!({ "name": "a" })),
            call("send_note", &json!({ "to": "bo@example.org" })),
            call("order_pens", &json!({ "count": 12 })),
            call("read_note", &json!({ "name": "c" })),
            call("read_note", &json!({ "name": "d" })),
            call("erase_note", &json!({ "name": "b" })),
            call("order_pens", &json!({ "count": 2 })),
        ],
    )
}

fn simulate(home: &Home, more: &[&str]) -> Said {
    let mut args = vec!["simulate", "--policy", "policy", "--tools", "tools.json"];
    args.extend_from_slice(&["--traces", "traces.jsonl", "--out", "verdicts.jsonl"]);
    args.extend_from_slice(more);
    home.run(&args)
}

fn verdicts(home: &Home) -> Vec<Value> {
    let text = fs::read_to_string(home.path("verdicts.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything but the times, which differ from run to run.
fn rulings(home: &Home) -> Vec<Value> {
    let mut verdicts = verdicts(home);
    for verdict in &mut verdicts {
        let verdict = verdict.as_object_mut().unwrap();
        assert!(verdict.remove("micros").unwrap().as_f64().unwrap() > 0.0);
        assert!(verdict.remove("submit_micros").unwrap().as_f64().unwrap() > 0.0);
    }
    verdicts
}

fn decisions(home: &Home) -> Vec<String> {
    verdicts(home).iter().map(|one| one["decision"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn r3_order_each_call_gets_one_verdict_with_its_rule_and_reason() {
    let home = home();
    home.write("traces.jsonl", &all_five());
    let said = simulate(&home, &[]).exits(0);
    assert_eq!(decisions(&home), ["ALLOW", "STEP_UP", "MODIFY", "ALLOW", "DENY", "DEFER", "DEFER"]);
    let rulings = rulings(&home);
    assert_eq!(
        rulings[1],
        json!({ "trace_id": "five", "call": 1, "tool": "send_note", "decision": "STEP_UP", "rules": ["asking"],
            "reason": "Somebody looks first", "step": "baseline" })
    );
    // What was let through and settled counts for what comes after it in the session.
    assert_eq!(rulings[4]["rules"], json!(["twice"]));
    // What is held goes on waiting, as it does live, and what may depend on it waits too.
    assert_eq!(rulings[6]["reason"], "waiting for the end of action call 5, which comes first");
    assert!(said.out.contains("7: 2 ALLOW, 1 MODIFY, 1 STEP_UP, 2 DEFER, 1 DENY"), "{}", said.out);
    assert!(said.out.contains("trial version 7, 5 rules, sha256:"), "{}", said.out);
}

#[test]
fn the_summary_is_for_programs_too() {
    let home = home();
    let two = [call("read_note", &json!({})), call("read_note", &json!({}))];
    home.write("traces.jsonl", &(all_five() + &session("fine", &two)));
    let summary = simulate(&home, &["--json"]).exits(0).json();
    assert_eq!(summary["decisions"], json!({ "ALLOW": 4, "DENY": 1, "MODIFY": 1, "STEP_UP": 1, "DEFER": 2 }));
    let counted = [&summary["traces"], &summary["unprompted"], &summary["calls"], &summary["tools"]];
    assert_eq!(counted, [2, 1, 9, 4]);
    assert_eq!((&summary["policy"]["id"], &summary["request"]), (&json!("trial"), &json!(true)));
    for times in [&summary["decide_micros"], &summary["submit_micros"]] {
        let [p50, p99] = ["p50", "p99"].map(|name| times[name].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99, "{times}");
    }
}

/// Sixty sessions of one principal on all cores: what one did never counts in another, and the order is the file's.
#[test]
fn r2_bound_sessions_do_not_influence_each_other_and_runs_are_alike() {
    let home = home();
    let three = vec![call("read_note", &json!({})); 3];
    let many: String = (0..60).map(|n| session(&format!("s{n}"), &three)).collect();
    home.write("traces.jsonl", &many);
    simulate(&home, &[]).exits(0);
    let first = rulings(&home);
    let order: Vec<String> = (0..60).flat_map(|n| vec![format!("s{n}"); 3]).collect();
    assert_eq!(first.iter().map(|one| one["trace_id"].as_str().unwrap()).collect::<Vec<_>>(), order);
    assert_eq!(decisions(&home), ["ALLOW", "ALLOW", "DENY"].repeat(60));
    simulate(&home, &[]).exits(0);
    assert_eq!(rulings(&home), first);
}

#[test]
fn the_request_is_told_or_kept_back() {
    let home = home();
    let rule = "version: 1\ndefault: ALLOW\nrules:\n  - { id: notes, match: { operation: read_note, context.original_request: { contains: notes } }, action: STEP_UP, approvers: [people] }\n";
    home.write("policy/rules.yaml", rule);
    home.write("traces.jsonl", &session("s", &[call("read_note", &json!({}))]));
    simulate(&home, &[]).exits(0);
    assert_eq!(decisions(&home), ["STEP_UP"]);
    let summary = simulate(&home, &["--no-request", "--json"]).exits(0).json();
    assert_eq!((decisions(&home), &summary["request"]), (vec!["DEFER".to_owned()], &json!(false)));
}

/// The list of tools says other things than were reviewed, so the review raises and never lowers.
#[test]
fn reviewed_contracts_stand_over_the_derived_ones() {
    let home = home();
    let rule = "version: 1\ndefault: ALLOW\nrules:\n  - { id: gone, match: { context.effect: { eq: destructive } }, action: DENY }\n";
    home.write("policy/rules.yaml", rule);
    home.write(
        "traces.jsonl",
        &session("s", &[call("read_note", &json!({})), call("erase_note", &json!({}))]),
    );
    simulate(&home, &[]).exits(0);
    assert_eq!(decisions(&home), ["ALLOW", "DENY"]);
    let review = |tool: &str, effect: &str| {
        let digest = "0".repeat(64);
        format!("  \"{tool}\":\n    effect: {effect}\n    digest: sha256:{digest}\n")
    };
    let reviews = [review("tools.read_note", "destructive"), review("tools.erase_note", "read")].concat();
    home.write("contracts.yaml", &format!("version: 1\ntools:\n{reviews}"));
    let summary = simulate(&home, &["--contracts", "contracts.yaml", "--json"]).exits(0).json();
    assert_eq!(decisions(&home), ["DENY", "DENY"]);
    assert_eq!(summary["reviewed"], 2);
    assert_eq!(summary["outdated"], json!(["erase_note", "read_note"]));
    home.write("contracts.yaml", &format!("version: 1\ntools:\n{}", review("tools.fly", "read")));
    simulate(&home, &["--contracts", "contracts.yaml"]).exits(3).complains(
        "error: the reviewed contracts contracts.yaml cannot be used
  contracts.yaml: `tools.fly` is not among the tools
      hint: write tools.NAME, with a name from the list of tools
",
    );
}

#[test]
fn gzip_and_both_ways_of_listing_tools_give_the_same_verdicts() {
    let home = home();
    home.write("traces.jsonl", &all_five());
    simulate(&home, &[]).exits(0);
    let plain = rulings(&home);
    home.write("tools.json", &json!({ "tools": tools("parameters") }).to_string());
    let zip = |text: &str| {
        let mut zip = GzEncoder::new(Vec::new(), Compression::default());
        zip.write_all(text.as_bytes()).unwrap();
        zip.finish().unwrap()
    };
    // A file may be several gzip files one after the other.
    let zipped = [zip(&all_five()), zip(&session("more", &[]))].concat();
    fs::write(home.path("traces.jsonl"), zipped).unwrap();
    simulate(&home, &[]).exits(0);
    assert_eq!(rulings(&home), plain);
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_leaves_the_last_verdicts_alone() {
    let home = home();
    let good = session("good", &[call("read_note", &json!({}))]);
    home.write("verdicts.jsonl", "of the last run");
    let unchanged = |said: Said, faults: &str| {
        let said = said.exits(2);
        assert_eq!(said.err, format!("error: the sessions cannot be replayed\n{faults}"));
        assert_eq!(fs::read_to_string(home.path("verdicts.jsonl")).unwrap(), "of the last run");
        let files = fs::read_dir(home.path(".")).unwrap().map(|file| file.unwrap().file_name());
        assert!(!files.into_iter().any(|name| name.to_string_lossy().ends_with(".part")));
    };
    home.write("traces.jsonl", &format!("{good}\n{{\"trace_id\": \"cut\",\n"));
    unchanged(
        simulate(&home, &[]),
        "  traces.jsonl:3:19: EOF while parsing a value\n      hint: docs/src/simulate.md shows what a line holds\n",
    );
    home.write("traces.jsonl", &(good.clone() + &session("other", &[call("fly", &json!({}))])));
    unchanged(
        simulate(&home, &[]),
        "  traces.jsonl:2:1: call 0 is of `fly`, which is not among the tools\n      hint: list it in the file that --tools names\n",
    );
    home.write("traces.jsonl", &(good.clone() + &good));
    unchanged(
        simulate(&home, &[]),
        "  traces.jsonl:2:1: a session before it has the trace_id `good` too\n      hint: give each session a trace_id of its own\n",
    );
    home.write("traces.jsonl", &good.replace(",\"original_request\":\"Read my notes\"", ""));
    unchanged(
        simulate(&home, &[]),
        "  traces.jsonl:1:1: the session has no `original_request`\n      hint: add it, or replay without requests: --no-request\n",
    );
    home.write("traces.jsonl", &session("odd", &[call("read_note", &json!([1]))]));
    unchanged(
        simulate(&home, &[]),
        "  traces.jsonl:1:1: call 0, of `read_note`: the arguments are not a JSON object\n      hint: write `args` as an object\n",
    );
}

#[test]
fn a_damaged_gzip_file_is_told_from_a_whole_one() {
    let home = home();
    let mut zip = GzEncoder::new(Vec::new(), Compression::default());
    (0..200).for_each(|n| zip.write_all(session(&format!("s{n}"), &[]).as_bytes()).unwrap());
    let whole = zip.finish().unwrap();
    fs::write(home.path("traces.jsonl"), &whole[..whole.len() / 2]).unwrap();
    let cut = simulate(&home, &["--json"]).exits(2).error_json();
    let fault = &cut["error"]["faults"][0];
    assert!(fault["line"].as_u64().unwrap() > 1, "{fault}");
    assert!(fault["message"].as_str().unwrap().starts_with("it cannot be read on: "), "{fault}");
    assert!(!home.path("verdicts.jsonl").exists());
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let home = home();
    home.write("traces.jsonl", "\n");
    let empty = simulate(&home, &[]).exits(2);
    assert!(empty.err.starts_with("error: traces.jsonl holds no session\n"), "{}", empty.err);
    home.write(
        "tools.json",
        r#"[{ "name": "a", "parameters": {} }, { "name": "a", "parameters": {} }, { "name": "b" }]"#,
    );
    let listed = simulate(&home, &[]).exits(2);
    assert!(listed.err.contains("tool 1: there is a `a` before it"), "{}", listed.err);
    assert!(
        listed.err.contains("tool 2: `b` has no schema in `inputSchema` or `parameters`"),
        "{}",
        listed.err
    );
    home.write("tools.json", "[{]");
    let broken = simulate(&home, &[]).exits(2);
    assert!(broken.err.contains("  tools.json:1:3: it is not JSON"), "{}", broken.err);
    fs::remove_dir_all(home.path("policy")).unwrap();
    fs::create_dir(home.path("policy")).unwrap();
    let lawless = simulate(&home, &[]).exits(3);
    assert!(lawless.err.starts_with("error: there is no policy file in policy\n"), "{}", lawless.err);
}

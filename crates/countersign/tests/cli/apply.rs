//! R3.reload: policies put in force by operators and by signed bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::home::{Home, POLICY};

const TOKEN: [&str; 2] = ["--token-file", "tokens/ops"];

fn apply(home: &Home, more: &[&str]) -> crate::home::Said {
    home.run(&[&["policy", "apply"], more, &TOKEN].concat())
}

fn in_force(daemon: &Daemon<'_>) -> Value {
    daemon.get_as("ops", "/v1/policy")
}

#[test]
fn r3_reload_an_operator_puts_a_set_in_force_and_it_stays_over_a_restart() {
    let home = Home::new();
    home.configure("policy_changes: operator\n");
    let daemon = Daemon::start(&home);
    let begun = in_force(&daemon);
    assert_eq!((&begun["policy"]["id"], &begun["by_operators"]), (&json!("desk"), &json!(true)));

    // What is written on disk changes nothing by itself.
    let stricter = POLICY
        .replace("version: '1'", "version: '2'")
        .replace("rules:\n", "rules:\n  - { id: nobody, match: { tool: files.list_files }, action: DENY }\n");
    home.write("policies/base.yaml", &stricter);
    let check = apply(&home, &["--check", "--json"]).exits(0).json();
    assert_eq!((&check["added"], &check["loosens"]), (&json!(["nobody"]), &json!([])));
    assert_eq!(in_force(&daemon), begun);
    let done = apply(&home, &["--json"]).exits(0).json();
    assert_eq!(done["policy"], in_force(&daemon)["policy"]);
    assert!(apply(&home, &[]).exits(0).out.starts_with("It was in force already: "));

    // A set that drops what restrained needs somebody to say so.
    home.write("open/base.yaml", &POLICY.replace("version: '1'", "version: '3'").replace("DENY", "ALLOW"));
    let refused = apply(&home, &["open"]).exits(1);
    for what in ["the default is ALLOW and was DENY", "rule nobody, which says DENY, is dropped", "--yes"] {
        assert!(refused.err.contains(what), "{what}: {}", refused.err);
    }
    assert_eq!(in_force(&daemon)["policy"], done["policy"]);
    let taken = apply(&home, &["open", "--yes", "--json"]).exits(0).json();
    let receipt = taken["receipt"]["id"].as_str().unwrap();
    let shown = home.run(&["receipt", "show", receipt]).exits(0);
    for what in ["ops@example.com", "the default is ALLOW and was DENY"] {
        assert!(shown.out.contains(what), "{what}: {}", shown.out);
    }
    home.write("faulty/base.yaml", "version: 1\ndefault: PERHAPS\n");
    assert!(apply(&home, &["faulty"]).exits(3).err.contains("faulty/base.yaml:2:10"));
    assert!(daemon.post_as("bob", "/v1/policy", &json!({ "files": {} }))["error"]["code"] == "forbidden");

    let before = in_force(&daemon)["policy"].clone();
    assert_eq!(daemon.stop().0, Some(0));
    let daemon = Daemon::start(&home);
    assert_eq!(in_force(&daemon)["policy"], before, "not what lies in the folder");
}

#[test]
fn r3_reload_where_files_rule_an_operator_is_told_so() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    home.write("other/base.yaml", &POLICY.replace("version: '1'", "version: '2'"));
    let refused = apply(&home, &["other"]).exits(1);
    assert!(refused.err.contains("policy_changes: operator"), "{}", refused.err);
    assert_eq!(in_force(&daemon)["policy"]["version"], "1");
}

/// Two rules that only ever stand together, so that half a set would show.
fn numbered(n: usize) -> String {
    format!(
        "version: 1
policy: {{ id: desk, version: '{n}' }}
default: DENY
rules:
  - {{ id: reading-{n}, match: {{ tool: files.read_file }}, action: DENY, reason: set {n} }}
  - {{ id: listing-{n}, match: {{ tool: files.list_files }}, action: DENY, reason: set {n} }}
"
    )
}

/// Callers, each with so many calls, while so many sets come into force.
const CALLERS: usize = 16;
const CALLS: usize = 12;
const SETS: usize = 12;

#[test]
fn r3_reload_while_sixteen_callers_run_no_call_sees_half_a_set_and_none_is_lost() {
    let home = Home::new();
    home.configure("policy_changes: operator\n");
    home.write("policies/base.yaml", &numbered(0));
    let daemon = Daemon::start(&home);
    let bodies: Vec<Value> = (0..CALLERS * CALLS)
        .map(|n| {
            let tool = ["files.read_file", "files.list_files"][n % 2];
            json!({ "tool": tool, "arguments": { "path": format!("f{n}") } })
        })
        .collect();
    let answers = std::thread::scope(|scope| {
        let applying = scope.spawn(|| {
            for n in 1..=SETS {
                home.write(&format!("set{n}/base.yaml"), &numbered(n));
                apply(&home, &[&format!("set{n}"), "--yes"]).exits(0);
            }
        });
        let answers = daemon.post_all("agent", "/v1/actions", &bodies, CALLERS, || applying.is_finished());
        applying.join().unwrap();
        answers
    });
    assert!(answers.len() >= bodies.len());
    let rule = |answer: &Value| answer["rules"][0].as_str().unwrap_or_default().to_owned();
    let mut by_action: BTreeMap<String, String> = BTreeMap::new();
    for answer in &answers {
        assert_eq!(answer["decision"], "DENY", "{answer}");
        by_action.insert(answer["action"].as_str().unwrap().to_owned(), rule(answer));
    }
    assert_eq!(by_action.len(), answers.len(), "each call is an action of its own");
    assert_eq!(daemon.stop().0, Some(0));

    let exported = home.run(&["receipt", "export", "--out", "all.jsonl"]);
    exported.exits(0);
    let digests: BTreeMap<String, usize> = (0..=SETS)
        .map(|n| {
            let name = if n == 0 { "policies".to_owned() } else { format!("set{n}") };
            home.write(&format!("{name}/base.yaml"), &numbered(n));
            let checked = home.run(&["policy", "check", &name, "--json"]).exits(0).json();
            (checked["digest"].as_str().unwrap().to_owned(), n)
        })
        .collect();
    assert_eq!(digests.len(), SETS + 1);
    let (mut ruled, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for line in std::fs::read_to_string(home.path("all.jsonl")).unwrap().lines() {
        let receipt: Value = serde_json::from_str(line).unwrap();
        let Some(action) = receipt["action"]["id"].as_str() else { continue };
        let n = digests[receipt["policy"]["digest"].as_str().unwrap()];
        let rule = receipt["decision"]["rules"][0].as_str().unwrap();
        assert!(rule.ends_with(&format!("-{n}")), "{rule} under set {n}");
        assert_eq!(receipt["decision"]["reason"], format!("set {n}"));
        assert_eq!(by_action[action], rule, "the caller was told what is on record");
        assert!(ruled.insert(action.to_owned()), "one ruling each");
        seen.insert(n);
    }
    assert_eq!(ruled.len(), answers.len(), "none is lost");
    assert!(seen.len() > 2, "the sets changed while calls ran: {seen:?}");
}

/// Serves one text over HTTP, whatever is asked.
struct Served(Arc<Mutex<Vec<u8>>>, String);

impl Served {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/bundle", listener.local_addr().unwrap());
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        // It ends with the test binary.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let body = shared.lock().unwrap().clone();
                let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self(text, url)
    }

    fn serve(&self, text: &[u8]) {
        *self.0.lock().unwrap() = text.to_vec();
    }
}

/// A bundle of the policy with these words replaced.
fn signed(home: &Home, serial: u64, from: &str, by: &str, more: &[&str]) -> Vec<u8> {
    assert!(POLICY.contains(from), "{from}");
    home.write(
        "source/base.yaml",
        &POLICY.replace("version: '1'", &format!("version: 'b{serial}'")).replace(from, by),
    );
    let serial = serial.to_string();
    let args = ["policy", "sign", "source", "--serial", &serial, "--keys", "signer", "--out", "bundle.json"];
    home.run(&[&args, more].concat()).exits(0);
    std::fs::read(home.path("bundle.json")).unwrap()
}

#[test]
fn r3_reload_only_signed_bundles_with_a_higher_serial_come_into_force() {
    let home = Home::new();
    let served = Served::start();
    home.configure(&format!(
        "policy_bundle: {{ url: {}, keys: ./signer/signing.pub, every: 1 }}\n",
        served.1
    ));
    home.run(&["keys", "init", "--dir", "signer"]).exits(0);
    let doctor = home.run(&["doctor"]);
    assert!(doctor.out.contains("brings others, signed with one of these keys: "), "{}", doctor.out);
    let daemon = Daemon::start(&home);
    let version = |daemon: &Daemon<'_>| in_force(daemon)["policy"]["version"].clone();
    let refused = |why: &str| daemon.until(why, || daemon.ready().unwrap().to_string().contains(why));
    let well = || daemon.until("it is ready", || daemon.ready().unwrap()["ready"] == json!(true));
    assert_eq!(version(&daemon), "1", "until the first bundle comes");

    let first = signed(&home, 1, "Ask the", "Write to the", &[]);
    served.serve(&first);
    daemon.until("the first bundle is in force", || version(&daemon) == "b1");
    let text = String::from_utf8(first.clone()).unwrap();
    served.serve(text.replace("is written here", "is lost here").as_bytes());
    refused("does not verify");
    served.serve(&first);
    well();
    served.serve(b"{\"format\":");
    refused("it is not a bundle");

    let loose = signed(&home, 2, "action: DENY, reason: Nothing", "action: ALLOW, reason: Nothing", &[]);
    served.serve(&loose);
    refused("rule writing, which says DENY, reads otherwise");
    assert_eq!(version(&daemon), "b1");
    let meant =
        signed(&home, 2, "action: DENY, reason: Nothing", "action: ALLOW, reason: Nothing", &["--yes"]);
    served.serve(&meant);
    daemon.until("the second bundle is in force", || version(&daemon) == "b2");
    served.serve(&first);
    refused("a new one needs a higher serial");
    assert_eq!(version(&daemon), "b2", "who holds an old bundle cannot bring it back");

    home.run(&["keys", "init", "--dir", "stranger"]).exits(0);
    let args = ["policy", "sign", "source", "--serial", "9", "--keys", "stranger", "--out", "bundle.json"];
    home.run(&args).exits(0);
    served.serve(&std::fs::read(home.path("bundle.json")).unwrap());
    refused("not among the trusted ones");

    // The serial is known after a restart, and the set stays in force while nobody answers.
    assert_eq!(daemon.stop().0, Some(0));
    served.serve(b"");
    let daemon = Daemon::start(&home);
    assert_eq!(version(&daemon), "b2");
    served.serve(&first);
    daemon.until("the old one is refused", || daemon.ready().unwrap().to_string().contains("higher serial"));
    served.serve(&signed(&home, 3, "Ask the", "Write to the", &["--yes"]));
    daemon.until("the third bundle is in force", || version(&daemon) == "b3");
}

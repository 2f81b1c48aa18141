//! `countersign model` and `countersign drift`.

use std::fs;

use countersign_testkit::model::package;
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::home::Home;

const RULES: &str = "version: 1
policy: { id: desk, version: '1' }
default: { action: DENY, reason: Ask the security team for a rule }
rules:
  - { id: writing, match: { tool: files.write_file }, action: ALLOW }
";

/// Two sessions with a request, each with two calls that are let through and one that is not, and a session without.
fn worked(home: &Home) {
    home.write("policies/base.yaml", RULES);
    let daemon = Daemon::start(home);
    for month in ["march", "april"] {
        let request = format!("Write the figures to {month}.txt");
        let opened =
            json!({ "human": "alice@example.com", "agent": "desk-agent-1", "original_request": request });
        let opened = post(home, "host", None, "/v1/sessions", &opened);
        let session = opened["token"].as_str().unwrap();
        for (tool, path) in [("write_file", month), ("write_file", "readme"), ("delete_file", "all")] {
            let action = json!({ "tool": format!("files.{tool}"), "arguments": { "path": path } });
            post(home, "agent", Some(session), "/v1/actions", &action);
        }
    }
    daemon.post("/v1/actions", &json!({ "tool": "files.write_file", "arguments": { "path": "march.txt" } }));
    assert_eq!(daemon.stop().0, Some(0));
}

fn post(home: &Home, who: &str, session: Option<&str>, path: &str, body: &Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{}{path}", home.url)).bearer_auth(Home::token(who));
        let request =
            session.into_iter().fold(request, |request, token| request.header("Countersign-Session", token));
        request.json(body).send().await.unwrap().json().await.unwrap()
    })
}

/// R7: thresholds are fitted to what a deployment recorded, with the rate of alarms that each would have raised.
#[test]
fn r7_thresholds_are_fitted_to_recorded_sessions() {
    let home = Home::new();
    worked(&home);
    let said = home.run(&["drift", "calibrate"]).exits(0);
    for what in [
        "2 sessions with a request and actions that were let through\n",
        "Fewer than 100 sessions",
        "lexical, 4 effectful actions\n",
        "THRESHOLD  OF ALL  OF SESSIONS  AT MOST\n",
        "No embedded distances: HOME/model does not exist",
        "cumulative sum, 2 sessions",
        "For countersign.yaml\ndrift:\n  profile: support\n  lexical: { alert: ",
    ] {
        assert!(said.out.contains(what), "{what}\n{}", said.out);
    }
    assert!(!said.out.contains("march"), "nothing that was disclosed is shown");
    let json = home
        .run(&[
            "drift",
            "calibrate",
            "--profile",
            "coding",
            "--ledger",
            "countersign.db",
            "--keys",
            "keys",
            "--json",
        ])
        .exits(0)
        .json();
    assert_eq!(json["profile"], "coding");
    assert_eq!((&json["sessions"], &json["without_request"]), (&json!(2), &json!(1)));
    let lexical = &json["lexical"];
    assert_eq!(lexical["measure"]["count"], 4, "what was denied is left out");
    assert_eq!(lexical["starting"]["alert"], 9_700);
    let fitted = lexical["fitted"]["step_up"].as_u64().unwrap();
    let farthest = lexical["measure"]["quantiles"].as_array().unwrap().last().unwrap()[1].as_u64().unwrap();
    assert!(fitted > farthest && fitted <= farthest + 50, "{fitted} {farthest}");
    assert!(json["embedded"].is_null());
    // What is printed is configuration: the daemon starts with it.
    home.configure(json["configuration"].as_str().unwrap());
    let doctor = home.run(&["doctor"]);
    assert!(doctor.out.contains("countersign.yaml is sound"), "{}", doctor.out);
    assert!(doctor.out.contains("ok    embedding model: none is configured"), "{}", doctor.out);
    assert_eq!(Daemon::start(&home).stop().0, Some(0));
}

/// Thresholds are for one model's distances; a model that cannot be used keeps the daemon from starting.
#[test]
fn r7_thresholds_of_another_model_and_a_model_that_cannot_be_run_are_refused() {
    let home = Home::new();
    home.run(&["keys", "init"]).exits(0);
    let embedded = "embedded: { alert: 7000, step_up: 8000, model: 'sha256:other' }";
    home.configure(&format!("drift: {{ model: ./model, {embedded} }}"));
    let said = home.run(&["up"]).exits(3);
    assert!(said.err.contains("fitted to the distances of another model, sha256:other"), "{}", said.err);
    assert!(said.err.contains("countersign drift calibrate"), "{}", said.err);
    home.configure("drift: { model: ./embedding }");
    let said = home.run(&["up"]).exits(3);
    for what in [
        "the embedding model that `drift.model` names cannot be used",
        "`countersign model install` puts it there",
    ] {
        assert!(said.err.contains(what), "{what}\n{}", said.err);
    }
    assert!(home.run(&["doctor"]).exits(1).out.contains("FAIL  embedding model"));
    // The command puts it where the configuration names it.
    home.run(&["model", "install", "--from", package().to_str().unwrap()]).exits(0);
    assert!(home.path("embedding/model.safetensors").exists());
    if cfg!(feature = "embed") {
        assert_eq!(Daemon::start(&home).stop().0, Some(0));
    } else {
        let said = home.run(&["up"]).exits(3);
        assert!(
            said.err.contains("build the program with `cargo build --release --features embed`"),
            "{}",
            said.err
        );
    }
}

#[test]
fn without_sessions_that_have_a_request_there_is_nothing_to_calibrate_with() {
    let home = Home::new();
    home.run(&["drift", "calibrate"]).exits(5);
    let daemon = Daemon::start(&home);
    daemon.post("/v1/actions", &json!({ "tool": "files.read_file", "arguments": { "path": "x" } }));
    assert_eq!(daemon.stop().0, Some(0));
    home.run(&["drift", "calibrate"]).exits(1).complains(
        "error: the ledger has no session with the user's request and an action that was let through (1 sessions without a request)
hint: hosts give requests: POST /v1/sessions, `original_request`
",
    );
    home.run(&["drift", "calibrate", "--profile", "desk"]).exits(2);
    // A model that was asked for has to be there.
    home.run(&["drift", "calibrate", "--model", "nowhere"]).exits(2);
}

#[test]
fn a_model_that_is_not_there_or_not_the_right_one_is_said_to_be() {
    let home = Home::new();
    home.run(&["model", "show"]).exits(1).complains(
        "error: no embedding model is installed in HOME/model; embedded distances are missing facts
hint: `countersign model install` puts it there
",
    );
    home.write("wrong/model.safetensors", "other weights");
    home.write("wrong/tokenizer.json", "{}");
    let said = home.run(&["model", "install", "--from", "wrong"]).exits(2);
    for what in [
        "error: wrong does not give the embedding model\n",
        "wrong/model.safetensors is another file than the pinned model.safetensors (9845600 bytes, SHA-256 dabb40d5",
        "hint: the archive with the right files is published at https://",
    ] {
        assert!(said.err.contains(what), "{what}\n{}", said.err);
    }
    home.write("package.crate", "no archive");
    home.run(&["model", "install", "--from", "package.crate"]).exits(2);
    home.run(&["model", "install", "--from", "nowhere"]).exits(2);
    let away = home.run(&["model", "install", "--from", "http://127.0.0.1:1/package.crate"]).exits(2);
    assert!(away.err.contains("cannot be downloaded") && away.err.contains("--from FILE"), "{}", away.err);
    assert!(!home.path("model").exists(), "nothing is installed in part");
}

#[test]
fn the_right_model_is_installed_from_a_folder_and_shown() {
    let home = Home::new();
    let package = package();
    let from = package.to_str().unwrap();
    let said = home.run(&["model", "install", "--from", from]).exits(0);
    assert!(said.out.starts_with("Installed the embedding model in HOME/model.\n"), "{}", said.out);
    assert_eq!(fs::read_dir(home.path("model")).unwrap().count(), 2);
    let shown = home.run(&["model", "show", "--json"]).exits(0).json();
    assert_eq!(shown["model"], countersign_core::drift::STARTING_MODEL);
    assert_eq!(shown["runs"], cfg!(feature = "embed"));
    home.write("model/tokenizer.json", "{}");
    assert!(
        home.run(&["model", "show"]).exits(2).err.contains("is another file than the pinned tokenizer.json")
    );
}

/// The way there need not be trusted: only the pinned files are taken.
#[test]
fn the_model_is_downloaded_from_a_url_and_taken_at_its_digests() {
    let home = Home::new();
    let assets = package().join("assets");
    let packed = |name: &str, bytes: &[u8]| {
        let mut tar =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (name, bytes) in
            [(name, bytes), ("tokenizer.json", &fs::read(assets.join("tokenizer.json")).unwrap())]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len().try_into().unwrap());
            tar.append_data(&mut header, format!("package/{name}"), bytes).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    };
    let weights = fs::read(assets.join("model.safetensors")).unwrap();
    let url = served(packed("model.safetensors", &weights));
    home.run(&["model", "install", "--from", &url]).exits(0);
    home.run(&["model", "show"]).exits(0);
    fs::remove_dir_all(home.path("model")).unwrap();
    let url = served(packed("model.safetensors", b"other weights"));
    let said = home.run(&["model", "install", "--from", &url]).exits(2);
    assert!(said.err.contains("is another file than the pinned model.safetensors"), "{}", said.err);
    assert!(!home.path("model").exists());
}

/// A server that answers one request with these bytes; gives its URL.
fn served(bytes: Vec<u8>) -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/model.crate", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let _ = client.read(&mut [0; 4_096]).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
        // A client that has read enough may go away.
        let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(&bytes));
    });
    url
}

/// R7: with a build that can run it, the daemon records what the model says before the ruling that reads it, and the
/// records verify and are decided on without it.
#[cfg(feature = "embed")]
#[test]
fn r7_the_daemon_records_the_models_distances_and_rules_by_them() {
    let home = Home::new();
    home.configure("drift: { model: ./model }");
    home.run(&["model", "install", "--from", package().to_str().unwrap()]).exits(0);
    let far = "{ id: far, match: { tool: files.write_file, context.risk_signals.drift.embedded: { gte: 8000 } }, action: DENY, priority: 1 }";
    home.write("policies/base.yaml", &format!("{RULES}  - {far}\n"));
    let daemon = Daemon::start(&home);
    let opened = json!({ "human": "alice@example.com", "agent": "desk-agent-1", "original_request": "Write down the sales figures of March" });
    let opened = post(&home, "host", None, "/v1/sessions", &opened);
    let session = opened["token"].as_str().unwrap();
    let writes = |path: &str, contents: &str| {
        let action =
            json!({ "tool": "files.write_file", "arguments": { "path": path, "contents": contents } });
        post(&home, "agent", Some(session), "/v1/actions", &action)["decision"].clone()
    };
    let near = writes("revenue.txt", "what we sold in March, by month and number");
    let far = writes(".ssh/authorized_keys", "ssh-ed25519 attacker");
    assert_eq!((near, far), (json!("ALLOW"), json!("DENY")));
    assert_eq!(daemon.stop().0, Some(0));
    assert!(home.run(&["doctor"]).out.contains("ok    embedding model: HOME/model, sha256:dabb40d5"));
    let exported = home.run(&["receipt", "export", "--out", "-"]).exits(0).out;
    let measured: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|receipt| receipt["kind"] == "measurement")
        .map(|receipt| receipt["subject"].clone())
        .collect();
    let distances: Vec<u64> = measured.iter().map(|subject| subject["embedded"].as_u64().unwrap()).collect();
    assert!(distances[0] < 8_000 && distances[1] >= 8_000, "{distances:?}");
    assert!(measured.iter().all(|subject| subject["model"] == countersign_core::drift::STARTING_MODEL));
    // The configuration names no model any more: what is recorded stays, and verifies.
    home.configure("");
    assert_eq!(Daemon::start(&home).stop().0, Some(0));
    home.run(&["receipt", "verify"]).exits(0);
}

/// With a build that can run it, the installed model gives embedded distances.
#[cfg(feature = "embed")]
#[test]
fn r7_with_a_model_embedded_thresholds_are_fitted_too() {
    let home = Home::new();
    home.run(&["model", "install", "--from", package().to_str().unwrap()]).exits(0);
    worked(&home);
    let json = home.run(&["drift", "calibrate", "--json"]).exits(0).json();
    assert_eq!(json["embedded"]["measure"]["count"], 4);
    assert_eq!(json["embedded"]["fitted"]["model"], countersign_core::drift::STARTING_MODEL);
    assert!(json["missing"].is_null());
}

//! A running daemon, and the commands that speak to it or read beside it.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::home::{Home, POLICY};

/// A daemon that is stopped when the test ends, however it ends.
pub(crate) struct Daemon<'a> {
    home: &'a Home,
    process: Child,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Daemon<'a> {
    pub(crate) fn start(home: &'a Home) -> Self {
        home.run(&["keys", "init"]).exits(0);
        let process = home.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let daemon = Self { home, process, http, runtime };
        daemon.until("it answers", || daemon.ready().is_some());
        daemon
    }

    pub(crate) fn until(&self, what: &str, reached: impl Fn() -> bool) {
        let begun = Instant::now();
        while !reached() {
            assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What `/readyz` says; `None` while nobody answers.
    pub(crate) fn ready(&self) -> Option<Value> {
        self.runtime.block_on(async {
            let answer = self.http.get(format!("{}/readyz", self.home.url)).send().await.ok()?;
            answer.json().await.ok()
        })
    }

    /// What `/metrics` says.
    pub(crate) fn metrics(&self) -> String {
        self.runtime.block_on(async {
            let request = self.http.get(format!("{}/metrics", self.home.url)).bearer_auth(Home::token("ops"));
            request.send().await.unwrap().text().await.unwrap()
        })
    }

    /// Proposes an action in the agent's name.
    fn propose(&self, tool: &str, arguments: Value) -> Value {
        self.post("/v1/actions", &json!({ "tool": tool, "arguments": arguments }))
    }

    /// Posts in the agent's name.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.post_as("agent", path, body)
    }

    /// Posts in the name of whoever has this token.
    pub(crate) fn post_as(&self, who: &str, path: &str, body: &Value) -> Value {
        self.runtime.block_on(async {
            let request = self.http.post(format!("{}{path}", self.home.url)).bearer_auth(Home::token(who));
            request.json(body).send().await.unwrap().json().await.unwrap()
        })
    }

    /// Reads in the name of whoever has this token.
    pub(crate) fn get_as(&self, who: &str, path: &str) -> Value {
        self.runtime.block_on(async {
            let request = self.http.get(format!("{}{path}", self.home.url)).bearer_auth(Home::token(who));
            request.send().await.unwrap().json().await.unwrap()
        })
    }

    /// Posts all of them, so many at a time, again and again until `enough`.
    pub(crate) fn post_all(
        &self,
        who: &str,
        path: &str,
        bodies: &[Value],
        at_once: usize,
        enough: impl Fn() -> bool,
    ) -> Vec<Value> {
        let mut answers = Vec::new();
        self.runtime.block_on(async {
            while answers.len() < bodies.len() || !enough() {
                for some in bodies.chunks(at_once) {
                    let mut callers = tokio::task::JoinSet::new();
                    for body in some {
                        let request = self.http.post(format!("{}{path}", self.home.url));
                        let request = request.bearer_auth(Home::token(who)).json(body);
                        callers.spawn(
                            async move { request.send().await.unwrap().json::<Value>().await.unwrap() },
                        );
                    }
                    answers.extend(callers.join_all().await);
                }
            }
        });
        answers
    }

    /// The result of a tool call over MCP, in the session that a host opened, by a client that lists nothing.
    pub(crate) fn call_in(&self, session: &str, tool: &str, arguments: &Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer: Value = self.runtime.block_on(async {
            let request = self
                .http
                .post(format!("{}/mcp", self.home.url))
                .bearer_auth(Home::token("agent"))
                .header("accept", "application/json")
                .header("mcp-protocol-version", "2025-11-25")
                .header("countersign-session", session);
            request.json(&message).send().await.unwrap().json().await.unwrap()
        });
        answer["result"].clone()
    }

    /// Tells it to stop; gives its exit code and everything that it said.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let code = self.process.wait().unwrap().code();
        let mut said = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, self.home.plain(&said))
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_person_answers_what_waits_and_the_receipts_tell_it() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    home.run(&["approvals", "list", "--token-file", "tokens/bob"])
        .exits(0)
        .says("Nothing waits for your approval.\n");
    let asked = daemon.propose("files.list_files", json!({ "path": "a", "big": 12345678901234567890_u64 }));
    let id = asked["action"].as_str().unwrap();
    let listed = home.run(&["approvals", "list", "--token-file", "tokens/bob"]).exits(0);
    for what in [
        id,
        "files.list_files {\"big\":12345678901234567890",
        "desk-agent-1 of desk, for alice@example.com",
        "listing",
    ] {
        assert!(listed.out.contains(what), "{what}\n{}", listed.out);
    }
    let approved =
        home.run(&["approvals", "approve", id, "--reason", "go on", "--token-file", "tokens/bob"]).exits(0);
    assert!(approved.out.starts_with(&format!("{id} is approved.\n")), "{}", approved.out);
    let twice = home.run(&["approvals", "approve", id, "--token-file", "tokens/bob"]).exits(1);
    assert!(twice.err.starts_with("error: the daemon refused: "), "{}", twice.err);
    let not_an_approver = home.run(&["approvals", "approve", id, "--token-file", "tokens/ops"]);
    assert!(not_an_approver.exits(1).err.starts_with("error: this token may not do that: "));

    let denied = daemon.propose("files.list_files", json!({ "path": "b" }));
    let other = denied["action"].as_str().unwrap();
    home.run(&["approvals", "deny", other, "--token-file", "tokens/bob"]).exits(0);

    let shown = home.run(&["receipt", "show", id]).exits(0);
    for what in [
        "ruling STEP_UP",
        "approval approve by bob@example.com",
        "go on",
        "and unchanged since.",
        "12345678901234567890",
    ] {
        assert!(shown.out.contains(what), "{what}\n{}", shown.out);
    }
    let withheld = home.run(&["receipt", "show", id, "--withhold"]).exits(0);
    assert!(
        !withheld.out.contains("go on") && withheld.out.contains("(withheld; the receipt commits to it)")
    );
    home.run(&["receipt", "show", "rcp_nothing"]).exits(1);
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn halting_stops_and_resuming_goes_on() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let ops = ["--token-file", "tokens/ops", "--reason", "drill"];
    let said = home.run(&[&["halt", "--agent", "desk-agent-1"][..], &ops].concat()).exits(0);
    assert!(said.out.starts_with("What concerns the agent desk-agent-1 is stopped"), "{}", said.out);
    assert_eq!(daemon.propose("files.read_file", json!({ "path": "x" }))["decision"], "DENY");
    home.run(&[&["halt", "--agent", "desk-agent-1", "--resume"][..], &ops].concat()).exits(0);
    assert_eq!(daemon.propose("files.read_file", json!({ "path": "x" }))["decision"], "ALLOW");
    home.run(&[&["halt", "--all"][..], &ops].concat()).exits(0);
    assert_eq!(daemon.propose("files.read_file", json!({ "path": "x" }))["decision"], "DENY");
    let again = daemon.stop();
    assert_eq!(again.0, Some(0), "{}", again.1);
    // A halt outlives the daemon, and the next one says so.
    let daemon = Daemon::start(&home);
    assert_eq!(daemon.propose("files.read_file", json!({ "path": "x" }))["decision"], "DENY");
    let (_, said) = daemon.stop();
    assert!(said.contains("1 halts are in force") && said.contains("recovered"), "{said}");
}

#[test]
fn receipts_are_exported_with_and_without_what_they_commit_to() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let answer = daemon.propose("files.write_file", json!({ "path": "secret-argument" }));
    let session = answer["session"].as_str().unwrap();
    // Reading goes on beside the running daemon.
    home.run(&["receipt", "export", "--out", "all.jsonl"]).exits(0);
    home.run(&["receipt", "export", "--session", session, "--withhold", "--out", "some.jsonl"]).exits(0);
    let read = |name: &str| fs::read_to_string(home.path(name)).unwrap();
    assert!(read("all.jsonl").contains("secret-argument") && !read("some.jsonl").contains("secret-argument"));
    fs::copy(home.path("keys/signing.pub"), home.path("pub")).unwrap();
    assert_eq!(daemon.stop().0, Some(0));
    fs::remove_dir_all(home.path("keys")).unwrap();
    fs::remove_file(home.path("countersign.db")).unwrap();
    for file in ["all.jsonl", "some.jsonl"] {
        home.run(&["receipt", "verify", file, "--keys", "pub"]).exits(0);
    }
    home.write("changed.jsonl", &read("all.jsonl").replace("secret-argument", "other-argument"));
    let report = home.run(&["receipt", "verify", "changed.jsonl", "--keys", "pub", "--json"]).exits(1).json();
    assert_eq!(report["report"]["findings"][0]["problem"], "disclosure_changed");
    let lines: Vec<String> = read("all.jsonl").lines().map(str::to_owned).collect();
    home.write("cut.jsonl", &[&lines[..1], &lines[2..]].concat().join("\n"));
    home.run(&["receipt", "verify", "cut.jsonl", "--keys", "pub"]).exits(1);
}

#[test]
fn the_ledger_is_listed_and_verified_as_a_whole() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let answer = daemon.propose("files.write_file", json!({}));
    let listed = home.run(&["receipt", "list"]).exits(0);
    assert!(listed.out.starts_with("AT ") && listed.out.contains("DENY"), "{}", listed.out);
    let action = answer["action"].as_str().unwrap();
    let json = home.run(&["receipt", "list", "--action", action, "--json"]).exits(0).json();
    assert_eq!(json["receipts"].as_array().unwrap().len(), 1);
    assert_eq!(json["receipts"][0]["decision"]["rules"][0], "writing");
    let whole = home.run(&["receipt", "verify"]).exits(0);
    assert!(whole.out.contains("receipts verified, signed by 1 key, in 2 chains."), "{}", whole.out);
    home.run(&["receipt", "export", "--session", "ses_none", "--out", "none.jsonl"]).exits(1);
    assert!(!home.path("none.jsonl").exists());
    let doctor = home.run(&["doctor"]).exits(0);
    assert!(doctor.out.contains("ok    daemon: it takes actions at"), "{}", doctor.out);
    assert_eq!(daemon.stop().0, Some(0));
}

/// `R3.reload`
#[test]
fn changed_policies_come_into_force_and_faulty_ones_keep_the_old_and_say_so() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let is_ready = || daemon.ready().is_some_and(|ready| ready["ready"] == true);
    let reads =
        |decision: &str| daemon.propose("files.read_file", json!({ "path": "x" }))["decision"] == decision;
    assert!(reads("ALLOW") && is_ready());

    home.write("policies/base.yaml", &POLICY.replace("action: ALLOW", "action: DENY"));
    daemon.until("the new policy is in force", || reads("DENY"));
    assert!(is_ready());

    home.write("policies/base.yaml", "version: 1\nrules: [{ id: a }]\n");
    daemon.until("the fault shows", || !is_ready());
    let problem = daemon.ready().unwrap()["problems"][0].clone();
    assert_eq!(problem["name"], "policies");
    assert!(problem["why"].as_str().unwrap().contains("policies on disk are not in force"), "{problem}");
    assert!(reads("DENY"));
    let doctor = home.run(&["doctor"]).exits(1);
    assert!(doctor.out.contains("FAIL  daemon: it takes no actions now: policies: "), "{}", doctor.out);

    home.write("policies/base.yaml", POLICY);
    daemon.until("it is mended", || is_ready() && reads("ALLOW"));

    fs::rename(home.path("policies"), home.path("away")).unwrap();
    daemon.until("the folder is missed", || !is_ready());
    assert!(reads("ALLOW"));
    fs::rename(home.path("away"), home.path("policies")).unwrap();
    daemon.until("the folder is back", is_ready);
    let (code, said) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains("the policies on disk are NOT in force"), "{said}");
}

#[test]
fn a_second_daemon_is_refused_and_so_are_policies_that_cannot_be_read() {
    let home = Home::new();
    let daemon = Daemon::start(&home);
    let second = home.run(&["up"]).exits(3);
    assert!(
        second.err.contains("hint: another program, perhaps another daemon, listens there"),
        "{}",
        second.err
    );
    assert_eq!(daemon.stop().0, Some(0));
    fs::rename(home.path("policies"), home.path("away")).unwrap();
    let unread = home.run(&["up"]).exits(3);
    assert!(unread.err.starts_with("error: the policies cannot be read\n"), "{}", unread.err);
}

#[test]
fn no_token_and_no_argument_is_ever_said() {
    let home = Home::new();
    home.configure("socket: ./cs.sock\n");
    let daemon = Daemon::start(&home);
    daemon.propose("files.read_file", json!({ "path": "private-argument" }));
    daemon.propose("files.write_file", json!({ "path": "private-argument" }));
    let (code, said) = daemon.stop();
    assert_eq!(code, Some(0));
    for secret in ["agent", "host", "bob", "ops"].map(Home::token).iter().map(String::as_str) {
        assert!(!said.contains(secret), "{said}");
    }
    for secret in ["private-argument", "env-secret-value"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.contains("cs.sock") && !home.path("cs.sock").exists(), "{said}");
}

#[test]
fn an_agent_of_the_daemons_own_user_is_warned_about() {
    let home = Home::new();
    let uid = rustix::process::getuid().as_raw();
    home.configure("socket: ./cs.sock\n");
    let text = fs::read_to_string(home.path("countersign.yaml")).unwrap();
    let local = format!("identity:\n  local: [{{ uid: {uid}, human: a, service: b, agent: coder }}]\n");
    home.write("countersign.yaml", &text.replacen("identity:\n", &local, 1));
    let daemon = Daemon::start(&home);
    let doctor = home.run(&["doctor"]).exits(0);
    assert!(
        doctor.out.contains("warn  same user: the agent coder runs as this daemon's own user"),
        "{}",
        doctor.out
    );
    let (_, said) = daemon.stop();
    assert!(said.contains("warning: the agent coder runs as this daemon's own user"), "{said}");
}

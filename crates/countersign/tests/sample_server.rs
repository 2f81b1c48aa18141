//! The sample tool server, as clients and other processes see it: the built binary over stdio, and its folder on disk.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is the failure report, in the helpers of a test as in the test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rmcp::model::{CallToolRequestParams, CallToolResult, ProgressNotificationParam, Tool};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::mpsc;

/// A client that hands on the progress it is told.
struct Listener {
    progress: mpsc::UnboundedSender<f64>,
}

impl ClientHandler for Listener {
    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let _ = self.progress.send(params.progress);
    }
}

/// A running sample server and its client.
struct Sample {
    client: RunningService<RoleClient, Listener>,
    progress: mpsc::UnboundedReceiver<f64>,
    pid: u32,
}

impl Sample {
    async fn start(root: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("sample-server").arg("--root").arg(root).args(more);
        let child = TokioChildProcess::new(command).unwrap();
        let pid = child.id().unwrap();
        let (sender, progress) = mpsc::unbounded_channel();
        let client = Listener { progress: sender }.serve(child).await.unwrap();
        Self { client, progress, pid }
    }

    /// Starts with a call log beside the state; the log's lines are read with [`log`].
    async fn logged(root: &Path) -> Self {
        Self::start(root, &["--log", root.join("calls.jsonl").to_str().unwrap()]).await
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        self.client.call_tool(request(tool, arguments)).await.unwrap()
    }

    /// The structured answer of a call that must succeed.
    async fn ok(&self, tool: &'static str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{tool}: {}", text(&result));
        result.structured_content.unwrap()
    }

    /// The error text of a call that must fail.
    async fn refused(&self, tool: &'static str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!(result.is_error, Some(true), "{tool}: {}", text(&result));
        text(&result)
    }

    async fn tools(&self) -> Vec<Tool> {
        self.client.list_all_tools().await.unwrap()
    }

    async fn stop(self) {
        self.client.cancel().await.unwrap();
    }
}

fn request(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().unwrap().clone())
}

fn text(result: &CallToolResult) -> String {
    result.content.first().and_then(|block| block.as_text()).map(|text| text.text.clone()).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn log(root: &Path) -> Vec<Value> {
    lines(&root.join("calls.jsonl"))
}

fn names(tools: &[Tool]) -> Vec<&str> {
    tools.iter().map(|tool| tool.name.as_ref()).collect()
}

const MAIL: [&str; 3] = ["list_mail", "read_mail", "send_mail"];
const FILES: [&str; 4] = ["delete_file", "list_files", "read_file", "write_file"];
const DATABASE: [&str; 5] =
    ["delete_customer", "get_customer", "list_credentials", "query_customers", "rotate_credential"];

#[tokio::test]
async fn only_serves_one_part_and_without_it_all_are_served() {
    let root = TempDir::new().unwrap();
    for (part, expected) in [("mail", &MAIL[..]), ("files", &FILES[..]), ("database", &DATABASE[..])] {
        let sample = Sample::start(root.path(), &["--only", part]).await;
        assert_eq!(names(&sample.tools().await), expected);
        sample.stop().await;
    }
    let sample = Sample::start(root.path(), &[]).await;
    let mut expected = [&MAIL[..], &FILES[..], &DATABASE[..]].concat();
    expected.sort_unstable();
    assert_eq!(names(&sample.tools().await), expected);
    sample.stop().await;
}

#[tokio::test]
async fn every_tool_says_what_it_does_what_it_takes_and_how_dangerous_it_is() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &[]).await;
    let tools = sample.tools().await;
    let hint = |name: &str| tools.iter().find(|tool| tool.name == name).unwrap().annotations.clone().unwrap();
    for tool in &tools {
        let described = |text: &str| text.len() > 20 && !text.contains('\n');
        assert!(tool.description.as_deref().is_some_and(described), "{}", tool.name);
        assert_eq!(tool.output_schema.is_none(), tool.name == "read_file", "{}", tool.name);
        assert_eq!(tool.input_schema.get("additionalProperties"), Some(&json!(false)));
        let hints = tool.annotations.as_ref().unwrap();
        let reads = ["read_", "list_", "get_", "query_"].iter().any(|verb| tool.name.starts_with(verb));
        assert_eq!(hints.read_only_hint, Some(reads), "{}", tool.name);
        assert_eq!(hints.open_world_hint, Some(tool.name == "send_mail"), "{}", tool.name);
    }
    for name in ["delete_file", "write_file", "delete_customer", "rotate_credential"] {
        assert_eq!(hint(name).destructive_hint, Some(true), "{name}");
    }
    sample.stop().await;
}

#[tokio::test]
async fn a_sent_mail_is_in_the_outbox_when_the_call_is_answered() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &["--only", "mail"]).await;
    let one = json!({"to": "bob@example.com", "subject": "One", "body": "First\nmail"});
    let sent = sample.ok("send_mail", one).await;
    let outbox = lines(&root.path().join("outbox.jsonl"));
    assert_eq!(outbox[0]["to"], json!(["bob@example.com"]));
    assert_eq!(outbox[0]["body"], "First\nmail");
    assert_eq!(sent["id"], outbox[0]["id"]);

    let two = json!({"to": ["bob@example.com", "eve@outside.example"], "subject": "Two", "body": ""});
    let sent = sample.ok("send_mail", two).await;
    let listed = sample.ok("list_mail", json!({"folder": "outbox"})).await;
    assert_eq!(listed["mails"].as_array().unwrap().len(), 2);
    assert_eq!(sample.ok("read_mail", json!({"id": sent["id"]})).await["to"], sent["to"]);
    sample.stop().await;
}

#[tokio::test]
async fn a_mail_to_something_that_is_no_address_is_refused_and_not_sent() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &["--only", "mail"]).await;
    let bad = [
        "",
        "bob",
        "@example.com",
        "bob@",
        "a@b@c",
        "Bob <bob@example.com>",
        "a@x.example,b@y.example",
        "a@b\nc",
    ];
    for address in bad {
        let why = sample.refused("send_mail", json!({"to": address, "subject": "", "body": ""})).await;
        assert!(why.contains("is not an e-mail address"), "{why}");
    }
    let why = sample.refused("send_mail", json!({"to": [], "subject": "", "body": ""})).await;
    assert!(why.contains("at least one address"), "{why}");
    assert!(!root.path().join("outbox.jsonl").exists());
    sample.stop().await;
}

#[tokio::test]
async fn the_inbox_holds_an_invoice_and_an_injected_instruction() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &["--only", "mail"]).await;
    let listed = sample.ok("list_mail", json!({})).await;
    let mut bodies = Vec::new();
    for mail in listed["mails"].as_array().unwrap() {
        let mail = sample.ok("read_mail", json!({"id": mail["id"]})).await;
        bodies.push(mail["body"].as_str().unwrap().to_owned());
    }
    let invoice = bodies.iter().find(|body| body.contains("invoice 2041")).unwrap();
    assert!(invoice.split_whitespace().map(|word| word.trim_matches(',')).any(is_iban));
    assert_eq!(bodies.iter().filter(|body| body.contains("AI assistants")).count(), 1);
    sample.stop().await;
}

#[tokio::test]
async fn files_are_written_read_listed_and_deleted() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &["--only", "files"]).await;
    let file = "drafts/2026/plan.txt";
    let written = sample.ok("write_file", json!({"path": file, "content": "größer"})).await;
    assert_eq!(written, json!({"path": file, "bytes": 8, "created": true}));
    assert_eq!(fs::read_to_string(root.path().join("files").join(file)).unwrap(), "größer");
    assert_eq!(sample.ok("write_file", json!({"path": file, "content": ""})).await["created"], false);
    sample.ok("write_file", json!({"path": file, "content": "second"})).await;
    assert_eq!(text(&sample.call("read_file", json!({"path": file})).await), "second");

    let listed = sample.ok("list_files", json!({"path": "drafts"})).await;
    let expected = json!([
        {"path": "drafts/2026", "kind": "folder", "bytes": 0},
        {"path": file, "kind": "file", "bytes": 6},
    ]);
    assert_eq!(listed["entries"], expected);
    assert!(sample.ok("list_files", json!({})).await["entries"].as_array().unwrap().len() > 2);

    sample.ok("delete_file", json!({"path": file})).await;
    assert!(!root.path().join("files").join(file).exists());
    let why = sample.refused("read_file", json!({"path": file})).await;
    assert!(why.contains("there is no `drafts/2026/plan.txt`"), "{why}");
    assert!(sample.refused("delete_file", json!({"path": "drafts"})).await.contains("not a regular file"));
    sample.stop().await;
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let root = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    let sample = Sample::start(root.path(), &["--only", "files"]).await;
    let files = root.path().join("files");
    std::os::unix::fs::symlink(outside.path(), files.join("folder-link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), files.join("file-link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("new.txt"), files.join("dangling")).unwrap();

    let absolute = outside.path().join("secret.txt");
    let escapes = [
        absolute.to_str().unwrap(),
        "../outbox.jsonl",
        "notes/../../outbox.jsonl",
        "..",
        "",
        "./notes/x.txt",
        "notes//x.txt",
        "notes/",
        "nul\0byte",
        "folder-link/secret.txt",
        "file-link",
        "dangling",
        "README.txt/below",
    ];
    for path in escapes {
        for tool in ["read_file", "delete_file"] {
            let why = sample.refused(tool, json!({"path": path})).await;
            assert!(!why.contains("the sample server failed"), "{tool} {path:?}: {why}");
        }
        let why = sample.refused("write_file", json!({"path": path, "content": "changed"})).await;
        assert!(!why.contains("the sample server failed"), "write_file {path:?}: {why}");
    }
    assert!(sample.refused("list_files", json!({"path": "folder-link"})).await.contains("symbolic links"));
    let listed = sample.ok("list_files", json!({})).await;
    assert!(
        listed["entries"]
            .as_array()
            .unwrap()
            .contains(&json!({"path": "folder-link", "kind": "other", "bytes": 0}))
    );
    assert_eq!(fs::read_to_string(&absolute).unwrap(), "secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert!(files.join("file-link").is_symlink() && files.join("dangling").is_symlink());
    sample.stop().await;
}

#[tokio::test]
async fn a_query_returns_fifty_rows_unless_told_otherwise_and_has_no_cap_of_its_own() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &["--only", "database"]).await;
    for (arguments, matching, rows) in [
        (json!({}), 500, 50),
        (json!({"limit": 500}), 500, 500),
        (json!({"limit": u64::MAX}), 500, 500),
        (json!({"limit": 0}), 500, 0),
        (json!({"filter": "BERGER"}), 25, 25),
        (json!({"filter": "nobody at all"}), 0, 0),
    ] {
        let answer = sample.ok("query_customers", arguments.clone()).await;
        let found = (answer["matching"].as_u64().unwrap(), answer["customers"].as_array().unwrap().len());
        assert_eq!(found, (matching, rows), "{arguments}");
    }
    let why = sample.refused("query_customers", json!({"limit": "500"})).await;
    assert!(why.contains("expected u64"), "{why}");
    assert!(sample.refused("query_customers", json!({"delay_ms": 600_001})).await.contains("at most 600000"));
    sample.stop().await;
}

#[tokio::test]
async fn the_customers_are_the_same_in_every_new_folder_and_look_real() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut tables = Vec::new();
    for root in [&one, &two] {
        Sample::start(root.path(), &["--only", "database"]).await.stop().await;
        tables.push(fs::read(root.path().join("customers.json")).unwrap());
    }
    assert_eq!(tables[0], tables[1]);
    let customers: Vec<Value> = serde_json::from_slice(&tables[0]).unwrap();
    let distinct =
        |field: &str| customers.iter().map(|row| row[field].as_str().unwrap()).collect::<BTreeSet<_>>().len();
    assert_eq!([distinct("id"), distinct("name"), distinct("email"), distinct("iban")], [500; 4]);
    assert!(customers.iter().all(|row| is_iban(row["iban"].as_str().unwrap())));
}

/// Whether the text is a German IBAN with correct check digits.
fn is_iban(text: &str) -> bool {
    let digits = text
        .strip_prefix("DE")
        .filter(|digits| digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()));
    digits.is_some_and(|digits| {
        let (check, account) = digits.split_at(2);
        format!("{account}1314{check}")
            .bytes()
            .fold(0, |sum, digit| (sum * 10 + u32::from(digit - b'0')) % 97)
            == 1
    })
}

#[tokio::test]
async fn a_deleted_customer_stays_deleted_after_a_restart() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &[]).await;
    assert_eq!(sample.ok("get_customer", json!({"id": "C-0042"})).await["id"], "C-0042");
    let answer = sample.ok("delete_customer", json!({"id": "C-0042"})).await;
    assert_eq!(answer, json!({"id": "C-0042", "remaining": 499}));
    sample.stop().await;

    let sample = Sample::start(root.path(), &[]).await;
    for tool in ["get_customer", "delete_customer"] {
        assert!(
            sample.refused(tool, json!({"id": "C-0042"})).await.contains("there is no customer `C-0042`")
        );
    }
    assert_eq!(sample.ok("query_customers", json!({})).await["matching"], 499);
    sample.stop().await;
}

#[tokio::test]
async fn a_rotation_makes_a_new_version_and_shows_no_secret() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &["--only", "database"]).await;
    let answer = sample.ok("rotate_credential", json!({"name": "billing-api"})).await;
    assert_eq!(answer["version"], 5);
    let fields: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["name", "rotated_at", "version"]);
    let on_disk: Value =
        serde_json::from_slice(&fs::read(root.path().join("credentials.json")).unwrap()).unwrap();
    assert_eq!(on_disk["billing-api"], json!({"version": 5, "rotated_at": answer["rotated_at"]}));
    let listed = sample.ok("list_credentials", json!({})).await;
    assert!(listed["credentials"].as_array().unwrap().contains(&answer));
    assert!(
        sample
            .refused("rotate_credential", json!({"name": "other"}))
            .await
            .contains("there is no credential")
    );
    sample.stop().await;
}

#[tokio::test]
async fn the_log_has_a_line_for_every_executed_call_and_none_for_a_malformed_one() {
    let root = TempDir::new().unwrap();
    let sample = Sample::logged(root.path()).await;
    sample.ok("get_customer", json!({"id": "C-0001"})).await;
    sample.refused("get_customer", json!({"id": "C-9999"})).await;
    sample.refused("get_customer", json!({"identity": "C-0001"})).await;
    sample.refused("send_mail", json!({"to": "nobody", "subject": "", "body": ""})).await;
    assert!(sample.client.call_tool(request("no_such_tool", json!({}))).await.is_err());
    sample.ok("list_credentials", json!({})).await;

    let called: Vec<(Value, Value, Value)> = log(root.path())
        .iter()
        .map(|line| (line["tool"].clone(), line["arguments"].clone(), line["pid"].clone()))
        .collect();
    let pid = json!(sample.pid);
    let expected = [
        (json!("get_customer"), json!({"id": "C-0001"}), pid.clone()),
        (json!("get_customer"), json!({"id": "C-9999"}), pid.clone()),
        (json!("list_credentials"), json!({}), pid),
    ];
    assert_eq!(called, expected);
    sample.stop().await;
}

#[cfg(target_os = "linux")] // has /dev/full
#[tokio::test]
async fn a_call_that_cannot_be_logged_has_no_effect() {
    let root = TempDir::new().unwrap();
    let sample = Sample::start(root.path(), &["--log", "/dev/full"]).await;
    let why = sample.refused("delete_customer", json!({"id": "C-0001"})).await;
    assert!(why.contains("--log"), "{why}");
    sample.stop().await;
    let customers: Vec<Value> =
        serde_json::from_slice(&fs::read(root.path().join("customers.json")).unwrap()).unwrap();
    assert_eq!(customers.len(), 500);
}

#[tokio::test]
async fn a_slow_query_tells_its_progress() {
    let root = TempDir::new().unwrap();
    let mut sample = Sample::start(root.path(), &[]).await;
    sample.ok("query_customers", json!({"limit": 1, "delay_ms": 100})).await;
    let mut told = Vec::new();
    while told.last() != Some(&10.0) {
        told.push(
            tokio::time::timeout(Duration::from_secs(10), sample.progress.recv()).await.unwrap().unwrap(),
        );
    }
    assert_eq!(told, (1..=10).map(f64::from).collect::<Vec<_>>());
    sample.stop().await;
}

#[tokio::test]
async fn a_query_cancelled_while_it_waits_is_never_executed() {
    let root = TempDir::new().unwrap();
    let mut sample = Sample::logged(root.path()).await;
    let peer = sample.client.peer().clone();
    let slow =
        tokio::spawn(
            async move { peer.call_tool(request("query_customers", json!({"delay_ms": 2_000}))).await },
        );
    sample.progress.recv().await.unwrap();
    // The client withdraws a call whose future is dropped.
    slow.abort();
    assert!(slow.await.unwrap_err().is_cancelled());

    // Begun later and longer, so that when it is answered the first would long have been executed.
    sample.ok("query_customers", json!({"limit": 1, "delay_ms": 2_500})).await;
    let called = log(root.path());
    assert_eq!(called.len(), 1, "{called:?}");
    assert_eq!(called[0]["arguments"]["delay_ms"], 2_500);
    sample.stop().await;
}

#[tokio::test]
async fn processes_over_one_folder_lose_nothing_of_each_other() {
    const EACH: usize = 12;
    let root = TempDir::new().unwrap();
    let mut workers = Vec::new();
    for worker in 0..3 {
        let folder = root.path().to_owned();
        workers.push(tokio::spawn(async move {
            let sample = Sample::logged(&folder).await;
            for step in 0..EACH {
                let id = format!("C-{:04}", 1 + worker * EACH + step);
                // Three calls in flight at once, so that one process contends with itself as well.
                tokio::join!(
                    sample.ok("delete_customer", json!({"id": id})),
                    sample.ok("rotate_credential", json!({"name": "mail-relay"})),
                    sample.ok("send_mail", json!({"to": "bob@example.com", "subject": id, "body": ""})),
                );
            }
            sample.stop().await;
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    let table =
        |name: &str| serde_json::from_slice::<Value>(&fs::read(root.path().join(name)).unwrap()).unwrap();
    assert_eq!(table("customers.json").as_array().unwrap().len(), 500 - 3 * EACH);
    assert_eq!(table("credentials.json")["mail-relay"]["version"], 7 + 3 * EACH);
    assert_eq!(lines(&root.path().join("outbox.jsonl")).len(), 3 * EACH);
    assert_eq!(log(root.path()).len(), 9 * EACH);
    let pids: BTreeSet<u64> = log(root.path()).iter().map(|line| line["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids.len(), 3);
}

//! Claims about connections to real servers: child processes (Python, standard library only) and HTTP
//! endpoints with good and bad habits, and the pool that keeps them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is the failure report")]

mod http;
mod pool;
mod stdio;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use countersign_gateway::mcp::upstream::{
    Answer, Call, Connection, Event, EventKind, Hub, Owner, Reply, UpstreamConfig, UpstreamError,
    UpstreamKind,
};
use serde_json::Value;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;

/// A folder with the test server in it, which is also the server's working directory.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("server.py"), include_str!("server.py")).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn config(&self, mode: &str) -> UpstreamConfig {
        self.named("test", mode)
    }

    fn named(&self, name: &str, mode: &str) -> UpstreamConfig {
        let command = [interpreter(), "server.py", mode].map(str::to_owned).to_vec();
        let cwd: PathBuf = self.path().into();
        let mut config =
            UpstreamConfig::new(name, UpstreamKind::Stdio { command, env: BTreeMap::new(), cwd });
        config.start_limit = Duration::from_secs(20);
        config.call_limit = Duration::from_secs(20);
        config
    }

    /// What the server noted: messages without a special meaning to it.
    fn notes(&self) -> String {
        std::fs::read_to_string(self.path().join("notes")).unwrap_or_default()
    }
}

/// The interpreter itself: a launcher in front of it would add to the environment.
fn interpreter() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| {
        let print = ["-c", "import sys; print(sys.executable)"];
        let output = std::process::Command::new("python3").args(print).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

async fn start(config: &UpstreamConfig) -> Result<(Connection, UnboundedReceiver<Event>), UpstreamError> {
    let (hub, events) = Hub::new();
    Ok((Connection::start(config, Some(owner("alice")), &hub, None).await?, events))
}

fn owner(name: &str) -> Owner {
    Owner { principal: name.to_owned(), session: "s1".to_owned() }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

async fn tool(connection: &Connection, name: &str, arguments: &str) -> Result<Reply, UpstreamError> {
    let params = raw(&format!(r#"{{"name":"{name}","arguments":{arguments}}}"#));
    connection.call(Call::new("tools/call", Some(&params))).await
}

/// The text of a tool's result.
fn text(reply: Result<Reply, UpstreamError>) -> String {
    let reply = reply.unwrap();
    assert_eq!(reply.answer, Answer::Result, "{}", reply.body);
    let body: Value = serde_json::from_str(reply.body.get()).unwrap();
    body["content"][0]["text"].as_str().unwrap().to_owned()
}

/// The events that are there now, after waiting for `count` of them.
async fn events(receiver: &mut UnboundedReceiver<Event>, count: usize) -> Vec<EventKind> {
    let mut found = Vec::new();
    while found.len() < count {
        let event = tokio::time::timeout(Duration::from_secs(20), receiver.recv()).await;
        match event {
            Ok(Some(event)) => found.push(event.kind),
            _ => panic!("only {found:?}"),
        }
    }
    while let Ok(event) = receiver.try_recv() {
        found.push(event.kind);
    }
    found
}

/// Waits until the condition holds.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a process runs; a zombie does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).is_some_and(|state| state != 'Z')
}

//! A folder with a configuration, and commands run in it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const POLICY: &str = "version: 1
policy: { id: desk, version: '1' }
default: { action: DENY, reason: Ask the security team for a rule }
rules:
  - { id: reading, match: { tool: files.read_file }, action: ALLOW }
  - { id: listing, match: { tool: files.list_files }, action: STEP_UP, approvers: [security-team] }
  - { id: writing, match: { tool: files.write_file }, action: DENY, reason: Nothing is written here }
";

pub(crate) struct Home {
    folder: TempDir,
    pub(crate) url: String,
}

/// What a command said.
pub(crate) struct Said {
    args: String,
    code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_countersign")
}

impl Home {
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: String::new() }
    }

    /// The configuration of the issue with the sample server in the place of the one from npm, on a free port.
    pub(crate) fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut home = Self::empty();
        home.url = format!("http://127.0.0.1:{port}");
        for name in ["agent", "host", "bob", "ops"] {
            home.write(&format!("tokens/{name}"), &format!("{}\n", Self::token(name)));
            fs::set_permissions(home.path("tokens").join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        home.write("policies/base.yaml", POLICY);
        home.configure("");
        home
    }

    pub(crate) fn token(name: &str) -> String {
        format!("{name}-token-0123456789abcdef")
    }

    pub(crate) fn configure(&self, more: &str) {
        let listen = self.url.trim_start_matches("http://");
        let binary = binary();
        self.write(
            "countersign.yaml",
            &format!(
                "version: 1
listen: {listen}
store: {{ sqlite: ./countersign.db }}
keys: ./keys
policies: [./policies]
identity:
  tokens:
    - {{ token_file: ./tokens/agent, human: alice@example.com, service: desk, agent: desk-agent-1, roles: [analyst], scope: [files] }}
hosts: {{ tokens: [{{ token_file: ./tokens/host, name: desk }}] }}
auditors: {{ tokens: [] }}
approvers:
  security-team: {{ tokens: [{{ token_file: ./tokens/bob, name: bob@example.com }}] }}
operators: {{ tokens: [{{ token_file: ./tokens/ops, name: ops@example.com }}] }}
upstreams:
  files: {{ command: [\"{binary}\", sample-server, --only, files, --root, ./sandbox], env: {{ SECRET: env-secret-value }}, labels: [INTERNAL] }}
# Whatever a test adds follows here.
{more}"
            ),
        );
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn open_to_others(&self, name: &str) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Whether nothing above this folder keeps other users out.
    pub(crate) fn is_reachable(&self) -> bool {
        let real = self.folder.path().canonicalize().unwrap();
        real.ancestors().all(|folder| fs::metadata(folder).unwrap().mode() & 0o011 != 0)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["COUNTERSIGN_CONFIG", "COUNTERSIGN_LOG", "COUNTERSIGN_TOKEN_FILE"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| self.plain(&String::from_utf8(bytes).unwrap());
        Said {
            args: args.join(" "),
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// The folder's own name written as HOME.
    pub(crate) fn plain(&self, text: &str) -> String {
        let real = self.folder.path().canonicalize().unwrap();
        text.replace(path(&real), "HOME").replace(path(self.folder.path()), "HOME")
    }
}

/// R3.deterministic: whatever a test left in its ledger is asked again, and every ruling is made again to the byte.
impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.path("countersign.db").exists() {
            return;
        }
        let said = self.run(&["replay", "--json"]).exits(0).json();
        assert_eq!(said["lacking"], serde_json::json!({}), "{said}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Said {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\nstdout: {}\nstderr: {}", self.args, self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, out: &str) {
        assert_eq!(self.out, out, "{}", self.args);
    }

    #[track_caller]
    pub(crate) fn complains(&self, err: &str) {
        assert_eq!(self.err, err, "{}", self.args);
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{}: {error}\n{}", self.args, self.out))
    }

    #[track_caller]
    pub(crate) fn error_json(&self) -> Value {
        serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{}: {error}\n{}", self.args, self.err))
    }
}

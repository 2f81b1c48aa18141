//! The working folder: everything `up` needs, readable and small.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use countersign_store::KeyFolder;

use crate::error::CommandError;

/// Says that a folder is ours to replace.
const MARK: &str = ".countersign-quickstart";
/// Everyone who has a token.
pub(crate) const PEOPLE: [&str; 5] = ["agent", "host", "approver", "operator", "auditor"];

/// A working folder.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes a fresh one; an earlier quickstart's is replaced, anybody else's is not touched.
    pub(crate) fn make(path: &Path, port: u16) -> Result<Self, CommandError> {
        let failed = |error: &dyn std::error::Error| {
            CommandError::usage(format!("the working folder {} cannot be made", path.display()))
                .cause(error)
                .hint("name another one with --folder")
        };
        if path.exists() {
            if !path.join(MARK).is_file() {
                return Err(CommandError::usage(format!(
                    "{} is not an earlier quickstart's folder",
                    path.display()
                ))
                .hint("it is left alone; name another one with --folder"));
            }
            fs::remove_dir_all(path).map_err(|error| failed(&error))?;
        }
        for folder in [path.to_path_buf(), path.join("tokens"), path.join("policies"), path.join("desk")] {
            fs::DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(folder)
                .map_err(|error| failed(&error))?;
        }
        let path = path.canonicalize().map_err(|error| failed(&error))?;
        let folder = Self { path };
        folder.write(MARK, "Made by `countersign quickstart`, which replaces this folder each time.\n")?;
        folder.write("countersign.yaml", &configuration(port)?)?;
        folder.write("policies/desk.yaml", POLICY)?;
        for person in PEOPLE {
            let secret = countersign_gateway::mcp::server::session::secret()
                .ok_or_else(|| CommandError::bug("the system gives no randomness"))?;
            folder.write(&format!("tokens/{person}"), &format!("{secret}\n"))?;
        }
        KeyFolder::open_or_create(&folder.path.join("keys")).map_err(|error| failed(&error))?;
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.path.join("countersign.yaml")
    }

    /// Somebody's token.
    pub(crate) fn token(&self, person: &str) -> Result<String, CommandError> {
        let text = fs::read_to_string(self.path.join("tokens").join(person))
            .map_err(|error| CommandError::usage("a token cannot be read").cause(&error))?;
        Ok(text.trim().to_owned())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), CommandError> {
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path.join(name));
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| CommandError::usage(format!("{name} cannot be written")).cause(&error))
    }
}

/// The sample servers are this very binary, started as separate processes.
fn configuration(port: u16) -> Result<String, CommandError> {
    let program = std::env::current_exe()
        .map_err(|error| CommandError::bug("this program does not know where it is").cause(&error))?;
    let program = serde_json::Value::from(program.to_string_lossy().into_owned());
    Ok(format!(
        r#"# What `countersign up` reads. Paths are relative to this file.
version: 1
listen: 127.0.0.1:{port}
store: {{ sqlite: ./countersign.db }}
keys: ./keys
policies: [./policies]

# Who the agent is, and for whom it acts.
identity:
  tokens:
    - {{ token_file: ./tokens/agent, human: alice@example.com, service: desk, agent: desk-agent-1, roles: [analyst] }}
# The application that runs the agent: it alone can say what the user asked for.
hosts: {{ tokens: [{{ token_file: ./tokens/host, name: desk }}] }}
# Who answers questions, gives facts, reads receipts.
approvers:
  data-owners: {{ tokens: [{{ token_file: ./tokens/approver, name: bob@example.com }}] }}
operators: {{ tokens: [{{ token_file: ./tokens/operator, name: olga@example.com }}] }}
auditors: {{ tokens: [{{ token_file: ./tokens/auditor, name: ann@example.com }}] }}

# Three real MCP servers, each a process of its own, and what their data is.
upstreams:
  crm:
    command: [{program}, sample-server, --root, ./desk, --only, database]
    labels: [CONFIDENTIAL]
    tools:
      query_customers: {{ effect: read, selectors: [/filter] }}
      get_customer: {{ effect: read, selectors: [/id] }}
      delete_customer: {{ effect: destructive, selectors: [/id] }}
      rotate_credential: {{ effect: credential, selectors: [/name] }}
  mail:
    command: [{program}, sample-server, --root, ./desk, --only, mail]
    labels: [INTERNAL]
    tools:
      send_mail: {{ effect: write_outbound, selectors: [/to] }}
      read_mail: {{ effect: read, selectors: [/id] }}
  files:
    command: [{program}, sample-server, --root, ./desk, --only, files]
    labels: [INTERNAL]
"#
    ))
}

const POLICY: &str = r#"# Five rules, five decisions.
version: 1
policy: { id: desk, version: "1.0", description: What the desk agent may do }
internal_domains: [example.com]
default: { action: DENY, reason: Nothing runs that no rule allows }

rules:
  - id: read-and-write-at-the-desk
    match: { tool: [mail.list_mail, mail.read_mail, mail.send_mail, crm.get_customer, files] }
    action: ALLOW

  - id: customer-data-stays-inside
    match:
      tool: mail.send_mail
      parameters: { to: { external: true } }
      context: { data_classification: CONFIDENTIAL }
    action: DENY
    priority: 10
    reason: This session has read customer data, and the recipient is outside the company

  - id: small-queries-only
    match: { tool: crm.query_customers }
    action: MODIFY
    modifications: { parameters: { limit: { max: 20 } } }
    reason: No more than 20 customers at a time

  - id: deletions-need-a-data-owner
    match: { tool: crm.delete_customer }
    action: STEP_UP
    approvers: [data-owners]
    timeout: 300
    reason: Deleting a customer needs the data owner's word

  - id: rotate-in-the-maintenance-window
    match:
      tool: crm.rotate_credential
      context: { maintenance_window: open }
    action: ALLOW
    timeout: 300
    reason: Credentials are rotated while the maintenance window is open
"#;

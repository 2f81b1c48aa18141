//! A child process in a group of its own: started with little, ended as a whole.
//!
//! A process id is only ours to signal while its process is not reaped. So the end of the child is watched
//! without reaping it, the whole group is killed while the zombie still holds the number, and only then is it
//! reaped.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::AsyncRead;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::lines::{Line, Lines};

/// What to run.
pub(super) struct Program<'a> {
    pub(super) command: &'a [String],
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) cwd: &'a Path,
}

/// The pipes of a child.
pub(super) struct Pipes {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
}

/// What a child keeps of our environment.
const KEPT: &[&str] = &["PATH", "HOME", "TMPDIR", "LANG"];
const POLL: Duration = Duration::from_millis(250);
/// How long a server may take to leave by itself when its input ends.
const LEAVE: Duration = Duration::from_millis(250);
const TERMINATE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(10);
const ERROR_LINE: usize = 2048;

/// A running child; dropping it kills its group at once.
#[derive(Debug)]
pub(super) struct Process {
    // Dropped first, so that the group is killed before the child can be reaped.
    group: Group,
    child: Child,
}

impl Program<'_> {
    /// Starts the program; the error names a cause, never arguments.
    pub(super) fn start(&self) -> Result<(Process, Pipes), String> {
        let (program, arguments) = self.command.split_first().ok_or("the command is empty")?;
        let kept = KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(kept)
            .envs(self.env)
            .current_dir(self.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.kind().to_string())?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = Group { leader: pid.ok_or("it ended at once")?, alive: true };
        let pipes = match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(input), Some(output), Some(errors)) => Pipes { input, output, errors },
            _ => return Err("its pipes could not be opened".to_owned()),
        };
        Ok((Process { group, child }, pipes))
    }
}

impl Process {
    /// Waits until the child has exited, and says how; does not reap it.
    pub(super) async fn exited(&self) -> String {
        loop {
            if let Some(how) = self.group.leader_exited() {
                return how;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How the child exited, if it does so within `limit`.
    pub(super) async fn exited_within(&self, limit: Duration) -> Option<String> {
        let poll = async {
            loop {
                if let Some(how) = self.group.leader_exited() {
                    return how;
                }
                tokio::time::sleep(STEP).await;
            }
        };
        tokio::time::timeout(limit, poll).await.ok()
    }

    /// Ends the group: lets the child leave by itself, asks it to, kills what is left. The pipes must be
    /// closed.
    pub(super) async fn end(mut self) {
        if self.exited_within(LEAVE).await.is_none() {
            self.group.signal(Signal::TERM);
            self.exited_within(TERMINATE).await;
        }
        self.group.kill();
        // It was killed, so this takes a moment; an error means that it is already reaped.
        let _ = self.child.wait().await;
    }
}

/// Writes what the child says on its standard error to the debug log, line by line, long lines in pieces.
pub(super) async fn log_errors<R: AsyncRead + Unpin>(upstream: &str, errors: R) {
    let mut lines = Lines::new(errors, ERROR_LINE);
    while let Ok(Some(Line::Whole(line) | Line::Cut(line))) = lines.next().await {
        tracing::debug!(upstream, line = %String::from_utf8_lossy(line).escape_debug(), "standard error of the server");
    }
}

/// A process group, its number held by a leader that is not reaped.
#[derive(Debug)]
struct Group {
    leader: Pid,
    alive: bool,
}

impl Group {
    fn signal(&self, signal: Signal) {
        // The group may have ended by itself.
        let _ = kill_process_group(self.leader, signal);
    }

    fn kill(&mut self) {
        if std::mem::replace(&mut self.alive, false) {
            self.signal(Signal::KILL);
        }
    }

    fn leader_exited(&self) -> Option<String> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.leader), options) {
            Ok(None) => None,
            Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => format!("status {code}"),
                (_, Some(signal)) => format!("signal {signal}"),
                _ => "status unknown".to_owned(),
            }),
            Err(_) => Some("status unknown".to_owned()),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

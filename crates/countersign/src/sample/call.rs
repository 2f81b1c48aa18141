//! How one tool call is carried out: wait if asked to, take the lock, write the log line, have the effect, answer.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rmcp::handler::server::common::FromContextPart;
use rmcp::handler::server::tool::{IntoCallToolResult, ToolCallContext};
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, JsonObject, ProgressNotificationParam};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::Serialize;

use super::Server;
use super::state::{Change, View};

/// Steps, hence progress notifications, that a wait is cut into.
const STEPS: u32 = 10;

/// A tool call as it arrived; a tool takes it before its `Parameters`, which consume the arguments.
pub(super) struct Call {
    tool: String,
    arguments: JsonObject,
    request: RequestContext<RoleServer>,
}

/// Why a call was not carried out; the client gets it as a tool result with `isError`.
#[derive(Debug, thiserror::Error)]
pub(super) enum ToolError {
    /// The arguments ask for what cannot be; the text says what to send instead.
    #[error("{0}")]
    Arguments(String),
    /// The state on disk could not be read or written.
    #[error(
        "the sample server failed to {doing}: {source}; the call itself is fine, look at the folder given by --root"
    )]
    Disk {
        /// What was being done, as a verb and its object.
        doing: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The client withdrew the call before it began.
    #[error("cancelled before it began; nothing was done")]
    Cancelled,
    /// The thread that carried the call out was lost.
    #[error("the sample server lost this call; look at the state before trying again")]
    Lost,
}

impl Server {
    /// Carries out a call that only reads; several may run at once.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        call: Call,
        effect: impl FnOnce(&View) -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, ToolError> {
        let (root, log) = (Arc::clone(&self.root), self.log.clone());
        blocking(move || {
            let view = root.view().map_err(ToolError::disk("lock its state"))?;
            call.begin(log.as_deref())?;
            effect(&view)
        })
        .await
    }

    /// Carries out a call that changes state; it runs alone among all processes over the same folder.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        call: Call,
        effect: impl FnOnce(&Change) -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, ToolError> {
        let (root, log) = (Arc::clone(&self.root), self.log.clone());
        blocking(move || {
            let change = root.change().map_err(ToolError::disk("lock its state"))?;
            call.begin(log.as_deref())?;
            effect(&change)
        })
        .await
    }
}

impl Call {
    /// Waits for `delay`, telling the client how far it is if it asked, and stops at once when the call is cancelled.
    pub(super) async fn wait(&self, delay: Duration) -> Result<(), ToolError> {
        for step in 1..=STEPS {
            tokio::select! {
                () = self.request.ct.cancelled() => return Err(ToolError::Cancelled),
                () = tokio::time::sleep(delay / STEPS) => {}
            }
            if let Some(token) = self.request.meta.get_progress_token() {
                let progress = ProgressNotificationParam::new(token, f64::from(step))
                    .with_total(f64::from(STEPS))
                    .with_message(format!("{}: working", self.tool));
                // A client that no longer listens is no reason to stop; a cancelled call is, and that is asked above.
                let _ = self.request.peer.notify_progress(progress).await;
            }
        }
        Ok(())
    }

    /// The last moment at which the call can be withdrawn; after it the call is logged and takes effect.
    fn begin(&self, log: Option<&CallLog>) -> Result<(), ToolError> {
        if self.request.ct.is_cancelled() {
            return Err(ToolError::Cancelled);
        }
        log.map_or(Ok(()), |log| log.append(self))
            .map_err(ToolError::disk("append to the file given by --log"))
    }
}

impl FromContextPart<ToolCallContext<'_, Server>> for Call {
    fn from_context_part(context: &mut ToolCallContext<'_, Server>) -> Result<Self, ErrorData> {
        Ok(Self {
            tool: context.name.to_string(),
            arguments: context.arguments.clone().unwrap_or_default(),
            request: context.request_context.clone(),
        })
    }
}

impl ToolError {
    /// Makes the error for a disk operation that failed while `doing` something.
    pub(super) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Disk { doing, source }
    }
}

impl IntoCallToolResult for ToolError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::error(vec![ContentBlock::text(self.to_string())]).into())
    }
}

/// The record of executed calls, one JSON line each: `{"time", "pid", "tool", "arguments"}`.
///
/// A line is on disk before its call has any effect, so a call without a line was never executed. Several processes may
/// share one file.
pub(super) struct CallLog {
    file: File,
}

#[derive(Serialize)]
struct LogLine<'a> {
    time: String,
    pid: u32,
    tool: &'a str,
    arguments: &'a JsonObject,
}

impl CallLog {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        // Makes the name of a new file as durable as its lines.
        File::open(path.canonicalize()?.parent().unwrap_or(path))?.sync_all()?;
        Ok(Self { file })
    }

    /// One `write` of one whole line on a file opened for appending: lines of several writers never mix.
    fn append(&self, call: &Call) -> io::Result<()> {
        let mut line = serde_json::to_vec(&LogLine {
            time: jiff::Timestamp::now().to_string(),
            pid: std::process::id(),
            tool: &call.tool,
            arguments: &call.arguments,
        })?;
        line.push(b'\n');
        (&self.file).write_all(&line)?;
        self.file.sync_data()
    }
}

/// Runs what blocks on locks and disks where it keeps no other call waiting; once begun it is not interrupted.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ToolError::Lost))
}

//! The file of sessions: JSON Lines, plain or gzip.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use countersign_core::action::Arguments;
use countersign_core::policy::Fault;
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::tools::Tools;
use super::unusable;
use crate::error::CommandError;

/// What every gzip file begins with.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The lines of a file, as they come. After an error there are none.
pub(super) struct Lines {
    file: Arc<str>,
    reader: Option<Box<dyn BufRead + Send>>,
    number: usize,
}

/// A line, with its place.
pub(super) struct Line {
    /// The file it is in.
    pub(super) file: Arc<str>,
    /// Counted from 1.
    pub(super) number: usize,
    text: String,
}

impl Lines {
    /// Opens a file; gzip is told by how it begins, not by its name.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Self, CommandError> {
        let unreadable = |error: std::io::Error| {
            CommandError::usage(format!("the sessions in {} cannot be read", path.display())).cause(&error)
        };
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let zipped = file.fill_buf().map_err(unreadable)?.starts_with(GZIP);
        let reader: Box<dyn BufRead + Send> =
            if zipped { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        Ok(Self { file: path.display().to_string().into(), reader: Some(reader), number: 0 })
    }
}

impl Iterator for Lines {
    type Item = Result<Line, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut text = String::new();
            self.number += 1;
            match self.reader.as_mut()?.read_line(&mut text) {
                Ok(0) => self.reader = None,
                Ok(_) if text.trim().is_empty() => {}
                Ok(_) => {
                    // A fault at the end of a line is not one at the beginning of the next.
                    text.truncate(text.trim_end().len());
                    return Some(Ok(Line { file: Arc::clone(&self.file), number: self.number, text }));
                }
                Err(error) => {
                    self.reader = None;
                    let line = Line { file: Arc::clone(&self.file), number: self.number, text };
                    let hint = "the file is cut off or damaged; make or fetch it again";
                    return Some(Err(line.fault(1, format!("it cannot be read on: {error}"), hint)));
                }
            }
        }
    }
}

/// A recorded session.
pub(super) struct Trace {
    /// Its name in the file.
    pub(super) id: String,
    /// The human's address, or name where no address is known.
    pub(super) human: Arc<str>,
    /// What the user typed.
    pub(super) request: Option<Arc<str>>,
    /// What the agent called, in order.
    pub(super) calls: Vec<Call>,
}

/// A recorded call.
pub(super) struct Call {
    /// The tool's name, without an upstream's.
    pub(super) tool: String,
    /// The arguments, byte for byte.
    pub(super) arguments: Arguments,
    /// The result as its server would send it.
    pub(super) result: Arc<str>,
    /// Whether the result says that the tool failed.
    pub(super) failed: bool,
}

#[derive(Deserialize)]
struct Written {
    trace_id: String,
    principal: Named,
    #[serde(default)]
    original_request: Option<String>,
    calls: Vec<WrittenCall>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    email: Option<String>,
}

#[derive(Deserialize)]
struct WrittenCall {
    tool: String,
    args: Box<RawValue>,
    output: String,
    #[serde(default)]
    error: Option<String>,
}

impl Line {
    /// Reads the session that the line holds.
    ///
    /// # Errors
    /// It is malformed, or calls a tool that nobody listed.
    pub(super) fn trace(&self, tools: &Tools) -> Result<Trace, CommandError> {
        let written: Written = serde_json::from_str(&self.text).map_err(|error| {
            let said = error.to_string();
            let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
            self.fault(error.column(), said.to_owned(), "docs/src/simulate.md shows what a line holds")
        })?;
        let calls = written.calls.into_iter().enumerate();
        let calls = calls.map(|(number, call)| self.call(number, call, tools)).collect::<Result<_, _>>()?;
        Ok(Trace {
            id: written.trace_id,
            human: written.principal.email.unwrap_or(written.principal.name).into(),
            request: written.original_request.map(Arc::from),
            calls,
        })
    }

    fn call(&self, number: usize, call: WrittenCall, tools: &Tools) -> Result<Call, CommandError> {
        if !tools.has(&call.tool) {
            let message = format!("call {number} is of `{}`, which is not among the tools", call.tool);
            return Err(self.fault(1, message, "list it in the file that --tools names"));
        }
        let arguments = Arguments::parse(call.args.get()).map_err(|error| {
            self.fault(1, format!("call {number}, of `{}`: {error}", call.tool), "write `args` as an object")
        })?;
        let error = call.error.filter(|error| !error.is_empty());
        let failed = error.is_some();
        let text = if call.output.is_empty() { error.unwrap_or_default() } else { call.output };
        Ok(Call { tool: call.tool, arguments, result: result(&text, failed), failed })
    }

    /// Something is wrong at this line.
    pub(super) fn fault(&self, column: usize, message: String, hint: &str) -> CommandError {
        unusable([Fault {
            file: Arc::clone(&self.file),
            line: self.number,
            column,
            message,
            hint: Some(hint.to_owned()),
        }])
    }
}

/// The text in a `tools/call` result, as MCP servers send it.
fn result(text: &str, failed: bool) -> Arc<str> {
    let mut result = serde_json::json!({ "content": [{ "type": "text", "text": text }] });
    if failed && let Some(result) = result.as_object_mut() {
        result.insert("isError".to_owned(), true.into());
    }
    result.to_string().into()
}

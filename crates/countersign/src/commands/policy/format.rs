//! `countersign policy fmt [--check] PATH...`: policy files in one layout.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_core::policy::Fault;
use countersign_core::policy::layout::{Layout, format};
use serde::Serialize;

use crate::commands::Context;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies::Files;

/// Which files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders of policy files
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Write nothing; the answer is no where a file has another layout
    #[arg(long)]
    check: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    let files = Files::read(&args.paths)
        .map_err(|error| CommandError::usage("the files cannot be read").cause(&error))?;
    let (mut formatted, mut faults) = (Formatted { check: args.check, ..Formatted::default() }, Vec::new());
    let mut to_write = Vec::new();
    for (path, bytes) in files.each() {
        match format(&path.display().to_string(), bytes) {
            Err(found) => faults.extend(found),
            Ok(Layout::Kept { line, why }) => formatted.left.push(left(path, line, why)),
            Ok(Layout::Text(text)) if text.as_bytes() == bytes => formatted.same += 1,
            Ok(Layout::Text(text)) => to_write.push((path, text)),
        }
    }
    if !faults.is_empty() {
        return Err(CommandError::configuration("files that are faulty are not formatted, and so none is")
            .faults(faults));
    }
    for (path, text) in to_write {
        if !args.check {
            write(path, &text)?;
        }
        formatted.changed.push(path.display().to_string());
    }
    let exit = if args.check && !formatted.changed.is_empty() { Exit::No } else { Exit::Ok };
    context.output.show(&formatted)?;
    Ok(exit)
}

/// Puts the whole file in the place of the old one, which keeps its rights.
fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let draft = path.with_extension(format!("{}.part", std::process::id()));
    let written = fs::write(&draft, text)
        .and_then(|()| fs::set_permissions(&draft, fs::metadata(path)?.permissions()))
        .and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| {
        // Nobody is left to tell that it stays behind.
        let _ = fs::remove_file(&draft);
        CommandError::usage(format!("{} cannot be written", path.display())).cause(&error)
    })
}

fn left(path: &Path, line: usize, why: &str) -> Fault {
    let (file, message) = (path.display().to_string().into(), why.to_owned());
    Fault { file, line, column: usize::from(line > 0), message, hint: None }
}

#[derive(Default, Serialize)]
struct Formatted {
    /// Whether nothing was written.
    check: bool,
    /// Files that have, or had, another layout.
    changed: Vec<String>,
    /// How many have it already.
    same: usize,
    /// Files that cannot be laid out safely, and why.
    #[serde(serialize_with = "faults_json")]
    left: Vec<Fault>,
}

fn faults_json<S: serde::Serializer>(faults: &[Fault], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(faults.iter().map(crate::output::fault_json))
}

impl View for Formatted {
    fn show(&self, page: &mut Page) {
        for file in &self.changed {
            page.line(&format!("{file}{}", if self.check { " has another layout" } else { "" }));
        }
        for fault in &self.left {
            page.warning(&format!("left as it is: {fault}"));
        }
        let (done, changed) = (if self.check { "would change" } else { "changed" }, self.changed.len());
        let sum = format!("{changed} {done}, {} in layout, {} left as they are.", self.same, self.left.len());
        if self.check && changed > 0 { page.bad(&sum) } else { page.good(&sum) }
    }
}

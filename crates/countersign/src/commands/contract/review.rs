//! `countersign contract review`: what a person has to look at, and the file of what was looked at.
//!
//! The file belongs to the person who edits it. New tools are put at its end; nothing in it is changed but the digest of a
//! tool that `--accept` names.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use countersign_core::contract::file;
use serde::Serialize;

use super::Context;
use super::definitions::{From, Tool, Tools};
use super::show::{Shown, find};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// What to review.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to write or to add to; without it, the one that is read
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Take the changed definition of this tool as reviewed
    #[arg(long, value_name = "NAME")]
    accept: Vec<String>,
    #[command(flatten)]
    from: From,
}

const BEGINNING: &str = "\
# What tools do, for a person to correct. Everything here was derived from the tools' definitions by general rules.
# An entry holds for the definition whose digest it names; when a server lists another one, it can only raise.
# Words and rules: docs/src/contracts.md. New tools are added at the end by `countersign contract review`.
version: 1
tools:
";

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    let mut tools = args.from.tools(context, true).await?;
    let target = args.out.clone().or_else(|| tools.file.clone());
    if let Some(out) = args.out.as_ref().filter(|out| out.exists() && Some(*out) != tools.file.as_ref()) {
        tools.reviewed = crate::config::reviewed(out)?;
    }
    let written = match &target {
        Some(target) => Some(write(target, &tools, &args.accept)?),
        None if args.accept.is_empty() => None,
        None => {
            return Err(CommandError::usage("there is no file to accept in").hint("name it with --out FILE"));
        }
    };
    let review = Review::of(&tools, written, target.as_deref());
    context.output.show(&review)?;
    tools.silent.iter().for_each(|silent| context.output.warn(silent));
    Ok(if review.changed.is_empty() { Exit::Ok } else { Exit::No })
}

/// What was written.
struct Written {
    added: Vec<String>,
    accepted: Vec<String>,
}

/// Brings the file up to date, as a whole or not at all.
fn write(target: &Path, tools: &Tools, accept: &[String]) -> Result<Written, CommandError> {
    let unusable = || CommandError::usage(format!("{} cannot be written", target.display()));
    let before = match fs::read_to_string(target) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BEGINNING.to_owned(),
        Err(error) => return Err(unusable().cause(&error)),
    };
    let mut lines: Vec<String> = before.lines().map(str::to_owned).collect();
    let mut accepted = Vec::new();
    for name in accept {
        let tool = find(tools, name)?;
        let Some(review) =
            tools.reviewed.get(&tool.upstream, &tool.name).filter(|r| r.digest() != tool.digest)
        else {
            return Err(CommandError::usage(format!(
                "{} has not changed since it was reviewed",
                tool.full_name()
            )));
        };
        if let Some(line) = review.digest_line().checked_sub(1).and_then(|at| lines.get_mut(at)) {
            *line = line.replace(review.digest(), &tool.digest);
            accepted.push(tool.full_name());
        }
    }
    let new: Vec<&Tool> =
        tools.listed.iter().filter(|tool| tools.reviewed.get(&tool.upstream, &tool.name).is_none()).collect();
    let mut text = lines.join("\n") + "\n";
    for tool in &new {
        text += &file::entry(&tool.upstream, &tool.definition(), &tool.contract);
    }
    let added = new.iter().map(|tool| tool.full_name()).collect();
    let name = target.display().to_string();
    file::read(&name, text.as_bytes()).map_err(|faults| {
        unusable().faults(faults).hint("keep `tools:` last in the file, its entries indented by two spaces")
    })?;
    if text != before {
        replace(target, &text).map_err(|error| unusable().cause(&error))?;
    }
    Ok(Written { added, accepted })
}

/// Writes a file beside the old one and puts it in its place.
fn replace(target: &Path, text: &str) -> std::io::Result<()> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let beside = target.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create_new(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        if let Ok(old) = fs::metadata(target) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&beside, target)
    });
    if written.is_err() {
        // What is left of it is of no use to anybody.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// What there is to look at.
#[derive(Serialize)]
struct Review {
    file: Option<PathBuf>,
    added: Vec<String>,
    accepted: Vec<String>,
    /// Tools whose definition is not the reviewed one any more.
    changed: Vec<String>,
    /// What was derived and nobody has reviewed: what is in doubt first.
    tools: Vec<Shown>,
    #[serde(skip)]
    doubtful: usize,
}

impl Review {
    fn of(tools: &Tools, written: Option<Written>, file: Option<&Path>) -> Self {
        let Written { added, accepted } =
            written.unwrap_or(Written { added: Vec::new(), accepted: Vec::new() });
        let changed =
            |tool: &&Tool| tool.review(&tools.reviewed) == "changed" && !accepted.contains(&tool.full_name());
        let mut open: Vec<&Tool> =
            tools.listed.iter().filter(|tool| tool.review(&tools.reviewed) != "reviewed").collect();
        open.sort_by_key(|tool| tool.doubts().is_empty());
        let doubtful = open.iter().filter(|tool| !tool.doubts().is_empty()).count();
        let changed = tools.listed.iter().filter(changed).map(Tool::full_name).collect();
        let shown = open.into_iter().map(|tool| Shown::of(tool, tools)).collect();
        Self { file: file.map(Path::to_owned), added, accepted, changed, tools: shown, doubtful }
    }
}

impl View for Review {
    fn show(&self, page: &mut Page) {
        for tool in &self.tools {
            tool.show(page);
            page.blank();
        }
        page.heading(&format!("{} tools to look at, {} of them in doubt", self.tools.len(), self.doubtful));
        match &self.file {
            None => page.line("Nothing is written: name a file with --out FILE, and `contracts: FILE` in the configuration."),
            Some(file) if !self.added.is_empty() => {
                page.good(&format!("{} tools are added to {}: correct them there.", self.added.len(), file.display()));
            }
            Some(file) => page.line(&format!("{} has an entry for every tool.", file.display())),
        }
        for tool in &self.accepted {
            page.good(&format!("{tool}: the changed definition is taken as reviewed."));
        }
        for tool in &self.changed {
            page.warning(&format!(
                "{tool} is not what was reviewed. Look at its entry, then: countersign contract review --accept {tool}"
            ));
        }
    }
}

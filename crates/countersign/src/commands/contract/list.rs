//! `countersign contract list`.

use serde::Serialize;

use super::Context;
use super::definitions::{From, Tool, Tools};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// What to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    from: From,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    let tools = args.from.tools(context, false).await?;
    context.output.show(&List::of(&tools))?;
    tools.silent.iter().for_each(|silent| context.output.warn(silent));
    Ok(Exit::Ok)
}

/// All tools.
#[derive(Serialize)]
struct List {
    tools: Vec<Line>,
    /// Reviewed tools that no server lists.
    gone: Vec<String>,
    silent: Vec<String>,
}

/// One tool.
#[derive(Serialize)]
struct Line {
    tool: String,
    effect: &'static str,
    selectors: Option<Vec<String>>,
    does: Vec<String>,
    review: &'static str,
    doubts: usize,
    digest: String,
}

impl List {
    fn of(tools: &Tools) -> Self {
        let line = |tool: &Tool| Line {
            tool: tool.full_name(),
            effect: tool.contract.effect.as_str(),
            selectors: tool.contract.selectors.clone(),
            does: tool.contract.meaning.as_ref().map(|m| m.families.words()).unwrap_or_default(),
            review: tool.review(&tools.reviewed),
            doubts: tool.doubts().len(),
            digest: tool.digest.clone(),
        };
        let lines: Vec<Line> = tools.listed.iter().map(line).collect();
        let asked =
            |name: &str| tools.listed.iter().any(|tool| name.starts_with(&format!("{}.", tool.upstream)));
        let gone =
            tools.reviewed.names().filter(|name| asked(name) && !lines.iter().any(|line| line.tool == *name));
        Self { gone: gone.map(str::to_owned).collect(), tools: lines, silent: tools.silent.clone() }
    }
}

impl View for List {
    fn show(&self, page: &mut Page) {
        let row = |line: &Line| {
            let selectors = line.selectors.as_ref().map_or_else(|| "-".to_owned(), |list| list.join(" "));
            let doubts = if line.doubts == 0 { String::new() } else { line.doubts.to_string() };
            [line.tool.clone(), line.effect.to_owned(), selectors, line.review.to_owned(), doubts]
        };
        page.table(["TOOL", "EFFECT", "SELECTORS", "CONTRACT", "DOUBTS"], self.tools.iter().map(row));
        for gone in &self.gone {
            page.warning(&format!("{gone} is reviewed, and no server lists it."));
        }
        if self.tools.iter().any(|line| line.review == "changed") {
            page.warning("A changed definition is not the one that was reviewed: `countersign contract review` shows it.");
        }
    }
}

//! `countersign contract show NAME`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Context;
use super::definitions::{From, Tool, Tools};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tool: `upstream.tool`, or its own name where only one tool bears it
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    from: From,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    let tools = args.from.tools(context, false).await?;
    let tool = find(&tools, &args.name)?;
    context.output.show(&Shown::of(tool, &tools))?;
    Ok(Exit::Ok)
}

/// The one tool of a name.
pub(super) fn find<'a>(tools: &'a Tools, name: &str) -> Result<&'a Tool, CommandError> {
    let whole = tools.listed.iter().find(|tool| tool.full_name() == name);
    let mut bare = tools.listed.iter().filter(|tool| tool.name == name);
    match (whole, bare.next(), bare.next()) {
        (Some(tool), _, _) | (None, Some(tool), None) => Ok(tool),
        (None, Some(one), Some(other)) => {
            let message = format!("`{name}` is the name of {} and of {}", one.full_name(), other.full_name());
            Err(CommandError::usage(message).hint("name it as upstream.tool"))
        }
        (None, None, _) => {
            let missing = CommandError::no(format!("no tool is called `{name}`"));
            let missing = missing.hint("`countersign contract list` shows all");
            Err(tools.silent.iter().cloned().fold(missing, CommandError::hint))
        }
    }
}

/// One contract.
#[derive(Serialize)]
pub(super) struct Shown {
    tool: String,
    review: &'static str,
    effect: &'static str,
    verb: String,
    does: Vec<String>,
    about: Vec<String>,
    roles: BTreeMap<String, &'static str>,
    selectors: Option<Vec<String>>,
    output: serde_json::Value,
    doubts: Vec<String>,
    digest: String,
}

impl Shown {
    /// What is known of a tool.
    pub(super) fn of(tool: &Tool, tools: &Tools) -> Self {
        let meaning = tool.contract.meaning.as_deref().cloned().unwrap_or_default();
        let output = &meaning.output;
        Self {
            tool: tool.full_name(),
            review: tool.review(&tools.reviewed),
            effect: tool.contract.effect.as_str(),
            does: meaning.families.words(),
            about: meaning.nouns.words(),
            roles: meaning.roles.iter().map(|(pattern, role)| (pattern.clone(), role.as_str())).collect(),
            selectors: tool.contract.selectors.clone(),
            output: serde_json::json!({ "shape": output.shape, "store": output.store, "writers": output.writers }),
            verb: meaning.verb,
            doubts: meaning.doubts,
            digest: tool.digest.clone(),
        }
    }
}

impl View for Shown {
    fn show(&self, page: &mut Page) {
        page.heading(&self.tool);
        page.pair("effect", self.effect);
        let verb = if self.verb.is_empty() {
            "no verb is known".to_owned()
        } else {
            format!("verb `{}`", self.verb)
        };
        page.pair("does", &format!("{} ({verb})", listed(&self.does)));
        page.pair("about", &listed(&self.about));
        let word = |name: &str| {
            self.output.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
        };
        page.pair("output", &format!("{}, kept by: {}", word("shape"), word("store")));
        for (field, writer) in
            self.output.get("writers").and_then(|value| value.as_object()).into_iter().flatten()
        {
            page.pair("", &format!("{field} is written by {}", writer.as_str().unwrap_or_default()));
        }
        page.pair(
            "contract",
            match self.review {
                "reviewed" => "reviewed",
                "changed" => "reviewed for another definition: the more dangerous of both holds",
                _ => "derived, and reviewed by nobody",
            },
        );
        page.pair("definition", &self.digest);
        page.table(
            ["ARGUMENT", "ROLE", ""],
            self.roles
                .iter()
                .map(|(pattern, role)| [pattern.clone(), (*role).to_owned(), what(role).to_owned()]),
        );
        if self.roles.is_empty() {
            page.faint("It takes no arguments.");
        }
        for doubt in &self.doubts {
            page.warning(&format!("In doubt: {doubt}."));
        }
    }
}

fn listed(words: &[String]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

/// What a role is, in a few words.
fn what(role: &str) -> &'static str {
    match role {
        "credential" => "selects: a secret that is set or used",
        "code" => "selects: a program, query or command",
        "url" => "selects: where a request goes",
        "payee" => "selects: who gets money",
        "party" => "selects: who gets it or gets access",
        "resource" => "selects: what is acted on",
        "amount" => "how much",
        "privilege" => "which rights",
        "label" => "what something is called",
        "payload" => "free content",
        "time" => "when",
        "harmless" => "no authority",
        _ => "of unknown purpose",
    }
}

//! `countersign approvals list|approve|deny`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Context;
use super::halt::receipt;
use crate::client::{self, Asking, Client};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// What to do with what waits for approval.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// What waits for an answer of yours, with everything that you need to give one
    List(Asking),
    /// Let one action run, once
    Approve(Answer),
    /// Refuse one action
    Deny(Answer),
}

/// An answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Answer {
    /// Which action: the id that `approvals list` shows
    #[arg(value_name = "ID")]
    id: String,
    /// Why; committed to in the receipt
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    asking: Asking,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    match args {
        Args::List(asking) => {
            let answer = Client::asking(&asking, context)?.get("/v1/approvals").await?;
            context.output.show(&Waiting::of(answer)?)?;
        }
        Args::Approve(answer) => decide(&answer, "approve", context).await?,
        Args::Deny(answer) => decide(&answer, "deny", context).await?,
    }
    Ok(Exit::Ok)
}

async fn decide(args: &Answer, decision: &'static str, context: &Context) -> Result<(), CommandError> {
    if args.id.is_empty() || !args.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(CommandError::usage(format!("`{}` is not the id of an action", args.id))
            .hint("`countersign approvals list` shows the ids"));
    }
    let client = Client::asking(&args.asking, context)?;
    let body = json!({ "decision": decision, "reason": args.reason });
    let answer = client.post(&format!("/v1/approvals/{}", args.id), body).await?;
    context.output.show(&Answered { id: args.id.clone(), decision, answer })
}

/// What the daemon lists, to the letter.
#[derive(Serialize)]
#[serde(transparent)]
struct Waiting {
    exact: Box<RawValue>,
    #[serde(skip)]
    questions: Vec<(Value, String)>,
}

/// The arguments of each question as their exact text: what is approved is that text, not what a reader makes of it.
#[derive(Deserialize)]
struct Listed {
    approvals: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    action: Action,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    arguments: Option<Box<RawValue>>,
}

impl Waiting {
    fn of(answer: client::Answer) -> Result<Self, CommandError> {
        let read = answer.exact.and_then(|exact| {
            let listed: Listed = serde_json::from_str(exact.get()).ok()?;
            let arguments = listed.approvals.into_iter().map(|question| {
                question.action.arguments.map_or_else(String::new, |arguments| arguments.get().to_owned())
            });
            let questions = list(&answer.body, "/approvals").iter().cloned().zip(arguments).collect();
            Some(Self { exact, questions })
        });
        read.ok_or_else(|| {
            CommandError::away("the daemon's list of approvals is not one that this program knows")
                .hint("use the program and the daemon of one version")
        })
    }
}

impl View for Waiting {
    fn show(&self, page: &mut Page) {
        if self.questions.is_empty() {
            page.line("Nothing waits for your approval.");
            return;
        }
        for (question, arguments) in &self.questions {
            show(page, question, arguments);
            page.blank();
        }
        page.faint("Answer with: countersign approvals approve|deny ID --token-file FILE");
    }
}

/// One question, in the order in which it is thought about.
fn show(page: &mut Page, question: &Value, arguments: &str) {
    let text = |pointer: &str| question.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    page.heading(text("/id"));
    let called = match text("/action/original") {
        "" => String::new(),
        original => format!(", called as {original}"),
    };
    page.pair("wants", &format!("{} {arguments}", text("/action/tool")));
    page.pair("effect", &format!("{}{called}", text("/action/effect")));
    for edit in list(question, "/edits") {
        let part = |name: &str| edit.get(name).map(plain).unwrap_or_default();
        page.pair("changed to", &format!("{} {} {}", part("path"), part("op"), part("value")));
    }
    let who = |role: &str| text(&format!("/identity/{role}/id")).to_owned();
    let known = text("/identity/source");
    page.pair(
        "who",
        &format!("{} of {}, for {} (known by {known})", who("agent"), who("service"), who("human")),
    );
    let request = text("/original_request");
    page.pair(
        "user asked",
        if request.is_empty() { "(nobody entitled said what the user asked)" } else { request },
    );
    page.pair("why", &format!("{} ({})", text("/reason"), joined(question, "/rules", ", ")));
    let prior = question.pointer("/prior_actions").and_then(Value::as_object).into_iter().flatten();
    let prior: Vec<String> = prior.map(|(tool, count)| format!("{tool} x{count}")).collect();
    page.pair("before this", if prior.is_empty() { "nothing".to_owned() } else { prior.join(", ") }.as_str());
    page.pair("data seen", &joined(question, "/classifications", ", "));
    let groups: Vec<String> =
        list(question, "/approvers").iter().map(|clause| joined(clause, "", " or ")).collect();
    page.pair(
        "asked",
        if groups.is_empty() { "any approver".to_owned() } else { groups.join(" and ") }.as_str(),
    );
    page.pair("policy", &format!("{} version {}", text("/policy/id"), text("/policy/version")));
    page.pair("session", &format!("{} ({})", text("/session"), text("/source")));
    page.pair("refused at", text("/deadline"));
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn joined(value: &Value, pointer: &str, between: &str) -> String {
    list(value, pointer).iter().map(plain).collect::<Vec<_>>().join(between)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[derive(Serialize)]
struct Answered {
    id: String,
    decision: &'static str,
    /// What the daemon said, with the receipt.
    answer: Value,
}

impl View for Answered {
    fn show(&self, page: &mut Page) {
        if self.decision == "approve" {
            page.good(&format!("{} is approved.", self.id));
            page.faint("It runs when its caller still waits or asks again; then it is decided once more under the rules in force.");
        } else {
            page.warning(&format!("{} is refused.", self.id));
        }
        if let Some(receipt) = receipt(&self.answer) {
            page.pair("receipt", receipt);
        }
    }
}

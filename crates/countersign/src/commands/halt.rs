//! `countersign halt`.

use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use crate::client::{Asking, Client};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// What to stop, in whose name, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    scope: Scope,
    /// Why; it stands in the receipt
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Take the halt back instead
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Exactly one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Scope {
    /// Everything
    #[arg(long)]
    all: bool,
    /// One session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Whatever is done on behalf of one person
    #[arg(long, value_name = "ID")]
    human: Option<String>,
    /// Whatever one agent does
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Whatever reaches one upstream
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
}

impl Scope {
    fn words(&self) -> (&'static str, &str) {
        let named = [
            ("session", &self.session),
            ("human", &self.human),
            ("agent", &self.agent),
            ("upstream", &self.upstream),
        ];
        named.iter().find_map(|(scope, id)| Some((*scope, id.as_deref()?))).unwrap_or(("all", ""))
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let (scope, id) = args.scope.words();
    let client = Client::asking(&args.asking, context)?;
    let body = json!({ "scope": scope, "id": id, "reason": args.reason, "resume": args.resume });
    let answer = client.post("/v1/halt", body).await?;
    let done = Done { scope, id: id.to_owned(), resumed: args.resume, answer };
    context.output.show(&done)?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Done {
    scope: &'static str,
    id: String,
    resumed: bool,
    /// What the daemon said, with the receipt.
    answer: Value,
}

impl View for Done {
    fn show(&self, page: &mut Page) {
        let what = match self.scope {
            "all" => "Everything".to_owned(),
            scope => format!("What concerns the {scope} {}", self.id),
        };
        if self.resumed {
            page.good(&format!("{what} goes on."));
        } else {
            page.warning(&format!("{what} is stopped: no new call runs, and what was waiting is refused."));
            page.faint("Calls that were already running are not interrupted. Take it back with --resume.");
        }
        if let Some(receipt) = receipt(&self.answer) {
            page.pair("receipt", receipt);
        }
    }
}

/// The receipt that an answer names.
pub(super) fn receipt(answer: &Value) -> Option<&str> {
    let receipt = answer.get("receipt")?;
    receipt.as_str().or_else(|| receipt.get("id").and_then(Value::as_str))
}

//! `countersign policy apply [PATH...]`: a set put in force as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{Asking, Client};
use crate::commands::Context;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies;

/// Which set, and how sure somebody is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders of policy files; without any, the configured ones
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The set may be looser than the one in force: drop or rewrite rules that restrain, or have a milder default
    #[arg(long)]
    yes: bool,
    /// Only say what would change
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    asking: Asking,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let paths = if args.paths.is_empty() { context.config()?.policies } else { args.paths };
    // What is faulty is told here, with the places in the files, and never sent.
    let (_, set) = policies::read_and_load(&paths)?;
    let files: BTreeMap<&str, &str> = set.source().files().collect();
    let client = Client::asking(&args.asking, context)?;
    let body = json!({ "files": files, "looser": args.yes, "check": args.check });
    let answer = client.post("/v1/policy", body).await?;
    let unknown = |error: serde_json::Error| {
        CommandError::away("the daemon answered what this program does not understand").cause(&error)
    };
    let told: Told = serde_json::from_value(answer).map_err(unknown)?;
    context.output.show(&Applied { checked: args.check, told })?;
    Ok(Exit::Ok)
}

/// What the daemon says.
#[derive(Serialize, serde::Deserialize)]
struct Told {
    policy: Policy,
    rules: usize,
    #[serde(default)]
    receipt: Option<Value>,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
    sections: Vec<String>,
    loosens: Vec<String>,
}

#[derive(Serialize, serde::Deserialize)]
struct Policy {
    id: String,
    version: String,
    digest: String,
}

#[derive(Serialize)]
struct Applied {
    checked: bool,
    #[serde(flatten)]
    told: Told,
}

impl View for Applied {
    fn show(&self, page: &mut Page) {
        let Told { policy, rules, receipt, added, removed, changed, sections, loosens } = &self.told;
        let named = format!("{} version {}, {rules} rules, {}", policy.id, policy.version, policy.digest);
        for (what, which) in
            [("added", added), ("removed", removed), ("changed", changed), ("other sections", sections)]
        {
            if !which.is_empty() {
                page.pair(what, &which.join(", "));
            }
        }
        for loosens in loosens {
            page.warning(&format!("looser: {loosens}"));
        }
        match (self.checked, receipt.as_ref().and_then(|receipt| receipt.get("id")?.as_str())) {
            (true, _) if loosens.is_empty() => page.good(&format!("It could be applied: {named}.")),
            (true, _) => page.warning(&format!("It could be applied with --yes: {named}.")),
            (false, Some(receipt)) => {
                page.good(&format!("In force: {named}."));
                page.pair("receipt", receipt);
            }
            (false, None) => page.line(&format!("It was in force already: {named}.")),
        }
    }
}

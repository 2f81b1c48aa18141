//! `countersign policy shadow`: what candidates that were decided beside the set in force would have done otherwise.

use std::collections::BTreeMap;

use countersign_engine::ports::Query;
use countersign_receipt::v1::Kind;
use serde::Serialize;

use crate::commands::replay::{Changes, Says};
use crate::commands::{Context, receipt};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// Which rulings.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only rulings of this session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let ledger = receipt::open(&context.config()?, None)?;
    let query = Query { chain: args.session.as_deref().map(receipt::session), ..Query::default() };
    let mut found = BTreeMap::<String, Candidate>::new();
    let mut rulings = 0;
    receipt::each(&ledger, query, |stored| {
        let unsound = |error: &dyn std::error::Error| {
            CommandError::store(format!("receipt {} in the ledger is not one", stored.digest)).cause(error)
        };
        let receipt =
            countersign_receipt::parse(stored.body.as_bytes()).map_err(|error| unsound(&error))?.receipt;
        rulings += usize::from(receipt.kind == Kind::Ruling);
        let (Some(would), Some(decision), Some(action)) =
            (&receipt.would_have, &receipt.decision, &receipt.action)
        else {
            return Ok(());
        };
        let candidate = found.entry(would.policy.digest.clone()).or_insert_with(|| Candidate {
            id: would.policy.id.clone(),
            version: would.policy.version.clone(),
            digest: would.policy.digest.clone(),
            changes: Changes::default(),
        });
        candidate.changes.note(
            &action.name,
            receipt.id.clone(),
            Says::recorded(decision),
            Says::would_have(would),
        );
        Ok(())
    })
    .await?;
    let report = Report { rulings, candidates: found.into_values().collect() };
    context.output.show(&report)?;
    Ok(if report.candidates.is_empty() { Exit::Ok } else { Exit::No })
}

#[derive(Serialize)]
struct Report {
    /// Rulings that were looked at.
    rulings: usize,
    /// Those sets that would have ruled some of them otherwise.
    candidates: Vec<Candidate>,
}

#[derive(Serialize)]
struct Candidate {
    id: String,
    version: String,
    digest: String,
    #[serde(flatten)]
    changes: Changes,
}

impl View for Report {
    fn show(&self, page: &mut Page) {
        page.pair("rulings", &self.rulings.to_string());
        if self.candidates.is_empty() {
            page.good("No candidate would have done otherwise.");
        }
        for Candidate { id, version, digest, changes } in &self.candidates {
            page.blank();
            page.heading(&format!(
                "{id} version {version}, {digest}, not enforced, would have done otherwise:"
            ));
            changes.groups(page, "in force", "candidate");
        }
    }
}

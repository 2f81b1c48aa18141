//! `countersign receipt list`.

use countersign_core::names::ActionId;
use countersign_engine::ports::{Ledger as _, Query};
use countersign_receipt::v1::Receipt;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{open, session, unread, words};
use crate::commands::Context;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// Which receipts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of one session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only those of one action
    #[arg(long, value_name = "ID")]
    action: Option<String>,
    /// At most so many; 0 = all
    #[arg(long, value_name = "N", default_value_t = 30)]
    limit: usize,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let ledger = open(&context.config()?, None)?;
    let query = Query {
        chain: args.session.as_deref().map(session),
        action: args.action.as_deref().map(ActionId::new),
        limit: args.limit,
        newest: true,
        ..Query::default()
    };
    let found = ledger.receipts(&query).await.map_err(|error| unread(&error))?;
    let mut receipts = Vec::new();
    for stored in found {
        let unsound = |why: String| {
            CommandError::store(format!("receipt {} in the ledger is not one: {why}", stored.digest))
        };
        let receipt =
            countersign_receipt::parse(stored.body.as_bytes()).map_err(|error| unsound(error.to_string()))?;
        let text =
            RawValue::from_string(stored.body.to_string()).map_err(|error| unsound(error.to_string()))?;
        receipts.push(Line { receipt: receipt.receipt, text });
    }
    context.output.show(&Listed { receipts })?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Listed {
    receipts: Vec<Line>,
}

struct Line {
    receipt: Receipt,
    text: Box<RawValue>,
}

impl Serialize for Line {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl View for Listed {
    fn show(&self, page: &mut Page) {
        if self.receipts.is_empty() {
            page.line("There is no such receipt.");
        }
        let row = |Line { receipt, .. }: &Line| {
            let tool = receipt.action.as_ref().map_or_else(String::new, |action| action.name.clone());
            [receipt.at.to_string(), receipt.kind.to_string(), words::gist(receipt), tool, receipt.id.clone()]
        };
        page.table(["AT", "KIND", "WHAT", "TOOL", "RECEIPT"], self.receipts.iter().map(row));
    }
}

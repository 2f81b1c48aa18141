//! `countersign receipt list|show|verify|export`: straight from the ledger, whether or not the daemon runs.

mod export;
mod list;
mod show;
mod verify;
mod words;

use std::path::Path;
use std::sync::Arc;

use countersign_core::names::{Chain, SessionId};
use countersign_engine::ports::{Ledger as _, LedgerError, Query, RecordKind, Stored};
use countersign_receipt::v1::Disclosures;
use countersign_store::{DisclosureKey, OpenError, Sqlite};

use super::Context;
use crate::config::Config;
use crate::error::{CommandError, Exit};

pub(crate) use verify::verify_ledger;

pub(crate) use export::to_file;
pub(crate) use words::{story, would_have};

/// How many receipts are read at once.
const PAGE: usize = 500;

/// What to do with receipts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// The newest receipts, oldest first
    List(list::Args),
    /// One receipt, or all of one action, explained
    Show(show::Args),
    /// Whether receipts are genuine, unchanged and complete: a file's, or the whole ledger's
    Verify(verify::Args),
    /// Write receipts to a file, one a line, for those who verify them elsewhere
    Export(export::Args),
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    match args {
        Args::List(args) => list::run(args, context).await,
        Args::Show(args) => show::run(args, context).await,
        Args::Verify(args) => verify::run(args, context).await,
        Args::Export(args) => export::run(args, context).await,
    }
}

/// Opens the ledger for reading. Without a key, what is disclosed stays closed.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn open(config: &Config, key: Option<&DisclosureKey>) -> Result<Sqlite, CommandError> {
    open_at(&config.store, key)
}

/// The same of a ledger's file.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn open_at(file: &Path, key: Option<&DisclosureKey>) -> Result<Sqlite, CommandError> {
    Sqlite::open_read_only(file, key).map_err(|error| unopened(&error))
}

/// What is wrong with a ledger, and what to do.
pub(crate) fn unopened(error: &OpenError) -> CommandError {
    let failed = CommandError::store("the ledger cannot be opened").cause(error);
    match error {
        OpenError::Missing(_) => failed.hint("`countersign up` makes it when it first starts"),
        _ => failed,
    }
}

/// What is wrong with reading a ledger.
pub(crate) fn unread(error: &LedgerError) -> CommandError {
    let failed = CommandError::store("the ledger cannot be read").cause(error);
    match error {
        LedgerError::Damaged(_) => failed.hint("keep the file as it is, and bring it back from a backup"),
        LedgerError::Unavailable(_) => failed,
    }
}

/// Hands every receipt that a query finds to `each`, in order, a page at a time.
///
/// # Errors
/// The ledger cannot be read, or `each` fails.
pub(crate) async fn each(
    ledger: &Sqlite,
    mut query: Query,
    mut each: impl FnMut(&Stored) -> Result<(), CommandError>,
) -> Result<usize, CommandError> {
    query.limit = PAGE;
    let mut count = 0;
    loop {
        let page = ledger.receipts(&query).await.map_err(|error| unread(&error))?;
        page.iter().try_for_each(&mut each)?;
        count += page.len();
        match page.last().map(|stored| &stored.kind) {
            Some(RecordKind::Receipt { id, .. }) if page.len() == PAGE => query.after = Some(Arc::clone(id)),
            _ => return Ok(count),
        }
    }
}

/// The chain of a session.
pub(crate) fn session(id: &str) -> Chain {
    Chain::Session(SessionId::new(id))
}

/// A stored receipt as it is handed out: with its disclosures, where they were opened.
fn text(stored: &Stored) -> Result<String, CommandError> {
    let Some(disclosed) = &stored.disclosures else { return Ok(stored.body.to_string()) };
    let damaged = |why: String| CommandError::store(format!("a disclosure in the ledger is damaged: {why}"));
    // The error of the JSON reader could quote what is disclosed.
    let disclosures: Disclosures =
        serde_json::from_str(disclosed).map_err(|_| damaged(format!("receipt {}", stored.digest)))?;
    countersign_receipt::sign::disclose(&stored.body, &disclosures)
        .map_err(|error| damaged(error.to_string()))
}

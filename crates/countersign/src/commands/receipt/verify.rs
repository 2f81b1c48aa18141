//! `countersign receipt verify [FILE]`.

use std::path::{Path, PathBuf};

use countersign_core::names::Chain;
use countersign_engine::ports::{Ledger as _, LedgerError, Query};
use countersign_receipt::keys::KeySet;
use countersign_receipt::verify::{Export, Report, Verified, VerifyError};
use countersign_store::Sqlite;
use serde::Serialize;

use super::{each, open, unread};
use crate::client::read_named;
use crate::commands::{Context, keys};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// What to verify, with which keys.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An export (one receipt a line) or a single receipt; `-` for standard input; without it, the whole ledger
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// A file of public keys (JWK set, or lines as in signing.pub) or a key folder; without it, the configuration's
    #[arg(long, value_name = "FILE|DIR")]
    keys: Option<PathBuf>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let keys = match &args.keys {
        Some(path) => trusted(path)?,
        None => keys::public(&context.config()?.keys)?,
    };
    let Some(file) = &args.file else {
        let ledger = open(&context.config()?, None)?;
        return whole(&ledger, &keys, context).await;
    };
    let bytes = read_named(file)?;
    if is_single(&bytes) {
        let verified = countersign_receipt::verify::receipt(&bytes, &keys);
        let exit = if verified.is_ok() { Exit::Ok } else { Exit::No };
        context.output.show(&Single(verified))?;
        return Ok(exit);
    }
    let report = countersign_receipt::verify::verify_export(bytes.split(|b| *b == b'\n'), &keys);
    let exit = if report.ok() { Exit::Ok } else { Exit::No };
    context.output.show(&Many { report, ledger: Vec::new() })?;
    Ok(exit)
}

/// Public keys from a file, or from a key folder.
fn trusted(path: &Path) -> Result<KeySet, CommandError> {
    if path.is_dir() {
        return keys::public(path);
    }
    let bytes = read_named(path)?;
    let unusable = || CommandError::usage(format!("the keys {} cannot be used", path.display()));
    let text = String::from_utf8(bytes).map_err(|error| unusable().cause(&error))?;
    KeySet::parse(&text).map_err(|error| unusable().cause(&error))
}

/// Whether this is one JSON value, be it on one line or on many. A file that is neither is read as an export, whose
/// report says what is wrong on which line.
fn is_single(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Everything in the ledger, and that nothing is missing at the end of any chain.
async fn whole(ledger: &Sqlite, keys: &KeySet, context: &Context) -> Result<Exit, CommandError> {
    let (report, damage) = verify_ledger(ledger, keys).await?;
    let exit = if report.ok() && damage.is_empty() { Exit::Ok } else { Exit::No };
    context.output.show(&Many { report, ledger: damage })?;
    Ok(exit)
}

/// Verifies all receipts of a ledger and compares the ends of their chains with the ledger's own heads.
///
/// # Errors
/// The ledger cannot be read.
pub(crate) async fn verify_ledger(
    ledger: &Sqlite,
    keys: &KeySet,
) -> Result<(Report, Vec<String>), CommandError> {
    let mut export = Export::new(keys);
    each(ledger, Query::default(), |stored| {
        export.line(stored.body.as_bytes());
        Ok(())
    })
    .await?;
    let report = export.finish();
    let mut damage = Vec::new();
    for (name, range) in &report.chains {
        let Some(chain) = Chain::parse(name) else { continue };
        let head = ledger.head(&chain).await.map_err(|error| unread(&error))?;
        // The daemon may have gone on writing since the receipts were read; it never goes back.
        let next = range.last + 1;
        match ledger.read(&chain, next).await {
            Ok(_) if head.is_some_and(|head| head.sequence >= range.last) => {}
            Ok(_) => damage.push(format!("the ledger says that {name} ends before number {}", range.last)),
            Err(LedgerError::Damaged(why)) => damage.push(why),
            Err(error) => return Err(unread(&error)),
        }
    }
    Ok((report, damage))
}

#[derive(Serialize)]
struct Many {
    report: Report,
    /// What is wrong with the ledger itself.
    ledger: Vec<String>,
}

impl View for Many {
    fn show(&self, page: &mut Page) {
        for line in self.report.to_string().lines() {
            if line.starts_with("WRONG") || line.starts_with("This export must not") {
                page.bad(line);
            } else if line.starts_with("Proved:") {
                page.good(line);
            } else {
                page.line(line);
            }
        }
        for damage in &self.ledger {
            page.bad(&format!("WRONG: {damage}."));
        }
    }
}

struct Single(Result<Verified, VerifyError>);

impl Serialize for Single {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let verified = self.0.as_ref();
        let mut object = serializer.serialize_struct("Single", 4)?;
        object.serialize_field("verified", &verified.is_ok())?;
        object.serialize_field("id", &verified.ok().map(|verified| &verified.receipt().id))?;
        object.serialize_field("digest", &verified.ok().map(|verified| verified.digest().to_string()))?;
        object.serialize_field("problem", &verified.err().map(ToString::to_string))?;
        object.end()
    }
}

impl View for Single {
    fn show(&self, page: &mut Page) {
        match &self.0 {
            Ok(verified) => {
                let receipt = verified.receipt();
                page.good(&format!("Receipt {} is genuine and unchanged.", receipt.id));
                page.pair("signed by", &verified.signed().signature.key_id);
                page.pair("digest", &verified.digest().to_string());
                page.pair("withheld", &verified.withheld().collect::<Vec<_>>().join(", "));
                page.faint("One receipt alone does not show what came before or after it; verify an export for that.");
            }
            Err(error) => page.bad(&format!("This is not a genuine receipt: {error}.")),
        }
    }
}

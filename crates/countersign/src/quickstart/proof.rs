//! What was recorded, and what it proves: exported, then verified from the file and the public key alone.

use countersign_core::names::{Chain, SessionId};
use countersign_engine::ports::Query;
use countersign_receipt::verify::{Report, verify_export};
use countersign_store::DisclosureKey;
use serde::Serialize;

use super::Folder;
use crate::commands::keys;
use crate::commands::receipt::{open, story, to_file, unread};
use crate::config::Config;
use crate::error::CommandError;
use crate::output::{Output, Page, View};

/// Exports everything, says what each receipt of the session proves, and verifies the export.
pub(crate) async fn prove(
    folder: &Folder,
    config: &Config,
    session: &str,
    output: &Output,
) -> Result<bool, CommandError> {
    let key = DisclosureKey::open(&config.keys).map_err(|error| keys::unusable(&error))?;
    let ledger = open(config, Some(&key))?;
    let file = folder.path().join("receipts.jsonl");
    to_file(&file, &ledger, Query::default()).await?;
    let chain = Some(Chain::Session(SessionId::from(session)));
    let stored = countersign_engine::ports::Ledger::receipts(&ledger, &Query { chain, ..Query::default() })
        .await
        .map_err(|error| unread(&error))?;
    let mut proofs = Vec::new();
    for record in &stored {
        let signed = countersign_receipt::parse(record.body.as_bytes())
            .map_err(|error| CommandError::store("a receipt cannot be read").cause(&error))?;
        proofs.push(Proof { id: signed.receipt.id.clone(), proves: story(&signed.receipt) });
    }
    let text = std::fs::read(&file)
        .map_err(|error| CommandError::store("the export cannot be read back").cause(&error))?;
    let trusted = keys::public(&config.keys)?;
    let report = verify_export(text.split(|byte| *byte == b'\n'), &trusted);
    let good = report.ok();
    output.show(&Proven { proofs, file: file.display().to_string(), report })?;
    Ok(good)
}

#[derive(Serialize)]
struct Proof {
    id: String,
    proves: String,
}

#[derive(Serialize)]
struct Proven {
    proofs: Vec<Proof>,
    file: String,
    report: Report,
}

impl View for Proven {
    fn show(&self, page: &mut Page) {
        page.blank();
        page.heading("What each receipt of this session proves");
        let rows = self.proofs.iter().map(|proof| [proof.id.clone(), proof.proves.clone()]);
        page.table(["receipt", "proves"], rows);
        page.blank();
        page.heading("Verified offline, from the exported file and the public key alone");
        for line in self.report.to_string().lines() {
            page.line(line);
        }
        page.pair("file", &self.file);
    }
}

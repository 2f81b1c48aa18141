//! What tools say of themselves, as their servers list them: on record, so that a restart knows what was judged.
//!
//! A tool's contract follows from its definition. Sessions that are read again from the ledger are read under the
//! contracts that they were lived under, and those follow from the definitions that stand in the system chain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use countersign_core::names::{Chain, ToolName};
use countersign_receipt::commit::place;
use countersign_receipt::v1;
use countersign_receipt::values::Plain;

use crate::commit::{Failure, to_its_end};
use crate::engine::Engine;
use crate::ports::{AppendError, Batch, Expected, Head, Ledger, LedgerError, Stored};
use crate::record::read::disclosures;
use crate::record::seal::{Place, seal};
use crate::record::write::Draft;

/// Definitions of one tool that are kept. Of a tool that has shown more, none is given back: it has no contract until
/// its server is asked.
pub const MOST_OF_ONE: usize = 16;
/// Tools of which definitions are kept.
pub const MOST_TOOLS: usize = 10_000;
/// A longer definition is not kept, in bytes.
pub const LONGEST: usize = 64 * 1024;
/// The longest name that is kept, in bytes.
const LONGEST_NAME: usize = 200;
/// Records that are committed together at most.
const TOGETHER: usize = 64;
/// Tries before a moving head is given up.
const TRIES: u32 = 8;

/// A tool as its server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Which.
    pub tool: ToolName,
    /// What its server says of it, a JSON object.
    pub text: Arc<str>,
    /// The digest by which reviews pin it, `sha256:…`.
    pub digest: Arc<str>,
}

/// Digests of the definitions on record.
pub(crate) type Known = BTreeMap<ToolName, BTreeSet<Arc<str>>>;

impl Engine {
    /// Puts definitions on record that are not there yet, in the order given. They are durable when this returns.
    ///
    /// # Errors
    /// They could not be recorded, or not all.
    pub async fn record_definitions(&self, listed: Vec<Definition>) -> Result<(), Failure> {
        let fresh = self.unrecorded_definitions(listed);
        if fresh.is_empty() {
            return Ok(());
        }
        let engine = self.clone();
        to_its_end(async move {
            let _order = engine.0.system.lock().await;
            // Somebody else may have recorded them meanwhile.
            for some in engine.unrecorded_definitions(fresh).chunks(TOGETHER) {
                engine.append_definitions(some).await?;
                let mut known = engine.0.definitions.lock().unwrap_or_else(PoisonError::into_inner);
                for Definition { tool, digest, .. } in some {
                    known.entry(tool.clone()).or_default().insert(Arc::clone(digest));
                }
            }
            Ok(())
        })
        .await
    }

    fn unrecorded_definitions(&self, mut listed: Vec<Definition>) -> Vec<Definition> {
        let known = self.0.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tools = known.len();
        listed.retain(|Definition { tool, text, digest }| {
            let fits = text.len() <= LONGEST && tool.to_string().len() <= LONGEST_NAME;
            let room = match known.get(tool) {
                Some(digests) => digests.len() < MOST_OF_ONE && !digests.contains(digest),
                None => tools < MOST_TOOLS,
            };
            tools += usize::from(room && !known.contains_key(tool));
            fits && room
        });
        listed
    }

    async fn append_definitions(&self, some: &[Definition]) -> Result<(), Failure> {
        for attempt in 0..TRIES {
            let batch = self.definitions_batch(some).await?;
            match self.0.ledger.append(batch).await {
                Ok(()) => return Ok(()),
                // Another daemon on the same ledger.
                Err(AppendError::Conflict(_)) => {
                    tokio::time::sleep(Duration::from_millis(1 << attempt)).await;
                }
                Err(error) => return Err(Failure::Append(error)),
            }
        }
        Err(Failure::Contention)
    }

    async fn definitions_batch(&self, some: &[Definition]) -> Result<Batch, Failure> {
        let ledger = &self.0.ledger;
        let first = ledger.head(&Chain::System).await.map_err(Failure::Read)?;
        let epochs = ledger.epochs().await.map_err(Failure::Read)?;
        let (mut head, mut records) = (first.clone(), Vec::new());
        for Definition { tool, text, digest } in some {
            let mut draft = Draft::new(v1::Kind::Contract, &Chain::System, self.now());
            draft.receipt.subject = Some(BTreeMap::from([
                ("definition".to_owned(), Plain::from(&**digest)),
                ("tool".to_owned(), Plain::from(tool.tool())),
                ("upstream".to_owned(), Plain::from(tool.upstream())),
            ]));
            draft.commit(place::DEFINITION, text);
            let place = Place { head: head.as_ref(), principals: Vec::new(), epochs, prior: None };
            let sealed = seal(draft, &Chain::System, &place, &*self.0.signer).map_err(Failure::Receipt)?;
            head = Some(Head { sequence: sealed.record.sequence, digest: Arc::clone(&sealed.record.digest) });
            records.push(sealed.record);
        }
        let expect = vec![Expected { chain: Chain::System, head: first }];
        Ok(Batch { expect, records, ..Batch::default() })
    }
}

/// Definitions on record, in the order in which they were listed; none of tools that have shown more than are kept.
///
/// # Errors
/// The ledger cannot be read.
pub async fn recorded(ledger: &dyn Ledger) -> Result<Vec<Definition>, LedgerError> {
    let system = ledger.read(&Chain::System, 0).await?;
    let mut found: Vec<Definition> = system.iter().filter_map(definition).collect();
    let known = digests(&system);
    found.retain(|one| known.get(&one.tool).is_some_and(|digests| digests.len() < MOST_OF_ONE));
    Ok(found)
}

/// Which definitions are on record.
pub(crate) fn digests(system: &[Stored]) -> Known {
    let mut known = Known::new();
    for (tool, digest) in system.iter().filter_map(subject) {
        known.entry(tool).or_default().insert(digest);
    }
    known
}

fn definition(stored: &Stored) -> Option<Definition> {
    let (tool, digest) = subject(stored)?;
    // One that was erased says nothing.
    let text = disclosures(stored).ok()?.get(place::DEFINITION)?.value.as_str().into();
    Some(Definition { tool, text, digest })
}

fn subject(stored: &Stored) -> Option<(ToolName, Arc<str>)> {
    let receipt = countersign_receipt::parse(stored.body.as_bytes()).ok()?.receipt;
    let subject = receipt.subject.filter(|_| receipt.kind == v1::Kind::Contract)?;
    let text = |name: &str| match subject.get(name)? {
        Plain::Text(text) => Some(text.as_str()),
        _ => None,
    };
    Some((ToolName::new(text("upstream")?, text("tool")?), text("definition")?.into()))
}

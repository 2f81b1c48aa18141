//! Recorded sessions as distances: the user's request against every action that was let through.
//!
//! What was denied, expired or never answered is left out: it may be the very thing that drift is to notice. Sessions
//! whose request nobody gave, and what was erased or cannot be opened, have no distances; they are counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::drift::{Drift, Profile, embedded_distance, lexical_distance, rendered};
use countersign_core::names::ToolName;
use countersign_engine::ports::{Embedder, Stored};
use countersign_engine::record::read::disclosures;
use countersign_receipt::commit::place;
use countersign_receipt::v1::{Kind, Receipt};

use crate::commands::receipt::unread;
use crate::error::CommandError;

/// Every session that was read, as it is read receipt by receipt.
pub(super) struct Sessions {
    embedder: Option<Arc<dyn Embedder>>,
    open: BTreeMap<String, Session>,
    /// Sessions that cannot be measured, because their request was never given or is closed.
    pub(super) without_request: usize,
    /// Actions whose arguments are closed.
    pub(super) without_arguments: usize,
}

struct Session {
    profile: Profile,
    vector: Option<Vec<f32>>,
    actions: Vec<Action>,
}

struct Action {
    id: String,
    permitted: bool,
    distance: Distance,
}

/// How far one action was from the request, in basis points.
#[derive(Clone, Copy)]
pub(super) struct Distance {
    pub(super) effectful: bool,
    pub(super) lexical: u32,
    pub(super) embedded: Option<u32>,
}

/// One session: its actions that were let through, in their order.
pub(super) struct Measured {
    pub(super) distances: Vec<Distance>,
    /// The highest that its cumulative sum ever stood.
    pub(super) cusum: u32,
}

impl Sessions {
    /// Nothing read yet. Without an embedder there are lexical distances only.
    pub(super) fn new(embedder: Option<Arc<dyn Embedder>>) -> Self {
        Self { embedder, open: BTreeMap::new(), without_request: 0, without_arguments: 0 }
    }

    /// Takes one receipt, in the order they were committed.
    ///
    /// # Errors
    /// It is none, or what is disclosed of it is damaged.
    pub(super) fn take(&mut self, stored: &Stored) -> Result<(), CommandError> {
        let unsound = |why: &dyn std::error::Error| {
            CommandError::store(format!("receipt {} in the ledger is not one", stored.digest)).cause(why)
        };
        let signed = countersign_receipt::parse(stored.body.as_bytes()).map_err(|error| unsound(&error))?;
        let receipt = signed.receipt;
        let text = |place: &str| -> Result<Option<String>, CommandError> {
            let mut disclosed = disclosures(stored).map_err(|error| unread(&error))?;
            Ok(disclosed.remove(place).map(|disclosure| disclosure.value))
        };
        match receipt.kind {
            Kind::Session => self.opened(&receipt, text(place::ORIGINAL_REQUEST)?),
            Kind::Ruling => {
                let edited = text(place::EDITED_PARAMETERS)?;
                let arguments = if edited.is_some() { edited } else { text(place::PARAMETERS)? };
                self.ruled(&receipt, arguments);
            }
            _ => {}
        }
        self.permitted(&receipt);
        Ok(())
    }

    /// Every session with a request and at least one action that was let through.
    pub(super) fn measured(&self) -> Vec<Measured> {
        let measured = self.open.values().map(|session| {
            let permitted = session.actions.iter().filter(|action| action.permitted);
            let distances: Vec<Distance> = permitted.map(|action| action.distance).collect();
            let mut drift = Drift::new();
            let sums = distances.iter().map(|distance| {
                drift.push(distance.effectful, distance.lexical, distance.embedded);
                drift.cusum()
            });
            let cusum = sums.max().unwrap_or(0);
            Measured { distances, cusum }
        });
        measured.filter(|session| !session.distances.is_empty()).collect()
    }

    fn opened(&mut self, receipt: &Receipt, request: Option<String>) {
        let Some(request) = request else {
            self.without_request += 1;
            return;
        };
        let session =
            Session { profile: Profile::of(&request), vector: self.vector(&request), actions: Vec::new() };
        self.open.insert(receipt.chain.clone(), session);
    }

    fn ruled(&mut self, receipt: &Receipt, arguments: Option<String>) {
        let Some(action) = receipt.action.as_ref().filter(|_| self.open.contains_key(&receipt.chain)) else {
            return;
        };
        let arguments = arguments.and_then(|text| countersign_core::json::parse(&text).ok());
        let Some(arguments) = arguments else {
            self.without_arguments += 1;
            return;
        };
        let effectful = !matches!(action.effect.as_str(), "read" | "egress_read");
        let text = rendered(&ToolName::new(action.tool.as_str(), action.operation.as_str()), &arguments);
        let vector = if effectful { self.vector(&text) } else { None };
        let Some(session) = self.open.get_mut(&receipt.chain) else { return };
        let lexical = lexical_distance(&session.profile, &Profile::of(&text));
        let embedded = session.vector.as_deref().zip(vector.as_deref());
        let embedded = embedded.and_then(|(request, action)| embedded_distance(request, action));
        let distance = Distance { effectful, lexical, embedded };
        session.actions.push(Action { id: action.id.clone(), permitted: false, distance });
    }

    fn permitted(&mut self, receipt: &Receipt) {
        if !receipt.permits() {
            return;
        }
        let (Some(session), Some(action)) = (self.open.get_mut(&receipt.chain), &receipt.action) else {
            return;
        };
        if let Some(known) = session.actions.iter_mut().rev().find(|known| known.id == action.id) {
            known.permitted = true;
        }
    }

    /// No vector, no distance: what the model cannot read is a missing fact here as in the daemon.
    fn vector(&self, text: &str) -> Option<Vec<f32>> {
        self.embedder.as_ref()?.embed(text).ok()
    }
}

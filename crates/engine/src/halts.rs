//! Stopping and resuming (`R1`): from the moment a halt is on record, no new permit is made in its scope.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::decide::{Environment, Halt};
use countersign_core::decision::Step;
use countersign_core::lifecycle::Input;
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_receipt::v1;
use countersign_receipt::values::Plain;

use crate::commit::{Failure, Plan, to_its_end};
use crate::engine::{Engine, Governing};
use crate::mediator::ReceiptRef;
use crate::ports::{Batch, Epoch, Epochs, Expected, Kept, Stored};
use crate::record::seal::{Place, seal};
use crate::record::write::Draft;

/// The scopes as receipts and the API write them.
#[must_use]
pub fn scope_words(halt: &Halt) -> (&'static str, &str) {
    match halt {
        Halt::All => ("all", ""),
        Halt::Session(id) => ("session", id),
        Halt::Human(id) => ("human", id),
        Halt::Agent(id) => ("agent", id),
        Halt::Upstream(id) => ("upstream", id),
    }
}

/// The other way round.
#[must_use]
pub fn parse_scope(scope: &str, id: &str) -> Option<Halt> {
    match (scope, id) {
        ("all", _) => Some(Halt::All),
        (_, "") => None,
        ("session", id) => Some(Halt::Session(id.into())),
        ("human", id) => Some(Halt::Human(id.into())),
        ("agent", id) => Some(Halt::Agent(id.into())),
        ("upstream", id) => Some(Halt::Upstream(id.into())),
        _ => None,
    }
}

impl Engine {
    /// Stops (or resumes) everything in a scope. On record, and in force, before this returns; what waits in
    /// the scope is refused.
    ///
    /// # Errors
    /// It could not be recorded; nothing changed.
    pub async fn halt(
        &self,
        halt: Halt,
        reason: &str,
        by: &str,
        resume: bool,
    ) -> Result<ReceiptRef, Failure> {
        let (engine, reason, by) = (self.clone(), reason.to_owned(), by.to_owned());
        to_its_end(async move { engine.halt_now(halt, &reason, &by, resume).await }).await
    }

    async fn halt_now(
        &self,
        halt: Halt,
        reason: &str,
        by: &str,
        resume: bool,
    ) -> Result<ReceiptRef, Failure> {
        let _order = self.0.system.lock().await;
        let (scope, id) = scope_words(&halt);
        let subject = BTreeMap::from([
            ("by".to_owned(), Plain::from(by)),
            ("id".to_owned(), Plain::from(id)),
            ("reason".to_owned(), Plain::from(reason)),
            ("resume".to_owned(), Plain::from(resume)),
            ("scope".to_owned(), Plain::from(scope)),
        ]);
        let (receipt, epochs) = self.append_system(v1::Kind::Halt, subject, &[Epoch::Halt]).await?;
        let before = self.governing();
        let mut halts = before.environment.halts.clone();
        let changed = if resume { halts.remove(&halt) } else { halts.insert(halt.clone()) };
        let environment = Arc::new(Environment { halts, ..(*before.environment).clone() });
        let policy = Arc::clone(&before.policy);
        self.0.governing.store(Arc::new(Governing { policy, environment, epochs }));
        if changed && !resume {
            self.refuse_waiting(&halt).await;
        }
        Ok(receipt)
    }

    /// Records that a message was dropped which belongs to no session.
    ///
    /// # Errors
    /// It could not be recorded.
    pub async fn record_refused_message(
        &self,
        upstream: &str,
        method: &str,
        reason: &str,
    ) -> Result<ReceiptRef, Failure> {
        let _order = self.0.system.lock().await;
        let subject = BTreeMap::from([
            ("method".to_owned(), Plain::from(method)),
            ("reason".to_owned(), Plain::from(reason)),
            ("upstream".to_owned(), Plain::from(upstream)),
        ]);
        Ok(self.append_system(v1::Kind::Refusals, subject, &[]).await?.0)
    }

    async fn refuse_waiting(&self, halt: &Halt) {
        for (id, session) in self.open_actions() {
            if let Err(failure) = self.stop(halt, &session, &id).await {
                tracing::warn!(action = %id, %failure, "a halted action's refusal could not be recorded; it stays halted");
            }
        }
    }

    async fn stop(&self, halt: &Halt, session: &SessionId, id: &ActionId) -> Result<(), Failure> {
        self.transact(session, |turn| {
            let context = &turn.session.context;
            let covered = context.find(id).is_some_and(|t| halt.covers(&t.action, &t.identity, context));
            if !covered {
                return Plan::Nothing;
            }
            let reason = "an operator has stopped actions like this one".into();
            let ruling = crate::mediate::deny(Step::Halted, reason, turn.governing.policy.reference());
            turn.advance(id, Input::Halted(Arc::new(ruling)))
        })
        .await?;
        Ok(())
    }

    /// Appends a receipt to the system chain; the caller holds the order.
    pub(crate) async fn append_system(
        &self,
        kind: v1::Kind,
        subject: BTreeMap<String, Plain>,
        raise: &[Epoch],
    ) -> Result<(ReceiptRef, Epochs), Failure> {
        append_system(&*self.0.ledger, &*self.0.signer, self.now(), kind, subject, raise).await
    }
}

/// Appends a receipt to the system chain of a ledger; also what starting does before there is an engine.
pub(crate) async fn append_system(
    ledger: &dyn crate::ports::Ledger,
    signer: &dyn countersign_receipt::sign::Signer,
    now: countersign_core::time::Time,
    kind: v1::Kind,
    subject: BTreeMap<String, Plain>,
    raise: &[Epoch],
) -> Result<(ReceiptRef, Epochs), Failure> {
    append_keeping(ledger, signer, now, (kind, subject), raise, Vec::new()).await
}

/// The same, with texts that the receipt names by digest.
pub(crate) async fn append_keeping(
    ledger: &dyn crate::ports::Ledger,
    signer: &dyn countersign_receipt::sign::Signer,
    now: countersign_core::time::Time,
    (kind, subject): (v1::Kind, BTreeMap<String, Plain>),
    raise: &[Epoch],
    keep: Vec<Kept>,
) -> Result<(ReceiptRef, Epochs), Failure> {
    let head = ledger.head(&Chain::System).await.map_err(Failure::Read)?;
    let epochs = ledger.epochs().await.map_err(Failure::Read)?;
    let mut draft = Draft::new(kind, &Chain::System, now);
    draft.receipt.subject = Some(subject);
    let place = Place { head: head.as_ref(), principals: Vec::new(), epochs, prior: None };
    let sealed = seal(draft, &Chain::System, &place, signer).map_err(Failure::Receipt)?;
    let receipt =
        ReceiptRef { id: sealed.link.id.as_str().into(), digest: Arc::clone(&sealed.record.digest) };
    let batch = Batch {
        expect: vec![Expected { chain: Chain::System, head }],
        epochs: Some(epochs),
        raise: raise.to_vec(),
        records: vec![sealed.record],
        keep,
        // What outsiders can cause must not use up the space kept for outcomes.
        reserve: kind != v1::Kind::Refusals,
        ..Batch::default()
    };
    ledger.append(batch).await.map_err(Failure::Append)?;
    let epochs = ledger.epochs().await.map_err(Failure::Read)?;
    Ok((receipt, epochs))
}

/// The halts in force, from the system chain.
pub(crate) fn replay(records: &[Stored]) -> BTreeSet<Halt> {
    let mut halts = BTreeSet::new();
    records.iter().filter_map(halted).for_each(|halted| halted.take(&mut halts));
    halts
}

/// One halt or resumption on record.
#[derive(Clone, Debug)]
pub(crate) struct Halted {
    /// The epoch that it raised.
    pub(crate) before: u64,
    halt: Halt,
    resume: bool,
}

impl Halted {
    /// What is stopped after it.
    pub(crate) fn take(self, halts: &mut BTreeSet<Halt>) {
        if self.resume {
            halts.remove(&self.halt);
        } else {
            halts.insert(self.halt);
        }
    }
}

pub(crate) fn halted(stored: &Stored) -> Option<Halted> {
    let receipt = countersign_receipt::parse(stored.body.as_bytes()).ok()?.receipt;
    let subject = receipt.subject.filter(|_| receipt.kind == v1::Kind::Halt)?;
    let text = |name: &str| match subject.get(name) {
        Some(Plain::Text(text)) => text.as_str(),
        _ => "",
    };
    let halt = parse_scope(text("scope"), text("id"))?;
    Some(Halted {
        before: receipt.epochs.halt,
        halt,
        resume: subject.get("resume") == Some(&Plain::Bool(true)),
    })
}

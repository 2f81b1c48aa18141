//! A recorded ruling asked for again: the question that it answered, as it stood then.
//!
//! The session's chain is folded up to the receipt, and the chains of its human and its agent up to the heads that the
//! receipt names, through the same functions as in life. What the rules were is not in the ledger but their digest; who
//! asks again brings a policy of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::action::Action;
use countersign_core::decide::{Environment, Halt, Memo, Question};
use countersign_core::decision::Ruling;
use countersign_core::identity::Identity;
use countersign_core::lifecycle::{Limits, Transition};
use countersign_core::names::{Chain, SessionId};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Change, Context, Principal, What};
use countersign_core::time::Time;
use countersign_receipt::v1;
use countersign_receipt::values::Digest;

use crate::halts;
use crate::ports::{Ledger, LedgerError, Query, RecordKind, Stored};
use crate::record::read::{ReadBack, entry};
use crate::state::Contracts;

/// A ruling on record, with everything that it was made on but the rules.
#[derive(Debug)]
pub struct Recorded {
    /// Its receipt.
    pub receipt: v1::Receipt,
    /// What was ruled then.
    pub ruling: Arc<Ruling>,
    /// What was proposed.
    pub action: Arc<Action>,
    /// By whom.
    pub identity: Arc<Identity>,
    /// The session as it stood.
    pub context: Context,
    /// What the human had done.
    pub human: Principal,
    /// What the agent had done.
    pub agent: Principal,
    /// What sessions linked with this one by delegation had done and seen.
    pub linked: Principal,
    /// What was stopped.
    pub halts: BTreeSet<Halt>,
    /// The moment.
    pub now: Time,
}

impl Recorded {
    /// The question, under this policy and in this environment. Give it the halts of then.
    #[must_use]
    pub fn question<'a>(
        &'a self,
        policy: &'a PolicySet,
        environment: &'a Environment,
        memo: &'a Memo,
    ) -> Question<'a> {
        Question {
            action: &self.action,
            identity: &self.identity,
            context: &self.context,
            human: &self.human,
            agent: &self.agent,
            linked: &self.linked,
            policy,
            environment,
            now: self.now,
            memo,
        }
    }
}

/// The ruling whose receipt has this id; `None` where there is no such receipt, or it records no ruling. `limits` and
/// `contracts` are those that the session was lived under.
///
/// # Errors
/// The ledger cannot be read, or holds what this program did not write.
pub async fn recorded(
    ledger: &dyn Ledger,
    id: &str,
    limits: Limits,
    contracts: &Contracts,
) -> Result<Option<Recorded>, LedgerError> {
    let query = Query { id: Some(id.into()), ..Query::default() };
    let Some(stored) = ledger.receipts(&query).await?.into_iter().next() else { return Ok(None) };
    let Chain::Session(session) = &stored.chain else { return Ok(None) };
    let Some((context, read)) = fold(ledger, session, id, limits, contracts).await? else { return Ok(None) };
    let (action, identity, transition) = match read.entry.what {
        What::Submitted { action, identity, transition } => (action, identity, transition),
        What::Moved { action, transition } => match context.find(&action) {
            Some(tracked) => (Arc::clone(&tracked.action), Arc::clone(&tracked.identity), transition),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let (Transition::Ruled(ruling) | Transition::Resolved(ruling)) = transition else { return Ok(None) };
    let human = principal(ledger, Chain::Human(Arc::clone(&context.opened().human)), &read.receipt).await?;
    let agent = principal(ledger, Chain::Agent(Arc::clone(&context.opened().agent)), &read.receipt).await?;
    let linked = principal(ledger, context.opened().tree(), &read.receipt).await?;
    let system = ledger.read(&Chain::System, 0).await?;
    let halts = halts::replay(up_to(&system, read.receipt.epochs.halt));
    let (now, receipt) = (read.entry.at, read.receipt);
    Ok(Some(Recorded { receipt, ruling, action, identity, context, human, agent, linked, halts, now }))
}

/// The session up to the receipt, and the receipt read back.
async fn fold(
    ledger: &dyn Ledger,
    session: &SessionId,
    id: &str,
    limits: Limits,
    contracts: &Contracts,
) -> Result<Option<(Context, ReadBack)>, LedgerError> {
    let mut context: Option<Context> = None;
    for stored in ledger.read(&Chain::Session(session.clone()), 0).await? {
        let known = |action: &_| context.as_ref().is_some_and(|context| context.find(action).is_some());
        let read = entry(&stored, known, |tool| contracts(tool))?;
        let found = matches!(&stored.kind, RecordKind::Receipt { id: found, .. } if **found == *id);
        match (&mut context, &read.entry.what) {
            (Some(_), _) if found => return Ok(context.map(|context| (context, read))),
            (Some(context), _) => {
                context.replay(&read.entry).map_err(|error| LedgerError::Damaged(error.to_string()))?;
            }
            (None, What::Opened(opened)) => {
                let begun = context.insert(Context::new(opened.clone(), read.entry.at, limits));
                if read.entry.erased {
                    begun.forgot();
                }
            }
            (None, _) => return Err(LedgerError::Damaged("the session has no beginning".into())),
        }
    }
    Ok(None)
}

/// What a principal had done when the receipt was made: up to the head that the receipt names.
async fn principal(
    ledger: &dyn Ledger,
    chain: Chain,
    receipt: &v1::Receipt,
) -> Result<Principal, LedgerError> {
    let mut principal = Principal::default();
    let Some(Some(head)) = receipt.heads.get(&chain.to_string()) else { return Ok(principal) };
    for stored in ledger.read(&chain, 0).await? {
        let change: Change = serde_json::from_str(&stored.body).map_err(|error| {
            LedgerError::Damaged(format!("record {} of chain {chain}: {error}", stored.sequence))
        })?;
        principal.apply(&change);
        if stored.digest.parse::<Digest>().is_ok_and(|digest| digest == *head) {
            break;
        }
    }
    Ok(principal)
}

/// The system chain as far as so many halts and resumptions.
fn up_to(system: &[Stored], halts: u64) -> &[Stored] {
    let is_halt = |stored: &&Stored| {
        countersign_receipt::parse(stored.body.as_bytes())
            .is_ok_and(|signed| signed.receipt.kind == v1::Kind::Halt)
    };
    let after = usize::try_from(halts).unwrap_or(usize::MAX);
    let next = system.iter().enumerate().filter(|(_, stored)| is_halt(stored)).nth(after);
    next.map_or(system, |(at, _)| system.get(..at).unwrap_or(system))
}

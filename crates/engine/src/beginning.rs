//! The first entry of a session's chain. What the session begins with counts for its human and its agent from then on;
//! where it was delegated, it is linked in the same commit with the one that delegates.

use std::sync::Arc;

use countersign_core::names::Chain;
use countersign_core::session::{Change, Opened};

use crate::commit::{Failure, TRIES, join};
use crate::delegation::Link;
use crate::engine::{Engine, SharedCell};
use crate::flight::Flight;
use crate::mediator::ReceiptRef;
use crate::ports::{AppendError, Appending, Batch, Expected, Head};
use crate::record::seal::{Place, seal};
use crate::record::write::Draft;
use crate::state::Slot;

/// A session that is about to begin.
pub(crate) struct Beginning<'a> {
    pub(crate) opened: &'a Opened,
    pub(crate) draft: Draft,
    pub(crate) lookup: Option<Arc<str>>,
    pub(crate) link: Option<&'a Link>,
}

/// A beginning on its way to the disk.
struct Aloft {
    head: Head,
    receipt: ReceiptRef,
    appending: Appending,
    readings: Readings,
    _flights: Vec<Flight>,
}

/// Which readings it was made on.
struct Readings {
    human: u64,
    agent: u64,
    /// Of the session that delegates, and of what linked sessions share.
    linked: Option<(u64, u64)>,
}

impl Engine {
    /// Records a beginning.
    pub(crate) async fn begin_chain(&self, beginning: &Beginning<'_>) -> Result<(Head, ReceiptRef), Failure> {
        let Beginning { opened, link, .. } = beginning;
        let chain = Chain::Session(opened.session.clone());
        for _ in 0..TRIES {
            let principals =
                [Chain::Human(Arc::clone(&opened.human)), Chain::Agent(Arc::clone(&opened.agent))];
            let [human, agent] = self.principals(principals).await?;
            if let Some(link) = link {
                link.load(self).await?;
            }
            let Some(aloft) = self.hand_over_beginning(beginning, &chain, &human, &agent)? else { continue };
            let Err(error) = aloft.appending.await else { return Ok((aloft.head, aloft.receipt)) };
            human.1.doubt(Some(aloft.readings.human));
            agent.1.doubt(Some(aloft.readings.agent));
            if let (Some(link), Some((parent, tree))) = (link, aloft.readings.linked) {
                link.doubt(parent, tree);
            }
            // Only one that moved on in between is worth another try.
            if !matches!(&error, AppendError::Conflict(moved) if *moved != chain.to_string()) {
                return Err(Failure::Append(error));
            }
        }
        Err(Failure::Contention)
    }

    /// Signs a beginning onto the heads and hands it to the ledger; `None` while one of them is being read anew.
    fn hand_over_beginning(
        &self,
        Beginning { opened, draft, lookup, link }: &Beginning<'_>,
        chain: &Chain,
        human: &SharedCell,
        agent: &SharedCell,
    ) -> Result<Option<Aloft>, Failure> {
        let marks = Change { labels: opened.labels.clone(), ..Change::default() };
        let parent_slot = link.map(|link| link.parent.lock());
        let (mut human_slot, mut agent_slot) = (human.1.lock(), agent.1.lock());
        let mut tree_slot = link.map(|link| link.tree.1.lock());
        let (Slot::Known(human_state), Slot::Known(agent_state)) = (&mut *human_slot, &mut *agent_slot)
        else {
            return Ok(None);
        };
        let linking = match (link, parent_slot.as_deref(), tree_slot.as_deref_mut()) {
            (None, ..) => None,
            (Some(link), Some(Slot::Known(parent)), Some(Slot::Known(tree))) => Some((link, parent, tree)),
            _ => return Ok(None),
        };
        let linked = linking.as_ref().map(|(_, parent, tree)| (parent.reading, tree.reading));
        let readings = Readings { human: human_state.reading, agent: agent_state.reading, linked };
        let mut joining = vec![(&human.0, human_state), (&agent.0, agent_state)];
        joining.retain(|_| !marks.is_empty());
        let mut heads: Vec<_> = joining.iter().map(|(chain, state)| (*chain, state.head.as_ref())).collect();
        heads.extend(linking.as_ref().map(|(link, _, tree)| (&link.tree.0, tree.head.as_ref())));
        let place = Place { head: None, principals: heads, epochs: self.governing().epochs, prior: None };
        let mut sealed = seal(draft.clone(), chain, &place, &*self.0.signer).map_err(Failure::Receipt)?;
        sealed.record.lookup.clone_from(lookup);
        let head = Head { sequence: 0, digest: Arc::clone(&sealed.record.digest) };
        let receipt = ReceiptRef { id: sealed.link.id.as_str().into(), digest: Arc::clone(&head.digest) };
        let expect = vec![Expected { chain: chain.clone(), head: None }];
        let mut batch = Batch { expect, records: vec![sealed.record.clone()], ..Batch::default() };
        for (chain, state) in joining {
            join(chain, state, &marks, &sealed, &mut batch);
        }
        let mut flights = vec![human.1.flights.take_off(), agent.1.flights.take_off()];
        if let Some((link, parent, tree)) = linking {
            link.join(parent, tree, marks, &sealed, &mut batch);
            flights.push(link.tree.1.flights.take_off());
        }
        let appending = self.0.ledger.append(batch);
        Ok(Some(Aloft { head, receipt, appending, readings, _flights: flights }))
    }
}

//! Sessions that are linked by delegation: an agent passes a task on, and what the one saw restricts the other.
//!
//! A host opens a session and says which session delegated it. From then on both, and whatever either delegates
//! further, read one chain before every ruling and join it with every step that restricts: `delegation:ROOT`, where ROOT
//! is the session that the first delegation came from. Nobody's ruling is appended unless that chain stands as it was
//! read, so what one sees counts in the others' next ruling, and the ledger alone gives the same again.
//!
//! Every session reads its chain, so that the first link is noticed wherever it is made; as long as there is none it is
//! empty, and nobody joins it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

use countersign_core::identity::{Identity, Party};
use countersign_core::names::{Chain, SessionId};
use countersign_core::session::{Change, Context, Delegated, Opened};

use crate::commit::{Failure, TRIES, append_to, look};
use crate::engine::{Engine, SharedCell};
use crate::mediator::Delegation;
use crate::ports::{Batch, Expected};
use crate::record::seal::Sealed;
use crate::state::{PrincipalCell, PrincipalState, SessionCell, SessionState, Slot};

/// How many times a task may be passed on.
pub const DEEPEST: usize = 16;

/// Cells of delegations that some session in memory reads.
pub(crate) type Trees = HashMap<SessionId, Weak<PrincipalCell>>;

/// A session that delegates, as the one that it delegates to begins.
pub(crate) struct Link {
    /// The one that delegates.
    pub(crate) parent: Arc<SessionCell>,
    pub(crate) parent_id: SessionId,
    pub(crate) delegated: Delegated,
    pub(crate) tree: SharedCell,
    /// What its human and agent saw elsewhere, where that counts in it.
    pub(crate) marks: Change,
}

impl Engine {
    /// The cell of what linked sessions share, not yet read.
    pub(crate) fn tree(&self, opened: &Opened) -> SharedCell {
        let chain = opened.tree();
        let Chain::Delegation(root) = &chain else { return (chain, Arc::new(PrincipalCell::new())) };
        let mut trees = self.0.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let known = trees.get(root).and_then(Weak::upgrade);
        let cell = known.unwrap_or_else(|| {
            let cell = Arc::new(PrincipalCell::new());
            trees.insert(root.clone(), Arc::downgrade(&cell));
            cell
        });
        (chain, cell)
    }

    /// Forgets cells of delegations that no session in memory reads.
    pub(crate) fn forget_trees(&self) {
        let mut trees = self.0.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees.retain(|_, cell| cell.strong_count() > 0);
    }

    /// What a session that is about to begin is linked with; `human` is the one that it is for.
    ///
    /// # Errors
    /// The session that delegates cannot be read.
    pub(crate) async fn link(&self, delegation: &Delegation, human: &str) -> Result<Link, Failure> {
        let id = &delegation.session;
        for _ in 0..TRIES {
            let parent = self.session(id).await?;
            let read = |context: &Context| (context.opened().clone(), context.opened().inherits);
            let Some((opened, inherits)) = look(&parent.lock(), read) else { continue };
            let tree = self.tree(&opened);
            tree.1.load(&tree.0, &*self.0.ledger).await.map_err(Failure::Read)?;
            let marks = if inherits { self.marks_of(&opened).await? } else { Some(Change::default()) };
            let Some(marks) = marks else { continue };
            let delegated = passed_on(&opened, delegation, human);
            return Ok(Link { parent, parent_id: id.clone(), delegated, tree, marks });
        }
        Err(Failure::Contention)
    }

    /// The marks of a session's human and agent; `None` while they are being read anew.
    async fn marks_of(&self, opened: &Opened) -> Result<Option<Change>, Failure> {
        let chains = [Chain::Human(Arc::clone(&opened.human)), Chain::Agent(Arc::clone(&opened.agent))];
        let mut marks = Change::default();
        for (_, cell) in self.principals(chains).await? {
            let Slot::Known(state) = &*cell.lock() else { return Ok(None) };
            marks = marks.and(state.principal.mark());
        }
        Ok(Some(marks))
    }
}

impl Link {
    /// Reads what was put in doubt.
    pub(crate) async fn load(&self, engine: &Engine) -> Result<(), Failure> {
        engine.session(&self.parent_id).await?;
        self.tree.1.load(&self.tree.0, &*engine.0.ledger).await.map_err(Failure::Read)
    }

    /// Neither is as it was read.
    pub(crate) fn doubt(&self, parent: u64, tree: u64) {
        self.tree.1.doubt(Some(tree));
        self.parent.doubt(parent);
    }

    /// What the one that delegates has seen so far, as far as those linked already do not know it, and what the new one
    /// begins with: one entry, with the beginning of the new session. The one that delegates must stand as it was read.
    pub(crate) fn join(
        &self,
        parent: &SessionState,
        tree: &mut PrincipalState,
        begins_with: Change,
        sealed: &Sealed,
        batch: &mut Batch,
    ) {
        let told = parent.context.handed_on().and(self.marks.clone()).and(begins_with);
        let mut news = tree.principal.news(&told);
        if tree.head.is_some() {
            // What it did itself since the first link is there.
            news.linked.counted_already();
        }
        batch
            .expect
            .push(Expected { chain: Chain::Session(self.parent_id.clone()), head: parent.head.clone() });
        batch.expect.push(Expected { chain: self.tree.0.clone(), head: tree.head.clone() });
        append_to(&self.tree.0, tree, &news, sealed, batch);
    }
}

/// An identity in a session that was delegated: the grants that lead to the session stand in it.
#[must_use]
pub fn carrying(identity: &Arc<Identity>, opened: &Opened) -> Arc<Identity> {
    match &opened.delegated {
        Some(delegated) if identity.delegation.is_empty() => {
            Arc::new(Identity { delegation: delegated.grants.clone(), ..(**identity).clone() })
        }
        _ => Arc::clone(identity),
    }
}

/// The grants that lead to a session: those that led to the one that delegates, then its own.
fn passed_on(from: &Opened, delegation: &Delegation, human: &str) -> Delegated {
    let (root, mut grants) = match &from.delegated {
        Some(delegated) => (delegated.root.clone(), delegated.grants.clone()),
        None => (from.session.clone(), Vec::new()),
    };
    if *from.human != *human {
        grants.push(Party::named(Arc::clone(&from.human)));
    }
    grants.push(Party { scope: delegation.scope.clone(), ..Party::named(Arc::clone(&from.agent)) });
    Delegated { parent: from.session.clone(), root, grants }
}

//! A candidate set decided beside the set in force (*shadow*): what it would have done otherwise stands in the receipt of
//! the ruling, plainly not enforced, and nothing else comes of it.
//!
//! The candidate is asked the same question after the ruling is made, so it cannot reach it; deciding is total, so it
//! cannot fail either; and where its word would make a receipt too large, the receipt is made without it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_core::action::Action;
use countersign_core::decide::{Memo, Question, decide};
use countersign_core::decision::{Decision, Ruling};
use countersign_core::identity::Identity;
use countersign_core::policy::PolicySet;
use countersign_receipt::v1;

use crate::commit::{Failure, Plan, Turn};
use crate::engine::{Counts, Engine};
use crate::ports::{Batch, Kept};
use crate::record::write::would_have;

impl Engine {
    /// Decides this set beside the one in force from now on, or none. Its text is kept before it is asked anything.
    ///
    /// # Errors
    /// The text could not be kept; what was beside stays.
    pub async fn shadow(&self, candidate: Option<PolicySet>) -> Result<(), Failure> {
        if let Some(set) = &candidate {
            let text = set.source().to_text().into();
            let keep = vec![Kept { digest: Arc::clone(&set.reference().digest), text }];
            let batch = Batch { keep, ..Batch::default() };
            self.0.ledger.append(batch).await.map_err(Failure::Append)?;
        }
        self.0.candidate.store(candidate.map(Arc::new));
        Ok(())
    }

    /// The set that is decided beside the one in force.
    #[must_use]
    pub fn candidate(&self) -> Option<Arc<PolicySet>> {
        self.0.candidate.load_full()
    }

    /// Counts a ruling that a candidate was asked about too.
    pub(crate) fn shadowed(&self, asked: bool, differs: bool) {
        let Counts { shadowed: [same, other], .. } = &self.0.counts;
        if asked {
            let count = if differs { other } else { same };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Turn<'_> {
    /// What a candidate would have done otherwise.
    pub(crate) fn beside(
        &self,
        candidate: &PolicySet,
        (action, identity): (&Action, &Identity),
        ruling: &Ruling,
    ) -> Option<Box<v1::WouldHave>> {
        let memo = Memo::default();
        let asked = decide(&Question { policy: candidate, ..self.question(action, identity, &memo) });
        (!does_the_same(ruling, &asked)).then(|| Box::new(would_have(&asked)))
    }
}

impl Plan {
    /// The same, with what a candidate set would have done otherwise.
    pub(crate) fn beside(mut self, candidate: Option<Box<v1::WouldHave>>) -> Self {
        if let Self::Transition { would_have, .. } = &mut self {
            *would_have = candidate;
        }
        self
    }
}

/// Whether two rulings do the same to the action: the verdict, the edits, and whom they ask.
#[must_use]
pub fn does_the_same(a: &Ruling, b: &Ruling) -> bool {
    let asked = |ruling: &Ruling| match &ruling.decision {
        Decision::StepUp(approvers) => Some(approvers.clone()),
        Decision::Allow | Decision::Deny | Decision::Defer(_) => None,
    };
    a.verdict() == b.verdict() && a.edits == b.edits && asked(a) == asked(b)
}

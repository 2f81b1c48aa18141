//! How long the pure decision alone takes.
//!
//! The engine decides under its locks, together with signing and appending. So the same question is put to
//! `core::decide` once before each submission, on the same context; what it answers is not used.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::action::Action;
use countersign_core::decide::{Memo, Question, decide as rule};
use countersign_core::names::Chain;
use countersign_core::session::{Change, Principal};
use countersign_engine::{Engine, Submission};

use crate::error::CommandError;

/// The time that `core::decide` takes for this submission as things stand.
///
/// # Errors
/// The session or its principals cannot be read.
pub(super) async fn decide(engine: &Engine, submission: &Submission) -> Result<Duration, CommandError> {
    let identity = &*submission.caller.identity;
    let human = principal(engine, Chain::Human(Arc::clone(&identity.human.id))).await?;
    let agent = principal(engine, Chain::Agent(Arc::clone(&identity.agent.id))).await?;
    let now = engine.now();
    let action = Action {
        id: "timed".into(),
        tool: submission.tool.clone(),
        original: submission.original.clone(),
        arguments: submission.arguments.clone(),
        contract: Arc::clone(&submission.contract),
        depends_on: submission.depends_on.clone(),
        submitted_at: now,
    };
    let governing = engine.governing();
    let taken = engine.context(&submission.session, |context| {
        let question = Question {
            action: &action,
            identity,
            context,
            human: &human,
            agent: &agent,
            policy: &governing.policy,
            environment: &governing.environment,
            now,
            memo: &Memo::default(),
        };
        let began = Instant::now();
        let ruling = rule(black_box(&question));
        let taken = began.elapsed();
        drop(black_box(ruling));
        taken
    });
    taken.await.map_err(|failure| CommandError::bug("the session cannot be read").cause(&failure))
}

/// What a human or an agent did, folded from the ledger as the engine folds it.
async fn principal(engine: &Engine, chain: Chain) -> Result<Principal, CommandError> {
    let unread = |error: &dyn std::error::Error| CommandError::bug("a principal cannot be read").cause(error);
    let mut principal = Principal::default();
    for stored in engine.ledger().read(&chain, 0).await.map_err(|error| unread(&error))? {
        let change: Change = serde_json::from_str(&stored.body).map_err(|error| unread(&error))?;
        principal.apply(&change);
    }
    Ok(principal)
}

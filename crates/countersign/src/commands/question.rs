//! The question that a submission puts to the core as things stand in an engine, beside the submission itself.

use std::sync::Arc;

use countersign_core::action::Action;
use countersign_core::decide::{Memo, Question, decide};
use countersign_core::decision::Ruling;
use countersign_core::names::Chain;
use countersign_core::policy::PolicySet;
use countersign_core::session::{Change, Principal};
use countersign_engine::delegation::carrying;
use countersign_engine::{Engine, Submission};

use crate::error::CommandError;

/// Hands the question to `answer`; nothing is recorded.
///
/// # Errors
/// The session or its principals cannot be read.
pub(crate) async fn ask<T>(
    engine: &Engine,
    submission: &Submission,
    answer: impl FnOnce(&Question<'_>) -> T + Send,
) -> Result<T, CommandError> {
    let identity = &*submission.caller.identity;
    let human = principal(engine, Chain::Human(Arc::clone(&identity.human.id))).await?;
    let agent = principal(engine, Chain::Agent(Arc::clone(&identity.agent.id))).await?;
    let unread = |failure| CommandError::bug("the session cannot be read").cause(&failure);
    let opened = engine.context(&submission.session, |context| context.opened().clone()).await;
    let opened = opened.map_err(unread)?;
    let linked = principal(engine, opened.tree()).await?;
    let identity = &*carrying(&submission.caller.identity, &opened);
    let now = engine.now();
    let action = Action {
        id: "asked".into(),
        tool: submission.tool.clone(),
        original: submission.original.clone(),
        arguments: submission.arguments.clone(),
        contract: Arc::clone(&submission.contract),
        depends_on: submission.depends_on.clone(),
        submitted_at: now,
    };
    let governing = engine.governing();
    let answered = engine.context(&submission.session, |context| {
        answer(&Question {
            action: &action,
            identity,
            context,
            human: &human,
            agent: &agent,
            linked: &linked,
            policy: &governing.policy,
            environment: &governing.environment,
            now,
            memo: &Memo::default(),
        })
    });
    answered.await.map_err(unread)
}

/// What another set says to a question.
pub(crate) fn under(question: &Question<'_>, policy: &PolicySet) -> Ruling {
    decide(&Question { policy, memo: &Memo::default(), ..*question })
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

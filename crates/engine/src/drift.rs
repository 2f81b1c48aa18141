//! How far an action lies from the request (R7): measured before its first ruling, on record before it.
//!
//! The embedder is asked outside every lock and off the async threads, and never again: what it said, or that it
//! failed, is an entry of the session's chain in the same commit as the ruling, in front of it. So the chain alone gives
//! the same ruling again, without a model.

use std::sync::Arc;

use countersign_core::action::Action;
use countersign_core::decide::Memo;
use countersign_core::drift::{Embedding, RENDERING_VERSION, Signal, embedded_distance, rendered};
use countersign_core::names::SessionId;
use countersign_core::session::What;
use countersign_receipt::v1;

use crate::commit::Turn;
use crate::engine::Engine;
use crate::mediator::Caller;
use crate::ports::{EmbedError, Embedder};
use crate::record::write::{Draft, Source};

/// How many texts are embedded at the same time: it is computing, and more at once makes each slower.
pub(crate) const AT_ONCE: usize = 4;

/// What an embedder said of an action, or why it said nothing.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    embedding: Embedding,
    failed: Option<EmbedError>,
}

/// What is on record about an action before it is ruled on.
#[derive(Clone, Debug)]
pub struct Measured {
    /// In basis points.
    pub lexical: u32,
    /// What the thresholds make of it; `None` where that cannot be told.
    pub level: Option<Signal>,
    /// What a model said, where one was asked.
    pub embedding: Option<Embedding>,
    /// Why it has no distance.
    pub failed: Option<EmbedError>,
}

impl Engine {
    /// Asks the embedder about an action that does more than read, in a session whose request is known.
    pub(crate) async fn embedded(&self, session: &SessionId, action: &Action) -> Option<Asked> {
        let embedder = self.0.embedder.as_ref().filter(|_| !action.contract.effect.only_reads())?;
        // Who cannot read the session cannot rule in it either, and says so.
        let (_, request) = self.known(session, |context| context.opened().request.clone()).await.ok()?;
        let request = request?;
        let text = rendered(&action.tool, action.arguments.value());
        let distance = match self.0.embedding.acquire().await {
            Ok(_turn) => {
                let embedder = Arc::clone(embedder);
                let asked = tokio::task::spawn_blocking(move || distance(&*embedder, &request, &text)).await;
                asked.unwrap_or_else(|_| Err(EmbedError::Failed("it stopped short".to_owned())))
            }
            Err(_) => Err(EmbedError::Failed("the daemon is stopping".to_owned())),
        };
        if let Err(error) = &distance {
            tracing::warn!(action = %action.id, %error, "no embedded distance: it is a missing fact");
        }
        let model = embedder.model_hash().into();
        let (distance, failed) = distance.map_or_else(|error| (None, Some(error)), |far| (Some(far), None));
        Some(Asked { embedding: Embedding { distance, model, rendering: RENDERING_VERSION }, failed })
    }

    /// Counts and logs what somebody is to notice.
    pub(crate) fn noticed(&self, action: &Action, measured: Option<&Measured>) {
        let Some(level @ (Signal::Alert | Signal::StepUp)) = measured.and_then(|measured| measured.level)
        else {
            return;
        };
        self.0.counts.drifted(level);
        tracing::warn!(action = %action.id, tool = %action.tool, level = level.as_str(), "an action lies far from the request");
    }
}

fn distance(embedder: &dyn Embedder, request: &str, action: &str) -> Result<u32, EmbedError> {
    let (request, action) = (embedder.embed(request)?, embedder.embed(action)?);
    let unfit = || EmbedError::Failed("its vectors cannot be compared".to_owned());
    embedded_distance(&request, &action).ok_or_else(unfit)
}

impl Turn<'_> {
    /// Takes in what was measured of an action that is about to be ruled on. What is to be recorded: all of what a model
    /// said; of lexical distances and sums, what thresholds that are in force take notice of.
    pub(crate) fn measure(
        &mut self,
        action: &Action,
        caller: &Caller,
        asked: Option<&Asked>,
    ) -> Option<(Measured, Box<Draft>)> {
        let limits = &self.governing.environment.drift;
        if action.contract.effect.only_reads() || (asked.is_none() && !limits.in_force) {
            return None;
        }
        let lexical = self.session.context.signals().distance(action)?;
        let embedding = asked.map(|asked| asked.embedding.clone());
        let what = What::Measured { action: action.id.clone(), embedding: embedding.clone() };
        self.session.context.apply(&what, self.now).ok()?;
        let level = limits.level(&self.question(action, &caller.identity, &Memo::default()));
        let noticed = limits.in_force && matches!(level, Some(Signal::Alert | Signal::StepUp));
        if embedding.is_none() && !noticed {
            return None;
        }
        let failed = asked.and_then(|asked| asked.failed.clone());
        let measured = Measured { lexical, level: level.filter(|_| limits.in_force), embedding, failed };
        let source = Source {
            session: self.session.context.opened(),
            identity: &caller.identity,
            face: caller.face,
            enforcement: v1::Enforcement::None,
        };
        let draft = Draft::measured(source, &action.id, &measured, self.now);
        Some((measured, Box::new(draft)))
    }
}

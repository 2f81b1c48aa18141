//! What upstreams say unasked: dropped where it has no place, and on record.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use countersign_core::action::Arguments;
use countersign_core::decision::Step;
use countersign_core::names::{SessionId, ToolName};
use countersign_core::session::{Outcome, Status};
use countersign_engine::{Report, Submission};

use super::{EventReceiver, Gateway, Inner, locked};
use crate::mcp::upstream::{Answer, Event, EventKind};

/// Records events until the gateway is gone.
pub(super) async fn record(gateway: Weak<Inner>, mut events: EventReceiver) {
    while let Some(event) = events.recv().await {
        let Some(inner) = gateway.upgrade() else { return };
        Gateway(inner).take(event).await;
    }
}

impl Gateway {
    async fn take(&self, event: Event) {
        let (what, reason) = match &event.kind {
            EventKind::ToolsChanged | EventKind::Closed(_) => {
                locked(&self.0.tools).retain(|(_, upstream), _| **upstream != *event.upstream);
                return;
            }
            EventKind::LateAnswer { call, reply } => {
                let text = (reply.answer, Arc::<str>::from(reply.body.get()));
                return self.late(*call, text).await;
            }
            EventKind::Refused { method } => {
                (method.clone(), "the server asked the client for something that is not let through")
            }
            EventKind::ForeignAnswer { .. } => {
                ("answer".into(), "the server answered a request that was not sent")
            }
            EventKind::SecondAnswer { .. } => ("answer".into(), "the server answered a request twice"),
            EventKind::UnmatchedNotice { method } => {
                (method.clone(), "the server sent a notice that belongs to no request in flight")
            }
            EventKind::Malformed(_) => ("message".into(), "the server sent something that is no message"),
        };
        let session = event.owner.as_ref().map(|owner| SessionId::from(owner.session.as_str()));
        let caller = session.as_ref().and_then(|session| locked(&self.0.callers).get(session).cloned());
        let (Some(session), Some(caller), Ok(arguments)) = (session, caller, Arguments::parse("{}")) else {
            let (upstream, what) = (&event.upstream, what.as_str());
            if let Err(failure) = self.0.engine.record_refused_message(upstream, what, reason).await {
                tracing::warn!(%upstream, what, %failure, "an upstream's message was dropped and not recorded");
            }
            return;
        };
        let submission = Submission {
            session,
            caller,
            tool: ToolName::new(Arc::clone(&event.upstream), what),
            original: None,
            arguments,
            contract: Arc::default(),
            depends_on: Vec::new(),
        };
        let _on_record = self.0.engine.refuse(submission, Step::Protocol, reason).await;
    }

    /// An answer after the call was given up: the outcome is known after all, and nobody will see the answer.
    async fn late(&self, call: crate::mcp::upstream::CallId, (answer, text): (Answer, Arc<str>)) {
        let Some((session, action)) = locked(&self.0.lost).remove(&call) else { return };
        let (status, output, error) = match answer {
            Answer::Result => (super::call::status_of(&text), Some(text), None),
            Answer::Error => (Status::Error, None, Some(text)),
        };
        let outcome = Outcome { status, labels: BTreeSet::new(), output, error };
        if let Err(error) = self.0.engine.settle_by_id(&action, Report { session, outcome }).await {
            tracing::warn!(%action, %error, "a late outcome could not be recorded");
        }
    }
}

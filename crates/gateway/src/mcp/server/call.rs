//! `tools/call`: submit, hold, execute, settle, answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::action::{Action, Arguments};
use countersign_core::decision::Step;
use countersign_core::lifecycle::Spent;
use countersign_core::names::{ActionId, SessionId, ToolName};
use countersign_core::session::{Outcome, Status};
use countersign_engine::{
    Caller, Mediator, Proceed, Proceeding, Refusal, Report, Settled, Submission, Suspended, Unrecorded,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::wrapper::{self, Unwrapped};
use super::{Gateway, Notices, Route, answer, labels_of, owner, raw};
use crate::mcp::envelope::{self, ToolCall};
use crate::mcp::upstream::{Answer, Call, Owner, Relay, Reply, UpstreamError};

/// How often a held call says that it is still held.
const STILL_HELD: Duration = Duration::from_secs(5);
/// Progress notices of one call that are passed on; each is a context entry.
const MAX_NOTICES: usize = 100;

/// One `tools/call` on its way.
pub(super) struct Incoming<'a> {
    pub(super) route: &'a Route,
    pub(super) caller: &'a Caller,
    pub(super) session: &'a SessionId,
    pub(super) params: &'a RawValue,
    pub(super) call: ToolCall<'a>,
    /// Where progress goes, and under which token, when the client wants any.
    pub(super) progress: Option<(Notices, Box<RawValue>)>,
    pub(super) cancelled: CancellationToken,
}

/// How a call ended.
pub(super) enum Ended {
    /// With this `result`.
    Result(Box<RawValue>),
    /// With this `error`.
    Error(Box<RawValue>),
    /// The client cancelled it and wants no answer.
    Cancelled,
}

impl Gateway {
    /// Takes a tool call through the flow.
    pub(super) async fn call(&self, incoming: Incoming<'_>) -> Ended {
        let arguments = match Arguments::parse(incoming.call.arguments.get()) {
            Ok(arguments) => arguments,
            Err(fault) => return Ended::Result(answer::failed(&fault.to_string(), None)),
        };
        let Some(carrier) = incoming.route.resolve(&incoming.call.name) else {
            let tool = ToolName::new("countersign", &*incoming.call.name);
            let reason = "no upstream has a tool of this name; names are upstream__tool";
            return self.refuse(&incoming, tool, arguments, Step::Protocol, reason).await;
        };
        if let Err(reason) = self.reachable(incoming.route, &carrier) {
            return self.refuse(&incoming, carrier, arguments, Step::Protocol, &reason).await;
        }
        if let Some(party) = incoming.caller.identity.out_of_scope(carrier.upstream()) {
            let reason = format!("{} may not reach the upstream {}", party.id, carrier.upstream());
            return self.refuse(&incoming, carrier, arguments, Step::Scope, &reason).await;
        }
        let unwrapped = match wrapper::unwrap(&self.0.settings.wrappers, carrier.clone(), arguments.clone()) {
            Ok(unwrapped) => unwrapped,
            Err(why) => {
                return self
                    .refuse(&incoming, carrier, arguments, Step::Unresolvable, &why.to_string())
                    .await;
            }
        };
        self.know_tool(&incoming, &unwrapped.tool).await;
        let submission = self.submission(&incoming, &unwrapped);
        if let Some(reason) =
            self.unclear_name(&owner(incoming.caller, incoming.session), &submission.tool).await
        {
            let refusal = self.0.engine.refuse(submission, Step::Uncertain, &reason).await;
            return Ended::Result(answer::refused(&refusal));
        }
        let proceeding = self.0.engine.submit(submission).await;
        match self.hold(&incoming, proceeding).await {
            Held::Proceed(proceed) => self.execute(incoming, carrier, unwrapped, *proceed).await,
            Held::Refused(refusal) => Ended::Result(answer::refused(&refusal)),
            Held::Pending(suspended) => {
                let deadline = suspended.deadline().await;
                Ended::Result(answer::pending(&suspended, deadline))
            }
            Held::Cancelled => Ended::Cancelled,
        }
    }

    async fn refuse(
        &self,
        incoming: &Incoming<'_>,
        tool: ToolName,
        arguments: Arguments,
        step: Step,
        reason: &str,
    ) -> Ended {
        let submission = Submission {
            session: incoming.session.clone(),
            caller: incoming.caller.clone(),
            contract: self.0.settings.contract(&tool),
            tool,
            original: None,
            arguments,
            depends_on: Vec::new(),
        };
        Ended::Result(answer::refused(&self.0.engine.refuse(submission, step, reason).await))
    }

    fn reachable(&self, route: &Route, carrier: &ToolName) -> Result<(), String> {
        let Some(upstream) = self.0.settings.upstreams.get(carrier.upstream()) else {
            return Err(format!("there is no upstream {}", carrier.upstream()));
        };
        if upstream.connection.is_none() && route.wrapped.is_none() {
            return Err(format!(
                "the upstream {} is reached through `countersign wrap` only",
                carrier.upstream()
            ));
        }
        Ok(())
    }

    /// What a tool does is read from its definition: its server is asked before the first call that needs it. One that
    /// does not answer leaves what is declared, and unknown where nothing is.
    async fn know_tool(&self, incoming: &Incoming<'_>, tool: &ToolName) {
        let policy = Arc::clone(&self.0.engine.governing().policy);
        if policy.always_forbids(tool) || !self.0.settings.upstreams.contains_key(tool.upstream()) {
            return;
        }
        let owner = owner(incoming.caller, incoming.session);
        if let Err(error) = self.catalogue(incoming.route, &owner, tool.upstream()).await {
            tracing::warn!(%tool, %error, "its definition is not known: its contract is what the configuration declares");
        }
    }

    fn submission(&self, incoming: &Incoming<'_>, unwrapped: &Unwrapped) -> Submission {
        let owner = owner(incoming.caller, incoming.session);
        Submission {
            session: incoming.session.clone(),
            caller: incoming.caller.clone(),
            tool: unwrapped.tool.clone(),
            original: unwrapped.original.clone(),
            arguments: unwrapped.arguments.clone(),
            contract: self.contract(&owner, &unwrapped.tool),
            depends_on: depends_on(incoming.call.meta),
        }
    }

    /// Holds a call that waits, within the hold time, saying so from time to time.
    async fn hold(&self, incoming: &Incoming<'_>, mut proceeding: Proceeding) -> Held {
        let until = tokio::time::Instant::now() + self.0.settings.hold;
        let mut said = 0;
        loop {
            let suspended = match proceeding {
                Proceeding::Proceed(proceed) => return Held::Proceed(proceed),
                Proceeding::Refused(refusal) => return Held::Refused(refusal),
                Proceeding::Suspended(suspended) => suspended,
            };
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return Held::Pending(suspended);
            }
            said += 1;
            say_held(incoming, &suspended, said).await;
            tokio::select! {
                next = suspended.wait(left.min(STILL_HELD)) => proceeding = next,
                () = incoming.cancelled.cancelled() => return Held::Cancelled,
            }
        }
    }

    /// Spends the permit, calls the tool, records the outcome, and only then answers. From the moment the
    /// permit is spent this goes on to its end, whether or not the client stays.
    async fn execute(
        &self,
        incoming: Incoming<'_>,
        carrier: ToolName,
        unwrapped: Unwrapped,
        proceed: Proceed,
    ) -> Ended {
        let (verdict, ruling) = (proceed.verdict, proceed.receipt.clone());
        let params = match forwarded(&incoming, &carrier, &unwrapped, &proceed.action) {
            Ok(params) => params,
            Err(fault) => {
                // The permit is left unspent, and settles as an outcome of its own.
                let reason = format!("the call could not be written for the upstream: {fault}");
                return self.unsent(proceed, &reason).await;
            }
        };
        let (spent, action) = match self.0.engine.spend(proceed).await {
            Ok(spent) => spent,
            Err(refusal) => return Ended::Result(answer::refused(&refusal)),
        };
        let execution = Execution {
            gateway: self.clone(),
            route: incoming.route.clone(),
            caller: incoming.caller.clone(),
            session: incoming.session.clone(),
            owner: owner(incoming.caller, incoming.session),
            carrier,
            action,
            progress: incoming.progress.clone(),
            cancelled: incoming.cancelled.clone(),
        };
        let task = tokio::spawn(async move { execution.run(spent, &params).await });
        match task.await {
            Ok((reply, Ok(settled))) => ended(reply, verdict, &ruling, &settled),
            Ok((_, Err(unrecorded))) => Ended::Result(answer::failed(
                &format!(
                    "The tool may have run, but {unrecorded}. Its answer is withheld; ask the operator."
                ),
                None,
            )),
            Err(_) => {
                Ended::Result(answer::failed("The gateway failed; the outcome is recorded as unknown.", None))
            }
        }
    }

    async fn unsent(&self, proceed: Proceed, reason: &str) -> Ended {
        let session = proceed.session().clone();
        let id = proceed.action.id.clone();
        let outcome = Outcome {
            status: Status::NothingSent,
            labels: BTreeSet::new(),
            output: None,
            error: Some(reason.into()),
        };
        let settled = self.0.engine.settle_by_id(&id, Report { session, outcome }).await.ok();
        Ended::Result(answer::failed(reason, settled.as_ref().map(|settled| &settled.receipt)))
    }
}

/// What a proceeding came to within the hold time.
enum Held {
    Proceed(Box<Proceed>),
    Refused(Box<Refusal>),
    Pending(Box<Suspended>),
    Cancelled,
}

/// An action that runs.
struct Execution {
    gateway: Gateway,
    route: Route,
    caller: Caller,
    session: SessionId,
    owner: Owner,
    carrier: ToolName,
    action: Arc<Action>,
    progress: Option<(Notices, Box<RawValue>)>,
    cancelled: CancellationToken,
}

impl Execution {
    async fn run(
        self,
        spent: Spent,
        params: &RawValue,
    ) -> (Result<Reply, UpstreamError>, Result<Settled, Unrecorded>) {
        let reply = self.send(params).await;
        let outcome = self.outcome(&reply);
        if let Err(UpstreamError::Unknown { call, .. }) = &reply {
            self.gateway.lose(*call, &self.session, &self.action.id);
        }
        let report = Report { session: self.session.clone(), outcome };
        let settled = self.gateway.0.engine.settle(spent, report).await;
        (reply, settled)
    }

    /// Sends the call; notices of its progress reach the client only after they are context entries.
    async fn send(&self, params: &RawValue) -> Result<Reply, UpstreamError> {
        let (relay, mut notices) = mpsc::channel(16);
        let mut call = Call::new("tools/call", Some(params));
        let id = call.id;
        if self.progress.is_some() {
            call = call.relayed(relay);
        } else {
            drop(relay);
        }
        let upstream = self.carrier.upstream();
        let sent = self.gateway.send(&self.route, &self.owner, upstream, call);
        tokio::pin!(sent);
        let mut passed_on = 0;
        let mut told = false;
        loop {
            tokio::select! {
                reply = &mut sent => return reply,
                Some(notice) = notices.recv(), if self.progress.is_some() => {
                    passed_on += 1;
                    if passed_on <= MAX_NOTICES {
                        self.pass_on(notice).await;
                    }
                }
                () = self.cancelled.cancelled(), if !told => {
                    told = true;
                    match &self.route.wrapped {
                        Some(connection) => { connection.cancel(id, "the client cancelled"); }
                        None => { self.gateway.0.pool.cancel(&self.owner, upstream, id, "the client cancelled"); }
                    }
                }
            }
        }
    }

    async fn pass_on(&self, notice: Relay) {
        let (Relay::Progress(params), Some((notices, _))) = (notice, &self.progress) else { return };
        let labels = self.labels();
        let source = format!("notifications/progress {}", self.carrier.upstream());
        let text = params.get().into();
        if self.gateway.0.engine.observe(&self.session, &self.caller, &source, &labels, text).await.is_ok() {
            let _ = notices.try_send(envelope::notification("notifications/progress", Some(&params)));
        }
    }

    /// What data from here counts as: the carrier's, and behind a wrapper the real upstream's too.
    fn labels(&self) -> BTreeSet<Arc<str>> {
        let settings = &self.gateway.0.settings;
        let mut labels = labels_of(settings, self.carrier.upstream());
        if let Some(real) = settings.upstreams.get(self.action.tool.upstream()) {
            labels.extend(real.output_labels());
        }
        labels
    }

    fn outcome(&self, reply: &Result<Reply, UpstreamError>) -> Outcome {
        let labels = self.labels();
        let outcome = |status, labels, output, error| Outcome { status, labels, output, error };
        match reply {
            Ok(Reply { answer: Answer::Result, body }) => {
                outcome(status_of(body.get()), labels, Some(body.get().into()), None)
            }
            Ok(Reply { answer: Answer::Error, body }) => {
                outcome(Status::Error, labels, None, Some(body.get().into()))
            }
            Err(error @ UpstreamError::NotSent { .. }) => {
                outcome(Status::NothingSent, BTreeSet::new(), None, Some(error.to_string().into()))
            }
            Err(error @ UpstreamError::Unknown { .. }) => {
                outcome(Status::Unknown, BTreeSet::new(), None, Some(error.to_string().into()))
            }
            // What the server says in its error reaches the agent.
            Err(error @ UpstreamError::Answered { .. }) => {
                outcome(Status::Error, labels, None, Some(error.to_string().into()))
            }
        }
    }
}

/// Whether a result says that the tool failed.
pub(super) fn status_of(result: &str) -> Status {
    #[derive(serde::Deserialize)]
    struct Flag {
        #[serde(default, rename = "isError")]
        is_error: bool,
    }
    match serde_json::from_str::<Flag>(result) {
        Ok(Flag { is_error: false }) => Status::Ok,
        Ok(Flag { is_error: true }) | Err(_) => Status::Error,
    }
}

fn ended(
    reply: Result<Reply, UpstreamError>,
    verdict: countersign_core::decision::Verdict,
    ruling: &countersign_engine::ReceiptRef,
    settled: &Settled,
) -> Ended {
    match reply {
        Ok(Reply { answer: Answer::Result, body }) => {
            Ended::Result(answer::with_receipts(&body, verdict, ruling, &settled.receipt))
        }
        Ok(Reply { answer: Answer::Error, body }) => Ended::Error(body),
        Err(error) => Ended::Result(answer::failed(&error.to_string(), Some(&settled.receipt))),
    }
}

/// The parameters as they go upstream: the very bytes that were judged, but for the tool's name and edits.
fn forwarded(
    incoming: &Incoming<'_>,
    carrier: &ToolName,
    unwrapped: &Unwrapped,
    action: &Action,
) -> Result<Box<RawValue>, String> {
    let edited = action.arguments.text() != unwrapped.arguments.text();
    let arguments = match (edited, unwrapped.rewrap(&action.arguments)) {
        (false, _) => None,
        (true, Some(wrapped)) => Some(raw(&wrapped)),
        (true, None) => {
            let text = action.arguments.text().to_string();
            Some(RawValue::from_string(text).map_err(|error| error.to_string())?)
        }
    };
    envelope::rewrite_params(incoming.params, carrier.tool(), arguments.as_deref())
        .map_err(|fault| fault.to_string())
}

/// Actions whose output this call uses, as the caller says in `_meta["countersign/depends_on"]`.
fn depends_on(meta: Option<&RawValue>) -> Vec<ActionId> {
    let value: Option<Value> = meta.and_then(|meta| serde_json::from_str(meta.get()).ok());
    let listed = value.as_ref().and_then(|meta| meta.get("countersign/depends_on"));
    let one = listed.and_then(Value::as_str);
    let many = listed.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    one.into_iter().chain(many.iter().filter_map(Value::as_str)).map(ActionId::from).collect()
}

async fn say_held(incoming: &Incoming<'_>, suspended: &Suspended, n: u32) {
    let Some((notices, token)) = &incoming.progress else { return };
    let message = format!(
        "{}; pending as action {} (receipt {})",
        answer::waits_for(suspended.on()),
        suspended.action(),
        suspended.receipt().id
    );
    let params = json!({ "progressToken": token, "progress": f64::from(n) * 0.001, "message": message });
    let _ = notices.try_send(envelope::notification("notifications/progress", Some(&raw(&params))));
}

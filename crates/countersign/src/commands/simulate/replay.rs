//! One session, taken through the engine as the gateway takes a live one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use countersign_core::action::Contract;
use countersign_core::decide::{Environment, Question, decide as rule};
use countersign_core::decision::Ruling;
use countersign_core::drift;
use countersign_core::identity::{Identity, Party};
use countersign_core::lifecycle::Limits;
use countersign_core::names::{ActionId, ApproverGroup, SessionId};
use countersign_core::policy::{PolicySet, RuleAction};
use countersign_core::session::{Outcome, Status};
use countersign_core::time::{Span, Time};
use countersign_engine::ports::{Clock, Query};
use countersign_engine::{
    Caller, Engine, Mediator as _, Opening, Parts, Proceed, Proceeding, Refusal, Report, Settings, Submission,
};
use countersign_gateway::settings::UpstreamSettings;
use countersign_receipt::v1::{Decision, Enforcement, Face, Verdict};
use countersign_store::{Memory, SigningKey};

use super::timing;
use super::tools::{Tools, UPSTREAM, tool};
use super::traces::{Call, Line, Trace};
use crate::commands::question;
use crate::error::CommandError;

/// When every session begins: 2026-01-01T00:00:00Z.
const BEGINNING: Time = Time(1_767_225_600_000);
/// From one call to the next.
const STEP: Span = Span::seconds(1);
/// Who calls, for whichever human.
const SERVICE: &str = "simulate";
const AGENT: &str = "agent";
/// The approvers where no rule names any: there is somebody to ask.
const APPROVERS: &str = "approvers";

/// What all sessions are replayed under.
pub(super) struct Replay {
    /// The rules in force.
    pub(super) policy: PolicySet,
    /// The tools that can be called.
    pub(super) tools: Arc<Tools>,
    /// Whether the user's request is told.
    pub(super) request: bool,
    /// A set that is asked beside the one in force; it decides nothing.
    pub(super) beside: Option<Arc<PolicySet>>,
    listing: Arc<str>,
    labels: BTreeSet<Arc<str>>,
    signer: Arc<SigningKey>,
    settings: Settings,
}

/// What became of a session.
pub(super) struct Replayed {
    /// Its name.
    pub(super) trace_id: String,
    /// Its line in the file.
    pub(super) line: usize,
    /// Its calls, in order.
    pub(super) calls: Vec<Ruled>,
}

/// What became of a call.
pub(super) struct Ruled {
    /// Its tool.
    pub(super) tool: String,
    /// The verdict.
    pub(super) verdict: Verdict,
    /// The deciding rules.
    pub(super) rules: Vec<String>,
    /// Why.
    pub(super) reason: String,
    /// The step of the order of judgement that decided.
    pub(super) step: String,
    /// How long the pure decision takes.
    pub(super) decide: Duration,
    /// From the submission to its answer: decided, signed, appended.
    pub(super) submit: Duration,
    /// What the set in force and the one beside it say to the same question, where there is one beside it.
    pub(super) both: Option<(Ruling, Ruling)>,
}

impl Replay {
    /// Makes ready to replay.
    ///
    /// # Errors
    /// No key can be made.
    pub(super) fn new(policy: PolicySet, tools: Tools, request: bool) -> Result<Self, CommandError> {
        let signer = SigningKey::generate()
            .map_err(|error| CommandError::store("no key can be made to sign with").cause(&error))?;
        let tools = Arc::new(tools);
        let declared = Arc::clone(&tools);
        let upstream = UpstreamSettings {
            connection: None,
            labels: BTreeSet::new(),
            tools: std::collections::BTreeMap::new(),
        };
        let settings = Settings {
            limits: Limits::default(),
            environment: Environment {
                approver_groups: groups(&policy),
                max_dependents: 16,
                halts: BTreeSet::new(),
                drift: drift::Limits::default(),
            },
            fact_validity: Span::seconds(900),
            window_idle: Span::seconds(1800),
            contracts: Arc::new(move |tool| -> Arc<Contract> { declared.contract(tool) }),
        };
        let listing = tools.listing(&policy);
        let labels = upstream.output_labels();
        Ok(Self { policy, tools, request, beside: None, listing, labels, signer: Arc::new(signer), settings })
    }

    /// Replays the session that a line holds.
    ///
    /// # Errors
    /// The line holds none, or something was not recorded.
    pub(super) async fn line(&self, line: &Line) -> Result<Replayed, CommandError> {
        let trace = line.trace(&self.tools)?;
        if self.request && trace.request.is_none() {
            let hint = "add it, or replay without requests: --no-request";
            return Err(line.fault(1, "the session has no `original_request`".to_owned(), hint));
        }
        let calls = self.session(&trace).await?;
        Ok(Replayed { trace_id: trace.id, line: line.number, calls })
    }

    async fn session(&self, trace: &Trace) -> Result<Vec<Ruled>, CommandError> {
        let clock = Arc::new(Steps(AtomicI64::new(BEGINNING.0)));
        let parts = Parts {
            ledger: Arc::new(Memory::new()),
            signer: Arc::clone(&self.signer) as _,
            clock: Arc::clone(&clock) as _,
            embedder: None,
            policy: self.policy.clone(),
            settings: self.settings.clone(),
        };
        let (engine, _) = Engine::start(parts)
            .await
            .map_err(|failure| CommandError::bug("the engine does not start").cause(&failure))?;
        let mut live = Live::open(self, engine, trace).await?;
        let mut calls = Vec::with_capacity(trace.calls.len());
        for (number, call) in trace.calls.iter().enumerate() {
            clock.step();
            live.engine.tick().await;
            calls.push(live.call(number, call).await?);
        }
        Ok(calls)
    }
}

/// The groups of approvers that a deployment of this policy would have: those that its rules ask.
fn groups(policy: &PolicySet) -> BTreeSet<ApproverGroup> {
    let asked = policy.rules().iter().filter_map(|rule| match &rule.action {
        Some(RuleAction::StepUp(approvers)) => Some(approvers.clauses()),
        _ => None,
    });
    let mut groups: BTreeSet<ApproverGroup> = asked.flatten().flatten().cloned().collect();
    if groups.is_empty() {
        groups.insert(APPROVERS.into());
    }
    groups
}

/// A session under way.
struct Live<'a> {
    replay: &'a Replay,
    engine: Engine,
    caller: Caller,
    session: SessionId,
    /// Each action so far, with the number of its first call.
    actions: Vec<(ActionId, usize)>,
}

impl<'a> Live<'a> {
    /// Opens the session: by a host that knows the request, or as a plain client's window. Then the client lists the tools.
    async fn open(replay: &'a Replay, engine: Engine, trace: &Trace) -> Result<Self, CommandError> {
        let identity = |source: &str| Identity {
            human: Party::named(Arc::clone(&trace.human)),
            service: Party::named(SERVICE),
            agent: Party::named(AGENT),
            delegation: Vec::new(),
            source: source.into(),
            validated_at: engine.now(),
        };
        let caller = Caller {
            identity: Arc::new(identity("token")),
            face: Face::Mcp,
            enforcement: Enforcement::Enforced,
        };
        let opened = if replay.request {
            let opening = Opening {
                caller: Caller {
                    identity: Arc::new(identity("host")),
                    face: Face::Api,
                    enforcement: Enforcement::None,
                },
                source: "host".into(),
                inherits: false,
                labels: BTreeSet::new(),
                request: trace.request.clone(),
                intent: None,
                delegation: None,
                lookup: None,
            };
            engine.open_session(opening).await.map(|opened| opened.id)
        } else {
            engine.window(&caller).await
        };
        let session = opened.map_err(|refusal| unrecorded(&trace.id, &refusal.reason))?;
        let (source, listing) = (format!("tools/list {UPSTREAM}"), Arc::clone(&replay.listing));
        engine
            .observe(&session, &caller, &source, &BTreeSet::new(), listing)
            .await
            .map_err(|failure| unrecorded(&trace.id, &failure.to_string()))?;
        Ok(Self { replay, engine, caller, session, actions: Vec::new() })
    }

    /// One call: submitted; run, which is to say its recorded result comes back; settled. What is held is left at once.
    async fn call(&mut self, number: usize, call: &Call) -> Result<Ruled, CommandError> {
        let name = tool(&call.tool);
        let submission = Submission {
            session: self.session.clone(),
            caller: self.caller.clone(),
            contract: self.replay.tools.contract(&name),
            tool: name,
            original: None,
            arguments: call.arguments.clone(),
            depends_on: Vec::new(),
        };
        let decide = timing::decide(&self.engine, &submission).await?;
        let both = self.both(&submission).await?;
        let began = Instant::now();
        let proceeding = self.engine.submit(submission).await;
        let submit = began.elapsed();
        let ruling = match &proceeding {
            Proceeding::Proceed(proceed) => self.ruling(number, &proceed.action.id).await?,
            Proceeding::Suspended(suspended) => self.ruling(number, suspended.action()).await?,
            Proceeding::Refused(refusal) => match &refusal.action {
                Some(id) if refusal.receipt.is_some() => self.ruling(number, id).await?,
                _ => refused(refusal),
            },
        };
        // What waits is left here, to a retry.
        if let Proceeding::Proceed(proceed) = proceeding {
            self.run(call, *proceed).await?;
        }
        let Decision { verdict, rules, reason, step, .. } = ruling;
        let reason = self.by_number(reason);
        Ok(Ruled { tool: call.tool.clone(), verdict, rules, reason, step, decide, submit, both })
    }

    /// What both sets say.
    async fn both(&self, submission: &Submission) -> Result<Option<(Ruling, Ruling)>, CommandError> {
        let Some(beside) = &self.replay.beside else { return Ok(None) };
        let ask = |q: &Question<'_>| (rule(q), question::under(q, beside));
        question::ask(&self.engine, submission, ask).await.map(Some)
    }

    /// A reason with actions named by their calls: ids are of one run only.
    fn by_number(&self, reason: String) -> String {
        self.actions
            .iter()
            .fold(reason, |reason, (id, number)| reason.replace(id.as_str(), &format!("call {number}")))
    }

    /// Spends the permit, and records the result as what the tool answered.
    async fn run(&self, call: &Call, proceed: Proceed) -> Result<(), CommandError> {
        let failed = |what: &str| unrecorded(&call.tool, what);
        let (spent, _) = self.engine.spend(proceed).await.map_err(|refusal| failed(&refusal.reason))?;
        let outcome = Outcome {
            status: if call.failed { Status::Error } else { Status::Ok },
            labels: self.replay.labels.clone(),
            output: Some(Arc::clone(&call.result)),
            error: None,
        };
        let report = Report { session: self.session.clone(), outcome };
        self.engine.settle(spent, report).await.map_err(|error| failed(&error.to_string()))?;
        Ok(())
    }

    /// The latest ruling on an action, as its receipt says it.
    async fn ruling(&mut self, number: usize, id: &ActionId) -> Result<Decision, CommandError> {
        if !self.actions.iter().any(|(known, _)| known == id) {
            self.actions.push((id.clone(), number));
        }
        let query = Query { action: Some(id.clone()), ..Query::default() };
        let stored = self.engine.ledger().receipts(&query).await;
        let stored = stored.map_err(|error| CommandError::bug("the ledger cannot be read").cause(&error))?;
        let receipts =
            stored.iter().rev().filter_map(|one| countersign_receipt::parse(one.body.as_bytes()).ok());
        let found = receipts.map(|signed| signed.receipt).find_map(|receipt| {
            let ruling = receipt.kind == countersign_receipt::v1::Kind::Ruling;
            receipt.decision.filter(|_| ruling)
        });
        found.ok_or_else(|| CommandError::bug(format!("no receipt says how {id} was ruled on")))
    }
}

/// A refusal of which there is no receipt: the call did not go through all the same.
fn refused(refusal: &Refusal) -> Decision {
    Decision {
        verdict: Verdict::Deny,
        rules: refusal.rules.iter().map(ToString::to_string).collect(),
        reason: refusal.reason.to_string(),
        step: refusal.step.as_str().to_owned(),
        ..Decision::default()
    }
}

fn unrecorded(what: &str, why: &str) -> CommandError {
    CommandError::bug(format!("{what}: something could not be recorded: {why}"))
}

/// Time as a replay tells it: it stands still but for a second before each call.
struct Steps(AtomicI64);

impl Steps {
    fn step(&self) {
        self.0.fetch_add(STEP.0, Ordering::Relaxed);
    }
}

impl Clock for Steps {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::Relaxed))
    }
}

//! A case, taken through the engine as the gateway takes a live call.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::action::Contract;
use countersign_core::decide::Environment;
use countersign_core::decide::explain::{Explanation, explain};
use countersign_core::decision::{Decision, Match, Ruling};
use countersign_core::drift;
use countersign_core::identity::Identity;
use countersign_core::lifecycle::Limits;
use countersign_core::names::{ActionId, ApproverGroup, RuleId, SessionId};
use countersign_core::policy::{PolicySet, RuleAction};
use countersign_core::session::{self, Status};
use countersign_core::time::{Span, Time};
use countersign_engine::approvals::Approver;
use countersign_engine::ports::{Clock, Query};
use countersign_engine::{
    Caller, Engine, Mediator as _, Opening, Parts, Proceed, Proceeding, Report, Settings, Submission,
    Suspended,
};
use countersign_receipt::v1::{self, Enforcement, Face, Kind};
use countersign_store::{Memory, SigningKey};

use super::expect::{Difference, Differences, Effects};
use super::read::{Call, Case, Outcome, Session, Step, Suite};
use crate::commands::question;
use crate::error::CommandError;
use crate::policies;

/// When every session begins: 2026-01-01T00:00:00Z.
const BEGINNING: Time = Time(1_767_225_600_000);
/// From one thing to the next.
const STEP: Span = Span::seconds(1);
/// The approvers where nobody names any: there is somebody to ask.
const APPROVERS: &str = "approvers";
/// Who says yes where a case says that somebody did.
const APPROVER: &str = "approver";

/// What cases are run on: policies that were loaded once, and a key.
pub(in crate::commands::policy) struct Bench {
    signer: Arc<SigningKey>,
    loaded: BTreeMap<(Vec<PathBuf>, Option<&'static str>), Arc<PolicySet>>,
    values: bool,
    beside: Option<Arc<PolicySet>>,
}

/// What became of a case.
pub(in crate::commands::policy) struct Played {
    /// What is not as expected; empty = the case holds.
    pub(in crate::commands::policy) differences: Differences,
    /// Why the action got its ruling.
    pub(in crate::commands::policy) explanation: Explanation,
    /// The tool that the action calls.
    pub(in crate::commands::policy) tool: String,
    /// What the set beside the one in force says to the same question, where there is one.
    pub(in crate::commands::policy) beside: Option<Ruling>,
    /// Rules that held at some moment of the session.
    pub(in crate::commands::policy) held: BTreeSet<RuleId>,
}

impl Bench {
    /// Makes ready to run cases. `values`: explanations show contents.
    ///
    /// # Errors
    /// No key can be made.
    pub(in crate::commands::policy) fn new(values: bool) -> Result<Self, CommandError> {
        let signer = SigningKey::generate()
            .map_err(|error| CommandError::store("no key can be made to sign with").cause(&error))?;
        Ok(Self { signer: Arc::new(signer), loaded: BTreeMap::new(), values, beside: None })
    }

    /// The same, with a set that is asked beside the one in force; it decides nothing.
    #[must_use]
    pub(in crate::commands::policy) fn beside(self, set: Arc<PolicySet>) -> Self {
        Self { beside: Some(set), ..self }
    }

    /// The set that the cases of a file are decided under.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong.
    pub(in crate::commands::policy) fn policy(
        &mut self,
        suite: &Suite,
    ) -> Result<Arc<PolicySet>, CommandError> {
        let word = suite.default.as_ref().map(|default| match default {
            Decision::Allow => "ALLOW",
            Decision::Deny => "DENY",
            Decision::StepUp(_) | Decision::Defer(_) => "STEP_UP",
        });
        let key = (suite.policy.clone(), word);
        if let Some(known) = self.loaded.get(&key) {
            return Ok(Arc::clone(known));
        }
        let set = Arc::new(policies::load_with(&suite.policy, suite.default.clone())?);
        self.loaded.insert(key, Arc::clone(&set));
        Ok(set)
    }

    /// Runs a case under a set.
    ///
    /// # Errors
    /// Something could not be recorded.
    pub(in crate::commands::policy) async fn play(
        &self,
        case: &Case,
        policy: &PolicySet,
        file: &Path,
    ) -> Result<Played, CommandError> {
        let tool = case.action.tool.to_string();
        let clock = Arc::new(Steps(AtomicI64::new(BEGINNING.0)));
        let parts = Parts {
            ledger: Arc::new(Memory::new()),
            signer: Arc::clone(&self.signer) as _,
            clock: Arc::clone(&clock) as _,
            embedder: None,
            policy: policy.clone(),
            settings: settings(case, policy),
        };
        let (engine, _) = Engine::start(parts)
            .await
            .map_err(|failure| CommandError::bug("the engine does not start").cause(&failure))?;
        let mut live = Live::open(engine, clock, case, self).await?;
        for (line, step) in &case.session.before {
            if let Some(differences) = live.step(*line, step, file).await? {
                let (ruled, _) = live.submit(&case.action).await?;
                let Ruled { explanation, beside, .. } = ruled;
                return Ok(Played { differences, explanation, tool, beside, held: live.held });
            }
        }
        live.advance(STEP).await;
        let (ruled, _) = live.submit(&case.action).await?;
        let differences = case.expect.differences(&ruled.decision, &ruled.effects);
        let Ruled { explanation, beside, .. } = ruled;
        Ok(Played { differences, explanation, tool, beside, held: live.held })
    }
}

fn settings(case: &Case, policy: &PolicySet) -> Settings {
    let contracts =
        BTreeMap::from_iter(calls(case).map(|call| (call.tool.clone(), Arc::clone(&call.contract))));
    let written = case
        .approvers
        .as_ref()
        .map(|groups| groups.iter().map(|g| ApproverGroup::from(g.as_str())).collect());
    Settings {
        limits: Limits::default(),
        environment: Environment {
            approver_groups: written.unwrap_or_else(|| groups(policy)),
            max_dependents: 16,
            halts: BTreeSet::new(),
            drift: drift::Limits::default(),
        },
        fact_validity: Span::seconds(900),
        window_idle: Span::seconds(1800),
        contracts: Arc::new(move |tool| -> Arc<Contract> {
            contracts.get(tool).cloned().unwrap_or_default()
        }),
    }
}

fn calls(case: &Case) -> impl Iterator<Item = &Call> {
    let before = case.session.before.iter().filter_map(|(_, step)| match step {
        Step::Call { call, .. } => Some(call),
        _ => None,
    });
    before.chain([&case.action])
}

/// The groups of approvers that a deployment of this policy would have: those that its rules name.
fn groups(policy: &PolicySet) -> BTreeSet<ApproverGroup> {
    let mut groups = BTreeSet::new();
    for rule in policy.rules() {
        let asked = match &rule.action {
            Some(RuleAction::StepUp(approvers)) => Some(approvers),
            _ => rule.approvers.as_ref(),
        };
        groups.extend(asked.into_iter().flat_map(|approvers| approvers.clauses()).flatten().cloned());
        groups.extend(rule.wait.escalation.iter().flat_map(|escalation| escalation.to.iter().cloned()));
    }
    if groups.is_empty() {
        groups.insert(APPROVERS.into());
    }
    groups
}

/// A session under way.
struct Live {
    engine: Engine,
    clock: Arc<Steps>,
    caller: Caller,
    session: SessionId,
    held: BTreeSet<RuleId>,
    values: bool,
    beside: Option<Arc<PolicySet>>,
}

/// What was ruled on a call.
struct Ruled {
    decision: v1::Decision,
    explanation: Explanation,
    beside: Option<Ruling>,
    effects: Effects,
}

impl Live {
    /// Opens the session as a host does; one without a request as a client's window begins.
    async fn open(
        engine: Engine,
        clock: Arc<Steps>,
        case: &Case,
        bench: &Bench,
    ) -> Result<Self, CommandError> {
        let Session { request, intent, inherits, labels, .. } = &case.session;
        let identity = Identity { validated_at: engine.now(), ..case.identity.clone() };
        let identity = Arc::new(identity);
        let opening = Opening {
            caller: Caller {
                identity: Arc::clone(&identity),
                face: Face::Api,
                enforcement: Enforcement::None,
            },
            source: "host".into(),
            inherits: *inherits,
            labels: labels.clone(),
            request: request.clone(),
            intent: intent.clone(),
            delegation: None,
            lookup: None,
        };
        let opened = engine.open_session(opening).await;
        let session = opened.map_err(|refusal| unrecorded(&refusal.reason))?.id;
        let caller = Caller { identity, face: Face::Mcp, enforcement: Enforcement::Enforced };
        Ok(Self {
            engine,
            clock,
            caller,
            session,
            held: BTreeSet::new(),
            values: bench.values,
            beside: bench.beside.clone(),
        })
    }

    async fn advance(&self, time: Span) {
        self.clock.step(time);
        self.engine.tick().await;
    }

    /// One thing that happened; gives what is not as the case says, where the session cannot go on like this.
    async fn step(
        &mut self,
        line: usize,
        step: &Step,
        file: &Path,
    ) -> Result<Option<Differences>, CommandError> {
        self.advance(STEP).await;
        let failed = |failure: &dyn std::fmt::Display| unrecorded(&failure.to_string());
        match step {
            Step::Turn(text) => {
                let added = self.engine.add_turn(&self.session, "host", Arc::clone(text)).await;
                added.map_err(|failure| failed(&failure))?;
            }
            Step::Facts { facts, giver, valid } => {
                let given = self.engine.give_facts(&self.session, facts.clone(), giver, None, *valid).await;
                given.map_err(|failure| failed(&failure))?;
            }
            Step::Seen { text, source, labels } => {
                let text = Arc::clone(text);
                let seen = self.engine.observe(&self.session, &self.caller, source, labels, text).await;
                seen.map_err(|failure| failed(&failure))?;
            }
            Step::Wait(time) => self.advance(*time).await,
            Step::Call { call, outcome, approved, expect } => {
                let (ruled, proceeding) = self.submit(call).await?;
                if let Some(expect) = expect {
                    let differences = expect.differences(&ruled.decision, &ruled.effects);
                    if !differences.is_empty() {
                        return Ok(Some(before(line, call, differences, file)));
                    }
                }
                let goes = match proceeding {
                    Proceeding::Proceed(proceed) => Some(proceed),
                    Proceeding::Suspended(suspended) if *approved => self.approve(*suspended).await?,
                    Proceeding::Suspended(_) | Proceeding::Refused(_) => None,
                };
                match goes {
                    Some(proceed) => self.run(*proceed, outcome).await?,
                    // Where the case says what is ruled, it knows that the call does not run.
                    None if expect.is_some() && !approved => {}
                    None => return Ok(Some(did_not_run(line, call, &ruled.decision, file))),
                }
            }
        }
        Ok(None)
    }

    /// Submits a call, explained as things stand before it.
    async fn submit(&mut self, call: &Call) -> Result<(Ruled, Proceeding), CommandError> {
        let submission = Submission {
            session: self.session.clone(),
            caller: self.caller.clone(),
            tool: call.tool.clone(),
            original: call.original.clone(),
            arguments: call.arguments.clone(),
            contract: Arc::clone(&call.contract),
            depends_on: Vec::new(),
        };
        let (values, beside) = (self.values, self.beside.as_deref());
        let both = question::ask(&self.engine, &submission, |q| {
            (explain(q, values), beside.map(|set| question::under(q, set)))
        });
        let (explanation, beside) = both.await?;
        let holding =
            explanation.rules.iter().chain(&explanation.after_edits).filter(|rule| rule.value == Match::Yes);
        self.held.extend(holding.map(|rule| rule.rule.clone()));
        let edited = explanation.ruling.edits.apply(&call.arguments, &call.contract);
        let arguments = edited.as_ref().unwrap_or(&call.arguments).value().clone();
        let sets = explanation.ruling.sets.clone();
        let proceeding = self.engine.submit(submission).await;
        let decision = match &proceeding {
            Proceeding::Proceed(proceed) => self.ruling(&proceed.action.id).await?,
            Proceeding::Suspended(suspended) => self.ruling(suspended.action()).await?,
            Proceeding::Refused(refusal) => match &refusal.action {
                Some(id) if refusal.receipt.is_some() => self.ruling(id).await?,
                _ => return Err(unrecorded(&refusal.reason)),
            },
        };
        Ok((Ruled { decision, explanation, beside, effects: Effects { arguments, sets } }, proceeding))
    }

    /// Somebody of every group says yes.
    async fn approve(&self, suspended: Suspended) -> Result<Option<Box<Proceed>>, CommandError> {
        let groups = self.engine.governing().environment.approver_groups.clone();
        let approver = Approver { name: APPROVER.into(), groups };
        // A call that waits for something else is not put to a person: then it goes on waiting.
        let _ = self.engine.answer(&approver, suspended.action(), true, None).await;
        match suspended.wait(Duration::ZERO).await {
            Proceeding::Proceed(proceed) => Ok(Some(proceed)),
            Proceeding::Refused(_) | Proceeding::Suspended(_) => Ok(None),
        }
    }

    /// Spends the permit, and records what came back.
    async fn run(&self, proceed: Proceed, outcome: &Outcome) -> Result<(), CommandError> {
        let spent = self.engine.spend(proceed).await;
        let (spent, _) = spent.map_err(|refusal| unrecorded(&refusal.reason))?;
        let outcome = session::Outcome {
            status: if outcome.failed { Status::Error } else { Status::Ok },
            labels: outcome.labels.clone(),
            output: Some(Arc::clone(&outcome.output)),
            error: None,
        };
        let report = Report { session: self.session.clone(), outcome };
        self.engine.settle(spent, report).await.map_err(|error| unrecorded(&error.to_string()))?;
        Ok(())
    }

    /// The latest ruling on an action, as its receipt says it.
    async fn ruling(&self, id: &ActionId) -> Result<v1::Decision, CommandError> {
        let query = Query { action: Some(id.clone()), ..Query::default() };
        let stored = self.engine.ledger().receipts(&query).await;
        let stored = stored.map_err(|error| CommandError::bug("the ledger cannot be read").cause(&error))?;
        let receipts =
            stored.iter().rev().filter_map(|one| countersign_receipt::parse(one.body.as_bytes()).ok());
        let found = receipts.map(|signed| signed.receipt).find_map(|receipt| {
            let ruling = receipt.kind == Kind::Ruling;
            receipt.decision.filter(|_| ruling)
        });
        found.ok_or_else(|| CommandError::bug(format!("no receipt says how {id} was ruled on")))
    }
}

fn before(line: usize, call: &Call, differences: Differences, file: &Path) -> Differences {
    let place = format!("{}:{line}, {}", file.display(), call.tool);
    differences
        .into_iter()
        .map(|mut one| {
            one.what = format!("{} of the call before ({place})", one.what);
            one
        })
        .collect()
}

fn did_not_run(line: usize, call: &Call, ruling: &v1::Decision, file: &Path) -> Differences {
    let what = format!("the call before ({}:{line}, {})", file.display(), call.tool);
    let rules =
        if ruling.rules.is_empty() { String::new() } else { format!(" by {}", ruling.rules.join(", ")) };
    vec![Difference {
        what,
        expected:
            "to run, as it has an outcome (or write what it is ruled under its `expect`, or `approved: true`)"
                .to_owned(),
        found: format!("{}{rules}: {}", ruling.verdict, ruling.reason),
    }]
}

fn unrecorded(why: &str) -> CommandError {
    CommandError::bug(format!("something could not be recorded: {why}"))
}

/// Time as a case tells it: it stands still but for a second before each thing, and for what the case waits.
struct Steps(AtomicI64);

impl Steps {
    fn step(&self, time: Span) {
        self.0.fetch_add(time.0, Ordering::Relaxed);
    }
}

impl Clock for Steps {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::Relaxed))
    }
}

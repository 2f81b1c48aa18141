//! The engine under test, what ran, and the audit that every test ends with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use countersign_core::action::{Contract, Effect};
use countersign_core::decide::Environment;
use countersign_core::decision::Ruling;
use countersign_core::drift;
use countersign_core::lifecycle::{Limits, State};
use countersign_core::names::{ActionId, Chain, SessionId, ToolName};
use countersign_core::session::{Context, Outcome, Status, What};
use countersign_core::time::Span;
use countersign_engine::approvals::{AnswerError, Approver};
use countersign_engine::commit::Failure;
use countersign_engine::kept::Terms;
use countersign_engine::ports::{AppendError, Batch, Embedder, Ledger, Query, RecordKind, Stored};
use countersign_engine::record;
use countersign_engine::recovery::Recovered;
use countersign_engine::replay::{Answer, Replay, Today};
use countersign_engine::{
    Caller, Engine, Mediator as _, Opening, Parts, Proceed, Proceeding, ReceiptRef, Refusal, Report,
    Settings, Submission, Suspended, Unrecorded,
};
use countersign_receipt::v1;
use countersign_store::{Memory, Point, Verdict};
use countersign_testkit::builders::{START, approvers, arguments, contract, identity, policy, tool};
use countersign_testkit::clock::SimClock;
use countersign_testkit::embedder::WordEmbedder;
use countersign_testkit::signer::TestSigner;
use serde_json::Value;

use crate::slow::Slow;

/// One of each decision, for reasons a reader recognises.
pub(crate) const POLICY: &str = "
version: 1
policy: {id: desk, version: '1'}
default: {action: DENY, reason: nobody allowed it}
rules:
  - {id: read, match: {tool: [files.read, files.list]}, action: ALLOW}
  - {id: write, match: {tool: [files.write, files.mystery]}, action: ALLOW}
  - {id: query, match: {tool: db.query}, action: ALLOW}
  - {id: bulk, match: {tool: db.query, parameters: {limit: {exists: true, gt: 10}}}, action: MODIFY, modifications: {parameters: {limit: {max: 10}}}}
  - {id: delete, match: {tool: files.delete}, action: STEP_UP, approvers: [security], timeout: 60, reason: deletions are asked about}
  - {id: rotate, match: {tool: [keys.rotate, files.stage], context: {window: open}}, action: ALLOW, timeout: 120}
  - {id: unrotated, match: {tool: [keys.rotate, files.stage], context: {window: closed}}, action: DENY, timeout: 120}
  - {id: wipe, match: {tool: disk.wipe}, action: ALLOW}
  - {id: no-wipe, match: {tool: disk.wipe}, action: DENY}
  - {id: send, match: {tool: mail.send}, action: ALLOW}
  - {id: no-pii, match: {tool: mail.send, context: {data_classification: PII}}, action: DENY, priority: 1, reason: personal data stays inside}
  - {id: export, match: {tool: db.export}, action: ALLOW}
  - {id: budget, match: {tool: db.export, human.actions.db.export: {gte: 20}}, action: DENY, priority: 1, reason: the budget is used up}
  - {id: never, match: {tool: files.shred}, action: DENY, classification: forbidden, reason: never}
";

/// What an append meets.
type Plan = dyn Fn(usize, &Batch) -> Verdict + Send + Sync;

/// Says what each append meets; they are counted from 0.
#[derive(Default)]
pub(crate) struct Faults {
    appends: AtomicUsize,
    plan: Mutex<Option<Box<Plan>>>,
}

impl Faults {
    /// From now on appends meet what `plan` says; they are counted from 0 again.
    pub(crate) fn plan(&self, plan: impl Fn(usize, &Batch) -> Verdict + Send + Sync + 'static) {
        let mut held = self.plan.lock().unwrap();
        self.appends.store(0, Ordering::SeqCst);
        *held = Some(Box::new(plan));
    }

    /// Only the append of this number meets `verdict`.
    pub(crate) fn only(&self, number: usize, verdict: Verdict) {
        self.plan(move |n, _| if n == number { verdict.clone() } else { Verdict::Pass });
    }

    pub(crate) fn none(&self) {
        self.plan(|_, _| Verdict::Pass);
    }

    /// How many appends there were since the plan was made.
    pub(crate) fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }

    fn meet(&self, point: &Point<'_>) -> Verdict {
        let Point::Append(batch) = point else { return Verdict::Pass };
        let plan = self.plan.lock().unwrap();
        let number = self.appends.fetch_add(1, Ordering::SeqCst);
        plan.as_ref().map_or(Verdict::Pass, |plan| plan(number, batch))
    }
}

/// An engine on a ledger, and everything a test needs around it.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) ledger: Arc<Memory>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) faults: Arc<Faults>,
    signer: Arc<TestSigner>,
    policy: String,
    /// How drift is measured, from the next start on.
    pub(crate) measuring: Measuring,
    /// Actions that were run, with the arguments they were run with.
    pub(crate) ran: Mutex<Vec<(ActionId, String)>>,
}

/// What measures drift, and from where on it is noticed.
#[derive(Clone, Default)]
pub(crate) struct Measuring {
    pub(crate) embedder: Option<Arc<WordEmbedder>>,
    pub(crate) limits: drift::Limits,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::under(POLICY).await
    }

    /// The same on a disk that takes its time.
    pub(crate) async fn slow() -> Self {
        let mut world = Self::new().await;
        let ledger = Slow::over(Arc::clone(&world.ledger), Duration::from_millis(3));
        let (clock, signer) = (&world.clock, &world.signer);
        let started = start(Arc::new(ledger), clock, signer, POLICY, &world.measuring).await.unwrap();
        world.engine = started.0;
        world
    }

    pub(crate) async fn under(file: &str) -> Self {
        let faults = Arc::new(Faults::default());
        let hook = Arc::clone(&faults);
        let ledger = Arc::new(Memory::with_faults(Box::new(move |point| hook.meet(point))));
        let (clock, signer) = (Arc::new(SimClock::at(START)), Arc::new(TestSigner::new(1)));
        let (at, measuring) = (Arc::clone(&ledger) as Arc<dyn Ledger>, Measuring::default());
        let engine = start(at, &clock, &signer, file, &measuring).await.unwrap().0;
        let ran = Mutex::default();
        Self { engine, ledger, clock, faults, signer, policy: file.to_owned(), measuring, ran }
    }

    /// The process dies, and another one starts on the same ledger.
    pub(crate) async fn restart(&mut self) -> Recovered {
        let (engine, recovered) = self.another().await.unwrap();
        self.engine = engine;
        recovered
    }

    /// A second engine on the same ledger.
    pub(crate) async fn another(&self) -> Result<(Engine, Recovered), Failure> {
        let ledger = Arc::clone(&self.ledger) as Arc<dyn Ledger>;
        start(ledger, &self.clock, &self.signer, &self.policy, &self.measuring).await
    }

    pub(crate) async fn open(&self) -> SessionId {
        self.open_for("alice", "bot").await
    }

    pub(crate) async fn open_for(&self, human: &str, agent: &str) -> SessionId {
        self.engine.open(opening(human, agent)).await.unwrap().id
    }

    pub(crate) async fn submit(&self, session: &SessionId, name: &str, text: &str) -> Proceeding {
        self.engine.submit(call(session, name, text)).await
    }

    /// Spends the permit and notes that the action ran.
    pub(crate) async fn spend(
        &self,
        proceed: Proceed,
    ) -> Result<countersign_core::lifecycle::Spent, Refusal> {
        let receipt = proceed.receipt.clone();
        let (spent, action) = self.engine.spend(proceed).await?;
        let on_record = self.receipts().await.iter().any(|stored| *stored.digest == *receipt.digest);
        assert!(on_record, "{} ran without a ruling on record", action.id);
        self.ran.lock().unwrap().push((action.id.clone(), action.arguments.text().to_string()));
        Ok(spent)
    }

    /// Runs what may run, to its recorded outcome.
    pub(crate) async fn run(&self, proceed: Proceed, labels: &[&str]) -> ReceiptRef {
        let session = proceed.session().clone();
        let spent = self.spend(proceed).await.unwrap();
        self.engine.settle(spent, report(&session, labels)).await.unwrap().receipt
    }

    /// Submits what is to be allowed, and runs it.
    pub(crate) async fn does(
        &self,
        session: &SessionId,
        name: &str,
        text: &str,
        labels: &[&str],
    ) -> ActionId {
        let proceed = proceed(self.submit(session, name, text).await);
        let id = proceed.action.id.clone();
        self.run(proceed, labels).await;
        id
    }

    pub(crate) async fn answers(&self, id: &ActionId, approve: bool) -> Result<ReceiptRef, AnswerError> {
        self.engine.answer(&bob(), id, approve, Some("as discussed".into())).await
    }

    pub(crate) async fn gives(
        &self,
        session: &SessionId,
        name: &str,
        value: Value,
    ) -> Result<ReceiptRef, Failure> {
        self.engine
            .give_facts(session, [(Arc::from(name), value)].into(), "ops@example.com", None, None)
            .await
    }

    /// Time passes, and whatever is due is done.
    pub(crate) async fn passes(&self, seconds: i64) {
        self.clock.advance(Span::seconds(seconds));
        self.engine.tick().await;
    }

    pub(crate) async fn receipts(&self) -> Vec<Stored> {
        self.ledger.receipts(&Query::default()).await.unwrap()
    }

    /// An action's receipts in the order they were made: kind and, where there is one, the word that matters.
    pub(crate) async fn story(&self, id: &ActionId) -> Vec<String> {
        let query = Query { action: Some(id.clone()), ..Query::default() };
        self.ledger.receipts(&query).await.unwrap().iter().map(|stored| word(&receipt(stored))).collect()
    }

    /// The story of the only action of a session.
    pub(crate) async fn tale(&self, session: &SessionId) -> Vec<String> {
        let chain = self.ledger.read(&Chain::Session(session.clone()), 0).await.unwrap();
        chain
            .iter()
            .map(receipt)
            .filter(|receipt| receipt.action.is_some())
            .map(|receipt| word(&receipt))
            .collect()
    }

    /// Waits for what was left to a task of its own.
    pub(crate) async fn until(&self, id: &ActionId, story: &[&str]) {
        for _ in 0..2000 {
            if self.story(id).await == story {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{:?} is not {story:?}", self.story(id).await);
    }

    /// Everything an auditor checks, and that memory says what the ledger says.
    pub(crate) async fn audit(&self) {
        let stored = self.receipts().await;
        let lines: Vec<String> = stored.iter().map(disclosed).collect();
        let report = countersign_receipt::verify::verify_export(&lines, &self.signer.keys());
        assert!(report.ok(), "{:#?}", report.findings);
        assert_eq!(report.counts.verified, stored.len());
        assert_eq!(report.counts.withheld, 0);
        let sessions = self.ledger.sessions(0).await.unwrap();
        let mut principals = BTreeSet::new();
        for session in sessions {
            let context = self.replayed(&session).await;
            principals.insert(Chain::Human(Arc::clone(&context.opened().human)));
            principals.insert(Chain::Agent(Arc::clone(&context.opened().agent)));
            principals.insert(context.opened().tree());
            self.in_step(&session, &context).await;
        }
        for chain in principals {
            let links = self.ledger.read(&chain, 0).await.unwrap();
            // Read after the links: what was left to a task of its own may still be recorded.
            let receipts = self.receipts().await;
            let digests: BTreeSet<&str> = receipts.iter().map(|stored| &*stored.digest).collect();
            for (n, link) in links.iter().enumerate() {
                assert_eq!((link.sequence, &link.kind), (n as u64, &RecordKind::Link));
                assert!(digests.contains(&*link.digest), "{chain} links to a receipt that is not there");
            }
        }
        self.nothing_ran_unrecorded(&stored);
    }

    /// Memory and ledger agree, except for what is being recorded at this moment.
    async fn in_step(&self, session: &SessionId, replayed: &Context) {
        for _ in 0..2000 {
            let live = self.engine.context(session, seen).await;
            if live.is_ok_and(|live| live == seen(replayed)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            if seen(&self.replayed(session).await) != seen(replayed) {
                return Box::pin(self.audit()).await;
            }
        }
        let live = self.engine.context(session, seen).await;
        panic!("memory is not in step with the ledger:\n{live:?}\n{}", seen(replayed));
    }

    /// The session's context as the ledger alone gives it.
    async fn replayed(&self, session: &SessionId) -> Context {
        let chain = self.ledger.read(&Chain::Session(session.clone()), 0).await.unwrap();
        let (first, rest) = chain.split_first().unwrap();
        let begun = record::entry(first, |_| false, declared).unwrap();
        let What::Opened(opened) = begun.entry.what else {
            panic!("{session} does not begin with its beginning")
        };
        let mut context = Context::new(opened, begun.entry.at, limits());
        for stored in rest {
            let read = record::entry(stored, |id| context.find(id).is_some(), declared).unwrap();
            context.replay(&read.entry).unwrap();
        }
        context
    }

    fn nothing_ran_unrecorded(&self, stored: &[Stored]) {
        let mut permitted: HashMap<String, usize> = HashMap::new();
        for receipt in stored.iter().map(receipt).filter(|r| r.kind == v1::Kind::Ruling && r.permits()) {
            *permitted.entry(receipt.action.unwrap().id).or_default() += 1;
        }
        assert!(permitted.values().all(|n| *n == 1), "an action was permitted twice");
        let mut ran = BTreeSet::new();
        for (id, _) in self.ran.lock().unwrap().iter() {
            assert!(permitted.contains_key(id.as_str()), "{id} ran without a ruling that permits it");
            assert!(ran.insert(id.clone()), "{id} ran twice");
        }
    }
}

/// R3.deterministic: every ruling on record is made again, to the byte, from the ledger alone.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // A ledger in memory never makes anybody wait.
        let replayed = pin!(replayed(&self.ledger));
        let polled = replayed.poll(&mut TaskContext::from_waker(Waker::noop()));
        assert!(polled.is_ready(), "the ledger was not read to its end");
    }
}

async fn replayed(ledger: &Memory) {
    // Nothing stands in for what was not kept: with contracts and terms like these, rulings would be others.
    let today = Today {
        terms: Terms::default(),
        contracts: Arc::new(|_: &ToolName| Arc::default()),
        policies: Vec::new(),
    };
    let mut replay = Replay::of(ledger, today).await.unwrap();
    for stored in ledger.receipts(&Query::default()).await.unwrap() {
        let Some(found) = replay.next(stored).await.unwrap() else { continue };
        let answer = found.again();
        assert!(
            matches!(answer, Answer::Same | Answer::Given),
            "ruling {} is not made again: {answer:#?}\nthen {:#?}",
            found.receipt.id,
            found.ruling
        );
    }
}

async fn start(
    ledger: Arc<dyn Ledger>,
    clock: &Arc<SimClock>,
    signer: &Arc<TestSigner>,
    file: &str,
    measuring: &Measuring,
) -> Result<(Engine, Recovered), Failure> {
    Engine::start(Parts {
        ledger,
        signer: Arc::clone(signer) as Arc<dyn countersign_receipt::sign::Signer>,
        clock: Arc::clone(clock) as Arc<dyn countersign_engine::ports::Clock>,
        embedder: measuring.embedder.clone().map(|embedder| embedder as Arc<dyn Embedder>),
        policy: policy(file),
        settings: Settings {
            limits: limits(),
            environment: Environment {
                approver_groups: ["security".into()].into(),
                max_dependents: 16,
                drift: measuring.limits.clone(),
                ..Environment::default()
            },
            fact_validity: Span::seconds(900),
            window_idle: Span::seconds(1800),
            contracts: Arc::new(declared),
        },
    })
    .await
}

pub(crate) fn limits() -> Limits {
    Limits::default()
}

/// What is declared about tools: files are known by their path, `files.mystery` is not declared at all.
pub(crate) fn declared(tool: &ToolName) -> Arc<Contract> {
    Arc::new(match (tool.upstream(), tool.tool()) {
        ("files", "read" | "list") => contract(Effect::Read, &["/path"]),
        ("files", "write" | "stage") => contract(Effect::WriteInternal, &["/path"]),
        ("files", "delete") => contract(Effect::Destructive, &["/path"]),
        (upstream, name) => match crate::smuggling::derived(&format!("{upstream}.{name}")) {
            Some(derived) => return derived,
            None => Contract::default(),
        },
    })
}

pub(crate) fn caller(human: &str, agent: &str) -> Caller {
    Caller {
        identity: Arc::new(identity(human, agent)),
        face: v1::Face::Mcp,
        enforcement: v1::Enforcement::Enforced,
    }
}

pub(crate) fn opening(human: &str, agent: &str) -> Opening {
    Opening {
        caller: caller(human, agent),
        source: "host".into(),
        inherits: true,
        labels: BTreeSet::new(),
        request: Some("Tidy up".into()),
        intent: None,
        delegation: None,
        lookup: None,
    }
}

/// Alice's bot calls.
pub(crate) fn call(session: &SessionId, name: &str, text: &str) -> Submission {
    Submission {
        session: session.clone(),
        caller: caller("alice", "bot"),
        tool: tool(name),
        original: None,
        arguments: arguments(text),
        contract: declared(&tool(name)),
        depends_on: Vec::new(),
    }
}

pub(crate) fn report(session: &SessionId, labels: &[&str]) -> Report {
    let outcome = Outcome {
        status: Status::Ok,
        labels: labels.iter().map(|label| Arc::from(*label)).collect(),
        output: Some("what the tool said".into()),
        error: None,
    };
    Report { session: session.clone(), outcome }
}

pub(crate) fn bob() -> Approver {
    Approver { name: "bob@example.com".into(), groups: ["security".into()].into() }
}

pub(crate) fn security() -> countersign_core::decision::Approvers {
    approvers(&["security"])
}

pub(crate) fn unavailable() -> AppendError {
    AppendError::Unavailable("the disk is gone".into())
}

pub(crate) fn proceed(proceeding: Proceeding) -> Proceed {
    match proceeding {
        Proceeding::Proceed(proceed) => *proceed,
        other => panic!("it should run: {other:?}"),
    }
}

pub(crate) fn refused(proceeding: Proceeding) -> Refusal {
    match proceeding {
        Proceeding::Refused(refusal) => *refusal,
        other => panic!("it should be refused: {other:?}"),
    }
}

pub(crate) fn suspended(proceeding: Proceeding) -> Suspended {
    match proceeding {
        Proceeding::Suspended(suspended) => *suspended,
        other => panic!("it should wait: {other:?}"),
    }
}

pub(crate) fn not_waiting(result: Result<impl std::fmt::Debug, Unrecorded>) {
    let error = result.unwrap_err();
    assert!(error.0.contains("not one that is waiting for an outcome"), "{error}");
}

pub(crate) fn receipt(stored: &Stored) -> v1::Receipt {
    countersign_receipt::parse(stored.body.as_bytes()).unwrap().receipt
}

fn word(receipt: &v1::Receipt) -> String {
    let kind = receipt.kind.as_str();
    let detail = match receipt.kind {
        v1::Kind::Ruling => receipt.decision.as_ref().map(|d| d.verdict.as_str()),
        v1::Kind::Resolution | v1::Kind::Expiry => receipt.deferral.as_ref().map(|d| d.method.as_str()),
        v1::Kind::Approval => receipt.approval.as_ref().map(|a| a.decision.as_str()),
        v1::Kind::Outcome => {
            receipt.outcome.as_ref().map(|o| if o.late { "late" } else { o.status.as_str() })
        }
        _ => None,
    };
    detail.map_or_else(|| kind.to_owned(), |detail| format!("{kind} {detail}"))
}

fn disclosed(stored: &Stored) -> String {
    let disclosures: v1::Disclosures =
        stored.disclosures.as_ref().map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
    countersign_receipt::sign::disclose(&stored.body, &disclosures).unwrap()
}

/// Everything that can be read of a context, with the end that an action being recorded is about to reach.
pub(crate) fn seen(context: &Context) -> String {
    let tracked: BTreeMap<_, _> = context
        .tracked()
        .map(|t| {
            let stands = stands(t.life.state());
            (t.action.id.to_string(), format!("{stands} {} {:?}", t.life.was_deferred(), t.embedding))
        })
        .collect();
    format!(
        "{:?} {:?} {:?} {} {} {:?} {:?} {:?} {:?} {tracked:#?}",
        context.labels(),
        context.facts(),
        context.actions(),
        context.submitted(),
        context.denied(),
        context.last(),
        context.signals(),
        context.history(),
        context.usage()
    )
}

/// A state without what is only said when it is recorded: a wait's length where no rule says one.
fn stands(state: &State) -> String {
    let plain = |ruling: &Ruling| Ruling { wait: None, ..ruling.clone() };
    match state {
        State::Waiting { ruling, deadline, on_person, .. } => {
            format!("waiting until {deadline:?}, person {on_person}, {:?}", plain(ruling))
        }
        State::Authorised { ruling, until, approved } => {
            format!("authorised until {until:?}, approved {approved}, {:?}", plain(ruling))
        }
        other => format!("{other:?}"),
    }
}

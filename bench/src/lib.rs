//! What the benchmarks share: timing in turns, medians, tables, and an engine on a real ledger.
//!
//! Absolute numbers are the machine's; ratios of cases that are measured in turn, in one run, are ours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::decide::Environment;
use countersign_core::lifecycle::Limits;
use countersign_core::policy::PolicySet;
use countersign_core::time::Span;
use countersign_engine::ports::{Ledger, SystemClock};
use countersign_engine::{Caller, Engine, Mediator, Opening, Parts, Proceeding, Report, Settings, Submission};
use countersign_receipt::v1::{Enforcement, Face};
use countersign_store::SigningKey;
use countersign_testkit::builders;

/// The median; NaN of nothing.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One thing to be timed.
pub struct Case<'a> {
    /// What it is called.
    pub name: String,
    run: Box<dyn FnMut() + 'a>,
}

impl<'a> Case<'a> {
    /// Times `run`; what it gives is kept from the optimiser.
    pub fn new<T>(name: impl Into<String>, mut run: impl FnMut() -> T + 'a) -> Self {
        Self { name: name.into(), run: Box::new(move || drop(std::hint::black_box(run()))) }
    }
}

/// The median time of each case, in microseconds. The cases take turns, so that all see the same machine.
pub fn time(cases: &mut [Case<'_>]) -> Vec<f64> {
    const SAMPLE: Duration = Duration::from_millis(2);
    const SAMPLES: usize = 201;
    let turns: Vec<u32> = cases.iter_mut().map(|case| turns_in(SAMPLE, &mut case.run)).collect();
    let mut samples = vec![Vec::with_capacity(SAMPLES); cases.len()];
    for _ in 0..SAMPLES {
        for ((case, turns), samples) in cases.iter_mut().zip(&turns).zip(&mut samples) {
            let begun = Instant::now();
            for _ in 0..*turns {
                (case.run)();
            }
            samples.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(*turns));
        }
    }
    samples.into_iter().map(median).collect()
}

fn turns_in(sample: Duration, run: &mut dyn FnMut()) -> u32 {
    let mut turns = 1;
    loop {
        let begun = Instant::now();
        for _ in 0..turns {
            run();
        }
        if begun.elapsed() >= sample || turns >= 1 << 20 {
            return turns;
        }
        turns *= 2;
    }
}

/// User and system time of this process so far, in microseconds.
#[must_use]
pub fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // A tick is a hundredth of a second on every Linux that is in use.
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * 1e4
}

/// Prints a Markdown table; the first column is text.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    println!("| {} |", head.join(" | "));
    println!("|---{}|", "|--:".repeat(head.len() - 1));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
    println!();
}

/// An engine on a ledger, under a policy that allows everything.
pub async fn engine(ledger: Arc<dyn Ledger>) -> Engine {
    let parts = Parts {
        ledger,
        signer: Arc::new(SigningKey::generate().expect("the system has randomness")),
        clock: Arc::new(SystemClock),
        embedder: None,
        policy: allow_all(),
        settings: Settings {
            limits: Limits::default(),
            environment: Environment { max_dependents: 16, ..Environment::default() },
            fact_validity: Span::seconds(900),
            window_idle: Span::seconds(1800),
            contracts: Arc::new(|_| Arc::default()),
        },
    };
    Engine::start(parts).await.expect("the engine starts on an empty ledger").0
}

/// A policy of one rule.
#[must_use]
pub fn allow_all() -> PolicySet {
    builders::rules("DENY", &["{ id: all, match: { tool: up }, action: ALLOW }"])
}

/// Who calls.
#[must_use]
pub fn caller() -> Caller {
    let identity = Arc::new(builders::identity("alice@example.com", "bench-agent"));
    Caller { identity, face: Face::Mcp, enforcement: Enforcement::Enforced }
}

/// A session as a gateway opens one.
pub async fn open(engine: &Engine, caller: &Caller) -> countersign_core::names::SessionId {
    let opening = Opening {
        caller: caller.clone(),
        source: "mcp-session".into(),
        inherits: true,
        labels: [].into(),
        request: None,
        intent: None,
        delegation: None,
        lookup: None,
    };
    engine.open(opening).await.expect("the session is recorded").id
}

/// One allowed action from submission to recorded outcome: two durable signed receipts.
pub async fn act(engine: &Engine, caller: &Caller, session: &countersign_core::names::SessionId, n: u64) {
    let text = format!(r#"{{"message":"{n}-{}"}}"#, "x".repeat(200));
    let submission = Submission {
        session: session.clone(),
        caller: caller.clone(),
        tool: builders::tool("up.echo"),
        original: None,
        arguments: builders::arguments(&text),
        contract: Arc::default(),
        depends_on: Vec::new(),
    };
    let Proceeding::Proceed(proceed) = engine.submit(submission).await else {
        panic!("the policy allows everything");
    };
    let (spent, _) = engine.spend(*proceed).await.expect("nothing has changed in between");
    let mut outcome = builders::outcome(countersign_core::session::Status::Ok, &["INTERNAL"]);
    outcome.output = Some(text.into());
    let report = Report { session: session.clone(), outcome };
    engine.settle(spent, report).await.expect("the outcome is recorded");
}

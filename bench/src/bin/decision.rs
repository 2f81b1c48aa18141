//! What a ruling, a replay and a signed receipt cost. Prints Markdown.

use std::fmt::Write as _;
use std::sync::Arc;

use countersign_bench::{Case, caller, engine, open, table, time};
use countersign_core::decide::decide;
use countersign_core::lifecycle::{Input, Limits, Output};
use countersign_core::names::{Chain, SessionId, ToolName};
use countersign_core::policy::PolicySet;
use countersign_core::session::{Context, Entry, Status, What};
use countersign_engine::ports::{Ledger as _, Stored};
use countersign_engine::record::write::{Source, Wait};
use countersign_engine::record::{self, Draft, Place, seal};
use countersign_receipt::sign::{Signer, SignerError};
use countersign_receipt::v1::{Algorithm, Enforcement, Face};
use countersign_store::Memory;
use countersign_testkit::builders::{self, START, World};
use countersign_testkit::signer::TestSigner;

/// Actions in the session before the one that is timed.
const PRIOR: usize = 100;
const RULES: [usize; 4] = [10, 100, 1_000, 10_000];
/// The tool that the timed action calls.
const TOOL: &str = "files.read";

fn main() {
    decisions();
    folds();
    seals();
}

/// `decide`, by number of rules and by the share of them that are about the tool.
fn decisions() {
    println!("### Decision\n");
    println!("`core::decide` in a session of {PRIOR} prior actions. *About the tool*: the share of rules that name it; all others");
    println!("name other tools. Every rule tests an argument, a counter of the session and the agent; one allows.\n");
    let shares = [("1 %", 100), ("10 %", 10)];
    let worlds: Vec<Vec<World>> =
        shares.map(|(_, every)| RULES.map(|rules| world(rules, every)).into()).into();
    let mut cases: Vec<Case<'_>> = worlds
        .iter()
        .flatten()
        .map(|world| Case::new("", || decide(&world.question())))
        .collect();
    let times = time(&mut cases);
    let mut head = vec!["about the tool".to_owned()];
    head.extend(RULES.map(|rules| format!("{rules} rules, p50 µs")));
    head.push("10,000 to 10 ×".into());
    let rows: Vec<Vec<String>> = shares
        .iter()
        .zip(times.chunks(RULES.len()))
        .map(|((share, _), times)| {
            let mut row = vec![(*share).to_owned()];
            row.extend(times.iter().map(|time| format!("{time:.2}")));
            row.push(format!("{:.1}", times[RULES.len() - 1] / times[0]));
            row
        })
        .collect();
    table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
}

/// A world whose policy has so many rules, of which one in `every`, and at least one, is about the tool.
fn world(rules: usize, every: usize) -> World {
    let mut world = World::under(policy(rules, every));
    world.context = context(PRIOR);
    world.now = builders::second(1_000);
    world.calls(TOOL, r#"{"path":"/srv/data/report-2026.txt","limit":100}"#)
}

/// Files of a thousand rules, as a file has its limit.
fn policy(rules: usize, every: usize) -> PolicySet {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for first in (0..rules).step_by(1_000) {
        let mut text = String::from("version: 1\n");
        text.push_str(if first == 0 { "default: DENY\nrules:\n" } else { "rules:\n" });
        (first..rules.min(first + 1_000)).for_each(|n| rule(&mut text, n, every));
        files.push((format!("{first:05}.yaml"), text.into_bytes()));
    }
    PolicySet::assemble(files).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

fn rule(text: &mut String, n: usize, every: usize) {
    let (tool, action, prefix) = match n {
        0 => (TOOL.to_owned(), "ALLOW", "/srv/".to_owned()),
        n if n % every == 0 => (TOOL.to_owned(), "DENY", format!("/secret/{n}/")),
        n => (format!("up{}.tool{n}", n % 50), "DENY", format!("/secret/{n}/")),
    };
    let _ = writeln!(
        text,
        "  - {{ id: r{n}, action: {action}, match: {{ tool: {tool}, parameters.path: {{ matches: \"^{prefix}\" }}, \
         context.action_count: {{ gte: 1 }}, identity.agent: bot }} }}"
    );
}

/// A session in which so many actions were allowed and settled.
fn context(actions: usize) -> Context {
    let mut context = Context::new(builders::opened("ses_1", "alice", "bot"), START, Limits::default());
    let identity = Arc::new(builders::identity("alice", "bot"));
    for n in 0..actions {
        let name = format!("up{}.tool{}", n % 5, n % 20);
        let action = Arc::new(builders::action(&format!("act_{n:04}"), &name, r#"{"path":"/srv/x"}"#));
        let now = builders::second(i64::try_from(n).unwrap_or(0));
        let ruling = Arc::new(builders::ruling(countersign_core::decision::Decision::Allow));
        let (recorded, _) = context.submit(&action, &identity, ruling, now);
        assert!(matches!(recorded, Output::Record(_)), "the first ruling is recorded");
        let settled = Input::Settled(builders::outcome(Status::Ok, &["INTERNAL"]));
        for input in [Input::Recorded, settled, Input::Recorded] {
            let (output, _) = context.handle(&action.id, input, now);
            assert!(!matches!(output, Output::Misplaced), "an action takes its usual way");
        }
    }
    context
}

/// The fold over a session's entries, alone and from the stored receipts on.
fn folds() {
    println!("### Replay\n");
    println!("A session of {PRIOR} actions, rebuilt from its {} receipts; per entry.\n", 2 * PRIOR + 1);
    let stored = session_on_record();
    let contract = |_: &ToolName| Arc::default();
    let read = || -> Vec<Entry> {
        let mut known = std::collections::BTreeSet::new();
        stored
            .iter()
            .map(|stored| {
                let read = record::entry(stored, |id| known.contains(id), contract).expect("it was just written");
                if let What::Submitted { action, .. } = &read.entry.what {
                    known.insert(action.id.clone());
                }
                read.entry
            })
            .collect()
    };
    let entries = read();
    let fold = || {
        let What::Opened(opened) = entries[0].what.clone() else { panic!("a session begins with its opening") };
        let mut context = Context::new(opened, entries[0].at, Limits::default());
        for entry in &entries[1..] {
            context.replay(entry).expect("the entries follow from each other");
        }
        context
    };
    let mut cases = [Case::new("fold alone", fold), Case::new("read the receipts (parse, disclosures)", read)];
    let times = time(&mut cases);
    let per = |time: f64| format!("{:.2}", time / stored.len() as f64);
    let mut rows: Vec<Vec<String>> =
        cases.iter().zip(&times).map(|(case, time)| vec![case.name.clone(), per(*time)]).collect();
    rows.push(vec!["both".into(), per(times.iter().sum())]);
    table(&["", "p50 µs per entry"], &rows);
}

/// A session's chain as the engine writes it.
fn session_on_record() -> Vec<Stored> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let ledger = Arc::new(Memory::new());
        let engine = engine(ledger.clone()).await;
        let caller = caller();
        let session: SessionId = open(&engine, &caller).await;
        for n in 0..PRIOR as u64 {
            countersign_bench::act(&engine, &caller, &session, n).await;
        }
        ledger.read(&Chain::Session(session), 0).await.expect("memory can be read")
    })
}

/// Sealing one ruling: salts, commitments, canonical form, digest, signature.
fn seals() {
    println!("### Receipt\n");
    let (draft, chain) = draft();
    let place = Place {
        head: None,
        principals: Vec::new(),
        epochs: countersign_engine::ports::Epochs::default(),
        prior: None,
    };
    let signer = TestSigner::new(7);
    let sealed = seal(draft.clone(), &chain, &place, &signer).expect("the key signs");
    println!("An ALLOW with 200 B of arguments; the stored receipt has {} bytes.\n", sealed.record.body.len());
    let message = sealed.record.body.as_bytes().to_vec();
    let mut cases = [
        Case::new("seal (salts, commitments, canonical form, digest, signature)", || {
            seal(draft.clone(), &chain, &place, &signer)
        }),
        Case::new("the same without the signature", || seal(draft.clone(), &chain, &place, &Unsigned)),
        Case::new("the Ed25519 signature alone", || signer.sign(&message)),
        Case::new("read it back (strict parse)", || countersign_receipt::parse(&message)),
        Case::new("verify (parse, canonical form, signature)", || {
            countersign_receipt::verify::receipt(&message, &signer.keys())
        }),
    ];
    let times = time(&mut cases);
    let rows: Vec<Vec<String>> =
        cases.iter().zip(times).map(|(case, time)| vec![case.name.clone(), format!("{time:.1}")]).collect();
    table(&["", "p50 µs"], &rows);
}

fn draft() -> (Draft, Chain) {
    let world = World::under(countersign_bench::allow_all())
        .calls("up.echo", &format!(r#"{{"message":"{}"}}"#, "x".repeat(185)));
    let ruling = Arc::new(world.decide());
    let source = Source {
        session: world.context.opened(),
        identity: &world.identity,
        face: Face::Mcp,
        enforcement: Enforcement::Enforced,
    };
    let wait = Wait { default: countersign_core::time::Span::seconds(900), until: None };
    let transition = countersign_core::lifecycle::Transition::Ruled(ruling);
    let draft = Draft::transition(source, &world.action, &transition, wait, world.now);
    (draft, Chain::Session(world.context.opened().session.clone()))
}

/// A key that takes no time.
struct Unsigned;

impl Signer for Unsigned {
    fn key_id(&self) -> &str {
        "none"
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok([0; 64])
    }
}

//! What a replay and a signed receipt cost. Prints Markdown.

use std::sync::Arc;

use countersign_bench::{Case, caller, engine, open, table, time};
use countersign_core::lifecycle::Limits;
use countersign_core::names::{Chain, SessionId, ToolName};
use countersign_core::session::{Context, Entry, What};
use countersign_engine::ports::{Ledger as _, Stored};
use countersign_engine::record::write::{Source, Wait};
use countersign_engine::record::{self, Draft, Place, seal};
use countersign_receipt::sign::{Signer, SignerError};
use countersign_receipt::v1::{Algorithm, Enforcement, Face};
use countersign_store::Memory;
use countersign_testkit::builders::World;
use countersign_testkit::signer::TestSigner;

/// Actions in the session that is rebuilt.
const PRIOR: usize = 100;

fn main() {
    folds();
    seals();
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

//! How many signed receipts become durable in a second, beside unsigned rows of the same size. Prints Markdown.
//!
//! `store --engine SECONDS CALLERS` only runs actions through the engine, for a profiler.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use countersign_bench::{act, caller, cpu, engine, median, open, table};
use countersign_core::lifecycle::Transition;
use countersign_core::names::Chain;
use countersign_core::time::Span;
use countersign_engine::Engine;
use countersign_engine::ports::{Batch, Epochs, Expected, Head, Ledger};
use countersign_engine::record::write::{Source, Wait};
use countersign_engine::record::{Draft, Place, Sealed, seal};
use countersign_receipt::sign::Signer;
use countersign_receipt::v1::{Enforcement, Face};
use countersign_store::{DisclosureKey, Options, SigningKey, Sqlite};
use countersign_testkit::builders::{self, World};
use rusqlite::Connection;
use tokio::sync::oneshot;

const CALLERS: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 7;
const SECONDS: f64 = 1.5;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = match std::env::var_os("BENCH_DIR") {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    }
    .expect("a temporary folder");
    if let [flag, seconds, callers] = &arguments[..]
        && flag == "--engine"
    {
        let (seconds, callers) = (seconds.parse().expect("seconds"), callers.parse().expect("a number"));
        let engine = engine(Arc::new(ledger(folder.path(), "engine.db"))).await;
        let Run { rate, cpu } = actions(&engine, callers, seconds).await;
        println!("{rate:.0} actions/s, {cpu:.1} us CPU each");
        return;
    }
    compare(folder.path()).await;
}

struct Run {
    /// In a second.
    rate: f64,
    /// Microseconds each.
    cpu: f64,
}

async fn compare(folder: &Path) {
    let ledger_ = Arc::new(ledger(folder, "signed.db"));
    let engine = engine(Arc::new(ledger(folder, "engine.db"))).await;
    let signer: Arc<dyn Signer> = Arc::new(SigningKey::generate().expect("the system has randomness"));
    let row = row_bytes(&*signer);
    let plain = Plain::open(&folder.join("plain.db"));
    let mut rows = Vec::new();
    for callers in CALLERS {
        let mut found: [Vec<Run>; 3] = Default::default();
        for _ in 0..ROUNDS {
            found[0].push(plain.rows(callers, SECONDS, row).await);
            found[1].push(receipts(&ledger_, &signer, callers, SECONDS).await);
            found[2].push(actions(&engine, callers, SECONDS).await);
        }
        let names = ["unsigned rows", "signed receipts", "whole actions (two receipts each)"];
        for (name, runs) in names.iter().zip(&found) {
            let of = |get: fn(&Run) -> f64| median(runs.iter().map(get).collect());
            let ratio = median(runs.iter().zip(&found[0]).map(|(run, base)| run.rate / base.rate).collect());
            rows.push(vec![
                (*name).to_owned(),
                callers.to_string(),
                format!("{:.0}", of(|run| run.rate)),
                format!("{:.1}", of(|run| run.cpu)),
                format!("{ratio:.2}"),
            ]);
        }
    }
    println!("### Store\n");
    println!("SQLite, WAL, `synchronous=FULL`, group commit by one writer thread; every caller waits for the sync of its own row.");
    println!("Unsigned rows are of the same {row} bytes, in a file of their own on the same disk, written by a thread with group commit");
    println!("and nothing else. A whole action goes through the engine: ruling, permit, outcome, entries of both principals.\n");
    table(&["what", "callers", "per second", "CPU µs each", "rate × unsigned"], &rows);
}

fn ledger(folder: &Path, name: &str) -> Sqlite {
    let key = DisclosureKey::generate().expect("the system has randomness");
    Sqlite::open(&folder.join(name), &key, Options::default()).expect("a ledger")
}

/// Runs `step` in as many tasks as there are callers until the time is over.
async fn run<S, F>(callers: usize, seconds: f64, step: impl Fn(usize) -> S) -> Run
where
    S: FnMut() -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let (begun, used) = (Instant::now(), cpu());
    let until = begun + Duration::from_secs_f64(seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..callers {
        let (mut step, done) = (step(n), done.clone());
        tasks.spawn(async move {
            while Instant::now() < until {
                step().await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a caller panicked");
    }
    let count = done.load(Ordering::Relaxed) as f64;
    Run { rate: count / begun.elapsed().as_secs_f64(), cpu: (cpu() - used) / count }
}

async fn actions(engine: &Engine, callers: usize, seconds: f64) -> Run {
    let caller = caller();
    let mut sessions = Vec::new();
    for _ in 0..callers {
        sessions.push(open(engine, &caller).await);
    }
    run(callers, seconds, |place| {
        let (engine, caller, session, mut n) = (engine.clone(), caller.clone(), sessions[place].clone(), 0);
        move || {
            n += 1;
            let (engine, caller, session) = (engine.clone(), caller.clone(), session.clone());
            async move { act(&engine, &caller, &session, n).await }
        }
    })
    .await
}

/// Each caller seals receipts onto a chain of its own.
async fn receipts(ledger: &Arc<Sqlite>, signer: &Arc<dyn Signer>, callers: usize, seconds: f64) -> Run {
    static SESSION: AtomicU64 = AtomicU64::new(0);
    run(callers, seconds, |_| {
        let (ledger, signer) = (ledger.clone(), signer.clone());
        let world = world();
        let name = format!("ses_bench_{}", SESSION.fetch_add(1, Ordering::Relaxed));
        let chain = Chain::Session(name.as_str().into());
        let mut head: Option<Head> = None;
        move || {
            let sealed = sealed(&world, &chain, head.as_ref(), &*signer);
            let expect = vec![Expected { chain: chain.clone(), head: head.take() }];
            head = Some(Head { sequence: sealed.record.sequence, digest: sealed.record.digest.clone() });
            let appending = ledger.append(Batch { expect, records: vec![sealed.record], ..Batch::default() });
            async move { appending.await.expect("the ledger takes it") }
        }
    })
    .await
}

fn world() -> World {
    World::under(countersign_bench::allow_all()).calls("up.echo", &format!(r#"{{"message":"{}"}}"#, "x".repeat(185)))
}

/// One ruling as the engine would record it.
fn sealed(world: &World, chain: &Chain, head: Option<&Head>, signer: &dyn Signer) -> Sealed {
    let source = Source {
        session: world.context.opened(),
        identity: &world.identity,
        face: Face::Mcp,
        enforcement: Enforcement::Enforced,
    };
    let wait = Wait { default: Span::seconds(900), until: None };
    let transition = Transition::Ruled(Arc::new(world.decide()));
    let mut draft = Draft::transition(source, &world.action, &transition, wait, builders::START);
    draft.receipt.chain = chain.to_string();
    let place = Place { head, principals: Vec::new(), epochs: Epochs::default(), prior: None };
    seal(draft, chain, &place, signer).expect("the key signs")
}

/// The bytes of a receipt and what it discloses.
fn row_bytes(signer: &dyn Signer) -> usize {
    let world = world();
    let chain = Chain::Session(world.context.opened().session.clone());
    let record = sealed(&world, &chain, None, signer).record;
    record.body.len() + record.disclosures.map_or(0, |text| text.len())
}

/// The yardstick: a table of rows, one writer thread, group commit, and nothing else.
struct Plain(mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>);

impl Plain {
    fn open(path: &Path) -> Self {
        let conn = Connection::open(path).expect("a file");
        conn.execute_batch(
            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE plain (position INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
        )
        .expect("a table");
        conn.set_prepared_statement_cache_capacity(8);
        let (jobs, waiting) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
        std::thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let group: Vec<_> =
                    std::iter::once(first).chain(waiting.try_iter()).take(512).collect();
                let run = |sql| conn.prepare_cached(sql).and_then(|mut run| run.execute([])).expect("it runs");
                run("BEGIN IMMEDIATE");
                for (body, _) in &group {
                    conn.prepare_cached("INSERT INTO plain (body) VALUES (?1)")
                        .and_then(|mut insert| insert.execute([body]))
                        .expect("a row");
                }
                run("COMMIT");
                for (_, told) in group {
                    let _ = told.send(());
                }
            }
        });
        Self(jobs)
    }

    async fn rows(&self, callers: usize, seconds: f64, bytes: usize) -> Run {
        run(callers, seconds, |_| {
            let jobs = self.0.clone();
            move || {
                let (tell, told) = oneshot::channel();
                jobs.send((vec![b'x'; bytes], tell)).expect("the writer runs");
                async move { told.await.expect("the writer runs") }
            }
        })
        .await
    }
}

//! How much memory a session takes after a hundred actions, on a real ledger. Prints Markdown.

use std::alloc::System;
use std::sync::Arc;

use countersign_bench::{act, caller, engine, open, table};
use countersign_store::{DisclosureKey, Options, Sqlite};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: u64 = 64;
const ACTIONS: u64 = 100;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = DisclosureKey::generate().expect("the system has randomness");
    let ledger = Sqlite::open(&folder.path().join("bench.db"), &key, Options::default()).expect("a ledger");
    let engine = engine(Arc::new(ledger)).await;
    let caller = caller();
    // Whatever is made at the first use is not the session's.
    let first = open(&engine, &caller).await;
    act(&engine, &caller, &first, 0).await;

    let empty = live();
    let mut sessions = Vec::with_capacity(SESSIONS as usize);
    for _ in 0..SESSIONS {
        sessions.push(open(&engine, &caller).await);
    }
    let opened = live();
    let mut running = tokio::task::JoinSet::new();
    for session in &sessions {
        let (engine, caller, session) = (engine.clone(), caller.clone(), session.clone());
        running.spawn(async move {
            for n in 0..ACTIONS {
                act(&engine, &caller, &session, n).await;
            }
        });
    }
    while running.join_next().await.is_some() {}
    // What follows a settlement in a task of its own has a moment to end.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    drop(running);
    let acted = live();

    println!("### Memory\n");
    println!("Live heap of the engine per session ({SESSIONS} sessions, counted by the allocator; SQLite's own cache apart).\n");
    let per = |bytes: isize| format!("{:.0}", bytes as f64 / SESSIONS as f64);
    table(
        &["a session", "bytes"],
        &[
            vec!["opened".into(), per(opened - empty)],
            vec![format!("after {ACTIONS} settled actions"), per(acted - empty)],
        ],
    );
}

fn live() -> isize {
    let stats = COUNTED.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

//! The rows `crash` of the fault table: a process is killed in the middle of writing, again and again.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::HashSet;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::{batch, human, link, receipt, session};
use countersign_engine::ports::{AppendError, Batch, Expected, Head, Ledger, Query, Record};
use countersign_store::{DisclosureKey, KeyFolder, Options, Sqlite};

const LEDGER: &str = "COUNTERSIGN_TEST_LEDGER";
const ROUNDS: u32 = 30;
const CALLERS: usize = 16;
const HUMANS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_no_chain_breaks_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let keys = KeyFolder::open_or_create(&folder.path().join("keys")).unwrap();
    let mut acknowledged = HashSet::new();
    for round in 0..ROUNDS {
        acknowledged.extend(write_and_die(&path, round));
        // Half of the time a reader comes first and finds the log of the dead.
        if round % 2 == 0 {
            let reader = Sqlite::open_read_only(&path, Some(keys.disclosure())).unwrap();
            verify(&reader, &acknowledged).await;
        }
        let ledger = Sqlite::open(&path, keys.disclosure(), Options::default()).unwrap();
        verify(&ledger, &acknowledged).await;
    }
}

/// Gives the digests that the process acknowledged before it died.
fn write_and_die(path: &Path, round: u32) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "writes_until_killed", "--ignored", "--nocapture"])
        .env(LEDGER, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let acknowledged = |line: String| line.strip_prefix("ack ").map(str::to_owned);
    let at_least = 1 + round as usize % 8 * 10;
    let mut all: Vec<String> = lines.by_ref().filter_map(acknowledged).take(at_least).collect();
    assert_eq!(all.len(), at_least, "the process ended by itself");
    let killer = std::thread::spawn(move || {
        // Another moment each time, from at once to in full swing.
        let noise = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
        std::thread::sleep(Duration::from_micros(u64::from(noise % 20_000)));
        child.kill().unwrap();
        child.wait().unwrap();
    });
    all.extend(lines.filter_map(acknowledged));
    killer.join().unwrap();
    all
}

async fn verify(ledger: &Sqlite, acknowledged: &HashSet<String>) {
    // Reading a chain proves it whole: no gap, and its head is its last record.
    let mut links = 0;
    for n in 0..HUMANS {
        links += ledger.read(&human(&n.to_string()), 0).await.unwrap().len();
    }
    let mut kept: HashSet<String> = HashSet::new();
    let mut receipts = 0;
    for session in ledger.sessions(0).await.unwrap() {
        let chain = ledger.read(&countersign_core::names::Chain::Session(session), 0).await.unwrap();
        assert!(
            chain
                .iter()
                .all(|stored| stored.disclosures.as_deref() == Some(&*format!("words of {}", stored.digest)))
        );
        receipts += chain.len();
        kept.extend(chain.iter().map(|stored| stored.digest.to_string()));
    }
    assert_eq!(receipts, links, "a batch is there whole or not at all");
    assert_eq!(receipts, ledger.receipts(&Query::default()).await.unwrap().len());
    assert!(acknowledged.is_subset(&kept), "{:?}", acknowledged.difference(&kept).next());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of its own, started and killed by the test above"]
async fn writes_until_killed() {
    let Ok(path) = env::var(LEDGER) else { return };
    let path = Path::new(&path);
    let key = DisclosureKey::open(&path.with_file_name("keys")).unwrap();
    let ledger = Arc::new(Sqlite::open(path, &key, Options::default()).unwrap());
    let callers: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(write(ledger.clone(), n))).collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

async fn write(ledger: Arc<Sqlite>, caller: usize) {
    let (own, shared) =
        (session(&format!("{}.{caller}", std::process::id())), human(&(caller % HUMANS).to_string()));
    loop {
        let (own_head, shared_head) = (ledger.head(&own).await.unwrap(), ledger.head(&shared).await.unwrap());
        let next = |head: &Option<Head>| head.as_ref().map_or(0, |head| head.sequence + 1);
        let record = receipt(&own, next(&own_head), "");
        let record = Record { disclosures: Some(format!("words of {}", record.digest).into()), ..record };
        let records = vec![record.clone(), link(&shared, next(&shared_head), &record.body)];
        let expect = vec![
            Expected { chain: own.clone(), head: own_head },
            Expected { chain: shared.clone(), head: shared_head },
        ];
        match ledger.append(Batch { expect, ..batch(records) }).await {
            Ok(()) => writeln!(std::io::stdout().lock(), "ack {}", record.digest).unwrap(),
            Err(AppendError::Conflict(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

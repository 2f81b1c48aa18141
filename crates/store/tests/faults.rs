//! The fault table of `countersign_store::sqlite`, row by row; the rows about crashes are in `crash.rs`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{after, append_next, batch, digests, epochs, receipt, session};
use countersign_engine::ports::{AppendError, Appending, Batch, Epoch, Ledger, LedgerError, Query};
use countersign_store::{DisclosureKey, Hook, Memory, Options, Point, Sqlite, Verdict};
use rusqlite::Connection;
use tempfile::TempDir;

/// A ledger whose faults are set while it runs.
struct Faulty {
    ledger: Sqlite,
    next: Arc<Mutex<Plan>>,
    key: DisclosureKey,
    folder: TempDir,
}

/// What to do the next time a point of this name is passed, in order.
type Plan = Vec<(&'static str, Verdict)>;

impl Faulty {
    fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = DisclosureKey::generate().unwrap();
        let next = Arc::<Mutex<Plan>>::default();
        let options = Options { faults: follow(next.clone()), ..options };
        let ledger = Sqlite::open(&folder.path().join("ledger.db"), &key, options).unwrap();
        Self { ledger, next, key, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn plan(&self, plan: &[(&'static str, Verdict)]) {
        *self.next.lock().unwrap() = plan.to_vec();
    }

    /// Three batches of one group: the writer is held back until all of them wait.
    async fn group(&self, batches: [Batch; 3]) -> [Result<(), AppendError>; 3] {
        self.next.lock().unwrap().insert(0, ("begin", Verdict::Delay(Duration::from_millis(200))));
        let opening = self.ledger.append(Batch { reserve: true, ..Batch::default() });
        self.wait_for_begin();
        let answers: Vec<Appending> = batches.into_iter().map(|batch| self.ledger.append(batch)).collect();
        opening.await.unwrap();
        let mut said = Vec::new();
        for answer in answers {
            said.push(answer.await);
        }
        said.try_into().unwrap()
    }

    /// Waits until the writer has taken what waits and is held back by the plan.
    fn wait_for_begin(&self) {
        while self.next.lock().unwrap().iter().any(|(point, _)| *point == "begin") {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Closes the ledger and opens it as a restart would.
    fn restart(self) -> (Sqlite, TempDir) {
        let path = self.path();
        drop(self.ledger);
        (Sqlite::open(&path, &self.key, Options::default()).unwrap(), self.folder)
    }
}

fn follow(plan: Arc<Mutex<Plan>>) -> Hook {
    Box::new(move |point| {
        let name = match point {
            Point::Begin => "begin",
            Point::Write(batch) if batch.records.is_empty() => "nothing",
            Point::Write(_) => "write",
            Point::Commit => "commit",
            Point::Reopen => "reopen",
            Point::Check => "check",
            _ => "other",
        };
        let mut plan = plan.lock().unwrap();
        match plan.iter().position(|(wanted, _)| *wanted == name) {
            Some(place) => plan.remove(place).1,
            None => Verdict::Pass,
        }
    })
}

fn broken() -> AppendError {
    AppendError::Unavailable("broken".to_owned())
}

fn first(name: &str) -> Batch {
    batch(vec![receipt(&session(name), 0, "")])
}

async fn kept(ledger: &Sqlite) -> usize {
    ledger.receipts(&Query::default()).await.unwrap().len()
}

#[tokio::test]
async fn queue_is_full() {
    let faulty = Faulty::new(Options { queue: 1, group: 1, ..Options::default() });
    faulty.plan(&[("begin", Verdict::Delay(Duration::from_millis(1000)))]);
    let taken = faulty.ledger.append(first("a"));
    faulty.wait_for_begin();
    let waits = faulty.ledger.append(first("b"));
    let asked = Instant::now();
    assert_eq!(faulty.ledger.append(first("c")).await, Err(AppendError::QueueFull));
    assert!(matches!(faulty.ledger.check().await, Err(LedgerError::Unavailable(_))));
    assert!(asked.elapsed() < Duration::from_millis(700), "at once");
    assert_eq!((taken.await, waits.await), (Ok(()), Ok(())));
    assert_eq!(faulty.ledger.append(first("c")).await, Ok(()));
    assert_eq!(kept(&faulty.ledger).await, 3);
}

#[tokio::test]
async fn disk_is_below_its_margin() {
    let faulty = Faulty::new(Options { keep_free: u64::MAX, ..Options::default() });
    assert_eq!(faulty.ledger.append(first("a")).await, Err(AppendError::DiskFull));
    assert!(matches!(faulty.ledger.check().await, Err(LedgerError::Unavailable(_))));
    assert_eq!(faulty.ledger.append(Batch { reserve: true, ..first("b") }).await, Ok(()));
    let said = faulty.group([first("c"), Batch { reserve: true, ..first("d") }, first("e")]).await;
    assert_eq!(said, [Err(AppendError::DiskFull), Ok(()), Err(AppendError::DiskFull)]);
    assert_eq!(kept(&faulty.ledger).await, 2);
}

#[tokio::test]
async fn disk_does_not_tell_its_space() {
    let home = tempfile::tempdir().unwrap();
    let [folder, away] = ["here", "away"].map(|name| home.path().join(name));
    std::fs::create_dir(&folder).unwrap();
    let key = DisclosureKey::generate().unwrap();
    let ledger = Sqlite::open(&folder.join("ledger.db"), &key, Options::default()).unwrap();
    std::fs::rename(&folder, &away).unwrap();
    assert!(matches!(ledger.append(first("a")).await, Err(AppendError::Unavailable(_))));
    assert!(matches!(ledger.check().await, Err(LedgerError::Unavailable(_))));
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(ledger.append(first("a")).await, Ok(()));
}

#[tokio::test]
async fn file_is_locked_by_another_program() {
    let faulty = Faulty::new(Options { busy: Duration::from_millis(200), ..Options::default() });
    append_next(&faulty.ledger, "s", "").await.unwrap();
    let other = Connection::open(faulty.path()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(matches!(faulty.ledger.append(first("a")).await, Err(AppendError::Unavailable(_))));
    assert!(matches!(faulty.ledger.check().await, Err(LedgerError::Unavailable(_))));
    assert_eq!(kept(&faulty.ledger).await, 1, "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(faulty.ledger.check().await, Ok(()));
    assert_eq!(faulty.ledger.append(first("a")).await, Ok(()));
    assert_eq!(kept(&faulty.ledger).await, 2);
}

#[tokio::test]
async fn transaction_does_not_begin() {
    let faulty = Faulty::new(Options::default());
    for verdict in [Verdict::FailBefore(broken()), Verdict::FailAfter(broken())] {
        faulty.plan(&[("begin", verdict)]);
        assert_eq!(faulty.ledger.append(first("a")).await, Err(broken()));
        assert_eq!(kept(&faulty.ledger).await, 0);
    }
    assert_eq!(faulty.ledger.append(first("a")).await, Ok(()));
}

#[tokio::test]
async fn rule_refuses_one_batch_of_a_group() {
    let faulty = Faulty::new(Options::default());
    let wrong = batch(vec![receipt(&session("b"), 0, ""), receipt(&session("b"), 7, "")]);
    let [a, b, c] = faulty.group([first("a"), wrong, first("c")]).await;
    assert_eq!([a, b, c], [Ok(()), Err(AppendError::Conflict("session:b".to_owned())), Ok(())]);
    let halt = Batch { raise: vec![Epoch::Halt], ..Batch::default() };
    let late = Batch { epochs: Some(epochs(0, 0, 0)), ..first("late") };
    let [halt, late, free] = faulty.group([halt, late, first("free")]).await;
    assert_eq!([halt, late, free], [Ok(()), Err(AppendError::EpochMoved), Ok(())]);
    assert_eq!(faulty.ledger.head(&session("b")).await, Ok(None));
    let (ledger, _folder) = faulty.restart();
    assert_eq!(kept(&ledger).await, 3);
}

#[tokio::test]
async fn write_fails_inside_a_group() {
    let faulty = Faulty::new(Options::default());
    for verdict in [Verdict::FailBefore(broken()), Verdict::FailAfter(broken())] {
        faulty.plan(&[("write", Verdict::Pass), ("write", verdict)]);
        let said = faulty.group([first("a"), first("b"), first("c")]).await;
        assert_eq!(said, [Err(broken()), Err(broken()), Err(broken())]);
        assert_eq!(kept(&faulty.ledger).await, 0);
    }
    let said = faulty.group([first("a"), first("b"), first("c")]).await;
    assert_eq!(said, [Ok(()), Ok(()), Ok(())]);
    let (ledger, _folder) = faulty.restart();
    assert_eq!(kept(&ledger).await, 3);
}

#[tokio::test]
async fn write_fails_inside_a_group_because_the_file_may_not_grow() {
    let faulty = Faulty::new(Options { max_pages: Some(40), ..Options::default() });
    let mut taken = 0;
    let large = |n: u64| {
        let mut record = receipt(&session("s"), n, "");
        record.body = "x".repeat(20_000).into();
        Batch { reserve: true, ..batch(vec![record]) }
    };
    let refusal = loop {
        match faulty.ledger.append(large(taken)).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 40);
    };
    assert_eq!(refusal, AppendError::DiskFull);
    assert!(taken > 2);
    assert_eq!(kept(&faulty.ledger).await as u64, taken);
    assert_eq!(faulty.ledger.append(large(taken)).await, Err(AppendError::DiskFull), "still");
    let close = Batch { raise: vec![Epoch::Halt], ..Batch::default() };
    assert_eq!(faulty.ledger.append(close).await, Ok(()), "what fits is taken");
    let (ledger, _folder) = faulty.restart();
    assert_eq!(kept(&ledger).await as u64, taken);
    assert_eq!(ledger.append(large(taken)).await, Ok(()), "with room it goes on");
}

#[tokio::test]
async fn commit_fails_and_nothing_is_kept() {
    let faulty = Faulty::new(Options::default());
    append_next(&faulty.ledger, "s", "").await.unwrap();
    faulty.plan(&[("commit", Verdict::Pass), ("commit", Verdict::FailBefore(broken()))]);
    let said = faulty.group([first("a"), first("b"), first("c")]).await;
    assert_eq!(said, [Err(broken()), Err(broken()), Err(broken())]);
    assert_eq!(kept(&faulty.ledger).await, 1);
    append_next(&faulty.ledger, "s", "").await.unwrap();
    let (ledger, _folder) = faulty.restart();
    assert_eq!(kept(&ledger).await, 2);
    assert_eq!(ledger.head(&session("a")).await, Ok(None));
}

#[tokio::test]
async fn commit_fails_although_all_is_kept() {
    let faulty = Faulty::new(Options::default());
    let head = append_next(&faulty.ledger, "s", "").await.unwrap();
    faulty.plan(&[("commit", Verdict::FailAfter(broken()))]);
    let second = receipt(&session("s"), 1, "");
    let again = after(Some(common::head_of(&head)), vec![second.clone()]);
    assert_eq!(faulty.ledger.append(again.clone()).await, Err(broken()));
    // Who tries the same again learns that the head has moved, and finds what it holds.
    assert_eq!(faulty.ledger.append(again).await, Err(AppendError::Conflict("session:s".to_owned())));
    assert_eq!(faulty.ledger.head(&session("s")).await, Ok(Some(common::head_of(&second))));
    append_next(&faulty.ledger, "s", "").await.unwrap();
    let (ledger, _folder) = faulty.restart();
    assert_eq!(digests(&ledger, &session("s")).await.len(), 3);
}

#[tokio::test]
async fn file_does_not_open_again() {
    let faulty = Faulty::new(Options { busy: Duration::from_millis(100), ..Options::default() });
    faulty.plan(&[("commit", Verdict::FailBefore(broken())), ("reopen", Verdict::FailBefore(broken()))]);
    assert_eq!(faulty.ledger.append(first("a")).await, Err(broken()));
    assert_eq!(faulty.ledger.append(first("a")).await, Err(broken()), "closed");
    assert_eq!(faulty.ledger.check().await, Ok(()), "opened by the question");
    faulty.plan(&[("commit", Verdict::FailBefore(broken()))]);
    assert_eq!(faulty.ledger.append(first("a")).await, Err(broken()));
    // What really keeps it from opening: somebody else's lock.
    let other = Connection::open(faulty.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(faulty.ledger.append(first("a")).await, Err(AppendError::Unavailable(_))));
    assert!(matches!(faulty.ledger.check().await, Err(LedgerError::Unavailable(_))));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(faulty.ledger.append(first("a")).await, Ok(()));
    assert_eq!(kept(&faulty.ledger).await, 1);
}

#[tokio::test]
async fn caller_goes_away() {
    let faulty = Faulty::new(Options::default());
    drop(faulty.ledger.append(first("a")));
    let (ledger, _folder) = faulty.restart();
    assert_eq!(kept(&ledger).await, 1);
}

/// A process that may write only files of limited size runs into true I/O errors; see [`appends_until_refused`].
#[tokio::test]
async fn disk_refuses_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let key = countersign_store::KeyFolder::open_or_create(&folder.path().join("keys")).unwrap();
    for blocks in [600, 1100, 2400] {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let child = Command::new("sh")
            .args(["-c", &limited])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "appends_until_refused", "--ignored", "--nocapture"])
            .env(LEDGER, &path)
            .output()
            .unwrap();
        let said = String::from_utf8(child.stdout).unwrap();
        let acknowledged: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("ack ")).collect();
        assert!(said.lines().any(|line| line.starts_with("refused ")), "{said}");
        assert!(acknowledged.len() > 5, "{said}");
        let ledger = Sqlite::open(&path, key.disclosure(), Options::default()).unwrap();
        let kept: Vec<String> =
            digests(&ledger, &session("limited")).await.iter().map(ToString::to_string).collect();
        assert!(acknowledged.iter().all(|digest| kept.iter().any(|kept| kept == digest)));
    }
}

const LEDGER: &str = "COUNTERSIGN_TEST_LEDGER";

#[tokio::test]
#[ignore = "a process of its own, started by `disk_refuses_to_write`"]
async fn appends_until_refused() {
    let Ok(path) = std::env::var(LEDGER) else { return };
    let path = Path::new(&path);
    let key = DisclosureKey::open(&path.with_file_name("keys")).unwrap();
    let mut out = std::io::stdout().lock();
    let ledger = Sqlite::open(path, &key, Options::default()).unwrap();
    let mut refusals = 0;
    for n in 0.. {
        match append_next(&ledger, "limited", &format!("{n}{}", "x".repeat(2000))).await {
            Ok(record) => writeln!(out, "ack {}", record.digest).unwrap(),
            Err(error) => {
                writeln!(out, "refused {error}").unwrap();
                refusals += 1;
                if refusals == 5 {
                    return;
                }
            }
        }
    }
}

#[tokio::test]
async fn memory_fails_before_after_and_late() {
    for (verdict, kept, said) in [
        (Verdict::FailBefore(broken()), 0, Err(broken())),
        (Verdict::FailAfter(broken()), 1, Err(broken())),
        (Verdict::FailBefore(AppendError::DiskFull), 0, Err(AppendError::DiskFull)),
        (Verdict::Delay(Duration::from_millis(20)), 1, Ok(())),
        (Verdict::Pass, 1, Ok(())),
    ] {
        let given = verdict.clone();
        let ledger = Memory::with_faults(Box::new(move |point| match point {
            Point::Append(_) | Point::Check => given.clone(),
            _ => Verdict::Pass,
        }));
        assert_eq!(ledger.append(first("a")).await, said, "{verdict:?}");
        assert_eq!(ledger.receipts(&Query::default()).await.unwrap().len(), kept, "{verdict:?}");
        assert_eq!(ledger.check().await.is_ok(), said.is_ok(), "{verdict:?}");
    }
}

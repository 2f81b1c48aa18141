//! What only the file can get wrong: two openers, readers beside the writer, strangers' files, damage.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{about, append_next, batch, digests, head_of, receipt, session};
use countersign_engine::ports::{AppendError, Batch, Kept, Ledger, LedgerError, Query, Record};
use countersign_store::{DisclosureKey, OpenError, Options, Sqlite};
use rusqlite::Connection;
use tempfile::TempDir;

struct Home {
    folder: TempDir,
    key: DisclosureKey,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), key: DisclosureKey::generate().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger 1%?.db")
    }

    fn try_open(&self) -> Result<Sqlite, OpenError> {
        Sqlite::open(&self.path(), &self.key, Options::default())
    }

    fn open(&self) -> Sqlite {
        self.try_open().unwrap()
    }

    fn read_only(&self) -> Result<Sqlite, OpenError> {
        Sqlite::open_read_only(&self.path(), Some(&self.key))
    }

    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn refusal(opened: Result<Sqlite, OpenError>) -> OpenError {
    opened.err().unwrap()
}

fn disclosed(record: Record, text: &str) -> Record {
    Record { disclosures: Some(text.into()), ..record }
}

#[tokio::test]
async fn what_was_appended_is_there_after_reopening() {
    let home = Home::new();
    let ledger = home.open();
    let record = disclosed(about(receipt(&session("s"), 0, ""), "act_1"), "the words");
    ledger.append(batch(vec![record.clone()])).await.unwrap();
    let before = ledger.read(&session("s"), 0).await.unwrap();
    drop(ledger);
    let ledger = home.open();
    assert_eq!(ledger.read(&session("s"), 0).await, Ok(before));
    assert_eq!(ledger.head(&session("s")).await, Ok(Some(head_of(&record))));
    append_next(&ledger, "s", "").await.unwrap();
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let home = Home::new();
    let ledger = home.open();
    append_next(&ledger, "s", "").await.unwrap();
    for entry in fs::read_dir(home.folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let home = Home::new();
    let first = home.open();
    let said = refusal(home.try_open());
    assert!(matches!(said, OpenError::InUse(_)) && said.to_string().contains("another daemon"), "{said}");
    let alias = home.folder.path().join("alias.db");
    std::os::unix::fs::symlink(home.path(), &alias).unwrap();
    let said = refusal(Sqlite::open(&alias, &home.key, Options::default()));
    assert!(matches!(said, OpenError::InUse(_)), "another name is the same file: {said}");
    drop(first);
    home.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_beside_the_writer_sees_whole_commits() {
    let home = Home::new();
    let ledger = Arc::new(home.open());
    append_next(&*ledger, "s", "").await.unwrap();
    let writer = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            for n in 1..150 {
                let pair = vec![receipt(&session("s"), n, ""), receipt(&session("t"), n - 1, "")];
                ledger.append(batch(pair)).await.unwrap();
            }
        }
    });
    let reader = home.read_only().unwrap();
    let mut seen = 0;
    while !writer.is_finished() {
        let receipts = reader.receipts(&Query::default()).await.unwrap();
        assert!(receipts.len() % 2 == 1 && receipts.len() >= seen);
        seen = receipts.len();
        reader.read(&session("s"), 0).await.unwrap();
    }
    writer.await.unwrap();
    assert_eq!(reader.receipts(&Query::default()).await.unwrap().len(), 299);
    assert!(matches!(
        reader.append(batch(vec![receipt(&session("u"), 0, "")])).await,
        Err(AppendError::Unavailable(_))
    ));
    assert!(matches!(reader.check().await, Err(LedgerError::Unavailable(_))));
}

#[tokio::test]
async fn a_file_that_nobody_writes_can_be_read() {
    let home = Home::new();
    assert!(matches!(refusal(home.read_only()), OpenError::Missing(_)));
    assert!(!home.path().exists(), "reading makes no file");
    let ledger = home.open();
    let record = disclosed(receipt(&session("s"), 0, ""), "the words");
    ledger.append(batch(vec![record])).await.unwrap();
    drop(ledger);
    let reader = home.read_only().unwrap();
    let words = reader.read(&session("s"), 0).await.unwrap().remove(0).disclosures;
    assert_eq!(words.as_deref(), Some("the words"));
    drop(reader);
    let without_key = Sqlite::open_read_only(&home.path(), None).unwrap();
    assert_eq!(without_key.read(&session("s"), 0).await.unwrap().remove(0).disclosures, None);
    drop(without_key);
    append_next(&home.open(), "s", "").await.unwrap();
}

#[tokio::test]
async fn a_copy_in_a_folder_that_cannot_be_written_can_be_read() {
    let home = Home::new();
    append_next(&home.open(), "s", "").await.unwrap();
    let closed = home.folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let copy = closed.join("copy.db");
    fs::copy(home.path(), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let reader = Sqlite::open_read_only(&copy, None).unwrap();
    assert_eq!(digests(&reader, &session("s")).await.len(), 1);
    drop(reader);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn strangers_files_are_refused_and_left_alone() {
    let home = Home::new();
    let missing = home.folder.path().join("no/such/ledger.db");
    assert!(matches!(refusal(Sqlite::open(&missing, &home.key, Options::default())), OpenError::Folder(_)));
    home.raw().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(home.path()).unwrap();
    assert!(matches!(refusal(home.try_open()), OpenError::Foreign(_)));
    assert!(matches!(refusal(home.read_only()), OpenError::Foreign(_)));
    assert_eq!(fs::read(home.path()).unwrap(), before);
}

#[test]
fn a_newer_version_is_refused() {
    let home = Home::new();
    home.open();
    home.raw().pragma_update(None, "user_version", 99).unwrap();
    for opened in [home.try_open(), home.read_only()] {
        let said = refusal(opened);
        assert!(matches!(said, OpenError::Newer { found: 99, .. }), "{said}");
    }
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date_and_keeps_what_it_holds() {
    let home = Home::new();
    append_next(&home.open(), "s", "").await.unwrap();
    let raw = home.raw();
    raw.execute_batch("DROP TABLE kept; PRAGMA user_version = 1;").unwrap();
    drop(raw);
    assert!(matches!(refusal(home.read_only()), OpenError::Older { found: 1, .. }));
    let ledger = home.open();
    assert_eq!(ledger.receipts(&Query::default()).await.unwrap().len(), 1);
    let keep = vec![Kept { digest: "sha256:a".into(), text: "a".into() }];
    ledger.append(Batch { keep, ..Batch::default() }).await.unwrap();
    assert_eq!(ledger.kept("sha256:a").await, Ok(Some("a".into())));
}

#[tokio::test]
async fn records_cannot_be_changed_or_removed_by_a_statement() {
    let home = Home::new();
    append_next(&home.open(), "s", "").await.unwrap();
    let raw = home.raw();
    for statement in [
        "UPDATE record SET body = 'x'",
        "DELETE FROM record",
        "INSERT OR REPLACE INTO record (position, chain, sequence, digest, at, body) VALUES (1, 7, 0, 'd', 0, '')",
    ] {
        raw.pragma_update(None, "recursive_triggers", true).unwrap();
        assert!(raw.execute_batch(statement).is_err(), "{statement}");
    }
}

/// Does something to the file behind the ledger's back, with the triggers out of the way.
fn tamper(path: &Path, statement: &str) {
    let raw = Connection::open(path).unwrap();
    raw.execute_batch("DROP TRIGGER record_stays; DROP TRIGGER record_is_kept;").unwrap();
    raw.execute_batch(statement).unwrap();
}

#[tokio::test]
async fn a_shortened_or_holed_chain_is_damage() {
    for (statement, opens) in [
        ("DELETE FROM record WHERE sequence = 1", true),
        ("DELETE FROM record WHERE sequence = 0", true),
        ("DELETE FROM record WHERE sequence = 2", false),
        ("UPDATE record SET digest = 'sha256:x' WHERE sequence = 2", false),
        ("PRAGMA foreign_keys = OFF; DELETE FROM chain", false),
    ] {
        let home = Home::new();
        let ledger = home.open();
        for _ in 0..3 {
            append_next(&ledger, "s", "").await.unwrap();
        }
        drop(ledger);
        tamper(&home.path(), statement);
        match home.try_open() {
            Ok(_) => assert!(opens, "{statement}"),
            Err(error) => {
                assert!(!opens && matches!(error, OpenError::Damaged { .. }), "{statement}: {error}")
            }
        }
        let reader = home.read_only().unwrap();
        let read = match statement.contains("FROM chain") {
            false => reader.read(&session("s"), 0).await,
            true => reader.receipts(&Query::default()).await,
        };
        assert!(matches!(read, Err(LedgerError::Damaged(_))), "{statement}: {read:?}");
    }
}

#[tokio::test]
async fn a_tampered_disclosure_is_damage() {
    let home = Home::new();
    let ledger = home.open();
    for n in 0..2 {
        let record = disclosed(receipt(&session("s"), n, ""), &format!("words {n}"));
        ledger.append(batch(vec![record])).await.unwrap();
    }
    append_next(&ledger, "t", "").await.unwrap();
    let raw = home.raw();
    // The sealed texts of two records change places.
    raw.execute_batch(
        "CREATE TEMP TABLE kept AS SELECT rowid AS place, nonce, sealed FROM disclosure;
         UPDATE disclosure SET nonce = (SELECT nonce FROM kept WHERE place != disclosure.rowid),
                               sealed = (SELECT sealed FROM kept WHERE place != disclosure.rowid);",
    )
    .unwrap();
    assert!(matches!(ledger.read(&session("s"), 0).await, Err(LedgerError::Damaged(_))));
    assert!(ledger.read(&session("t"), 0).await.is_ok());
    raw.execute_batch("DELETE FROM disclosure").unwrap();
    let read = ledger.read(&session("s"), 0).await.unwrap();
    assert!(read.iter().all(|stored| stored.disclosures.is_none()), "what was erased is absent, not damaged");
}

#[tokio::test]
async fn another_disclosure_key_is_noticed_at_once() {
    let mut home = Home::new();
    let record = disclosed(receipt(&session("s"), 0, ""), "words");
    home.open().append(batch(vec![record])).await.unwrap();
    let right = std::mem::replace(&mut home.key, DisclosureKey::generate().unwrap());
    assert!(matches!(refusal(home.try_open()), OpenError::Key(_)));
    home.key = right;
    home.open();
}

#[tokio::test]
async fn disclosures_are_not_in_the_file_as_text() {
    let home = Home::new();
    let ledger = home.open();
    let record = disclosed(receipt(&session("s"), 0, ""), "open sesame");
    ledger.append(batch(vec![record])).await.unwrap();
    for entry in fs::read_dir(home.folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"open sesame"));
    }
}

#[tokio::test]
async fn a_corrupted_file_is_refused() {
    let home = Home::new();
    let ledger = home.open();
    for n in 0..200 {
        append_next(&ledger, &format!("s{n}"), &"x".repeat(1000)).await.unwrap();
    }
    drop(ledger);
    let whole = fs::read(home.path()).unwrap();
    for (what, from, to) in [("header", 0, 100), ("everything after the first page", 8192, whole.len())] {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0xa5);
        fs::write(home.path(), bytes).unwrap();
        let said = refusal(home.try_open());
        assert!(matches!(said, OpenError::Damaged { .. }), "{what}: {said}");
    }
    fs::write(home.path(), &whole[..whole.len() / 2]).unwrap();
    let said = refusal(home.try_open());
    assert!(matches!(said, OpenError::Damaged { .. }), "cut in half: {said}");
    fs::write(home.path(), whole).unwrap();
    home.open();
}

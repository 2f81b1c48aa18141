//! Opening the file: is it ours, is it whole, and is what it holds really on the disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};

use super::seal::Seal;
use super::{OpenError, Options};

/// Marks our files ("CSGN").
const APPLICATION: i32 = 0x4353_474e;

/// How many records back the heads are compared with the records at each opening.
const VERIFIED: i64 = 10_000;

/// Each migration leads from the version before it to the version of its place, counted from 1. What is here once
/// stays as it is; a change is another migration.
const MIGRATIONS: &[&str] = &["
-- A chain and its head. Its number, not its name, stands in each record, so that the chains which are written now
-- lie side by side in the index: a commit then touches few pages.
CREATE TABLE chain (
  id       INTEGER PRIMARY KEY,
  name     TEXT NOT NULL UNIQUE,
  sequence INTEGER NOT NULL,
  digest   TEXT NOT NULL
) STRICT;

-- Receipts have an id, links of principals have none.
CREATE TABLE record (
  position   INTEGER PRIMARY KEY,
  chain      INTEGER NOT NULL,
  sequence   INTEGER NOT NULL,
  digest     TEXT NOT NULL,
  receipt_id TEXT,
  action     TEXT,
  at         INTEGER NOT NULL,
  body       TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX record_in_chain ON record (chain, sequence);
CREATE UNIQUE INDEX record_by_id ON record (receipt_id) WHERE receipt_id IS NOT NULL;
CREATE INDEX record_of_action ON record (action) WHERE action IS NOT NULL;

CREATE TRIGGER record_stays BEFORE DELETE ON record
BEGIN SELECT RAISE(ABORT, 'records are never removed'); END;
CREATE TRIGGER record_is_kept BEFORE UPDATE ON record
BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;

-- What is disclosed of the record in the same position; erased without touching the record.
CREATE TABLE disclosure (
  position INTEGER PRIMARY KEY,
  nonce    BLOB NOT NULL,
  sealed   BLOB NOT NULL
) STRICT;

CREATE TABLE lookup (
  key   TEXT PRIMARY KEY,
  chain INTEGER NOT NULL REFERENCES chain (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE open_action (
  action  TEXT PRIMARY KEY,
  session TEXT NOT NULL
) STRICT;

-- The last one counts how often a writer opened the file.
CREATE TABLE epoch (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO epoch VALUES ('halt', 0), ('policy', 0), ('revocation', 0), ('writer', 0);
", "
-- Texts that records name by digest alone: what rulings were made under. Sealed as disclosures are.
CREATE TABLE kept (
  digest TEXT NOT NULL UNIQUE,
  nonce  BLOB NOT NULL,
  sealed BLOB NOT NULL
) STRICT;
CREATE TRIGGER kept_is_kept BEFORE UPDATE ON kept
BEGIN SELECT RAISE(ABORT, 'kept texts are never changed'); END;
"];

/// Takes the lock that keeps a second writer away; it lasts as long as the file it gives, whatever becomes of the process.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let io = |error: io::Error| OpenError::failed(&name, error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// The file's true path, so that two names of one file have one lock; makes an empty file when there is none.
pub(super) fn locate(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |error: io::Error| OpenError::failed(path, error);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(OpenError::Folder(folder.to_owned()));
    }
    // SQLite would create it with the permissions of the umask.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all().map_err(failed)?;
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    fs::canonicalize(path).map_err(failed)
}

/// Opens the file for the one writer. The lock must be held.
///
/// What the file holds afterwards does not rest on a sync that failed earlier: the log is copied into the file anew
/// and emptied, and one more commit takes the place of any that may have been half there.
pub(super) fn open_writer(path: &Path, options: &Options, seal: &Seal) -> Result<Connection, OpenError> {
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, options.busy)?;
    let error = |error| OpenError::from_sqlite(path, error);
    prepare(&mut conn, path)?;
    configure(&conn, options).map_err(error)?;
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(error)?;
    if busy != 0 {
        return Err(OpenError::Busy(path.to_owned()));
    }
    verify_heads(&conn, path)?;
    verify_key(&conn, path, seal)?;
    conn.execute("UPDATE epoch SET value = value + 1 WHERE name = 'writer'", []).map_err(error)?;
    Ok(conn)
}

/// Opens the file for reading, whether or not a writer has it open.
pub(super) fn open_reader(path: &Path, busy: Duration) -> Result<Connection, OpenError> {
    let conn =
        match connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, busy).and_then(|conn| readable(conn, path)) {
            // Without write access to the folder SQLite cannot make the files by which readers and writer meet. When no
            // writer has left any, there is none to meet.
            Err(OpenError::Failed { reason, .. }) if !wal(path).exists() => connect_still(path, busy)
                .and_then(|conn| readable(conn, path))
                .map_err(|_| OpenError::failed(path, reason))?,
            opened => opened?,
        };
    conn.pragma_update(None, "query_only", true).map_err(|error| OpenError::from_sqlite(path, error))?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

fn readable(conn: Connection, path: &Path) -> Result<Connection, OpenError> {
    match version(&conn, path)? {
        (APPLICATION, found) if found == known() => Ok(conn),
        (APPLICATION, found) if found < known() => {
            Err(OpenError::Older { path: path.to_owned(), found, known: known() })
        }
        (APPLICATION, found) => Err(OpenError::Newer { path: path.to_owned(), found, known: known() }),
        _ => Err(OpenError::Foreign(path.to_owned())),
    }
}

fn connect(path: &Path, mode: OpenFlags, busy: Duration) -> Result<Connection, OpenError> {
    let conn = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    conn.and_then(|conn| conn.busy_timeout(busy).map(|()| conn))
        .map_err(|error| OpenError::from_sqlite(path, error))
}

/// Opens a file that nobody writes.
fn connect_still(path: &Path, busy: Duration) -> Result<Connection, OpenError> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    connect(Path::new(&uri), flags, busy)
}

fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn known() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

fn version(conn: &Connection, path: &Path) -> Result<(i32, i32), OpenError> {
    let pragma = |name| {
        conn.pragma_query_value(None, name, |row| row.get(0))
            .map_err(|error| OpenError::from_sqlite(path, error))
    };
    Ok((pragma("application_id")?, pragma("user_version")?))
}

/// Makes a new file ours and brings an older one up to date.
fn prepare(conn: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let error = |error| OpenError::from_sqlite(path, error);
    let (application, found) = version(conn, path)?;
    let tables: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(error)?;
    match (application, found, tables) {
        (APPLICATION, found, _) if found > known() => {
            return Err(OpenError::Newer { path: path.to_owned(), found, known: known() });
        }
        (APPLICATION, _, _) => {}
        (0, 0, 0) => {
            conn.pragma_update(None, "page_size", 8192).map_err(error)?;
        }
        _ => return Err(OpenError::Foreign(path.to_owned())),
    }
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(error)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(OpenError::NoWal(path.to_owned()));
    }
    conn.pragma_update(None, "synchronous", "FULL").map_err(error)?;
    for (migration, to) in MIGRATIONS.iter().zip(1..).filter(|(_, to)| *to > found) {
        let step = conn.transaction().map_err(error)?;
        step.execute_batch(migration).map_err(error)?;
        step.pragma_update(None, "application_id", APPLICATION).map_err(error)?;
        step.pragma_update(None, "user_version", to).map_err(error)?;
        step.commit().map_err(error)?;
    }
    Ok(())
}

fn configure(conn: &Connection, options: &Options) -> Result<(), rusqlite::Error> {
    conn.pragma_update(None, "synchronous", "FULL")?;
    // Elsewhere than on Linux a plain sync may stop in the drive's cache.
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -16 * 1024)?;
    conn.pragma_update_and_check(None, "journal_size_limit", 64 * 1024 * 1024, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 2000, |_| Ok(()))?;
    if let Some(pages) = options.max_pages {
        conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    conn.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Compares the heads of the chains that were written last with their last records.
fn verify_heads(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let wrong: Option<String> = conn
        .query_row(
            "SELECT coalesce(chain.name, 'number ' || recent.chain) FROM (
               SELECT DISTINCT chain FROM record
               WHERE position > (SELECT coalesce(max(position), 0) FROM record) - ?1
             ) AS recent
             LEFT JOIN chain ON chain.id = recent.chain
             WHERE (chain.sequence, chain.digest) IS NOT (
               SELECT sequence, digest FROM record WHERE record.chain = recent.chain ORDER BY sequence DESC LIMIT 1
             ) LIMIT 1",
            params![VERIFIED],
            |row| row.get(0),
        )
        .optional()
        .map_err(|error| OpenError::from_sqlite(path, error))?;
    match wrong {
        None => Ok(()),
        Some(chain) => {
            let reason = format!("the head of chain {chain} is not its last record");
            Err(OpenError::Damaged { path: path.to_owned(), reason })
        }
    }
}

/// Opens the newest disclosure, so that a wrong key shows before anything is sealed with it.
fn verify_key(conn: &Connection, path: &Path, seal: &Seal) -> Result<(), OpenError> {
    let newest = conn
        .query_row("SELECT digest, nonce, sealed FROM disclosure JOIN record USING (position) ORDER BY position DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()
        .map_err(|error| OpenError::from_sqlite(path, error))?;
    let Some((digest, nonce, sealed)) = newest else { return Ok(()) };
    seal.open(&digest, &nonce, sealed).map(|_| ()).map_err(|_| OpenError::Key(path.to_owned()))
}

impl OpenError {
    pub(super) fn failed(path: &Path, reason: impl ToString) -> Self {
        Self::Failed { path: path.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(path.to_owned()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(path.to_owned()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path: path.to_owned(), reason: error.to_string() }
            }
            _ => Self::failed(path, error),
        }
    }
}

//! Reading, on threads and connections of its own, so that neither the writer nor the runtime waits for it.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_engine::ports::{Epochs, Head, LedgerError, OpenAction, Query, RecordKind, Stored};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};
use tokio::sync::oneshot;

use super::seal::Seal;
use super::{OpenError, group, schema};

/// How many reads may wait.
const QUEUE: usize = 4096;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The reading threads. Dropping it lets them finish what waits, and waits for that.
pub(super) struct Readers {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(path: &Path, threads: usize, busy: Duration) -> Result<Self, OpenError> {
        let (jobs, waiting) = sync_channel::<Job>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut readers = Self { jobs: Some(jobs), threads: Vec::new() };
        for _ in 0..threads.max(1) {
            let conn = schema::open_reader(path, busy)?;
            let waiting = waiting.clone();
            let thread = thread::Builder::new()
                .name("ledger-reader".to_owned())
                .spawn(move || serve(conn, &waiting))
                .map_err(|error| OpenError::failed(path, error))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs a read on one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let unavailable = |reason: &str| LedgerError::Unavailable(reason.to_owned());
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // Who no longer listens does not want it.
            let _ = answer.send(read(conn));
        });
        let jobs = self.jobs.as_ref().ok_or_else(|| unavailable("it is closed"))?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => unavailable("too many reads wait; try again"),
            TrySendError::Disconnected(_) => unavailable("its readers have stopped; restart the daemon"),
        })?;
        answered.await.unwrap_or_else(|_| Err(unavailable("its reader has stopped; restart the daemon")))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(mut conn: Connection, waiting: &Mutex<Receiver<Job>>) {
    loop {
        let Ok(next) = waiting.lock().map(|waiting| waiting.recv()) else { return };
        match next {
            Ok(job) => job(&mut conn),
            Err(_) => return,
        }
    }
}

pub(super) fn head(conn: &Connection, chain: &Chain) -> Result<Option<Head>, LedgerError> {
    Ok(group::find_chain(conn, chain).map_err(failed)?.map(|known| known.head))
}

pub(super) fn lookup(conn: &Connection, key: &str) -> Result<Option<Chain>, LedgerError> {
    group::lookup(conn, key).map_err(failed)?.map(|written| parse(&written)).transpose()
}

pub(super) fn epochs(conn: &Connection) -> Result<Epochs, LedgerError> {
    group::epochs(conn).map_err(failed)
}

/// Without a key, what is kept stays closed.
pub(super) fn kept(
    conn: &Connection,
    seal: Option<&Seal>,
    digest: &str,
) -> Result<Option<Arc<str>>, LedgerError> {
    let Some(seal) = seal else { return Ok(None) };
    let found = conn
        .prepare_cached("SELECT nonce, sealed FROM kept WHERE digest = ?1")
        .and_then(|mut find| {
            find.query_row(params![digest], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
                .optional()
        })
        .map_err(failed)?;
    found.map(|(nonce, sealed)| seal.open(digest, &nonce, sealed)).transpose()
}

pub(super) fn open_actions(conn: &Connection) -> Result<Vec<OpenAction>, LedgerError> {
    let mut find =
        conn.prepare_cached("SELECT session, action FROM open_action ORDER BY rowid").map_err(failed)?;
    let rows = find.query_map([], |row| {
        Ok(OpenAction {
            session: SessionId::new(row.get::<_, Arc<str>>(0)?),
            action: ActionId::new(row.get::<_, Arc<str>>(1)?),
        })
    });
    rows.and_then(Iterator::collect).map_err(failed)
}

pub(super) fn sessions(conn: &Connection, limit: usize) -> Result<Vec<SessionId>, LedgerError> {
    let mut find = conn
        .prepare_cached(
            "SELECT substr(name, 9) FROM chain WHERE name >= 'session:' AND name < 'session;' ORDER BY id DESC LIMIT ?1",
        )
        .map_err(failed)?;
    let rows = find.query_map(params![bound(limit)], |row| row.get::<_, Arc<str>>(0).map(SessionId::new));
    rows.and_then(Iterator::collect).map_err(failed)
}

/// A chain's records and head in one snapshot: a record that is missing shows.
pub(super) fn read(
    conn: &mut Connection,
    seal: Option<&Seal>,
    chain: &Chain,
    from: u64,
) -> Result<Vec<Stored>, LedgerError> {
    let Ok(first) = i64::try_from(from) else { return Ok(Vec::new()) };
    let snapshot = conn.transaction().map_err(failed)?;
    let head = head(&snapshot, chain)?;
    let sql = format!("{SELECT} WHERE chain.name = ?1 AND record.sequence >= ?2 ORDER BY record.sequence");
    let mut find = snapshot.prepare_cached(&sql).map_err(failed)?;
    let mut rows = find.query(params![chain.to_string(), first]).map_err(failed)?;
    let mut records = Vec::new();
    let mut next = from;
    while let Some(row) = rows.next().map_err(failed)? {
        let record = stored(row, seal)?;
        if record.sequence != next {
            return Err(LedgerError::Damaged(format!("record {next} of chain {chain} is missing")));
        }
        next += 1;
        records.push(record);
    }
    let whole = match (&head, records.last()) {
        (Some(head), Some(last)) => (last.sequence, &last.digest) == (head.sequence, &head.digest),
        (Some(head), None) => head.sequence < from,
        (None, last) => last.is_none(),
    };
    if !whole {
        return Err(LedgerError::Damaged(format!("the last record of chain {chain} is not its head")));
    }
    Ok(records)
}

pub(super) fn receipts(
    conn: &Connection,
    seal: Option<&Seal>,
    query: &Query,
) -> Result<Vec<Stored>, LedgerError> {
    let text = |value: &Option<Arc<str>>| value.as_deref().map(str::to_owned);
    let conditions = [
        (query.chain.as_ref().map(ToString::to_string), "chain.name = ?2"),
        (query.action.as_ref().map(ToString::to_string), "record.action = ?3"),
        (text(&query.id), "record.receipt_id = ?4"),
        (text(&query.after), "record.position > (SELECT position FROM record WHERE receipt_id = ?5)"),
    ];
    let mut sql = format!("{SELECT} WHERE record.receipt_id IS NOT NULL");
    for (_, condition) in conditions.iter().filter(|(value, _)| value.is_some()) {
        sql.push_str(" AND ");
        sql.push_str(condition);
    }
    // Within a chain the two orders are the same, and its index has this one.
    sql.push_str(if query.chain.is_some() {
        " ORDER BY record.sequence"
    } else {
        " ORDER BY record.position"
    });
    sql.push_str(if query.newest { " DESC LIMIT ?1" } else { " LIMIT ?1" });
    let mut find = conn.prepare_cached(&sql).map_err(failed)?;
    find.raw_bind_parameter(1, bound(query.limit)).map_err(failed)?;
    for (place, (value, _)) in (2..).zip(&conditions).filter(|(_, (value, _))| value.is_some()) {
        find.raw_bind_parameter(place, value).map_err(failed)?;
    }
    let mut rows = find.raw_query();
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        records.push(stored(row, seal)?);
    }
    if query.newest {
        records.reverse();
    }
    Ok(records)
}

const SELECT: &str =
    "SELECT chain.name, record.sequence, record.digest, record.receipt_id, record.action, record.body,
   disclosure.nonce, disclosure.sealed
 FROM record LEFT JOIN chain ON chain.id = record.chain LEFT JOIN disclosure USING (position)";

/// Reads a row of [`SELECT`].
fn stored(row: &Row<'_>, seal: Option<&Seal>) -> Result<Stored, LedgerError> {
    let digest: Arc<str> = row.get(2).map_err(failed)?;
    let id: Option<Arc<str>> = row.get(3).map_err(failed)?;
    let action: Option<Arc<str>> = row.get(4).map_err(failed)?;
    let kind = match id {
        Some(id) => RecordKind::Receipt { id, action: action.map(ActionId::new) },
        None => RecordKind::Link,
    };
    let nonce: Option<Vec<u8>> = row.get(6).map_err(failed)?;
    let sealed: Option<Vec<u8>> = row.get(7).map_err(failed)?;
    let disclosures = match (seal, nonce, sealed) {
        (Some(seal), Some(nonce), Some(sealed)) => Some(seal.open(&digest, &nonce, sealed)?),
        _ => None,
    };
    Ok(Stored {
        chain: parse(&row.get::<_, Option<String>>(0).map_err(failed)?.unwrap_or_default())?,
        sequence: group::natural(row, 1).map_err(failed)?,
        digest,
        kind,
        body: row.get(5).map_err(failed)?,
        disclosures,
    })
}

fn parse(written: &str) -> Result<Chain, LedgerError> {
    Chain::parse(written)
        .ok_or_else(|| LedgerError::Damaged(format!("`{written}` is not the name of a chain")))
}

/// A limit as SQLite wants it; 0 = no bound.
fn bound(limit: usize) -> i64 {
    match limit {
        0 => -1,
        some => i64::try_from(some).unwrap_or(-1),
    }
}

fn failed(error: rusqlite::Error) -> LedgerError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
            LedgerError::Damaged(error.to_string())
        }
        Some(_) => LedgerError::Unavailable(error.to_string()),
    }
}

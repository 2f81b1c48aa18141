//! One transaction: batches are judged and written one after the other, and become durable together.

use std::collections::HashMap;

use countersign_core::names::Chain;
use countersign_engine::ports::{AppendError, Batch, Epochs, Head, Kept, Record, RecordKind};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::seal::{Sealed, Texts};
use crate::rules::{self, Refused, View};

/// A transaction that is under way. Dropping it leaves the transaction open: roll it back or commit it.
pub(super) struct Group<'c> {
    conn: &'c Connection,
    /// The chains that were looked at; none = the chain is empty.
    chains: HashMap<Chain, Option<Known>>,
    epochs: Epochs,
    raised: bool,
    written: bool,
}

/// A chain that has records.
pub(super) struct Known {
    id: i64,
    pub(super) head: Head,
    moved: bool,
}

impl<'c> Group<'c> {
    /// Begins, holding the write lock from here on. `epochs` are those that stand.
    pub(super) fn begin(conn: &'c Connection, epochs: Epochs) -> Result<Self> {
        run(conn, "BEGIN IMMEDIATE")?;
        Ok(Self { conn, chains: HashMap::new(), epochs, raised: false, written: false })
    }

    /// Judges a batch and writes it. A refusal of the rule has written nothing; an error makes the whole group void.
    pub(super) fn add(&mut self, batch: &Batch, sealed: &Texts) -> Result<Result<(), AppendError>> {
        let plan = match rules::judge(self, batch) {
            Ok(plan) => plan,
            Err(Refused::Batch(error)) => return Ok(Err(error)),
            Err(Refused::View(error)) => return Err(error),
        };
        self.written = true;
        for (chain, head) in plan.heads {
            self.move_head(chain, head)?;
        }
        for (place, record) in batch.records.iter().enumerate() {
            self.record(record, sealed.disclosed.get(place).and_then(Option::as_ref))?;
        }
        self.keep(&batch.keep, &sealed.kept)?;
        self.open_and_close(batch)?;
        self.raised |= plan.epochs != self.epochs;
        self.epochs = plan.epochs;
        Ok(Ok(()))
    }

    /// Writes what stands once for the whole group; the transaction can then be committed. Gives the epochs that it
    /// leaves behind; `None` when there is nothing to commit.
    pub(super) fn close(self) -> Result<Option<Epochs>> {
        for known in self.chains.values().flatten().filter(|known| known.moved) {
            self.conn
                .prepare_cached("UPDATE chain SET sequence = ?2, digest = ?3 WHERE id = ?1")?
                .execute(params![known.id, integer(known.head.sequence)?, known.head.digest])?;
        }
        if self.raised {
            let Epochs { halt, policy, revocation } = self.epochs;
            let mut update = self.conn.prepare_cached("UPDATE epoch SET value = ?2 WHERE name = ?1")?;
            for (name, value) in [("halt", halt), ("policy", policy), ("revocation", revocation)] {
                update.execute(params![name, integer(value)?])?;
            }
        }
        Ok(self.written.then_some(self.epochs))
    }

    /// Notes the new head of a chain, to be written when the group closes; a new chain gets its number now.
    fn move_head(&mut self, chain: Chain, head: Head) -> Result<()> {
        let id = match self.chains.get(&chain) {
            Some(Some(known)) => known.id,
            _ => {
                self.conn
                    .prepare_cached("INSERT INTO chain (name, sequence, digest) VALUES (?1, ?2, ?3)")?
                    .execute(params![chain.to_string(), integer(head.sequence)?, head.digest])?;
                self.conn.last_insert_rowid()
            }
        };
        self.chains.insert(chain, Some(Known { id, head, moved: true }));
        Ok(())
    }

    fn record(&self, record: &Record, sealed: Option<&Sealed>) -> Result<()> {
        let chain = self.chains.get(&record.chain).and_then(Option::as_ref).map(|known| known.id);
        let (id, action) = match &record.kind {
            RecordKind::Receipt { id, action } => (Some(id), action.as_ref()),
            RecordKind::Link => (None, None),
        };
        self.conn
            .prepare_cached(
                "INSERT INTO record (chain, sequence, digest, receipt_id, action, at, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                chain,
                integer(record.sequence)?,
                record.digest,
                id,
                action.map(|action| action.as_str()),
                record.at.0,
                record.body,
            ])?;
        if let Some(sealed) = sealed {
            let position = self.conn.last_insert_rowid();
            self.conn
                .prepare_cached("INSERT INTO disclosure (position, nonce, sealed) VALUES (?1, ?2, ?3)")?
                .execute(params![position, sealed.nonce, sealed.text])?;
        }
        if let Some(key) = &record.lookup {
            self.conn
                .prepare_cached(
                    "INSERT INTO lookup (key, chain) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
                )?
                .execute(params![key, chain])?;
        }
        Ok(())
    }

    fn keep(&self, keep: &[Kept], sealed: &[Sealed]) -> Result<()> {
        for (kept, sealed) in keep.iter().zip(sealed) {
            self.conn
                .prepare_cached(
                    "INSERT INTO kept (digest, nonce, sealed) VALUES (?1, ?2, ?3)
                     ON CONFLICT (digest) DO NOTHING",
                )?
                .execute(params![kept.digest, sealed.nonce, sealed.text])?;
        }
        Ok(())
    }

    fn open_and_close(&self, batch: &Batch) -> Result<()> {
        for open in &batch.open {
            let mut insert = self.conn.prepare_cached(
                "INSERT INTO open_action (action, session) VALUES (?1, ?2)
                 ON CONFLICT (action) DO UPDATE SET session = excluded.session",
            )?;
            insert.execute(params![open.action.as_str(), open.session.as_str()])?;
        }
        for action in &batch.close {
            self.conn
                .prepare_cached("DELETE FROM open_action WHERE action = ?1")?
                .execute(params![action.as_str()])?;
        }
        Ok(())
    }
}

impl View for Group<'_> {
    type Error = rusqlite::Error;

    fn epochs(&mut self) -> Result<Epochs> {
        Ok(self.epochs)
    }

    fn head(&mut self, chain: &Chain) -> Result<Option<Head>> {
        let known = match self.chains.get(chain) {
            Some(known) => known,
            None => {
                let found = find_chain(self.conn, chain)?;
                self.chains.entry(chain.clone()).or_insert(found)
            }
        };
        Ok(known.as_ref().map(|known| known.head.clone()))
    }

    fn taken(&mut self, id: &str) -> Result<bool> {
        self.conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM record WHERE receipt_id = ?1)")?
            .query_row(params![id], |row| row.get(0))
    }

    fn begun(&mut self, key: &str) -> Result<Option<Chain>> {
        Ok(lookup(self.conn, key)?.and_then(|written| Chain::parse(&written)))
    }
}

/// Executes a statement that gives nothing.
pub(super) fn run(conn: &Connection, sql: &str) -> Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(|_| ())
}

pub(super) fn find_chain(conn: &Connection, chain: &Chain) -> Result<Option<Known>> {
    conn.prepare_cached("SELECT id, sequence, digest FROM chain WHERE name = ?1")?
        .query_row(params![chain.to_string()], |row| {
            let head = Head { sequence: natural(row, 1)?, digest: row.get(2)? };
            Ok(Known { id: row.get(0)?, head, moved: false })
        })
        .optional()
}

pub(super) fn lookup(conn: &Connection, key: &str) -> Result<Option<String>> {
    conn.prepare_cached("SELECT name FROM lookup JOIN chain ON chain.id = lookup.chain WHERE key = ?1")?
        .query_row(params![key], |row| row.get(0))
        .optional()
}

pub(super) fn epochs(conn: &Connection) -> Result<Epochs> {
    let mut find = conn.prepare_cached("SELECT value FROM epoch WHERE name = ?1")?;
    let mut value = |name: &str| find.query_row(params![name], |row| natural(row, 0));
    Ok(Epochs { halt: value("halt")?, policy: value("policy")?, revocation: value("revocation")? })
}

/// A column that counts.
pub(super) fn natural(row: &Row<'_>, column: usize) -> Result<u64> {
    let found: i64 = row.get(column)?;
    u64::try_from(found).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, found))
}

fn integer(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

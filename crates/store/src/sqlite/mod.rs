//! The default ledger: one SQLite file in WAL mode with `synchronous=FULL`.
//!
//! | module | holds |
//! |---|---|
//! | `schema` | opening: lock, versions, migrations, what is verified |
//! | `writer` | the one writing thread: queue, group commit, reopening |
//! | `group` | one transaction: judging and writing batches |
//! | `reader` | the reading threads and their queries |
//! | `seal` | disclosures at rest |
//!
//! # Where a write can fail
//! *Kept* says whether the records are there afterwards. Each row is a test of the same name in `tests/faults.rs`, or
//! in the file named.
//!
//! | point | kept | the caller is told | and then |
//! |---|---|---|---|
//! | `queue_is_full` | no | `QueueFull`, at once | room as soon as a group is done |
//! | `disk_is_below_its_margin` | no | `DiskFull` | batches with `reserve` still pass |
//! | `disk_does_not_tell_its_space` | no | `Unavailable` | batches with `reserve` still pass |
//! | `file_is_locked_by_another_program` | no | `Unavailable` after the busy timeout | goes on once it is free |
//! | `transaction_does_not_begin` | no | `Unavailable` | goes on |
//! | `rule_refuses_one_batch_of_a_group` | that one no, the others yes | `Conflict`, `EpochMoved` | goes on |
//! | `write_fails_inside_a_group` | none of the group | `Unavailable`; a full disk `DiskFull` | rolled back, goes on |
//! | `commit_fails_and_nothing_is_kept` | no | `Unavailable`; a full disk `DiskFull` | file closed; opened anew, the heads tell |
//! | `commit_fails_although_all_is_kept` (a failed sync) | yes, or no after a power cut | `Unavailable` | the same |
//! | `file_does_not_open_again` | no | `Unavailable` | tried anew with the next group |
//! | `disk_refuses_to_write` (real I/O error) | no | `Unavailable` or `DiskFull` | goes on when it can |
//! | `caller_goes_away` before the answer | yes | nobody | the head tells |
//! | `crash` before the commit | no | nobody | gone |
//! | `crash` between commit and answer | yes | nobody | the head tells |
//! | `crash` after the answer | yes | `Ok` | nothing acknowledged is lost |
//!
//! After a failed commit or sync nothing is tried a second time on the same connection, since a disk may report a second
//! sync as done without having written anything. The file is opened anew: its log is copied and emptied, the heads are
//! compared with the records, and one more commit takes the place of the failed one, so that what is read from then on
//! is what a restart would find.

mod group;
mod reader;
mod schema;
mod seal;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::names::{Chain, SessionId};
use countersign_engine::ports::{
    AppendError, Appending, Batch, Epochs, Head, Ledger, LedgerError, OpenAction, Query, Stored,
};

use crate::faults::{self, Hook};
use crate::keys::DisclosureKey;
use reader::Readers;
use seal::Seal;
use writer::Writer;

const READ_ONLY: &str = "it was opened for reading only";

/// A ledger in one file.
///
/// Dropping it finishes what waits to be written, closes the file and gives back its lock; that blocks the thread.
pub struct Sqlite {
    // Dropped before the writer, which is then the last one and empties the log.
    readers: Readers,
    writer: Option<Writer>,
    seal: Option<Arc<Seal>>,
}

/// How a file is written and read.
pub struct Options {
    /// How many batches may wait for the writer; the next one is refused.
    pub queue: usize,
    /// How many batches one transaction takes at most.
    pub group: usize,
    /// Below so many free bytes on the disk only batches with `reserve` are taken.
    pub keep_free: u64,
    /// How long another program's lock is waited for.
    pub busy: Duration,
    /// The file is never grown past so many pages of 8192 bytes; `None` = as the disk allows.
    pub max_pages: Option<u32>,
    /// How many threads read.
    pub readers: usize,
    /// Where writing is made to fail, in tests.
    pub faults: Hook,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 4096,
            group: 512,
            keep_free: 64 * 1024 * 1024,
            busy: Duration::from_secs(2),
            max_pages: None,
            readers: 2,
            faults: faults::none(),
        }
    }
}

impl Sqlite {
    /// Opens a ledger as its one writer; makes the file (mode 0600) when there is none. Blocks.
    ///
    /// # Errors
    /// When the folder is missing, another process writes the ledger, or the file is of a newer version, not ours,
    /// damaged, sealed with another key, or cannot be written.
    pub fn open(path: &Path, key: &DisclosureKey, options: Options) -> Result<Self, OpenError> {
        let path = schema::locate(path)?;
        let lock = schema::lock(&path)?;
        let seal = Arc::new(unsealed(&path, key)?);
        let (readers, busy) = (options.readers, options.busy);
        let writer = Writer::start(path.clone(), lock, options, seal.clone())?;
        let readers = Readers::start(&path, readers, busy)?;
        Ok(Self { readers, writer: Some(writer), seal: Some(seal) })
    }

    /// Opens a ledger for reading, whether or not a daemon writes it. Without a key, disclosures stay closed and are
    /// given as absent. Blocks.
    ///
    /// # Errors
    /// When there is no such file, or it is of another version, not ours, or damaged.
    pub fn open_read_only(path: &Path, key: Option<&DisclosureKey>) -> Result<Self, OpenError> {
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(OpenError::Missing(path.to_owned()));
            }
            Err(error) => return Err(OpenError::failed(path, error)),
        };
        let seal = key.map(|key| unsealed(&path, key)).transpose()?.map(Arc::new);
        let readers = Readers::start(&path, 1, Options::default().busy)?;
        Ok(Self { readers, writer: None, seal })
    }
}

fn unsealed(path: &Path, key: &DisclosureKey) -> Result<Seal, OpenError> {
    Seal::new(key).ok_or_else(|| OpenError::failed(path, "the key library takes no AES-256 key"))
}

#[async_trait]
impl Ledger for Sqlite {
    fn append(&self, batch: Batch) -> Appending {
        match &self.writer {
            Some(writer) => writer.append(batch),
            None => Box::pin(async { Err(AppendError::Unavailable(READ_ONLY.to_owned())) }),
        }
    }

    async fn head(&self, chain: &Chain) -> Result<Option<Head>, LedgerError> {
        let chain = chain.clone();
        self.readers.run(move |conn| reader::head(conn, &chain)).await
    }

    async fn read(&self, chain: &Chain, from: u64) -> Result<Vec<Stored>, LedgerError> {
        let (chain, seal) = (chain.clone(), self.seal.clone());
        self.readers.run(move |conn| reader::read(conn, seal.as_deref(), &chain, from)).await
    }

    async fn receipts(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        let (query, seal) = (query.clone(), self.seal.clone());
        self.readers.run(move |conn| reader::receipts(conn, seal.as_deref(), &query)).await
    }

    async fn lookup(&self, key: &str) -> Result<Option<Chain>, LedgerError> {
        let key = key.to_owned();
        self.readers.run(move |conn| reader::lookup(conn, &key)).await
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, LedgerError> {
        self.readers.run(|conn| reader::open_actions(conn)).await
    }

    async fn sessions(&self, limit: usize) -> Result<Vec<SessionId>, LedgerError> {
        self.readers.run(move |conn| reader::sessions(conn, limit)).await
    }

    async fn kept(&self, digest: &str) -> Result<Option<Arc<str>>, LedgerError> {
        let (digest, seal) = (digest.to_owned(), self.seal.clone());
        self.readers.run(move |conn| reader::kept(conn, seal.as_deref(), &digest)).await
    }

    async fn epochs(&self) -> Result<Epochs, LedgerError> {
        match self.writer.as_ref().and_then(Writer::epochs) {
            Some(standing) => Ok(standing),
            None => self.readers.run(|conn| reader::epochs(conn)).await,
        }
    }

    async fn check(&self) -> Result<(), LedgerError> {
        match &self.writer {
            Some(writer) => writer.check().await,
            None => Err(LedgerError::Unavailable(READ_ONLY.to_owned())),
        }
    }
}

/// Why a file was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder is missing.
    #[error("the ledger's folder {} does not exist; make it, or choose another path", .0.display())]
    Folder(PathBuf),
    /// There is nothing to read.
    #[error("there is no ledger at {}", .0.display())]
    Missing(PathBuf),
    /// Another process is its writer.
    #[error("the ledger {} is in use: another daemon writes it; stop that one, or give each its own file", .0.display())]
    InUse(PathBuf),
    /// Another program holds it.
    #[error("the ledger {} is held by another program that reads or writes it; end that and try again", .0.display())]
    Busy(PathBuf),
    /// It is no ledger of ours.
    #[error("{} is not a Countersign ledger; choose another path", .0.display())]
    Foreign(PathBuf),
    /// A later version wrote it.
    #[error("the ledger {} has version {found} and this program knows {known}; use the newer program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The last version known here.
        known: i32,
    },
    /// An earlier version wrote it, and reading does not change it.
    #[error("the ledger {} has version {found}, not {known}; start the daemon once to bring it up to date", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The version known here.
        known: i32,
    },
    /// It holds what this program did not write.
    #[error("the ledger {} is damaged ({reason}); bring it back from a backup and keep this one to find out why", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its disclosures were sealed with another key, or changed.
    #[error("the newest disclosure in {} does not open with this disclosure key; bring back the key it was sealed with", .0.display())]
    Key(PathBuf),
    /// The file system cannot do what the log needs.
    #[error("the file system of {} has no shared memory files for a write-ahead log; put the ledger on a local disk", .0.display())]
    NoWal(PathBuf),
    /// There is no room.
    #[error("the disk of {} is full", .0.display())]
    Full(PathBuf),
    /// Something else.
    #[error("the ledger {} cannot be opened: {reason}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

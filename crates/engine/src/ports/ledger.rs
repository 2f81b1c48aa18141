//! The append-only record of everything: chains of receipts, the short entries of principals, and their heads.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::names::{ActionId, Chain, SessionId};
use countersign_core::time::Time;

/// Append-only, hash-chained history.
///
/// Trusted: who can rewrite it can rewrite the past up to the last signed root that somebody outside holds.
/// Every implementation passes the contract suite in `store/tests/contract.rs`.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Hands a batch to the one writer. Batches are committed in the order of these calls; the call itself
    /// never blocks. When the future gives `Ok`, every record of the batch survives a crash. When it gives an
    /// error, none of them is there, nor will be, except for [`AppendError::Unavailable`] after a failed sync,
    /// where the head tells: the writer opens its file anew before it takes anything more. Dropping the future
    /// takes nothing back.
    fn append(&self, batch: Batch) -> Appending;

    /// The head of a chain; `None` when nothing was ever appended to it.
    async fn head(&self, chain: &Chain) -> Result<Option<Head>, LedgerError>;

    /// The records of a chain from `from` on, in order, with what is disclosed of them.
    async fn read(&self, chain: &Chain, from: u64) -> Result<Vec<Stored>, LedgerError>;

    /// Receipts of any chain, in the order they were committed.
    async fn receipts(&self, query: &Query) -> Result<Vec<Stored>, LedgerError>;

    /// The chain that a record with this lookup key began, e.g. a session by the digest of its token.
    async fn lookup(&self, key: &str) -> Result<Option<Chain>, LedgerError>;

    /// Actions that were opened and not closed: what recovery has to look at.
    async fn open_actions(&self) -> Result<Vec<OpenAction>, LedgerError>;

    /// Sessions, the one that began last first; a limit of 0 = no bound.
    async fn sessions(&self, limit: usize) -> Result<Vec<SessionId>, LedgerError>;

    /// The text that was kept under this digest; `None` when none was, or it is closed to this reader.
    async fn kept(&self, digest: &str) -> Result<Option<Arc<str>>, LedgerError>;

    /// The epochs as last committed.
    async fn epochs(&self) -> Result<Epochs, LedgerError>;

    /// Whether an append would be taken in now. Writes nothing that stays.
    async fn check(&self) -> Result<(), LedgerError>;
}

/// The answer of [`Ledger::append`].
pub type Appending = Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send>>;

/// What is committed together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The heads that were read; if one has moved, nothing is appended.
    pub expect: Vec<Expected>,
    /// The epochs that were read; if one has moved, nothing is appended. `None` when nothing depends on them.
    pub epochs: Option<Epochs>,
    /// Epochs to raise by one, after the check.
    pub raise: Vec<Epoch>,
    /// New records. Within a chain they follow its expected head and each other.
    pub records: Vec<Record>,
    /// Actions that recovery has to look at from now on.
    pub open: Vec<OpenAction>,
    /// Actions that it no longer has to look at.
    pub close: Vec<ActionId>,
    /// Texts that the records name by digest alone; of one that is kept already nothing changes.
    pub keep: Vec<Kept>,
    /// May use the disk space kept back for outcomes.
    pub reserve: bool,
}

/// A text that rulings were made under: a policy set, the terms of a deployment, a tool's contract. Kept encrypted,
/// once, for whoever asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is found again by, `sha256:` and lower hex: of the text, or of the policy set that it is of.
    pub digest: Arc<str>,
    /// The exact text.
    pub text: Arc<str>,
}

/// A head that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Which chain.
    pub chain: Chain,
    /// Its head; `None` = the chain was empty.
    pub head: Option<Head>,
}

/// The last record of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number; the first is 0.
    pub sequence: u64,
    /// Its digest, `sha256:` and lower hex.
    pub digest: Arc<str>,
}

/// A record to append.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its chain.
    pub chain: Chain,
    /// Its number in the chain.
    pub sequence: u64,
    /// Its digest, `sha256:` and lower hex.
    pub digest: Arc<str>,
    /// What it is.
    pub kind: RecordKind,
    /// The exact text: a signed receipt without disclosures, or a principal's entry.
    pub body: Arc<str>,
    /// What is disclosed beside it, as JSON text; kept encrypted, apart from the body.
    pub disclosures: Option<Arc<str>>,
    /// When it was made.
    pub at: Time,
    /// A key under which its chain can be found again; it leads to one chain for good.
    pub lookup: Option<Arc<str>>,
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A signed receipt.
    Receipt {
        /// Its id.
        id: Arc<str>,
        /// The action it is about.
        action: Option<ActionId>,
    },
    /// A principal's short entry.
    Link,
}

/// A record as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its chain.
    pub chain: Chain,
    /// Its number in the chain.
    pub sequence: u64,
    /// Its digest.
    pub digest: Arc<str>,
    /// What it is.
    pub kind: RecordKind,
    /// The exact text.
    pub body: Arc<str>,
    /// What is disclosed beside it; `None` when there is nothing, or it was erased.
    pub disclosures: Option<Arc<str>>,
}

/// An action that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAction {
    /// Its session.
    pub session: SessionId,
    /// Which.
    pub action: ActionId,
}

/// Which receipts to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only those of this chain.
    pub chain: Option<Chain>,
    /// Only those about this action.
    pub action: Option<ActionId>,
    /// Only the one with this id.
    pub id: Option<Arc<str>>,
    /// Only those committed after the receipt with this id; none when there is no such receipt.
    pub after: Option<Arc<str>>,
    /// At most so many; 0 = no bound.
    pub limit: usize,
    /// The last ones instead of the first ones; still in the order they were committed.
    pub newest: bool,
}

/// What guards the system chain instead of its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// Something was stopped or resumed.
    Halt,
    /// Another policy set came into force.
    Policy,
    /// An identity was revoked.
    Revocation,
}

/// How often each of them changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// Halts.
    pub halt: u64,
    /// Policy sets.
    pub policy: u64,
    /// Revocations.
    pub revocation: u64,
}

/// Why nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The head of this chain is not the one that was read, or a record for it does not follow its head, or has a
    /// receipt id or lookup key that is taken: decide again.
    #[error("the chain {0} has moved on")]
    Conflict(String),
    /// An epoch is not the one that was read: decide again.
    #[error("the rules in force have changed")]
    EpochMoved,
    /// More waits to be written than the queue takes.
    #[error("the ledger's queue is full")]
    QueueFull,
    /// The disk is too full for anything but outcomes.
    #[error("the ledger's disk is full")]
    DiskFull,
    /// It cannot be written.
    #[error("the ledger cannot be written: {0}")]
    Unavailable(String),
}

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be reached.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// It holds what this program did not write.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
}

//! A ledger with a disk that takes its time: what is handed over is not yet there for those who read.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::names::{Chain, SessionId};
use countersign_engine::ports::{
    AppendError, Appending, Batch, Epochs, Head, Ledger, LedgerError, OpenAction, Query, Stored,
};
use countersign_store::Memory;
use tokio::sync::{mpsc, oneshot};

type Queued = (Batch, oneshot::Sender<Result<(), AppendError>>);

/// Commits what was handed over in groups, in order, a while later.
pub(crate) struct Slow {
    memory: Arc<Memory>,
    queue: mpsc::UnboundedSender<Queued>,
}

impl Slow {
    pub(crate) fn over(memory: Arc<Memory>, sync: Duration) -> Self {
        let (queue, mut queued) = mpsc::unbounded_channel::<Queued>();
        let disk = Arc::clone(&memory);
        tokio::spawn(async move {
            let mut group = Vec::new();
            while queued.recv_many(&mut group, 512).await > 0 {
                tokio::time::sleep(sync).await;
                let mut answers = Vec::new();
                for (batch, answer) in group.drain(..) {
                    answers.push((disk.append(batch).await, answer));
                }
                for (appended, answer) in answers {
                    let _ = answer.send(appended);
                }
            }
        });
        Self { memory, queue }
    }
}

#[async_trait]
impl Ledger for Slow {
    fn append(&self, batch: Batch) -> Appending {
        let (answer, appended) = oneshot::channel();
        let gone = || AppendError::Unavailable("the disk is gone".into());
        match self.queue.send((batch, answer)) {
            Ok(()) => Box::pin(async move { appended.await.unwrap_or_else(|_| Err(gone())) }),
            Err(_) => Box::pin(async move { Err(gone()) }),
        }
    }

    async fn head(&self, chain: &Chain) -> Result<Option<Head>, LedgerError> {
        self.memory.head(chain).await
    }

    async fn read(&self, chain: &Chain, from: u64) -> Result<Vec<Stored>, LedgerError> {
        self.memory.read(chain, from).await
    }

    async fn receipts(&self, query: &Query) -> Result<Vec<Stored>, LedgerError> {
        self.memory.receipts(query).await
    }

    async fn lookup(&self, key: &str) -> Result<Option<Chain>, LedgerError> {
        self.memory.lookup(key).await
    }

    async fn open_actions(&self) -> Result<Vec<OpenAction>, LedgerError> {
        self.memory.open_actions().await
    }

    async fn sessions(&self, limit: usize) -> Result<Vec<SessionId>, LedgerError> {
        self.memory.sessions(limit).await
    }

    async fn kept(&self, digest: &str) -> Result<Option<Arc<str>>, LedgerError> {
        self.memory.kept(digest).await
    }

    async fn epochs(&self) -> Result<Epochs, LedgerError> {
        self.memory.epochs().await
    }

    async fn check(&self) -> Result<(), LedgerError> {
        self.memory.check().await
    }
}

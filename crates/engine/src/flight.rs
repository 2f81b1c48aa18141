//! Steps on their way to the disk.
//!
//! A cell runs ahead of the disk, so what is read from the ledger while something is on its way is not what will
//! stand. A cell in doubt is therefore read anew by one reader at a time, and only when everything that was handed
//! over on it has landed, well or not. And steps of one session land in the order in which they were handed over:
//! if one failed, the context is read anew, and what an earlier one has to tell would find nobody to tell it to.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{MutexGuard, oneshot, watch};

/// What is on its way from one cell.
#[derive(Debug)]
pub(crate) struct Flights {
    aloft: watch::Sender<usize>,
    last: Mutex<Option<oneshot::Receiver<()>>>,
    reading: tokio::sync::Mutex<()>,
}

/// One step on its way; it has landed when this is dropped.
#[derive(Debug)]
pub(crate) struct Flight {
    aloft: watch::Sender<usize>,
    before: Option<oneshot::Receiver<()>>,
    /// Nothing is ever sent: the one behind waits for this to be dropped.
    _landed: oneshot::Sender<()>,
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self { aloft: watch::channel(0).0, last: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// A step is being handed over. To be called under the cell's lock, so that the order is that of the ledger.
    pub(crate) fn take_off(&self) -> Flight {
        let (landed, next) = oneshot::channel();
        let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(next);
        self.aloft.send_modify(|n| *n += 1);
        Flight { aloft: self.aloft.clone(), before, _landed: landed }
    }

    /// The right to read a cell in doubt: nobody else does, and nothing is on its way.
    pub(crate) async fn all_landed(&self) -> MutexGuard<'_, ()> {
        let reader = self.reading.lock().await;
        let mut aloft = self.aloft.subscribe();
        // The sender is ours, so that this cannot fail.
        drop(aloft.wait_for(|n| *n == 0).await);
        reader
    }
}

impl Flight {
    /// Waits until every step before this one has landed.
    pub(crate) async fn turn(&mut self) {
        if let Some(before) = self.before.take() {
            let _dropped = before.await;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.aloft.send_modify(|n| *n = n.saturating_sub(1));
    }
}

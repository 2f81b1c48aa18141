//! The one thread that writes: it takes what waits, writes it in one transaction, and answers when that is durable.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use countersign_engine::ports::{AppendError, Appending, Batch, Epochs, LedgerError};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::group::{self, Group, run};
use super::seal::{Seal, Texts};
use super::{OpenError, Options, schema};
use crate::faults::{self, Point};

const GONE: &str = "its writer has stopped; restart the daemon";

/// The way to the writing thread. Dropping it lets the thread finish what waits, and waits for that.
pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    seal: Arc<Seal>,
    standing: Standing,
}

/// The epochs as last committed: nobody else changes them, so nobody has to read the file for them. `None` while the
/// file is closed after a failed commit.
type Standing = Arc<Mutex<Option<Epochs>>>;

enum Job {
    Append(Box<Append>),
    Check(oneshot::Sender<Result<(), LedgerError>>),
}

struct Append {
    batch: Batch,
    sealed: Texts,
    answer: oneshot::Sender<Result<(), AppendError>>,
}

impl Writer {
    /// Opens the file, which `lock` keeps from others, and starts the thread.
    pub(super) fn start(
        path: PathBuf,
        lock: File,
        options: Options,
        seal: Arc<Seal>,
    ) -> Result<Self, OpenError> {
        let conn = schema::open_writer(&path, &options, &seal)?;
        let epochs = group::epochs(&conn).map_err(|error| OpenError::from_sqlite(&path, error))?;
        let standing = Standing::new(Mutex::new(Some(epochs)));
        let (jobs, waiting) = sync_channel(options.queue);
        let loop_ = Loop {
            conn: Some(conn),
            standing: standing.clone(),
            path: path.clone(),
            options,
            seal: seal.clone(),
            _lock: lock,
        };
        let thread = thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || loop_.run(&waiting))
            .map_err(|error| OpenError::failed(&path, error))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), seal, standing })
    }

    /// The epochs as last committed; `None` when only the file can tell.
    pub(super) fn epochs(&self) -> Option<Epochs> {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals on the caller's thread, since the writer is the narrow place.
    pub(super) fn append(&self, batch: Batch) -> Appending {
        let Some(sealed) = self.seal.texts(&batch) else {
            return refusal(AppendError::Unavailable(
                "the system gives no randomness to seal with".to_owned(),
            ));
        };
        let (answer, answered) = oneshot::channel();
        match self.submit(Job::Append(Box::new(Append { batch, sealed, answer }))) {
            Ok(()) => Box::pin(async {
                answered.await.unwrap_or_else(|_| Err(AppendError::Unavailable(GONE.to_owned())))
            }),
            Err(error) => refusal(error),
        }
    }

    pub(super) async fn check(&self) -> Result<(), LedgerError> {
        let (answer, answered) = oneshot::channel();
        let unavailable = |error: AppendError| LedgerError::Unavailable(error.to_string());
        self.submit(Job::Check(answer)).map_err(unavailable)?;
        answered.await.unwrap_or_else(|_| Err(LedgerError::Unavailable(GONE.to_owned())))
    }

    fn submit(&self, job: Job) -> Result<(), AppendError> {
        let gone = || AppendError::Unavailable(GONE.to_owned());
        self.jobs.as_ref().ok_or_else(gone)?.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => AppendError::QueueFull,
            TrySendError::Disconnected(_) => gone(),
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic over there has been answered to every caller as an error.
            let _ = thread.join();
        }
    }
}

fn refusal(error: AppendError) -> Appending {
    Box::pin(async { Err(error) })
}

struct Loop {
    /// None after a failed commit, until the file was opened anew.
    conn: Option<Connection>,
    standing: Standing,
    path: PathBuf,
    options: Options,
    seal: Arc<Seal>,
    _lock: File,
}

/// Why a whole group failed.
struct Failure {
    error: AppendError,
    /// The state of the connection or of the disk is not known any more.
    doubtful: bool,
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        Self { error, doubtful: false }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let error = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => AppendError::DiskFull,
            _ => AppendError::Unavailable(error.to_string()),
        };
        error.into()
    }
}

impl Loop {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut appends = Vec::with_capacity(self.options.group);
        while let Ok(first) = jobs.recv() {
            let mut checks = Vec::new();
            let waiting = std::iter::once(first).chain(std::iter::from_fn(|| jobs.try_recv().ok()));
            for job in waiting.take(self.options.group.max(1)) {
                match job {
                    Job::Append(append) => appends.push(append),
                    Job::Check(answer) => checks.push(answer),
                }
            }
            if !appends.is_empty() {
                let answers = self.write(&appends);
                for (append, answer) in appends.drain(..).zip(answers) {
                    // Who no longer listens has still been recorded.
                    let _ = append.answer.send(answer);
                }
            }
            for answer in checks {
                let _ =
                    answer.send(self.check().map_err(|error| LedgerError::Unavailable(error.to_string())));
            }
        }
    }

    /// One answer for each append, in their order.
    fn write(&mut self, appends: &[Box<Append>]) -> Vec<Result<(), AppendError>> {
        let room = self.room();
        match self.transact(appends, &room) {
            Ok(answers) => answers,
            Err(Failure { error, doubtful }) => {
                tracing::error!(%error, batches = appends.len(), "the ledger could not be written");
                if doubtful {
                    self.close();
                }
                vec![Err(error); appends.len()]
            }
        }
    }

    fn transact(
        &mut self,
        appends: &[Box<Append>],
        room: &Result<(), AppendError>,
    ) -> Result<Vec<Result<(), AppendError>>, Failure> {
        self.reopen()?;
        let (faults, conn) = (&self.options.faults, self.conn.as_ref().ok_or(Self::closed())?);
        let epochs = self.epochs().ok_or(Self::closed())?;
        let written = faults::at(faults, &Point::Begin, || Group::begin(conn, epochs).map_err(Failure::from))
            .and_then(|mut group| {
                let answers = appends.iter().map(|append| match room {
                    Err(error) if !append.batch.reserve => Ok(Err(error.clone())),
                    _ => faults::at(faults, &Point::Write(&append.batch), || {
                        group.add(&append.batch, &append.sealed).map_err(Failure::from)
                    }),
                });
                let answers = answers.collect::<Result<Vec<_>, Failure>>()?;
                Ok((answers, group.close()?))
            });
        match written {
            Ok((answers, Some(epochs))) => {
                // From here on the records may be on the disk whatever is reported.
                faults::at(faults, &Point::Commit, || run(conn, "COMMIT").map_err(Failure::from))
                    .map_err(|failure| Failure { doubtful: true, ..failure })?;
                self.stand(Some(epochs));
                Ok(answers)
            }
            Ok((answers, None)) => {
                roll_back(conn)?;
                Ok(answers)
            }
            Err(failure) => {
                let doubtful = roll_back(conn).is_err();
                Err(Failure { doubtful, ..failure })
            }
        }
    }

    /// Whether the disk has more room than is kept back for outcomes.
    fn room(&self) -> Result<(), AppendError> {
        let folder = self.path.parent().unwrap_or(&self.path);
        let disk = rustix::fs::statvfs(folder).map_err(|error| {
            AppendError::Unavailable(format!("its disk does not tell its free space: {error}"))
        })?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < self.options.keep_free {
            return Err(AppendError::DiskFull);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), AppendError> {
        let tried = self.try_out();
        if tried.as_ref().is_err_and(|failure| failure.doubtful) {
            self.close();
        }
        tried.map_err(|failure| failure.error).and_then(|()| self.room())
    }

    fn try_out(&mut self) -> Result<(), Failure> {
        self.reopen()?;
        let conn = self.conn.as_ref().ok_or(Self::closed())?;
        faults::at(&self.options.faults, &Point::Check, || {
            run(conn, "BEGIN IMMEDIATE")?;
            roll_back(conn)
        })
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        if self.conn.is_some() {
            return Ok(());
        }
        let conn = faults::at(&self.options.faults, &Point::Reopen, || {
            schema::open_writer(&self.path, &self.options, &self.seal).map_err(|error| match error {
                OpenError::Full(_) => Failure::from(AppendError::DiskFull),
                other => Failure::from(AppendError::Unavailable(other.to_string())),
            })
        })?;
        let epochs = group::epochs(&conn)?;
        tracing::info!(path = %self.path.display(), "the ledger was opened again after a failed commit");
        self.conn = Some(conn);
        self.stand(Some(epochs));
        Ok(())
    }

    fn close(&mut self) {
        self.stand(None);
        self.conn = None;
    }

    fn epochs(&self) -> Option<Epochs> {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand(&self, epochs: Option<Epochs>) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = epochs;
    }

    fn closed() -> Failure {
        AppendError::Unavailable("it is closed after a failed commit".to_owned()).into()
    }
}

/// Ends the transaction; SQLite may have ended it already, because of the error.
fn roll_back(conn: &Connection) -> Result<(), Failure> {
    if conn.is_autocommit() {
        return Ok(());
    }
    run(conn, "ROLLBACK").map_err(|error| Failure { doubtful: true, ..Failure::from(error) })
}

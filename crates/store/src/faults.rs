//! Points at which a store asks whether to fail, so that tests can show what each failure leads to.
//!
//! Outside tests the hook is [`none`]; it costs one call a point.

use std::thread;
use std::time::Duration;

use countersign_engine::ports::{AppendError, Batch};

/// Decides at each point whether it fails; called on the thread that writes.
pub type Hook = Box<dyn Fn(&Point<'_>) -> Verdict + Send + Sync>;

/// A moment at which a write can fail.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Point<'a> {
    /// Memory: the whole of one batch. Failing after it leaves its records in place.
    Append(&'a Batch),
    /// SQLite: a group's transaction begins.
    Begin,
    /// SQLite: one batch is written inside the transaction, which is not yet durable.
    Write(&'a Batch),
    /// SQLite: the transaction becomes durable. Failing after it leaves its records in place.
    Commit,
    /// SQLite: the file is opened again after a failed commit.
    Reopen,
    /// Both: the question whether an append would be taken now.
    Check,
}

/// What happens at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It fails and has done nothing.
    FailBefore(AppendError),
    /// It has done its work and is reported as failed.
    FailAfter(AppendError),
    /// It goes on after this long.
    Delay(Duration),
}

/// The hook that lets everything pass.
#[must_use]
pub fn none() -> Hook {
    Box::new(|_| Verdict::Pass)
}

/// Does `work` at `point` as the hook says.
pub(crate) fn at<T, E: From<AppendError>>(
    hook: &Hook,
    point: &Point<'_>,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    match hook(point) {
        Verdict::Pass => work(),
        Verdict::FailBefore(error) => Err(error.into()),
        Verdict::FailAfter(error) => work().and_then(|_| Err(error.into())),
        Verdict::Delay(time) => {
            thread::sleep(time);
            work()
        }
    }
}

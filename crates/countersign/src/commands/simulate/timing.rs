//! How long the pure decision alone takes.
//!
//! The engine decides under its locks, together with signing and appending. So the same question is put to
//! `core::decide` once before each submission, on the same context; what it answers is not used.

use std::hint::black_box;
use std::time::{Duration, Instant};

use countersign_core::decide::decide as rule;
use countersign_engine::{Engine, Submission};

use crate::commands::question;
use crate::error::CommandError;

/// The time that `core::decide` takes for this submission as things stand.
///
/// # Errors
/// The session or its principals cannot be read.
pub(super) async fn decide(engine: &Engine, submission: &Submission) -> Result<Duration, CommandError> {
    question::ask(engine, submission, |question| {
        let began = Instant::now();
        let ruling = rule(black_box(question));
        let taken = began.elapsed();
        drop(black_box(ruling));
        taken
    })
    .await
}

//! The file of verdicts, written beside its place and put there when it is whole; and the summary.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_receipt::v1::Verdict;
use serde::Serialize;

use super::Args;
use super::replay::{Replay, Replayed};
use super::tools::Review;
use crate::error::CommandError;
use crate::output::{Page, View};

/// A file of verdicts on its way. Dropped before it is kept, it leaves nothing.
pub(super) struct Verdicts {
    place: PathBuf,
    draft: PathBuf,
    file: BufWriter<File>,
    kept: bool,
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    trace_id: &'a str,
    call: usize,
    tool: &'a str,
    decision: Verdict,
    rules: &'a [String],
    reason: &'a str,
    step: &'a str,
    micros: f64,
    submit_micros: f64,
}

impl Verdicts {
    /// Begins the file.
    ///
    /// # Errors
    /// It cannot be written there.
    pub(super) fn beside(place: &Path) -> Result<Self, CommandError> {
        let mut draft = place.to_owned();
        draft.as_mut_os_string().push(format!(".{}.part", std::process::id()));
        let file = File::create_new(&draft).map_err(|error| unwritable(place, &error))?;
        Ok(Self { place: place.to_owned(), draft, file: BufWriter::new(file), kept: false })
    }

    /// Writes a line for each call of a session.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&mut self, replayed: &Replayed) -> Result<(), CommandError> {
        for (call, ruled) in replayed.calls.iter().enumerate() {
            let line = Line {
                trace_id: &replayed.trace_id,
                call,
                tool: &ruled.tool,
                decision: ruled.verdict,
                rules: &ruled.rules,
                reason: &ruled.reason,
                step: &ruled.step,
                micros: micros(ruled.decide),
                submit_micros: micros(ruled.submit),
            };
            let written = serde_json::to_writer(&mut self.file, &line).map_err(std::io::Error::from);
            written
                .and_then(|()| self.file.write_all(b"\n"))
                .map_err(|error| unwritable(&self.place, &error))?;
        }
        Ok(())
    }

    /// Puts the whole file in its place.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn keep(mut self) -> Result<(), CommandError> {
        let whole = self.file.flush().and_then(|()| std::fs::rename(&self.draft, &self.place));
        whole.map_err(|error| unwritable(&self.place, &error))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Verdicts {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left to tell that it stays behind.
            let _ = std::fs::remove_file(&self.draft);
        }
    }
}

fn unwritable(place: &Path, error: &std::io::Error) -> CommandError {
    CommandError::usage(format!("the verdicts cannot be written to {}", place.display())).cause(error)
}

/// What a run came to.
#[derive(Serialize)]
pub(super) struct Summary {
    policy: Policy,
    tools: usize,
    /// Tools whose contract a person reviewed.
    reviewed: usize,
    /// Tools that were reviewed in other words than they are listed in.
    outdated: Vec<String>,
    request: bool,
    traces: usize,
    /// Sessions in which every call was let through.
    unprompted: usize,
    calls: usize,
    decisions: Decisions,
    /// The pure decision, in microseconds.
    decide_micros: Spread,
    /// Decided, signed and appended to a ledger in memory, in microseconds.
    submit_micros: Spread,
    seconds: f64,
    threads: usize,
    out: PathBuf,
    #[serde(skip)]
    decide: Vec<Duration>,
    #[serde(skip)]
    submit: Vec<Duration>,
}

#[derive(Serialize)]
struct Policy {
    id: String,
    version: String,
    digest: String,
    rules: usize,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Decisions {
    allow: usize,
    deny: usize,
    modify: usize,
    step_up: usize,
    defer: usize,
}

/// How times are spread.
#[derive(Default, Serialize)]
struct Spread {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Summary {
    /// A summary of nothing yet.
    pub(super) fn of(replay: &Replay, review: Option<Review>, threads: usize, args: &Args) -> Self {
        let reference = replay.policy.reference();
        let Review { tools: reviewed, outdated } = review.unwrap_or_default();
        Self {
            policy: Policy {
                id: reference.id.to_string(),
                version: reference.version.to_string(),
                digest: reference.digest.to_string(),
                rules: replay.policy.rules().len(),
            },
            tools: replay.tools.len(),
            reviewed,
            outdated,
            request: replay.request,
            traces: 0,
            unprompted: 0,
            calls: 0,
            decisions: Decisions::default(),
            decide_micros: Spread::default(),
            submit_micros: Spread::default(),
            seconds: 0.0,
            threads,
            out: args.out.clone(),
            decide: Vec::new(),
            submit: Vec::new(),
        }
    }

    /// Counts a session.
    pub(super) fn count(&mut self, replayed: &Replayed) {
        let through = |verdict: Verdict| matches!(verdict, Verdict::Allow | Verdict::Modify);
        self.traces += 1;
        self.unprompted += usize::from(replayed.calls.iter().all(|ruled| through(ruled.verdict)));
        for ruled in &replayed.calls {
            self.calls += 1;
            *self.decisions.of(ruled.verdict) += 1;
            self.decide.push(ruled.decide);
            self.submit.push(ruled.submit);
        }
    }

    /// All sessions are counted, and took so long together.
    pub(super) fn took(&mut self, time: Duration) {
        self.seconds = (time.as_secs_f64() * 1000.0).round() / 1000.0;
        self.decide_micros = Spread::of(&mut self.decide);
        self.submit_micros = Spread::of(&mut self.submit);
    }
}

impl Decisions {
    const fn of(&mut self, verdict: Verdict) -> &mut usize {
        match verdict {
            Verdict::Allow => &mut self.allow,
            Verdict::Deny => &mut self.deny,
            Verdict::Modify => &mut self.modify,
            Verdict::StepUp => &mut self.step_up,
            Verdict::Defer => &mut self.defer,
        }
    }
}

impl Spread {
    fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).copied().map_or(0.0, micros)
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }

    fn words(&self) -> String {
        let Self { p50, p90, p99, max } = self;
        format!("p50 {p50} us, p90 {p90} us, p99 {p99} us, longest {max} us")
    }
}

/// Microseconds, to a tenth.
fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000_000.0).round() / 10.0
}

impl View for Summary {
    fn show(&self, page: &mut Page) {
        let Policy { id, version, digest, rules } = &self.policy;
        let request = if self.request { "told" } else { "kept from the engine" };
        page.pair("policy", &format!("{id} version {version}, {rules} rules, {digest}"));
        page.pair("request", request);
        page.pair("tools", &format!("{}, contracts of {} reviewed", self.tools, self.reviewed));
        page.pair("sessions", &format!("{}, {} without a question", self.traces, self.unprompted));
        let Decisions { allow, deny, modify, step_up, defer } = &self.decisions;
        page.pair(
            "calls",
            &format!(
                "{}: {allow} ALLOW, {modify} MODIFY, {step_up} STEP_UP, {defer} DEFER, {deny} DENY",
                self.calls
            ),
        );
        page.pair("decision", &self.decide_micros.words());
        page.pair("submission", &self.submit_micros.words());
        if !self.outdated.is_empty() {
            let outdated = self.outdated.join(", ");
            page.warning(&format!(
                "Listed in other words than were reviewed, so the review only raises: {outdated}"
            ));
        }
        page.good(&format!(
            "Wrote {} in {} s on {} threads.",
            self.out.display(),
            self.seconds,
            self.threads
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let mut times: Vec<Duration> = (1..=100).rev().map(Duration::from_micros).collect();
        let spread = Spread::of(&mut times);
        assert_eq!([spread.p50, spread.p90, spread.p99, spread.max], [50.0, 90.0, 99.0, 100.0]);
        let one = Spread::of(&mut [Duration::from_nanos(1550)]);
        assert_eq!([one.p50, one.p99], [1.6, 1.6]);
        assert_eq!(Spread::of(&mut []).max, 0.0);
    }
}

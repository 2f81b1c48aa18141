//! `countersign simulate`: recorded sessions replayed through the real engine.
//!
//! ```text
//! file --traces--> lines --a worker a core--> replay (an engine and a ledger of its own per session) --in order--> verdicts
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `traces` | the file of sessions: plain or gzip, one a line |
//! | `tools` | the tools as their server lists them, and their contracts |
//! | `replay` | one session: submit, spend, settle, as the gateway does |
//! | `timing` | how long the pure decision alone takes |
//! | `report` | the file of verdicts, and the summary |
//!
//! Each session has an engine, a ledger in memory and a clock of its own: no session can influence another, whatever
//! runs beside it, and the same file gives the same rulings in every run.

mod replay;
mod report;
mod timing;
mod tools;
mod traces;

use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use countersign_core::decision::Ruling;
use countersign_core::policy::{Fault, PolicySet};

use super::Context;
use crate::error::{CommandError, Exit};
use crate::policies;
use replay::{Replay, Replayed};
use report::{Summary, Verdicts};
use tools::Tools;
use traces::{Line, Lines};

/// What to replay, and under which policy.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy files, or folders of them, that are in force
    #[arg(long, value_name = "DIR", required = true)]
    policy: Vec<PathBuf>,
    /// The tools as their server lists them: a JSON array, or an object with `tools`
    #[arg(long, value_name = "FILE")]
    tools: PathBuf,
    /// The sessions: JSON Lines, plain or gzip
    #[arg(long, value_name = "FILE")]
    traces: PathBuf,
    /// The verdicts to write, one a call
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Keep the user's request from the engine, as where no host opens sessions
    #[arg(long)]
    no_request: bool,
    /// Reviewed contracts of the tools, over the derived ones
    #[arg(long, value_name = "FILE")]
    contracts: Option<PathBuf>,
}

/// Lines handed to the workers ahead of their work, for each of them.
const AHEAD: usize = 8;

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    let policy = policies::load(&args.policy)?;
    let reviewed = tools::reviewed(args.contracts.as_deref())?;
    let tools = Tools::read(&args.tools, reviewed.clone())?;
    let review = args.contracts.as_deref().map(|file| tools.review(file, &reviewed)).transpose()?;
    let lines = Lines::open(&args.traces)?;
    let replay = Replay::new(policy, tools, !args.no_request)?;
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut summary = Summary::of(&replay, review, workers, args);
    let mut verdicts = Verdicts::beside(&args.out)?;
    let began = Instant::now();
    let mut ids = HashSet::new();
    in_order(lines, workers, &replay, |replayed| {
        if !ids.insert(replayed.trace_id.clone()) {
            return Err(repeated(args, &replayed));
        }
        summary.count(&replayed);
        verdicts.write(&replayed)
    })?;
    if ids.is_empty() {
        return Err(CommandError::usage(format!("{} holds no session", args.traces.display()))
            .hint("name a file with one session a line; docs/src/simulate.md shows one"));
    }
    verdicts.keep()?;
    summary.took(began.elapsed());
    context.output.show(&summary)?;
    Ok(Exit::Ok)
}

/// Sessions in a file, and the tools that are called in them.
pub(crate) struct Sessions<'a> {
    /// As `--traces` takes them.
    pub(crate) traces: &'a Path,
    /// As `--tools` takes them.
    pub(crate) tools: &'a Path,
    /// Reviewed contracts.
    pub(crate) contracts: Option<&'a Path>,
    /// Whether the user's request is told.
    pub(crate) request: bool,
}

/// Asks two sets about every call of recorded sessions, each session being lived under the first: the tool, the place of
/// the call, and what both say.
///
/// # Errors
/// A file cannot be read or used, or something was not recorded.
pub(crate) async fn beside(
    sessions: &Sessions<'_>,
    (old, new): (PolicySet, Arc<PolicySet>),
    mut each: impl FnMut(&str, String, &Ruling, &Ruling),
) -> Result<(), CommandError> {
    let tools = Tools::read(sessions.tools, tools::reviewed(sessions.contracts)?)?;
    let mut replay = Replay::new(old, tools, sessions.request)?;
    replay.beside = Some(new);
    for line in Lines::open(sessions.traces)? {
        let replayed = replay.line(&line?).await?;
        for (number, call) in replayed.calls.iter().enumerate() {
            let Some((old, new)) = &call.both else { continue };
            each(&call.tool, format!("{}, call {number}", replayed.trace_id), old, new);
        }
    }
    Ok(())
}

fn repeated(args: &Args, replayed: &Replayed) -> CommandError {
    unusable([Fault {
        file: args.traces.display().to_string().into(),
        line: replayed.line,
        column: 1,
        message: format!("a session before it has the trace_id `{}` too", replayed.trace_id),
        hint: Some("give each session a trace_id of its own".to_owned()),
    }])
}

/// What is wrong with the recorded sessions.
fn unusable(faults: impl IntoIterator<Item = Fault>) -> CommandError {
    CommandError::usage("the sessions cannot be replayed").faults(faults)
}

/// Replays lines on so many threads; `take` gets the results in the order of the lines. The first failure, in that
/// order, ends it.
fn in_order(
    lines: Lines,
    workers: usize,
    replay: &Replay,
    mut take: impl FnMut(Replayed) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let (jobs, waiting) = mpsc::sync_channel::<(usize, Line)>(workers * AHEAD);
    let (results, done) = mpsc::channel();
    let waiting = Arc::new(Mutex::new(waiting));
    thread::scope(|scope| {
        for _ in 0..workers {
            let (waiting, results) = (Arc::clone(&waiting), results.clone());
            scope.spawn(move || work(replay, &waiting, &results));
        }
        // Only the workers keep it: when they are gone, the reader stops too.
        drop(waiting);
        scope.spawn(move || {
            for (index, line) in lines.enumerate() {
                let gone = match line {
                    Ok(line) => jobs.send((index, line)).is_err(),
                    Err(error) => results.send((index, Err(error))).is_err(),
                };
                if gone {
                    return;
                }
            }
        });
        let mut early = BTreeMap::new();
        let mut next = 0_usize;
        for (index, result) in done {
            early.insert(index, result);
            while let Some(result) = early.remove(&next) {
                take(result?)?;
                next += 1;
            }
        }
        Ok(())
    })
}

type Results = mpsc::Sender<(usize, Result<Replayed, CommandError>)>;

fn work(replay: &Replay, waiting: &Mutex<mpsc::Receiver<(usize, Line)>>, results: &Results) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((index, line)) = job else { return };
        let result = match &runtime {
            Ok(runtime) => runtime.block_on(replay.line(&line)),
            Err(error) => Err(CommandError::bug("the runtime does not start").cause(error)),
        };
        if results.send((index, result)).is_err() {
            return;
        }
    }
}

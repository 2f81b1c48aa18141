//! `countersign replay`: every recorded ruling asked again, as the question stood then.
//!
//! | module | holds |
//! |---|---|
//! | this one | under the set that each ruling was made under: is it the same, to the byte? |
//! | `changes` | under another set: what would be ruled differently |
//! | `recordings` | the ledger's rulings, each chain folded once |

mod changes;
mod recordings;

use std::collections::BTreeMap;
use std::path::PathBuf;

use countersign_engine::replay::{Answer, Lack, Recorded};
use serde::Serialize;

use super::Context;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies;
pub(crate) use changes::{Changes, Says};
pub(crate) use recordings::Recordings;

/// Differences that are shown to people; programs get them all.
const SHOWN: usize = 20;

/// Which rulings, and under what.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ask under these policy files, or folders of them, instead of the set that each ruling was made under
    #[arg(long, value_name = "DIR")]
    policy: Vec<PathBuf>,
    /// Only rulings of this session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let config = context.config()?;
    let other = if args.policy.is_empty() { None } else { Some(policies::load(&args.policy)?) };
    let recordings = Recordings::open(&config).await?;
    let session = args.session.as_deref();
    if let Some(set) = other {
        let mut changes = Changes::default();
        recordings.each(session, |found| changes.recorded(found, |found| found.under(&set))).await?;
        let reference = set.reference();
        let under = format!("{} version {}, {}", reference.id, reference.version, reference.digest);
        context.output.show(&Under { under, changes })?;
        return Ok(Exit::Ok);
    }
    let mut report = Report::default();
    recordings.each(session, |found| report.take(found)).await?;
    report.ok = report.different.is_empty();
    context.output.show(&report)?;
    Ok(if report.ok { Exit::Ok } else { Exit::No })
}

/// The differences under another set.
#[derive(Serialize)]
struct Under {
    under: String,
    #[serde(flatten)]
    changes: Changes,
}

impl View for Under {
    fn show(&self, page: &mut Page) {
        page.heading(&format!("Recorded rulings asked again under {}", self.under));
        self.changes.show(page, "recorded", "now");
    }
}

/// What asking again said of each ruling.
#[derive(Default, Serialize)]
struct Report {
    ok: bool,
    rulings: usize,
    /// Made again to the byte.
    same: usize,
    /// Refused or stopped before any rule was asked.
    given: usize,
    different: Vec<Different>,
    /// By why they cannot be asked again: their receipts.
    lacking: BTreeMap<&'static str, Vec<String>>,
}

#[derive(Serialize)]
struct Different {
    receipt: String,
    action: String,
    tool: String,
    /// The members of the receipt that differ.
    members: Vec<&'static str>,
    recorded: Says,
    now: Says,
}

impl Report {
    fn take(&mut self, found: &Recorded<'_>) {
        self.rulings += 1;
        match found.again() {
            Answer::Same => self.same += 1,
            Answer::Given => self.given += 1,
            Answer::Other(difference) => self.different.push(Different {
                receipt: found.receipt.id.clone(),
                action: found.action.id.to_string(),
                tool: found.action.tool.to_string(),
                members: difference.members,
                recorded: Says::of(&found.ruling),
                now: Says::of(&difference.now),
            }),
            Answer::Lacking(lack) => {
                self.lacking.entry(lack.as_str()).or_default().push(found.receipt.id.clone());
            }
        }
    }
}

impl View for Report {
    fn show(&self, page: &mut Page) {
        let Self { rulings, same, given, different, .. } = self;
        page.pair("rulings", &rulings.to_string());
        page.pair("the same", &format!("{same}, to the byte"));
        if *given > 0 {
            page.pair(
                "no rule asked",
                &format!("{given}: the message was refused, or what waited was stopped"),
            );
        }
        for lack in Lack::ALL {
            let receipts = self.lacking.get(lack.as_str()).map_or(&[][..], Vec::as_slice);
            if let Some(first) = receipts.first() {
                let count = receipts.len();
                page.pair("cannot be asked", &format!("{count}, as {} (first {first})", lack.meaning()));
            }
        }
        for one in different.iter().take(SHOWN) {
            page.blank();
            page.bad(&format!("{} of {} is another: {}", one.receipt, one.tool, one.members.join(", ")));
            page.pair("recorded", &one.recorded.to_string());
            page.pair("now", &one.now.to_string());
        }
        if let Some(more) = different.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            page.line(&format!("and {more} more; --json has them all"));
        }
        match (different.len(), self.lacking.is_empty()) {
            (0, true) => page.good("Every ruling that rules made is made again, to the byte."),
            (0, false) => page.warning("Every ruling that can be asked again is made again, to the byte."),
            (count, _) => page.bad(&format!(
                "{count} rulings are not made again: the ledger, or this program, is not the one that made them."
            )),
        }
    }
}

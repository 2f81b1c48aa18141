//! `countersign explain ID|FILE`: what somebody whose action was refused, or waits, runs first.
//!
//! The receipt says who decided, which rule, why, and what was missing. Where the ledger and the disclosure key are at
//! hand, the same question is put to the core once more, over the session as it stood, so that every rule can be shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::decide::Memo;
use countersign_core::decide::explain::{Explanation, explain, meaning};
use countersign_core::decision::Step;
use countersign_core::facts::providers::remedy;
use countersign_core::names::ActionId;
use countersign_engine::mediate::hint;
use countersign_engine::ports::{Ledger as _, Query, Stored};
use countersign_engine::replay::{Lack, Recorded};
use countersign_receipt::v1::{Answer, Kind, Receipt, Verdict};
use countersign_store::Sqlite;
use serde::Serialize;

use super::replay::Recordings;
use super::{Context, receipt};
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies;

/// Which receipt.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A receipt's id, an action's id, or a file with a receipt
    #[arg(value_name = "ID|FILE")]
    which: String,
    /// Decide again under these policies instead of those it was made under
    #[arg(long, value_name = "DIR")]
    policy: Vec<PathBuf>,
    /// Show arguments, the request and given facts too, not only what kind of thing they are; secrets stay blanked
    #[arg(long)]
    values: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let file = Path::new(&args.which);
    let (about, config) = match file.is_file() {
        true => (from_file(file)?, context.config().ok()),
        false => {
            let config = context.config()?;
            (from_ledger(&args.which, &receipt::open(&config, None)?).await?, Some(config))
        }
    };
    let mut explained = Explained::of(&about);
    match &config {
        Some(config) => match again(&about.ruling, config, &args).await {
            Ok(again) => explained.again = Some(again),
            Err(why) => explained.note = Some(why),
        },
        None => {
            explained.note = Some("there is no configuration here that says where the ledger is".to_owned())
        }
    }
    context.output.show(&explained)?;
    Ok(Exit::Ok)
}

/// The receipt that was asked for, and the ruling that it is about.
struct About {
    receipt: Receipt,
    ruling: Receipt,
}

/// The last ruling that a file holds; of an export, with what followed it.
fn from_file(path: &Path) -> Result<About, CommandError> {
    let unusable = || CommandError::usage(format!("{} holds no receipt of a ruling", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| unusable().cause(&error))?;
    // A receipt may be written over several lines; an export has one a line.
    let whole = countersign_receipt::parse(text.trim().as_bytes()).map(|signed| vec![signed.receipt]);
    let receipts = whole.or_else(|_| {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| countersign_receipt::parse(line.as_bytes()).map(|signed| signed.receipt)).collect()
    });
    let receipts: Vec<Receipt> = receipts.map_err(|error| unusable().cause(&error))?;
    about(receipts, None)
        .ok_or_else(|| unusable().hint("write one with `countersign receipt export --out FILE`"))
}

async fn from_ledger(id: &str, ledger: &Sqlite) -> Result<About, CommandError> {
    let none = || {
        CommandError::no(format!("there is no ruling with the receipt or action `{id}`"))
            .hint("a refusal names its receipt; `countersign receipt list` shows the newest")
    };
    let find = async |query: Query| ledger.receipts(&query).await.map_err(|error| receipt::unread(&error));
    let one = find(Query { id: Some(id.into()), ..Query::default() }).await?;
    let asked: Option<Receipt> = one.first().map(parsed).transpose()?;
    let action = asked.as_ref().and_then(|receipt| receipt.action.as_ref()).map_or(id, |action| &action.id);
    let all = find(Query { action: Some(ActionId::new(action)), ..Query::default() }).await?;
    let all = all.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    about(all, asked).ok_or_else(none)
}

fn parsed(stored: &Stored) -> Result<Receipt, CommandError> {
    let unsound = |error: &dyn std::error::Error| {
        CommandError::store(format!("receipt {} in the ledger is not one", stored.digest)).cause(error)
    };
    Ok(countersign_receipt::parse(stored.body.as_bytes()).map_err(|error| unsound(&error))?.receipt)
}

/// The receipt that was asked for, else the last one; and the last ruling on its action up to it.
fn about(mut all: Vec<Receipt>, asked: Option<Receipt>) -> Option<About> {
    let receipt = match asked {
        Some(receipt) => {
            all.retain(|other| other.sequence <= receipt.sequence);
            receipt
        }
        None => all.iter().rev().find(|receipt| receipt.action.is_some())?.clone(),
    };
    let of = |receipt: &Receipt| receipt.action.as_ref().map(|action| action.id.clone());
    let same = |other: &&Receipt| of(other) == of(&receipt);
    let ruling = all.iter().rev().filter(same).find(|other| other.decision.is_some())?.clone();
    Some(About { receipt, ruling })
}

/// Puts the question of a recorded ruling once more; else in words, why that cannot be.
async fn again(ruling: &Receipt, config: &Config, args: &Args) -> Result<Again, String> {
    let words = |error: CommandError| {
        error.causes.first().map_or(error.message.clone(), |c| format!("{}: {c}", error.message))
    };
    let recordings = Recordings::open(config).await.map_err(words)?;
    let other = match args.policy.is_empty() {
        true => None,
        false => Some(Arc::new(policies::load(&args.policy).map_err(words)?)),
    };
    let asked = recordings.one(&ruling.id, |found| {
        if found.receipt != *ruling {
            return Err("the ledger at hand holds another receipt under this id".to_owned());
        }
        let policy = other.as_ref().or(found.policy.as_ref()).ok_or(Lack::Policy.meaning())?;
        let memo = Memo::default();
        let explanation = explain(&found.question(policy, &memo), args.values);
        let same_policy = found.ruling.policy.digest == policy.reference().digest;
        Ok(Again { same_policy, same_ruling: alike(found, &explanation), explanation })
    });
    asked.await.map_err(words)?.ok_or("the ledger at hand does not hold this ruling")?
}

/// Whether asking again gave what was given then.
fn alike(found: &Recorded<'_>, explanation: &Explanation) -> bool {
    let (then, now) = (&found.ruling, &explanation.ruling);
    then.decision == now.decision && then.edits == now.edits && then.because == now.because
}

#[derive(Serialize)]
struct Explained {
    receipt: String,
    ruling: String,
    action: Option<String>,
    tool: Option<String>,
    decision: String,
    /// What happened, in a sentence.
    story: String,
    /// Who or what decided.
    decided_by: String,
    step: String,
    why: Option<&'static str>,
    reason: String,
    rules: Vec<String>,
    policy: Option<String>,
    /// What a candidate set would have done; not enforced.
    would_have: Option<String>,
    missing: Vec<Lacking>,
    /// What can be done now.
    next: String,
    again: Option<Again>,
    /// Why it was not decided again.
    note: Option<String>,
}

#[derive(Serialize)]
struct Lacking {
    what: String,
    remedy: String,
}

#[derive(Serialize)]
struct Again {
    /// Whether it was asked under the policy that was in force then.
    same_policy: bool,
    same_ruling: bool,
    explanation: Explanation,
}

impl Explained {
    fn of(About { receipt, ruling }: &About) -> Self {
        let decision = ruling.decision.clone().unwrap_or_default();
        let step = serde_json::from_value::<Step>(decision.step.as_str().into()).ok();
        let missing: Vec<Lacking> =
            decision.missing.iter().map(|gap| lacking(gap, &decision.rules)).collect();
        let action = ruling.action.as_ref();
        Self {
            receipt: receipt.id.clone(),
            ruling: ruling.id.clone(),
            action: action.map(|action| action.id.clone()),
            tool: action.map(|action| action.name.clone()),
            decision: decision.verdict.to_string(),
            story: receipt::story(receipt),
            decided_by: decided_by(receipt, step, &decision.rules),
            why: step.map(meaning),
            next: next(receipt, ruling, step, &missing),
            step: decision.step,
            reason: decision.reason,
            rules: decision.rules,
            policy: ruling.policy.as_ref().map(|p| format!("{} version {}, {}", p.id, p.version, p.digest)),
            would_have: receipt::would_have(ruling),
            missing,
            again: None,
            note: None,
        }
    }
}

fn decided_by(receipt: &Receipt, step: Option<Step>, rules: &[String]) -> String {
    if let Some(approval) = &receipt.approval {
        return format!("a person: {}", approval.by);
    }
    if receipt.kind == Kind::Expiry {
        return "the clock: nobody answered in time, or nobody came back for the answer".to_owned();
    }
    match (step, rules) {
        (Some(Step::Halted), _) => "an operator, who stopped actions like this one".to_owned(),
        (Some(Step::Default), _) => "the policy's written default: no rule speaks of this action".to_owned(),
        (_, [rule]) => format!("rule {rule}"),
        (_, []) => "no rule: the order of judgement itself".to_owned(),
        (_, several) => format!("rules {}", several.join(", ")),
    }
}

/// One missing thing, as a receipt writes it.
fn lacking(gap: &str, rules: &[String]) -> Lacking {
    let (what, remedy) = match gap.splitn(3, ':').collect::<Vec<_>>().as_slice() {
        ["fact", why, name] => (format!("{name} ({})", why.replace('_', " ")), remedy(name)),
        ["action", id @ ..] => {
            let id = id.join(":");
            (format!("the end of action {id}"), format!("it goes on when action {id} has ended"))
        }
        ["rule", id @ ..] => {
            let id = id.join(":");
            (
                format!("what rule {id} waits for"),
                format!("it goes on when rule {id} no longer holds, or a person decides"),
            )
        }
        _ => (
            format!("agreement between the rules {}", rules.join(", ")),
            "the people who write the policy have to give one of them a higher priority".to_owned(),
        ),
    };
    Lacking { what, remedy }
}

fn next(receipt: &Receipt, ruling: &Receipt, step: Option<Step>, missing: &[Lacking]) -> String {
    let refused = receipt.approval.as_ref().is_some_and(|approval| approval.decision == Answer::Deny);
    if refused {
        return "choose another way, or talk to the person who refused".to_owned();
    }
    match (receipt.kind, ruling.decision.as_ref().map(|decision| decision.verdict)) {
        (Kind::Outcome, _) => "nothing: it has run its course".to_owned(),
        (Kind::Expiry, _) => "call again to ask again".to_owned(),
        (Kind::Approval, _) => {
            "call again with the very same arguments: the approval is used by the call".to_owned()
        }
        (_, Some(Verdict::Allow | Verdict::Modify)) => "nothing: it may run".to_owned(),
        (_, Some(Verdict::StepUp)) => {
            let groups = ruling.decision.iter().flat_map(|decision| &decision.approvers);
            let groups: Vec<String> = groups.map(|clause| clause.join(" or ")).collect();
            let who = if groups.is_empty() {
                "an approver".to_owned()
            } else {
                format!("a member of {}", groups.join(" and of "))
            };
            format!(
                "ask {who} to answer (`countersign approvals list`), then call again with the very same arguments"
            )
        }
        (_, Some(Verdict::Defer)) => missing.first().map_or_else(
            || "wait, then call again with the very same arguments".to_owned(),
            |lacking| format!("{}; then call again with the very same arguments", lacking.remedy),
        ),
        (_, Some(Verdict::Deny) | None) => {
            step.map_or("ask the people who write the policy", hint).to_owned()
        }
    }
}

impl View for Explained {
    fn show(&self, page: &mut Page) {
        page.heading(&self.story);
        page.pair("decision", &format!("{} by {}", self.decision, self.decided_by));
        page.pair("reason", &self.reason);
        if let Some(why) = self.why {
            page.pair("step", &format!("{}: {why}", self.step));
        }
        if let Some(policy) = &self.policy {
            page.pair("policy", policy);
        }
        if let Some(would_have) = &self.would_have {
            page.pair("would have", would_have);
        }
        for lacking in &self.missing {
            page.pair("missing", &format!("{}: {}", lacking.what, lacking.remedy));
        }
        page.pair("what next", &self.next);
        page.pair(
            "receipt",
            &format!("{} (`countersign receipt verify` says whether it is genuine)", self.receipt),
        );
        match (&self.again, &self.note) {
            (Some(again), _) => again.show(page),
            (None, Some(note)) => page.faint(&format!("Not decided again: {note}.")),
            (None, None) => {}
        }
    }
}

impl Again {
    fn show(&self, page: &mut Page) {
        page.blank();
        match (self.same_policy, self.same_ruling) {
            (true, true) => page.good(
                "Decided again over the session as it stood, under the same policy, with the same ruling:",
            ),
            (true, false) => page.bad(
                "Decided again under the same policy, the ruling differs; `countersign replay` says more.",
            ),
            (false, true) => page.line("Decided again under another policy, with the same ruling:"),
            (false, false) => page.warning("Decided again under another policy, the ruling is another:"),
        }
        page.line(self.explanation.to_string().trim_end());
    }
}

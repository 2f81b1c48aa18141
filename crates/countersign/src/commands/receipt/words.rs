//! What a receipt says, in words.

use countersign_receipt::commit::place;
use countersign_receipt::v1::{Enforcement, Kind, Receipt, Status, Verdict};
use countersign_receipt::values::Plain;

/// The gist, in a word or two: the verdict, the outcome, the event.
pub(super) fn gist(receipt: &Receipt) -> String {
    let subject = |name: &str| match receipt.subject.as_ref().and_then(|subject| subject.get(name)) {
        Some(Plain::Text(text)) => text.clone(),
        _ => String::new(),
    };
    match receipt.kind {
        Kind::Ruling => verdict(receipt),
        Kind::Resolution => {
            let method = receipt.deferral.as_ref().map_or("", |deferral| deferral.method.as_str());
            format!("{} {method}", verdict(receipt)).trim().to_owned()
        }
        Kind::Approval => receipt
            .approval
            .as_ref()
            .map_or_else(String::new, |approval| format!("{} by {}", approval.decision, approval.by)),
        Kind::Outcome => {
            let late = |late: bool| if late { ", late" } else { "" };
            receipt
                .outcome
                .as_ref()
                .map_or_else(String::new, |o| format!("{}{}", status(o.status), late(o.late)))
        }
        Kind::Facts => receipt.facts.as_ref().map_or_else(String::new, |facts| facts.names.join(", ")),
        Kind::Policy => format!("{} {}", subject("id"), subject("version")).trim().to_owned(),
        Kind::Halt => {
            let resume = receipt.subject.as_ref().and_then(|s| s.get("resume")) == Some(&Plain::Bool(true));
            let what = if resume { "resume" } else { "halt" };
            format!("{what} {} {}", subject("scope"), subject("id")).trim().to_owned()
        }
        Kind::Expiry => {
            receipt.deferral.as_ref().map_or_else(String::new, |deferral| deferral.method.clone())
        }
        Kind::Session => receipt.session.as_ref().map_or_else(String::new, |session| session.source.clone()),
        Kind::Observation => subject("source"),
        Kind::Turn => subject("host"),
        Kind::Measurement => subject("level"),
        Kind::Contract => format!("{}.{}", subject("upstream"), subject("tool")),
        Kind::Key | Kind::Mark | Kind::Refusals | Kind::Checkpoint | Kind::Recovery => String::new(),
    }
}

fn verdict(receipt: &Receipt) -> String {
    receipt.decision.as_ref().map_or_else(String::new, |decision| decision.verdict.to_string())
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Error => "error",
        Status::Unknown => "unknown",
        Status::NothingSent => "nothing sent",
    }
}

/// What happened, in a sentence for people who do not know the format.
pub(crate) fn story(receipt: &Receipt) -> String {
    let tool = receipt.action.as_ref().map_or("the action", |action| action.name.as_str());
    match receipt.kind {
        Kind::Ruling => ruled(tool, receipt),
        Kind::Resolution => resolved(tool, receipt),
        Kind::Approval => receipt.approval.as_ref().map_or_else(String::new, |approval| {
            format!(
                "{} said `{}` to {tool}. An approval permits; it does not execute.",
                approval.by, approval.decision
            )
        }),
        Kind::Outcome => ended(tool, receipt),
        Kind::Expiry => format!("{tool} waited until its time was over; it did not run."),
        Kind::Session => "A session began.".to_owned(),
        Kind::Turn => "The user said something more.".to_owned(),
        Kind::Facts => "Facts were given to the session; from then on rules could read them.".to_owned(),
        Kind::Observation => {
            "Something was about to reach the agent, and became part of the session's context.".to_owned()
        }
        Kind::Measurement => measured(receipt),
        Kind::Policy => "A policy set came into force.".to_owned(),
        Kind::Halt => "An operator stopped or resumed actions.".to_owned(),
        Kind::Key => "A key was made, retired or revoked.".to_owned(),
        Kind::Contract => "A server listed a tool with a definition that was not on record.".to_owned(),
        Kind::Mark => "A high-water mark was moved by hand.".to_owned(),
        Kind::Refusals => "Refusals that were too many to record one by one.".to_owned(),
        Kind::Checkpoint => "A signed statement about the log.".to_owned(),
        Kind::Recovery => "The system came back and settled what it had left open.".to_owned(),
    }
}

fn measured(receipt: &Receipt) -> String {
    let number = |name: &str| match receipt.subject.as_ref()?.get(name)? {
        Plain::Integer(n) => Some(*n),
        _ => None,
    };
    let lexical = number("lexical").map(|n| format!("{n} by words"));
    let embedded = number("embedded").map(|n| format!("{n} by meaning"));
    let failed = receipt.subject.as_ref().is_some_and(|subject| subject.contains_key("failed"));
    let failed = failed.then(|| "not known by meaning, as the model failed".to_owned());
    let distances: Vec<String> = [lexical, embedded, failed].into_iter().flatten().collect();
    format!("The action that comes next lies this far from the request, of 10,000: {}.", distances.join(", "))
}

fn ruled(tool: &str, receipt: &Receipt) -> String {
    let rules = rules(receipt);
    match receipt.decision.as_ref().map(|decision| decision.verdict) {
        Some(Verdict::Allow) => format!("{tool} was permitted unchanged{rules}, before anything was sent."),
        Some(Verdict::Modify) => {
            format!("{tool} was permitted with changed arguments{rules}, before anything was sent.")
        }
        Some(Verdict::Deny) => format!("{tool} was refused{rules}; nothing was sent."),
        Some(Verdict::StepUp) => {
            format!("{tool} had to wait for a person{rules}; nothing was sent until then.")
        }
        Some(Verdict::Defer) => {
            format!("{tool} had to wait for missing context{rules}; nothing was sent until then.")
        }
        None => format!("{tool} was ruled on."),
    }
}

fn resolved(tool: &str, receipt: &Receipt) -> String {
    let rules = rules(receipt);
    match receipt.decision.as_ref().map(|decision| decision.verdict) {
        Some(Verdict::Allow | Verdict::Modify) => {
            format!("What {tool} waited for is known{rules}: it may run once its caller still wants it.")
        }
        Some(Verdict::Deny) => {
            format!("What {tool} waited for came to its end{rules}: refused; nothing was sent.")
        }
        Some(Verdict::StepUp) => {
            format!("{tool} goes on waiting, for a person{rules}; nothing was sent until then.")
        }
        Some(Verdict::Defer) | None => format!("What {tool} waited for came to its end."),
    }
}

fn ended(tool: &str, receipt: &Receipt) -> String {
    match receipt.outcome.as_ref().map(|outcome| outcome.status) {
        Some(Status::Ok) => format!("{tool} ran, and its tool answered with a result."),
        Some(Status::Error) => format!("{tool} was sent, and its tool answered with an error."),
        Some(Status::NothingSent) => format!("{tool} was permitted, and nothing was sent after all."),
        Some(Status::Unknown) | None => format!("{tool} was permitted; whether it ran is not known."),
    }
}

/// The rules that decided, in brackets; nothing where none did.
fn rules(receipt: &Receipt) -> String {
    match receipt.decision.as_ref().map(|decision| &*decision.rules) {
        None | Some([]) => String::new(),
        Some([rule]) => format!(" (rule {rule})"),
        Some(several) => format!(" (rules {})", several.join(", ")),
    }
}

/// What stands at a place that a receipt commits to.
pub(super) fn place(pointer: &str) -> String {
    match pointer {
        place::PARAMETERS => "arguments".to_owned(),
        place::EDITED_PARAMETERS => "as changed".to_owned(),
        place::OUTPUT => "output".to_owned(),
        place::ERROR => "error".to_owned(),
        place::APPROVAL_REASON => "words".to_owned(),
        place::ORIGINAL_REQUEST => "request".to_owned(),
        other => other.rsplit('/').next().unwrap_or(other).to_owned(),
    }
}

/// How far the receipt may be believed about effects.
pub(super) const fn belief(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Enforced => "enforced: the action could run only through Countersign",
        Enforcement::Reported => "reported: somebody outside told what happened",
        Enforcement::SameUser => {
            "same-user: the agent ran as the daemon's own user and could have forged this"
        }
        Enforcement::None => "none: nothing was enforced",
    }
}

/// What a candidate set would have done, plainly not enforced.
pub(crate) fn would_have(receipt: &Receipt) -> Option<String> {
    let candidate = receipt.would_have.as_ref()?;
    let by = if candidate.rules.is_empty() { candidate.step.clone() } else { candidate.rules.join(", ") };
    let policy = &candidate.policy;
    Some(format!(
        "{} by {by}: {} (not enforced: the candidate {} version {}, {})",
        candidate.verdict, candidate.reason, policy.id, policy.version, policy.digest
    ))
}

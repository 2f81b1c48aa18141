//! Which policy is in force, and putting another in force.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use countersign_core::decision::PolicyRef;
use countersign_core::policy::{Difference, Fault, Loosening, PolicySet};
use countersign_engine::policies::{By, NotActivated};
use http::StatusCode;

use super::body::Body;
use super::gate::Bearer;
use super::wire::{AppliedPolicy, NewPolicy, PolicyInForce, PolicyView};
use super::{ApiState, Problem, finish};

/// So many faults are told at once.
const TOLD: usize = 20;

pub(super) async fn show(State(api): State<ApiState>) -> Json<PolicyInForce> {
    let governing = api.engine.governing();
    let set = &governing.policy;
    let file = |(name, file): &(Arc<str>, PolicyRef)| (name.to_string(), file.digest.to_string());
    Json(PolicyInForce {
        policy: set.reference().into(),
        rules: set.rules().len(),
        default: set.default_decision().verdict().into(),
        files: set.files().iter().map(file).collect(),
        epoch: governing.epochs.policy,
        by_operators: api.settings.policy_by_operators,
    })
}

pub(super) async fn apply(
    State(api): State<ApiState>,
    bearer: Bearer,
    Body(body): Body<NewPolicy>,
) -> Result<Json<AppliedPolicy>, Problem> {
    let NewPolicy { files, looser, check } = body;
    let files = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    // Large sets take a while to compile.
    let loaded = finish(async { tokio::task::spawn_blocking(|| PolicySet::assemble(files)).await }).await?;
    let set = loaded
        .map_err(|_| Problem::unavailable("reading the policy was interrupted"))?
        .map_err(|faults| faulty(&faults))?;
    let (policy, rules) = (PolicyView::from(set.reference()), set.rules().len());
    if check {
        let before = &api.engine.governing().policy;
        let (difference, loosens) = (Difference::between(before, &set), set.looser_than(before));
        return Ok(Json(applied(policy, rules, None, (difference, &loosens))));
    }
    if !api.settings.policy_by_operators {
        return Err(Problem::conflict(
            "this daemon does not take its policy from operators, but from files or bundles",
            "change those, or set `policy_changes: operator` in the configuration and start the daemon again",
        ));
    }
    let by = By { looser, ..By::unless_looser(bearer.name()?) };
    let engine = api.engine.clone();
    let activated = finish(async move { engine.activate(set, by).await }).await?;
    match activated {
        Ok(Some(done)) => {
            let receipt = Some((&done.receipt).into());
            Ok(Json(applied(policy, rules, receipt, (done.difference, &done.loosens))))
        }
        Ok(None) => Ok(Json(applied(policy, rules, None, (Difference::default(), &[])))),
        Err(NotActivated::Looser(loosens)) => Err(too_loose(&loosens)),
        Err(NotActivated::Failed(failure)) => Err(failure.into()),
    }
}

fn applied(
    policy: PolicyView,
    rules: usize,
    receipt: Option<super::wire::ReceiptName>,
    (difference, loosens): (Difference, &[Loosening]),
) -> AppliedPolicy {
    AppliedPolicy {
        policy,
        rules,
        receipt,
        added: difference.added,
        removed: difference.removed,
        changed: difference.changed.into_iter().map(|one| one.rule).collect(),
        sections: difference
            .default
            .map(|_| "default")
            .into_iter()
            .chain(difference.other)
            .map(str::to_owned)
            .collect(),
        loosens: loosens.iter().map(ToString::to_string).collect(),
    }
}

fn faulty(faults: &[Fault]) -> Problem {
    let told: Vec<String> = faults.iter().take(TOLD).map(ToString::to_string).collect();
    let message = format!("the set is faulty, so none of it is used: {}", told.join("; "));
    Problem::unacceptable(message, "`countersign policy check` shows every fault with its place")
}

fn too_loose(loosens: &[Loosening]) -> Problem {
    let message = NotActivated::Looser(loosens.to_vec()).to_string();
    let hint = "nothing was changed; send it with `looser: true` (`countersign policy apply --yes`) if that is meant";
    Problem::new(StatusCode::CONFLICT, "looser", message, hint)
}

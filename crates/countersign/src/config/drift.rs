//! The block `drift`: from where on drift is noticed and asked about, and which model measures it.

use std::path::{Path, PathBuf};

use countersign_connect::embed::files::model_hash;
use countersign_core::drift::{Limits, ProfileName, Thresholds};
use serde_saphyr::Spanned;

use super::check::{number, within};
use super::fault::{Faults, suggest};
use super::file;

/// The block, checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drift {
    /// Where the embedding model is; `None` where embedded distances are to be missing facts.
    pub(crate) model: Option<PathBuf>,
    /// The thresholds; without the block starting points that are not in force.
    pub(crate) limits: Limits,
}

pub(super) fn check(written: Option<file::Drift>, folder: &Path, faults: &mut Faults) -> Drift {
    let Some(written) = written else { return Drift::default() };
    let profile = profile(written.profile.as_ref(), faults);
    let start = profile.lexical();
    let lexical = written.lexical.map_or(start.clone(), |block| {
        thresholds(&block.alert, &block.step_up, "drift.lexical", &start, faults)
    });
    let start = profile.embedded();
    let mut embedded = written.model.is_some().then(|| start.clone());
    if let Some(block) = written.embedded {
        of_this_model(&block, written.model.is_some(), faults);
        embedded = Some(Thresholds {
            model: Some(block.model.value.clone()),
            ..thresholds(&block.alert, &block.step_up, "drift.embedded", &start, faults)
        });
    }
    let sum = written.cumulative.as_ref().map(|block| &block.alert);
    let cusum = number(sum, "drift.cumulative.alert", 0..=10_000, profile.cusum().into(), faults);
    let limits = Limits { lexical, embedded, cusum: points(cusum), in_force: true };
    Drift { model: written.model.map(|model| within(folder, &model)), limits }
}

fn profile(written: Option<&Spanned<String>>, faults: &mut Faults) -> ProfileName {
    let Some(written) = written else { return ProfileName::Support };
    ProfileName::parse(&written.value).unwrap_or_else(|| {
        let said = format!("`{}` is not a profile", written.value);
        faults.at(written, said, suggest(&written.value, &ProfileName::ALL.map(ProfileName::as_str)));
        ProfileName::Support
    })
}

/// Distances of one model say nothing about those of another.
fn of_this_model(block: &file::Embedded, has_model: bool, faults: &mut Faults) {
    if !has_model {
        let said = "there are thresholds for embedded distances, and no `drift.model` that measures them";
        faults.at(&block.model, said, "write `model: ./model`, or take `embedded` out");
    }
    let ours = model_hash();
    if block.model.value != ours {
        let said =
            format!("these thresholds were fitted to the distances of another model, {}", block.model.value);
        let hint = format!(
            "the model that this program runs is {ours}; fit thresholds to it with `countersign drift calibrate`"
        );
        faults.at(&block.model, said, hint);
    }
}

fn thresholds(
    alert: &Spanned<u64>,
    step_up: &Spanned<u64>,
    name: &str,
    start: &Thresholds,
    faults: &mut Faults,
) -> Thresholds {
    let mut of = |written: &Spanned<u64>, key: &str, default: u32| {
        points(number(Some(written), &format!("{name}.{key}"), 0..=10_000, default.into(), faults))
    };
    let fitted = Thresholds {
        alert: of(alert, "alert", start.alert),
        step_up: of(step_up, "step_up", start.step_up),
        model: None,
    };
    if alert.value > step_up.value {
        let said = format!("`{name}.alert: {}` is above its `step_up: {}`", alert.value, step_up.value);
        faults.at(alert, said, "what is asked about is noticed too: `alert` is at most `step_up`");
    }
    fitted
}

/// Basis points that are within bounds.
fn points(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(10_000)
}

//! Where other policies come from while the daemon runs: `policy_changes` and `policy_bundle`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use serde_saphyr::Spanned;

use super::check::{number, within};
use super::fault::{Faults, suggest};
use super::file;
use crate::client::is_local;

/// Who puts other policies in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// Whoever changes the files under `policies`: they are watched.
    Files,
    /// Operators, with `policy apply`.
    Operators,
    /// Whoever signs bundles.
    Bundles(Source),
}

/// Where bundles come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The address that is asked; `https`, or on this machine `http`.
    pub(crate) url: Url,
    /// The file of public keys that a bundle may be signed with.
    pub(crate) keys: PathBuf,
    /// How often it is asked.
    pub(crate) every: Duration,
    /// `/readyz` says so when no sound answer came for so long.
    pub(crate) stale_after: Duration,
}

const WORDS: [&str; 2] = ["files", "operator"];
const DAY: u64 = 24 * 3600;
const MONTH: u64 = 30 * DAY;

pub(super) fn check(
    changes: Option<&Spanned<String>>,
    bundle: Option<file::Bundle>,
    folder: &Path,
    faults: &mut Faults,
) -> Changes {
    let operators = match changes.map(|word| (word, word.value.as_str())) {
        None | Some((_, "files")) => false,
        Some((_, "operator")) => true,
        Some((word, other)) => {
            let said = format!("`policy_changes: {other}` is not known");
            faults.at(word, said, suggest(other, &WORDS));
            false
        }
    };
    let source = bundle.and_then(|bundle| source(&bundle, folder, faults));
    match (source, changes) {
        (Some(source), None) => Changes::Bundles(source),
        (Some(_), Some(word)) => {
            faults.at(
                word,
                "policies come from bundles, and `policy_changes` says otherwise",
                "keep one of `policy_changes` and `policy_bundle`",
            );
            Changes::Files
        }
        (None, _) if operators => Changes::Operators,
        (None, _) => Changes::Files,
    }
}

/// `None` where the address is at fault: the configuration is not used then.
fn source(written: &file::Bundle, folder: &Path, faults: &mut Faults) -> Option<Source> {
    let file::Bundle { url, keys, every, stale_after } = written;
    let mut seconds = |value: &Option<Spanned<u64>>, name, default| {
        Duration::from_secs(number(value.as_ref(), name, 1..=MONTH, default, faults))
    };
    let every = seconds(every, "policy_bundle.every", 60);
    let stale_after = seconds(stale_after, "policy_bundle.stale_after", DAY);
    let trusted = |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && is_local(url));
    let Some(address) = Url::parse(&url.value).ok().filter(trusted) else {
        let said = format!("`{}` is not an address that bundles can come from", url.value);
        faults.at(url, said, "write https://…; http is for this machine alone");
        return None;
    };
    Some(Source { url: address, keys: within(folder, keys), every, stale_after })
}

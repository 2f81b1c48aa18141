//! The single checks. Each says what it saw and what to do about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use countersign_engine::ports::{Ledger as _, Query};
use countersign_receipt::keys::{KeySet, PublicKey};
use countersign_store::{DisclosureKey, KeyFolder};
use reqwest::Method;
use serde_json::Value;

use super::Findings;
use crate::client::Client;
use crate::commands::{keys as key_commands, model, policy, receipt, up};
use crate::config::Config;
use crate::config::policy::Changes;
use crate::fetch;
use crate::policies as policy_files;
use crate::secrets::{self, Exposure};

const GIB: u64 = 1024 * 1024 * 1024;
/// The clock of no machine that runs this is earlier (2025-01-01).
const EARLIEST: i64 = 1_735_689_600_000;
/// Clocks of one machine do not differ; a little is for rounding and for setting the clock back a second.
const SLACK: i64 = 5_000;

/// Keys and their permissions; gives the public keys.
pub(super) fn keys(config: &Config, found: &mut Findings) -> Option<KeySet> {
    match KeyFolder::open(&config.keys) {
        Ok(folder) => {
            found.ok("keys", format!("receipts are signed with {}", folder.signing().public().key_id()))
        }
        Err(error) => found.failed("keys", &key_commands::unusable(&error)),
    }
    key_commands::public(&config.keys).ok()
}

/// Token files: there, closed to others, fit, each in one role; and environment variables.
pub(super) fn tokens(config: &Config, found: &mut Findings) {
    match config.gateway(KeySet::default()) {
        Ok(_) => {
            found.ok("credentials", "every token and variable can be read, and every token has one role")
        }
        Err(error) => found.failed("credentials", &error),
    }
    for (path, whose) in config.token_files() {
        let says = match secrets::exposure(path) {
            Ok(Exposure::Sheltered) => "is kept from others only by the folder that it lies in",
            Ok(Exposure::Readable) => "can be read by other users of this machine",
            Ok(Exposure::Closed | Exposure::Writable) | Err(_) => continue,
        };
        let file = path.display();
        found.warn("credentials", format!("{file} ({whose}) {says}"), format!("run: chmod 600 {file}"));
    }
}

/// Policies, and whether those that they ask exist.
pub(super) fn policies(config: &Config, found: &mut Findings) {
    let set = match policy_files::load(&config.policies) {
        Ok(set) => set,
        Err(error) => return found.failed("policies", &error),
    };
    let reference = set.reference();
    let rules = set.rules().len();
    found.ok(
        "policies",
        format!("{} version {}, {rules} rules, {}", reference.id, reference.version, reference.digest),
    );
    match &config.policy_changes {
        Changes::Files => {}
        Changes::Operators => found.ok("policies", "a ledger begins with these; then operators bring others"),
        Changes::Bundles(source) => match fetch::trusted(source) {
            Ok(keys) => {
                let said = format!(
                    "a ledger begins with these; then {} brings others, signed with one of these keys: {}",
                    source.url,
                    key_ids(&keys)
                );
                found.ok("policies", said);
            }
            Err(error) => found.failed("policies", &error),
        },
    }
    for unknown in policy_files::unknown_groups(&set, config.groups()) {
        found.warn(
            "policies",
            policy::unasked(unknown),
            "add the group under `approvers` in the configuration",
        );
    }
}

/// The ledger: it opens, its receipts verify, its chains are whole. Gives the time of the newest receipt.
pub(super) async fn store(config: &Config, keys: &KeySet, found: &mut Findings) -> Option<i64> {
    let path = config.store.display();
    if !config.store.exists() {
        found.ok("ledger", format!("{path} is not there yet; `countersign up` makes it"));
        return None;
    }
    // With the key, opening also shows that disclosures can still be read.
    let key = DisclosureKey::open(&config.keys).ok();
    let ledger = match receipt::open(config, key.as_ref()) {
        Ok(ledger) => ledger,
        Err(error) => {
            found.failed("ledger", &error);
            return None;
        }
    };
    let newest = ledger.receipts(&Query { newest: true, limit: 1, ..Query::default() }).await;
    let newest = newest.ok().and_then(|newest| {
        let at = countersign_receipt::parse(newest.first()?.body.as_bytes()).ok()?.receipt.at;
        at.to_string().parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond())
    });
    match receipt::verify_ledger(&ledger, keys).await {
        Ok((report, damage)) => verified(&report, &damage, &path.to_string(), found),
        Err(error) => found.failed("ledger", &error),
    }
    newest
}

fn verified(
    report: &countersign_receipt::verify::Report,
    damage: &[String],
    path: &str,
    found: &mut Findings,
) {
    let counts = &report.counts;
    if counts.lines == 0 {
        return found.ok("ledger", format!("{path} is empty"));
    }
    let wrong = report.findings.len() + damage.len();
    if wrong == 0 {
        let chains = report.chains.len();
        return found.ok("ledger", format!("{path}: {} receipts in {chains} chains verify", counts.verified));
    }
    let says = format!("{path}: {wrong} things are wrong with its receipts");
    found.fail("ledger", says, "keep the file as it is; `countersign receipt verify` says what is wrong");
}

/// The clock, against sense and against the newest receipt.
pub(super) fn clock(newest: Option<i64>, found: &mut Findings) {
    let now = jiff::Timestamp::now();
    let ahead = newest.is_some_and(|newest| newest > now.as_millisecond() + SLACK);
    if now.as_millisecond() < EARLIEST || ahead {
        let why = if ahead { "earlier than the newest receipt" } else { "years ago" };
        return found.fail(
            "clock",
            format!("it says {now}, which is {why}"),
            "set the clock; waits and facts depend on it",
        );
    }
    found.ok("clock", format!("{now}"));
}

/// Free space for the ledger.
pub(super) fn disk(config: &Config, found: &mut Findings) {
    let folder = config.store.parent().unwrap_or_else(|| Path::new("/"));
    let keep = countersign_store::Options::default().keep_free;
    match rustix::fs::statvfs(folder) {
        Err(error) => {
            let says = format!("{}: {error}", folder.display());
            found.fail("disk", says, "make the folder of the ledger, or change `store.sqlite`");
        }
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let says = format!("{} MiB are free for the ledger", free / (1024 * 1024));
            let todo = "make room: below 64 MiB every call is refused";
            match free {
                free if free < keep => found.fail("disk", says, todo),
                free if free < GIB => found.warn("disk", says, todo),
                _ => found.ok("disk", says),
            }
        }
    }
}

/// The embedding model, where the configuration names one.
pub(super) fn model(config: &Config, found: &mut Findings) {
    let Some(place) = config.drift.model.as_deref() else {
        return found.ok("embedding model", "none is configured; embedded distances are missing facts");
    };
    match model::configured(place) {
        Ok(embedder) => {
            found.ok("embedding model", format!("{}, {}", place.display(), embedder.model_hash()))
        }
        Err(error) => found.failed("embedding model", &error),
    }
}

/// The programs that upstreams are started with.
pub(super) fn programs(config: &Config, found: &mut Findings) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for (upstream, program, folder) in config.programs() {
        let places: Vec<PathBuf> = if program.contains('/') {
            vec![folder.join(program)]
        } else {
            std::env::split_paths(&path).map(|place| place.join(program)).collect()
        };
        match places.iter().find(|place| is_program(place)) {
            Some(place) => found.ok("upstream", format!("{upstream} starts {}", place.display())),
            None => {
                let says = format!("{upstream} starts `{program}`, and there is no such program");
                found.fail("upstream", says, "install it, put it in PATH, or correct `command`");
            }
        }
    }
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Agents that could forge their own evidence.
pub(super) fn same_user(config: &Config, found: &mut Findings) {
    for local in config.same_user() {
        found.warn("same user", up::same_user(local), "run the daemon as a user of its own");
    }
}

/// The daemon: whether it runs, and whether it takes actions.
pub(super) async fn daemon(config: &Config, found: &mut Findings) {
    let url = config.url();
    let asked = match Client::anonymous(&url) {
        Ok(client) => client.send(Method::GET, "/readyz", None).await,
        Err(error) => Err(error),
    };
    let Ok(answer) = asked else {
        return found.warn("daemon", format!("nothing answers at {url}"), "start it with `countersign up`");
    };
    match answer.body.get("ready").and_then(Value::as_bool) {
        Some(true) => found.ok("daemon", format!("it takes actions at {url}")),
        Some(false) => {
            for problem in answer.body.get("problems").and_then(Value::as_array).into_iter().flatten() {
                let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
                let says = format!("it takes no actions now: {}: {}", text("name"), text("why"));
                found.fail("daemon", says, "mend that; the daemon notices by itself");
            }
        }
        None => found.fail(
            "daemon",
            format!("what answers at {url} is not a Countersign daemon"),
            "change `listen`",
        ),
    }
}

fn key_ids(keys: &KeySet) -> String {
    keys.keys().map(PublicKey::key_id).collect::<Vec<_>>().join(", ")
}

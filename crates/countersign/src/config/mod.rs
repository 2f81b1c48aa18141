//! The configuration file: read, checked, and turned into what the crates below are told.
//!
//! ```text
//! text --file--> File --check--> Config --credentials, upstreams--> gateway Settings, engine Settings
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `file` | the file as written, one type per block |
//! | `check` | everything that can be judged from the file alone |
//! | `upstreams` | the blocks `upstreams` and `wrappers` |
//! | `drift` | the block `drift` |
//! | `policy` | where other policies come from: `policy_changes`, `policy_bundle` |
//! | `known` | what is asked of it by commands that run nothing |
//! | `credentials` | who holds which token; reads the token files |
//! | `fault` | faults with their place and a hint |
//!
//! Loading touches nothing but the file itself. Token files and environment variables are read only for [`Config::gateway`],
//! so that a command which needs no secret needs no access to one. All faults are given at once.

mod check;
mod credentials;
mod drift;
pub(crate) mod fault;
mod file;
mod known;
pub(crate) mod policy;
#[cfg(test)]
mod tests;
mod upstreams;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::contract::{self, file::Overrides};
use countersign_core::decide::Environment;
use countersign_core::lifecycle::Limits;
use countersign_core::policy::Fault;
use countersign_core::time::Span;
use countersign_gateway::contracts::Contracts;
use countersign_gateway::settings::{LocalIdentity, Settings, UpstreamSettings, Wrapper};
use countersign_receipt::keys::KeySet;

use crate::error::CommandError;
use credentials::Token;
pub(crate) use drift::Drift;
use fault::Faults;
pub(crate) use file::Entries;
use upstreams::Upstream;

/// A checked configuration. All paths are absolute.
pub(crate) struct Config {
    /// The file, as it was named.
    pub(crate) file: PathBuf,
    /// Where the daemon listens; a loopback address.
    pub(crate) listen: SocketAddr,
    /// The Unix socket for `wrap`.
    pub(crate) socket: Option<PathBuf>,
    /// The ledger's file.
    pub(crate) store: PathBuf,
    /// The key folder.
    pub(crate) keys: PathBuf,
    /// Policy files, and folders of them.
    pub(crate) policies: Vec<PathBuf>,
    /// Where other policies come from while the daemon runs.
    pub(crate) policy_changes: policy::Changes,
    /// The same of a candidate set, decided beside the set in force; empty = none.
    pub(crate) shadow: Vec<PathBuf>,
    /// Who is behind a user id on the Unix socket.
    pub(crate) local: Vec<LocalIdentity>,
    /// The file of reviewed contracts.
    pub(crate) contracts: Option<PathBuf>,
    /// How drift is measured, and from where on it is noticed.
    pub(crate) drift: Drift,
    /// What is odd in the file and forbids nothing.
    pub(crate) oddities: Vec<Fault>,
    tokens: Vec<Token>,
    groups: BTreeSet<String>,
    upstreams: BTreeMap<String, Upstream>,
    wrappers: BTreeMap<String, Wrapper>,
    hosts: BTreeSet<String>,
    hold: Duration,
    max_body: usize,
    limits: Limits,
    max_dependents: usize,
    window_idle: Span,
    fact_validity: Span,
}

/// A file that was read and not yet checked.
struct Read {
    path: PathBuf,
    /// The folder that paths in the file are relative to; absolute.
    folder: PathBuf,
    file: file::File,
}

impl Config {
    /// Loads a configuration file.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong: then everything that is.
    pub(crate) fn load(path: &Path) -> Result<Self, CommandError> {
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(path, &text).map_err(|faults| {
            CommandError::configuration(format!("the configuration {} cannot be used", path.display()))
                .faults(faults)
        })
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::of(path);
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
            merge_keys: serde_saphyr::MergeKeyPolicy::Error,
            strict_booleans: true,
            with_snippet: false,
        };
        let file = match serde_saphyr::from_str_with_options::<file::File>(text, options) {
            Ok(file) => file,
            Err(error) => {
                faults.reader(&error);
                return Err(faults.into_sorted());
            }
        };
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = absolute.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        Self::try_from(Read { path: path.to_owned(), folder, file })
    }

    /// What the gateway is told. Reads token files, the environment variables named by `from_env` and the reviewed
    /// contracts.
    ///
    /// # Errors
    /// A token or variable is missing, unfit or open to others, a token has two roles, or the reviewed contracts are
    /// faulty.
    pub(crate) fn gateway(&self, keys: KeySet) -> Result<Settings, CommandError> {
        let mut faults = Faults::of(&self.file);
        let credentials = credentials::read(&self.tokens, &mut faults);
        let upstreams = upstreams::resolve(&self.upstreams, |name| std::env::var(name).ok(), &mut faults);
        if !faults.is_empty() {
            let what = format!("the credentials that {} names cannot be used", self.file.display());
            return Err(CommandError::configuration(what).faults(faults.into_sorted()));
        }
        Ok(Settings {
            credentials,
            local: self.local.clone(),
            upstreams,
            wrappers: self.wrappers.clone(),
            contracts: Arc::new(Contracts::new(self.reviewed()?)),
            hold: self.hold,
            max_body: self.max_body,
            policy_by_operators: self.policy_changes == policy::Changes::Operators,
            hosts: self.hosts.clone(),
            keys,
            own_uid: own_uid(),
        })
    }

    /// The contracts that a person has reviewed; none where the configuration names no file of them.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong: then everything that is.
    pub(crate) fn reviewed(&self) -> Result<Overrides, CommandError> {
        self.contracts.as_deref().map_or_else(|| Ok(Overrides::default()), reviewed)
    }

    /// The upstreams as they are connected to. Reads the environment variables named by `from_env`, and no token.
    ///
    /// # Errors
    /// A variable is missing.
    pub(crate) fn connections(&self) -> Result<BTreeMap<String, UpstreamSettings>, CommandError> {
        let mut faults = Faults::of(&self.file);
        let upstreams = upstreams::resolve(&self.upstreams, |name| std::env::var(name).ok(), &mut faults);
        if faults.is_empty() {
            return Ok(upstreams);
        }
        let what = format!("the upstreams that {} names cannot be reached", self.file.display());
        Err(CommandError::configuration(what).faults(faults.into_sorted()))
    }

    /// What the engine is told.
    pub(crate) fn engine(&self, gateway: &Arc<Settings>) -> countersign_engine::Settings {
        let contracts = Arc::clone(gateway);
        countersign_engine::Settings {
            limits: self.limits,
            environment: Environment {
                approver_groups: gateway.credentials.approver_groups(),
                max_dependents: self.max_dependents,
                halts: BTreeSet::new(),
                drift: self.drift.limits.clone(),
            },
            fact_validity: self.fact_validity,
            window_idle: self.window_idle,
            contracts: Arc::new(move |tool| contracts.contract(tool)),
        }
    }

    /// The names of the groups of approvers.
    pub(crate) const fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// The names of the upstreams.
    pub(crate) fn upstreams(&self) -> BTreeSet<String> {
        self.upstreams.keys().cloned().collect()
    }

    /// The token files, with what each is for.
    pub(crate) fn token_files(&self) -> impl Iterator<Item = (&Path, String)> {
        self.tokens.iter().filter_map(|token| Some((token.file()?, token.role.to_string())))
    }

    /// The programs that upstreams are started with, by the upstream's name, and the folder they start in.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (&str, &str, &Path)> {
        self.upstreams.iter().filter_map(|(name, upstream)| {
            let (program, folder) = upstream.program()?;
            Some((name.as_str(), program, folder))
        })
    }

    /// Local agents that run as the same user as this process, which could therefore forge their own evidence.
    pub(crate) fn same_user(&self) -> impl Iterator<Item = &LocalIdentity> {
        let own = own_uid();
        self.local.iter().filter(move |local| local.uid == own)
    }

    /// Where the daemon is reached.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listen)
    }
}

/// Reads a file of reviewed contracts.
///
/// # Errors
/// It cannot be read, or something in it is wrong: then everything that is.
pub(crate) fn reviewed(path: &Path) -> Result<Overrides, CommandError> {
    let bytes = fs::read(path).map_err(|error| {
        let what = format!("the reviewed contracts {} cannot be read", path.display());
        CommandError::configuration(what)
            .cause(&error)
            .hint("`countersign contract review --out FILE` writes one")
    })?;
    contract::file::read(&path.display().to_string(), &bytes).map_err(|faults| {
        let what = format!("the reviewed contracts {} cannot be used", path.display());
        CommandError::configuration(what).faults(faults)
    })
}

/// The user id of this process.
pub(crate) fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    let failed = CommandError::configuration(format!("the configuration {} cannot be read", path.display()))
        .cause(error);
    if error.kind() == std::io::ErrorKind::NotFound {
        return failed
            .hint("name it with --config FILE, or run the command in its folder")
            .hint("docs/src/configuration.md has one to begin with; `countersign quickstart` makes a working folder");
    }
    failed
}

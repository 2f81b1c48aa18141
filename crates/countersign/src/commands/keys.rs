//! `countersign keys init|list`.

use std::path::{Path, PathBuf};

use countersign_receipt::keys::{KeySet, PublicKey};
use countersign_store::{KeyFolder, KeysError};
use serde::Serialize;

use super::Context;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// What to do with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// Make the key folder with a signing key and a disclosure key; keeps keys that are there
    Init(Folder),
    /// List the public keys that receipts are verified with
    List(Folder),
}

/// Which folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Folder {
    /// The key folder, instead of the one in the configuration
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    match args {
        Args::Init(folder) => init(&folder.path(context)?, context),
        Args::List(folder) => list(&folder.path(context)?, context),
    }
}

impl Folder {
    fn path(&self, context: &Context) -> Result<PathBuf, CommandError> {
        match &self.dir {
            Some(folder) => Ok(folder.clone()),
            None => Ok(context.config()?.keys),
        }
    }
}

fn init(folder: &Path, context: &Context) -> Result<Exit, CommandError> {
    let made = !folder.join("signing.key").exists();
    let keys = KeyFolder::open_or_create(folder).map_err(|error| unusable(&error))?;
    let keys = keys.public_keys().iter().map(Key::of).collect();
    context.output.show(&Listed { folder: folder.to_owned(), made: Some(made), keys })?;
    Ok(Exit::Ok)
}

fn list(folder: &Path, context: &Context) -> Result<Exit, CommandError> {
    let keys = public(folder)?.keys().map(Key::of).collect();
    context.output.show(&Listed { folder: folder.to_owned(), made: None, keys })?;
    Ok(Exit::Ok)
}

/// The public keys of a key folder; needs no secret.
///
/// # Errors
/// There are none, or they cannot be read.
pub(crate) fn public(folder: &Path) -> Result<KeySet, CommandError> {
    let path = folder.join("signing.pub");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        CommandError::store(format!("the public keys {} cannot be read", path.display()))
            .cause(&error)
            .hint("`countersign keys init` makes a key folder")
    })?;
    KeySet::parse(&text).map_err(|error| {
        CommandError::store(format!("the public keys {} cannot be used", path.display())).cause(&error)
    })
}

/// What is wrong with a key folder, and what to do.
pub(crate) fn unusable(error: &KeysError) -> CommandError {
    let failed = CommandError::store("the keys cannot be used").cause(error);
    match error {
        KeysError::Missing(_) => {
            failed.hint("run `countersign keys init` once, and keep a backup of the folder")
        }
        _ => failed,
    }
}

#[derive(Serialize)]
struct Listed {
    folder: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<bool>,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    key_id: String,
    algorithm: &'static str,
    /// As in `signing.pub`.
    public_key: String,
}

impl Key {
    fn of(key: &PublicKey) -> Self {
        let line = key.to_line();
        let public_key = line.split_ascii_whitespace().last().unwrap_or_default().to_owned();
        Self { key_id: key.key_id().to_owned(), algorithm: key.algorithm().as_str(), public_key }
    }
}

impl View for Listed {
    fn show(&self, page: &mut Page) {
        match self.made {
            Some(true) => page.good(&format!("Made the keys in {}.", self.folder.display())),
            Some(false) => page.line(&format!(
                "The keys in {} were there already; nothing was changed.",
                self.folder.display()
            )),
            None => {}
        }
        let row = |key: &Key| [key.key_id.clone(), key.algorithm.to_owned(), key.public_key.clone()];
        page.table(["KEY ID", "ALGORITHM", "PUBLIC KEY"], self.keys.iter().map(row));
        if self.made == Some(true) {
            page.faint("Give signing.pub to auditors. Keep a backup of the folder: receipts that were signed with a lost key still verify, but disclosures sealed with a lost key stay closed.");
        }
    }
}

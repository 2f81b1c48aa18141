//! `countersign model install|show`: the embedding model that drift is measured with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_connect::embed::{
    self, OpenError,
    files::{self, FilesError},
};
use countersign_engine::ports::Embedder;
use serde::Serialize;

use super::Context;
use crate::config::Config;
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// How long a download may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What to do with the embedding model.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// Put the embedding model into the data folder, from a file, a folder, an archive or a URL
    Install(Install),
    /// Say which embedding model is installed, and whether this program can run it
    Show(Folder),
}

/// What to install.
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// Where the model is: a folder with its two files, one of them, the archive that holds them, or the archive's URL
    #[arg(long, value_name = "FILE|DIR|URL", default_value = files::PUBLISHED)]
    from: String,
    #[command(flatten)]
    folder: Folder,
}

/// Which folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Folder {
    /// The model's folder, instead of what `drift.model` names, or `model` beside the configured ledger
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Folder {
    fn path(&self, context: &Context) -> Result<PathBuf, CommandError> {
        match &self.dir {
            Some(folder) => Ok(folder.clone()),
            None => Ok(place(&context.config()?)),
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    match args {
        Args::Install(args) => install(&args, context).await,
        Args::Show(folder) => show(&folder.path(context)?, context),
    }
}

/// Where the embedding model is: what `drift.model` names, else [`beside`] the ledger.
pub(crate) fn place(config: &Config) -> PathBuf {
    config.drift.model.clone().unwrap_or_else(|| beside(&config.store))
}

/// Opens the model that the configuration names.
///
/// # Errors
/// It is not there, is another one, or this program cannot run it: in words, with what to do about it.
pub(crate) fn configured(place: &Path) -> Result<Arc<dyn Embedder>, CommandError> {
    embed::open(place).map_err(|error| {
        let failed = CommandError::configuration("the embedding model that `drift.model` names cannot be used");
        let failed = failed.cause(&error);
        match error {
            OpenError::NotBuilt => failed
                .hint("build the program with `cargo build --release --features embed`")
                .hint("or take `drift.model` out: then embedded distances are missing facts"),
            OpenError::Files(FilesError::Missing(_)) => failed.hint("`countersign model install` puts it there"),
            OpenError::Files(_) | OpenError::Unfit(_) => {
                failed.hint("`countersign model show` says what is there, `countersign model install` puts the right one there")
            }
        }
    })
}

/// The folder of the embedding model: `model`, in the data folder, which is the one that the ledger is in.
pub(crate) fn beside(ledger: &Path) -> PathBuf {
    ledger.with_file_name("model")
}

async fn install(args: &Install, context: &Context) -> Result<Exit, CommandError> {
    let folder = args.folder.path(context)?;
    let from = &args.from;
    let model = if from.starts_with("https://") || from.starts_with("http://") {
        let archive = download(from).await?;
        files::unpack(&archive).map_err(|error| unfit(from, &error))?
    } else {
        files::read(Path::new(from)).map_err(|error| unfit(from, &error))?
    };
    files::install(&model, &folder)
        .map_err(|error| CommandError::usage("the model cannot be installed").cause(&error))?;
    context.output.show(&Shown::found(folder, true))?;
    Ok(Exit::Ok)
}

fn show(folder: &Path, context: &Context) -> Result<Exit, CommandError> {
    match files::read(folder) {
        Ok(_) => {
            context.output.show(&Shown::found(folder.to_owned(), false))?;
            Ok(Exit::Ok)
        }
        Err(FilesError::Missing(_)) => Err(CommandError::no(format!(
            "no embedding model is installed in {}; embedded distances are missing facts",
            folder.display()
        ))
        .hint("`countersign model install` puts it there")),
        Err(error) => Err(unfit(&folder.display().to_string(), &error)),
    }
}

fn unfit(from: &str, error: &FilesError) -> CommandError {
    let failed = CommandError::usage(format!("{from} does not give the embedding model")).cause(error);
    match error {
        FilesError::Other { .. } | FilesError::NoArchive(_) => {
            failed.hint(format!("the archive with the right files is published at {}", files::PUBLISHED))
        }
        _ => failed,
    }
}

/// Reads a URL into memory. What comes is taken at its digests, so the way there need not be trusted.
async fn download(url: &str) -> Result<Vec<u8>, CommandError> {
    let failed = |error: reqwest::Error| {
        CommandError::usage(format!("{url} cannot be downloaded"))
            .cause(&error)
            .hint("download it by other means and name the file: `countersign model install --from FILE`")
    };
    let agent = concat!("countersign/", env!("CARGO_PKG_VERSION"));
    let client = reqwest::Client::builder().timeout(PATIENCE).user_agent(agent).build();
    let response = client.map_err(failed)?.get(url).send().await.map_err(failed)?;
    let mut response = response.error_for_status().map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if u64::try_from(bytes.len()).is_ok_and(|length| length > files::LONGEST_ARCHIVE) {
            let said =
                format!("{url} gives more than {} bytes, which the model is not", files::LONGEST_ARCHIVE);
            return Err(CommandError::usage(said));
        }
    }
    Ok(bytes)
}

#[derive(Serialize)]
struct Shown {
    folder: PathBuf,
    name: &'static str,
    /// As thresholds name it.
    model: String,
    /// Whether this program can run it.
    runs: bool,
    #[serde(skip)]
    installed: bool,
}

impl Shown {
    fn found(folder: PathBuf, installed: bool) -> Self {
        Self { folder, name: files::NAME, model: files::model_hash(), runs: embed::RUNS, installed }
    }
}

impl View for Shown {
    fn show(&self, page: &mut Page) {
        let folder = self.folder.display();
        if self.installed {
            page.good(&format!("Installed the embedding model in {folder}."));
        }
        page.pair("model", self.name);
        page.pair("hash", &self.model);
        page.pair("folder", &folder.to_string());
        if self.runs {
            page.pair("embedding", "this program runs it");
        } else {
            page.pair("embedding", "this program was built without the feature `embed`");
            page.warning(
                "Embedded distances stay missing facts; lexical ones need no model. Build with: cargo build --release --features embed",
            );
        }
    }
}

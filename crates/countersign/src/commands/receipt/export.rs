//! `countersign receipt export --out FILE`.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use countersign_engine::ports::{Query, Stored};
use countersign_store::{DisclosureKey, Sqlite};
use serde::Serialize;

use super::{each, open, session, text};
use crate::commands::{Context, keys};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// What to export, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the receipts of one session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Leave arguments and outputs out; the receipts commit to them all the same
    #[arg(long)]
    withhold: bool,
    /// The file to write (readable by you alone), or `-` for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let config = context.config()?;
    let key = if args.withhold { None } else { Some(disclosure_key(&config.keys)?) };
    let ledger = open(&config, key.as_ref())?;
    let query = Query { chain: args.session.as_deref().map(session), ..Query::default() };
    if args.out == Path::new("-") {
        let written = each(&ledger, query, |stored| context.output.raw(line(stored)?.as_bytes())).await?;
        return found(written, &args);
    }
    let written = to_file(&args.out, &ledger, query).await?;
    if written == 0 {
        return found(written, &args);
    }
    context.output.show(&Exported { receipts: written, file: args.out.clone(), withheld: args.withhold })?;
    Ok(Exit::Ok)
}

fn disclosure_key(folder: &Path) -> Result<DisclosureKey, CommandError> {
    DisclosureKey::open(folder).map_err(|error| {
        keys::unusable(&error).hint("use --withhold to export the receipts without what only that key opens")
    })
}

fn found(written: usize, args: &Args) -> Result<Exit, CommandError> {
    if written > 0 {
        return Ok(Exit::Ok);
    }
    let what = args
        .session
        .as_ref()
        .map_or_else(|| "the ledger has no receipts".to_owned(), |id| format!("there is no session `{id}`"));
    Err(CommandError::no(what).hint("`countersign receipt list` shows what there is"))
}

fn line(stored: &Stored) -> Result<String, CommandError> {
    Ok(text(stored)? + "\n")
}

/// Writes beside the file and puts it in its place when it is whole.
pub(crate) async fn to_file(path: &Path, ledger: &Sqlite, query: Query) -> Result<usize, CommandError> {
    let unwritable = |error: std::io::Error| {
        CommandError::usage(format!("{} cannot be written", path.display())).cause(&error)
    };
    let mut draft = path.to_owned();
    draft.as_mut_os_string().push(".part");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(unwritable)?;
    let mut out = BufWriter::new(file);
    let written =
        each(ledger, query, |stored| out.write_all(line(stored)?.as_bytes()).map_err(unwritable)).await;
    let kept = written.and_then(|written| {
        if written == 0 {
            return Ok(0);
        }
        out.flush().map_err(unwritable)?;
        out.into_inner()
            .map_err(|error| unwritable(error.into_error()))
            .and_then(|file: File| file.sync_all().map_err(unwritable))?;
        std::fs::rename(&draft, path).map_err(unwritable)?;
        Ok(written)
    });
    if !matches!(kept, Ok(1..)) {
        let _ = std::fs::remove_file(&draft);
    }
    kept
}

#[derive(Serialize)]
struct Exported {
    receipts: usize,
    file: PathBuf,
    withheld: bool,
}

impl View for Exported {
    fn show(&self, page: &mut Page) {
        let file = self.file.display();
        page.good(&format!("Wrote {} receipts to {file}.", self.receipts));
        if !self.withheld {
            page.warning("It holds the arguments and outputs of the actions; --withhold leaves them out.");
        }
        page.faint(&format!("Verify it anywhere with: countersign receipt verify {file} --keys signing.pub"));
    }
}

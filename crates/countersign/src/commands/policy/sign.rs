//! `countersign policy sign PATH... --serial N --keys DIR --out FILE`: a set as a bundle that daemons fetch.

use std::path::PathBuf;

use countersign_engine::ports::{Clock as _, SystemClock};
use countersign_receipt::values::Time;
use countersign_store::KeyFolder;
use serde::Serialize;

use crate::bundle::{Bundle, MAX_BYTES};
use crate::commands::{Context, keys};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};
use crate::policies;

/// Which set, by whom, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, or folders of policy files
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The bundle's number: higher than that of every bundle before it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..1 << 53))]
    serial: u64,
    /// The key folder of whoever signs; `countersign keys init --dir DIR` makes one
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Where the bundle is written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The set may be looser than the one in force where it arrives
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    let (_, set) = policies::read_and_load(&args.paths)?;
    let folder = KeyFolder::open(&args.keys).map_err(|error| keys::unusable(&error))?;
    let files = set.source().files().map(|(name, text)| (name.to_owned(), text.to_owned()));
    let now = Time::from_unix_millis(SystemClock.now().0);
    let bundle = Bundle::new(args.serial, now, args.yes, files);
    let text = bundle
        .seal(folder.signing())
        .map_err(|why| CommandError::store(format!("the bundle cannot be signed: {why}")))?;
    if text.len() > MAX_BYTES {
        return Err(CommandError::usage(format!("the bundle would be longer than {MAX_BYTES} bytes")));
    }
    std::fs::write(&args.out, text).map_err(|error| {
        CommandError::usage(format!("{} cannot be written", args.out.display())).cause(&error)
    })?;
    let reference = set.reference();
    context.output.show(&Signed {
        out: args.out.clone(),
        serial: args.serial,
        key_id: folder.signing().public().key_id().to_owned(),
        id: reference.id.to_string(),
        version: reference.version.to_string(),
        digest: reference.digest.to_string(),
        rules: set.rules().len(),
    })?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Signed {
    out: PathBuf,
    serial: u64,
    key_id: String,
    id: String,
    version: String,
    digest: String,
    rules: usize,
}

impl View for Signed {
    fn show(&self, page: &mut Page) {
        let Self { out, serial, key_id, id, version, digest, rules } = self;
        page.good(&format!("Bundle {serial} is in {}.", out.display()));
        page.pair("policy", &format!("{id} version {version}, {rules} rules, {digest}"));
        page.pair("signed with", key_id);
        page.faint("Daemons take it when `policy_bundle.keys` names the signing.pub of these keys.");
    }
}

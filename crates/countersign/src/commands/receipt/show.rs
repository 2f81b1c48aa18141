//! `countersign receipt show ID`.

use countersign_core::names::ActionId;
use countersign_engine::ports::{Ledger as _, Query};
use countersign_receipt::v1::{Identity, Party, Receipt, Signed};
use countersign_receipt::verify::VerifyError;
use countersign_store::DisclosureKey;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{open, text, unread, words};
use crate::commands::{Context, keys};
use crate::error::{CommandError, Exit};
use crate::output::{Page, View};

/// How many characters of a disclosed text people are shown.
const LONGEST: usize = 2000;

/// Which receipt.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A receipt's id, or an action's: then all its receipts
    #[arg(value_name = "ID")]
    id: String,
    /// Leave arguments and outputs closed, even where the key to open them is at hand
    #[arg(long)]
    withhold: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CommandError> {
    let config = context.config()?;
    let key = if args.withhold { None } else { disclosure_key(&config.keys, context) };
    let ledger = open(&config, key.as_ref())?;
    let mut found = Vec::new();
    let by_receipt = Query { id: Some(args.id.as_str().into()), ..Query::default() };
    let by_action = Query { action: Some(ActionId::new(args.id.as_str())), ..Query::default() };
    for query in [by_receipt, by_action] {
        if found.is_empty() {
            found = ledger.receipts(&query).await.map_err(|error| unread(&error))?;
        }
    }
    if found.is_empty() {
        return Err(CommandError::no(format!("there is no receipt and no action `{}`", args.id))
            .hint("`countersign receipt list` shows receipts with their ids"));
    }
    let trusted = keys::public(&config.keys)?;
    let mut shown = Vec::new();
    for stored in found {
        let text = text(&stored)?;
        let unsound = |why: String| {
            CommandError::store(format!("receipt {} in the ledger is not one: {why}", stored.digest))
        };
        let signed =
            countersign_receipt::parse(text.as_bytes()).map_err(|error| unsound(error.to_string()))?;
        let verified = countersign_receipt::verify::receipt(text.as_bytes(), &trusted).map(drop);
        let raw = RawValue::from_string(text).map_err(|error| unsound(error.to_string()))?;
        shown.push(Shown { digest: stored.digest.to_string(), verified, signed, raw });
    }
    let exit = if shown.iter().all(|shown| shown.verified.is_ok()) { Exit::Ok } else { Exit::No };
    context.output.show(&All { receipts: shown })?;
    Ok(exit)
}

/// The key that opens disclosures, where this user has it.
fn disclosure_key(folder: &std::path::Path, context: &Context) -> Option<DisclosureKey> {
    DisclosureKey::open(folder)
        .map_err(|error| context.output.note(&format!("Arguments and outputs stay closed: {error}")))
        .ok()
}

#[derive(Serialize)]
struct All {
    receipts: Vec<Shown>,
}

struct Shown {
    digest: String,
    verified: Result<(), VerifyError>,
    signed: Signed,
    raw: Box<RawValue>,
}

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut object = serializer.serialize_struct("Shown", 4)?;
        object.serialize_field("digest", &self.digest)?;
        object.serialize_field("verified", &self.verified.is_ok())?;
        object.serialize_field("problem", &self.verified.as_ref().err().map(ToString::to_string))?;
        object.serialize_field("receipt", &self.raw)?;
        object.end()
    }
}

impl View for All {
    fn show(&self, page: &mut Page) {
        for (index, shown) in self.receipts.iter().enumerate() {
            if index > 0 {
                page.blank();
            }
            shown.show(page);
        }
    }
}

impl Shown {
    fn show(&self, page: &mut Page) {
        let receipt = &self.signed.receipt;
        page.heading(&format!("{}: {} {}", receipt.id, receipt.kind, words::gist(receipt)));
        page.line(&words::story(receipt));
        page.pair("at", &receipt.at.to_string());
        self.action(page);
        if let Some(identity) = &receipt.identity {
            who(page, identity);
        }
        decision(page, receipt);
        self.disclosed(page);
        page.pair("enforcement", words::belief(receipt.enforcement));
        page.pair("chain", &format!("{}, number {}", receipt.chain, receipt.sequence));
        page.pair("digest", &self.digest);
        match &self.verified {
            Ok(()) => {
                page.good(&format!("  Signed by key {} and unchanged since.", self.signed.signature.key_id))
            }
            Err(error) => page.bad(&format!("  NOT GENUINE: {error}.")),
        }
    }

    fn action(&self, page: &mut Page) {
        let Some(action) = &self.signed.receipt.action else { return };
        page.pair("action", &action.id);
        let called =
            action.original.as_ref().map_or_else(String::new, |original| format!(", called as {original}"));
        page.pair("tool", &format!("{} (effect: {}{called})", action.name, action.effect));
        if !action.depends_on.is_empty() {
            page.pair("depends on", &action.depends_on.join(", "));
        }
    }

    fn disclosed(&self, page: &mut Page) {
        for place in self.signed.receipt.commitments.keys() {
            let name = words::place(place);
            match self.signed.disclosures.get(place) {
                Some(disclosure) => page.pair(&name, &cut(&disclosure.value)),
                None => page.pair(&name, "(withheld; the receipt commits to it)"),
            }
        }
    }
}

/// The beginning of a long text.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            let more = text.len() - end;
            format!("{}\n({more} more bytes; --json shows all)", text.get(..end).unwrap_or_default())
        }
        None => text.to_owned(),
    }
}

fn who(page: &mut Page, identity: &Identity) {
    let name = |party: &Option<Party>| party.as_ref().map_or("?", |party| party.id.as_str()).to_owned();
    let [human, service, agent] = [&identity.human, &identity.service, &identity.agent].map(name);
    page.pair("who", &format!("{agent} of {service}, for {human} (known by {})", identity.source));
    if let Some(session) = &identity.session {
        page.pair("session", session);
    }
}

fn decision(page: &mut Page, receipt: &Receipt) {
    if let Some(decision) = &receipt.decision {
        page.pair("decision", &format!("{}: {}", decision.verdict, decision.reason));
        if !decision.rules.is_empty() {
            page.pair("rules", &decision.rules.join(", "));
        }
        if !decision.missing.is_empty() {
            page.pair("missing", &decision.missing.join(", "));
        }
        for edit in &decision.edits {
            page.pair("edit", &format!("{} {} {}", edit.path, edit.op, edit.value));
        }
        let groups: Vec<String> = decision.approvers.iter().map(|clause| clause.join(" or ")).collect();
        if !groups.is_empty() {
            page.pair("approvers", &groups.join(" and "));
        }
        if let Some(deadline) = decision.deadline {
            page.pair("waits until", &deadline.to_string());
        }
    }
    if let Some(context) = receipt.context.as_ref().filter(|context| !context.counted.is_empty()) {
        page.pair("counted for", &context.counted.join(", "));
    }
    if let Some(policy) = &receipt.policy {
        page.pair("policy", &format!("{} version {}, {}", policy.id, policy.version, policy.digest));
    }
    if let Some(would_have) = words::would_have(receipt) {
        page.pair("would have", &would_have);
    }
    if !receipt.facts_read.is_empty() {
        page.pair("facts read", &receipt.facts_read.join(", "));
    }
    if let Some(facts) = &receipt.facts {
        page.pair(
            "facts",
            &format!(
                "{} from {}{}, valid until {}",
                facts.names.join(", "),
                facts.giver,
                facts.source.as_ref().map_or_else(String::new, |source| format!(" who has it from {source}")),
                facts.valid_until
            ),
        );
    }
    if let Some(deferral) = &receipt.deferral {
        page.pair("ended by", &format!("{}: {}", deferral.method, deferral.reason));
    }
    for (name, value) in receipt.subject.iter().flatten() {
        page.pair(name, &serde_json::to_string(value).unwrap_or_default());
    }
}

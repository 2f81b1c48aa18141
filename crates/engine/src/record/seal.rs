//! What only the moment of commit knows: the place in the chain, the heads that were read, salts, the signature.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use countersign_core::names::{ActionId, Chain};
use countersign_core::time::Time;
use countersign_receipt::sign::Signer;
use countersign_receipt::v1;
use countersign_receipt::values::Digest;

use super::Draft;
use crate::ports::{Epochs, Head, Record, RecordKind};

/// Where a receipt goes, and what was read to get there.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The head of its own chain.
    pub head: Option<&'a Head>,
    /// The heads of the principals' chains.
    pub principals: Vec<(&'a Chain, Option<&'a Head>)>,
    /// The epochs in force.
    pub epochs: Epochs,
    /// The receipt before it about the same action.
    pub prior: Option<v1::Prior>,
}

/// A signed receipt as a record, ready to be appended.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The record.
    pub record: Record,
    /// What later receipts link to.
    pub link: v1::Prior,
}

/// Signs a draft into its place; without what a candidate set would have done where only that leaves it no valid form.
///
/// # Errors
/// As [`seal`].
pub(crate) fn seal_fitting(
    draft: Draft,
    chain: &Chain,
    place: &Place<'_>,
    signer: &dyn Signer,
) -> Result<Sealed, String> {
    if draft.receipt.would_have.is_none() {
        return seal(draft, chain, place, signer);
    }
    seal(draft.clone(), chain, place, signer).or_else(|_| {
        let mut draft = draft;
        draft.receipt.would_have = None;
        seal(draft, chain, place, signer)
    })
}

/// Signs a draft into its place.
///
/// # Errors
/// The receipt has no valid form (too large, say), there is no randomness, or the key refuses; in words.
pub fn seal(draft: Draft, chain: &Chain, place: &Place<'_>, signer: &dyn Signer) -> Result<Sealed, String> {
    let Draft { mut receipt, texts } = draft;
    receipt.sequence = place.head.map_or(0, |head| head.sequence + 1);
    receipt.previous = digest_of(place.head)?;
    for (chain, head) in &place.principals {
        receipt.heads.insert(chain.to_string(), digest_of(*head)?);
    }
    receipt.epochs = v1::Epochs {
        halt: place.epochs.halt,
        policy: place.epochs.policy,
        revocation: place.epochs.revocation,
    };
    receipt.prior.clone_from(&place.prior);
    let mut disclosures = v1::Disclosures::new();
    for (at, text) in texts {
        receipt.commit(&mut disclosures, at, salt()?, &*text);
    }
    let sealed = countersign_receipt::sign::seal(&receipt, signer).map_err(|error| error.to_string())?;
    let disclosures = match disclosures.is_empty() {
        true => None,
        false => Some(serde_json::to_string(&disclosures).map_err(|error| error.to_string())?.into()),
    };
    let digest: Arc<str> = sealed.digest.to_string().into();
    Ok(Sealed {
        link: v1::Prior { digest: sealed.digest, id: receipt.id.clone() },
        record: Record {
            chain: chain.clone(),
            sequence: receipt.sequence,
            digest,
            kind: RecordKind::Receipt {
                id: receipt.id.as_str().into(),
                action: receipt.action.as_ref().map(|action| ActionId::from(action.id.as_str())),
            },
            body: sealed.text.into(),
            disclosures,
            at: Time(receipt.at.unix_millis()),
            lookup: None,
        },
    })
}

fn digest_of(head: Option<&Head>) -> Result<Option<Digest>, String> {
    head.map(|head| head.digest.parse::<Digest>().map_err(|error| error.to_string())).transpose()
}

fn salt() -> Result<[u8; 32], String> {
    let mut salt = [0; 32];
    SystemRandom::new().fill(&mut salt).map_err(|_| "the system gives no randomness".to_owned())?;
    Ok(salt)
}

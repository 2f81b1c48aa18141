//! What travels: every body, request ([`asked`]) and answer ([`answered`]). The OpenAPI document is generated
//! from these types. Times are UTC with milliseconds and a `Z`, as in receipts.

use countersign_core::decision::{Approvers, Gap, Missing, PolicyRef, Verdict, Why};
use countersign_core::edits::{Edit, Edits};
use countersign_core::identity::{Identity, Party};
use countersign_core::time::Time;
use countersign_receipt::values::Time as WireTime;
use serde_json::value::RawValue;

pub mod answered;
pub mod asked;

pub use answered::*;
pub use asked::*;

/// A moment as it is written.
pub(super) fn moment(time: Time) -> String {
    WireTime::from_unix_millis(time.0).to_string()
}

impl From<&PolicyRef> for PolicyView {
    fn from(policy: &PolicyRef) -> Self {
        Self {
            id: policy.id.to_string(),
            version: policy.version.to_string(),
            digest: policy.digest.to_string(),
        }
    }
}

impl From<Verdict> for DecisionWord {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Deny => Self::Deny,
            Verdict::Modify => Self::Modify,
            Verdict::StepUp => Self::StepUp,
            Verdict::Defer => Self::Defer,
        }
    }
}

impl MissingThing {
    /// What is missing, in order.
    pub(super) fn all(missing: &Missing) -> Vec<Self> {
        let thing = |gap: &Gap| match gap {
            Gap::Fact { name, why } => {
                let why = match why {
                    Why::Absent => "absent",
                    Why::WrongType => "wrong_type",
                    Why::Stale => "stale",
                    Why::Conflicting => "conflicting",
                    Why::AboveLimit => "above_limit",
                    Why::Doubtful => "doubtful",
                };
                Self::Fact { name: name.to_string(), why: why.to_owned() }
            }
            Gap::Action(id) => Self::Action { id: id.to_string() },
            Gap::Agreement(_) => Self::Agreement,
            Gap::Rule(id) => Self::Rule { id: id.to_string() },
        };
        missing.gaps().map(thing).collect()
    }

    /// One missing thing as a receipt writes it.
    pub(super) fn read(word: &str) -> Option<Self> {
        let (kind, rest) = word.split_once(':').unwrap_or((word, ""));
        match kind {
            "agreement" => Some(Self::Agreement),
            "action" => Some(Self::Action { id: rest.to_owned() }),
            "rule" => Some(Self::Rule { id: rest.to_owned() }),
            "fact" => {
                let (why, name) = rest.split_once(':')?;
                Some(Self::Fact { name: name.to_owned(), why: why.to_owned() })
            }
            _ => None,
        }
    }
}

pub(super) fn clauses(approvers: &Approvers) -> Vec<Vec<String>> {
    approvers.clauses().iter().map(|groups| groups.iter().map(ToString::to_string).collect()).collect()
}

pub(super) fn edits(edits: &Edits) -> Vec<EditView> {
    let view = |(place, edit): (&countersign_core::edits::Place, &Edit)| {
        let (op, value) = edit.parts();
        EditView { path: place.dotted(), op: op.to_owned(), value }
    };
    edits.iter().map(view).collect()
}

impl From<&Identity> for IdentityView {
    fn from(identity: &Identity) -> Self {
        Self {
            human: (&identity.human).into(),
            service: (&identity.service).into(),
            agent: (&identity.agent).into(),
            delegation: identity.delegation.iter().map(PartyView::from).collect(),
            source: identity.source.to_string(),
            validated_at: moment(identity.validated_at),
        }
    }
}

impl From<&Party> for PartyView {
    fn from(party: &Party) -> Self {
        Self { id: party.id.to_string(), roles: party.roles.clone(), scope: party.scope.clone() }
    }
}

/// JSON text that was parsed before, as it is.
pub(super) fn raw(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}

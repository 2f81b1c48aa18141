//! The small trait that every way in calls, and what it answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::action::{Action, Arguments, Contract};
use countersign_core::decision::{Because, Step, Verdict};
use countersign_core::identity::Identity;
use countersign_core::lifecycle::{Permit, Spent};
use countersign_core::names::{ActionId, RuleId, SessionId, ToolName};
use countersign_core::session::{Intent, Outcome};
use countersign_receipt::v1::{Enforcement, Face};

use crate::ports::Epochs;
use crate::suspended::Suspended;

/// The flow, as every way in sees it: open a session, submit an action, settle what ran.
#[async_trait]
pub trait Mediator: Send + Sync {
    /// Opens a session.
    async fn open(&self, opening: Opening) -> Result<OpenSession, Refusal>;

    /// Submits an action. The answer is given after its record is durable, never before.
    async fn submit(&self, submission: Submission) -> Proceeding;

    /// Records what became of an action that ran. Only after `Ok` may its output reach the agent.
    async fn settle(&self, spent: Spent, report: Report) -> Result<Settled, Unrecorded>;
}

/// Who calls, and through which way in.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Verified.
    pub identity: Arc<Identity>,
    /// The way in.
    pub face: Face,
    /// How far its reports may be believed.
    pub enforcement: Enforcement,
}

/// A session to open.
#[derive(Clone, Debug)]
pub struct Opening {
    /// For whom.
    pub caller: Caller,
    /// What vouches for it: `host`, `mcp-session`, `window`.
    pub source: Arc<str>,
    /// Whether the principals' high-water marks count in it.
    pub inherits: bool,
    /// Labels it begins with.
    pub labels: BTreeSet<Arc<str>>,
    /// What the user asked; hosts alone know.
    pub request: Option<Arc<str>>,
    /// What the request covers; hosts alone say.
    pub intent: Option<Intent>,
    /// By which session it was delegated; hosts alone say.
    pub delegation: Option<Delegation>,
    /// A key under which it can be found again; secrets only as digests.
    pub lookup: Option<Arc<str>>,
}

/// A task that an agent passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The session that it is passed on from.
    pub session: SessionId,
    /// The upstreams that it reaches; empty = all that the one who passes it on reaches.
    pub scope: Vec<String>,
}

/// An opened session.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// Its id.
    pub id: SessionId,
    /// The receipt of its beginning.
    pub receipt: ReceiptRef,
}

/// A proposed action.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Its session.
    pub session: SessionId,
    /// Who calls.
    pub caller: Caller,
    /// The real tool, wrappers resolved.
    pub tool: ToolName,
    /// The wrapper's name as called, where one stood before the tool.
    pub original: Option<Arc<str>>,
    /// Its arguments.
    pub arguments: Arguments,
    /// What is declared about the tool.
    pub contract: Arc<Contract>,
    /// Actions whose output it uses, as the caller says.
    pub depends_on: Vec<ActionId>,
}

/// What happens to a submitted action.
#[derive(Debug)]
#[must_use]
pub enum Proceeding {
    /// It may run.
    Proceed(Box<Proceed>),
    /// It will not.
    Refused(Box<Refusal>),
    /// It waits; the call that submitted it holds it.
    Suspended(Box<Suspended>),
}

/// The right to run an action, and what is to be run.
#[derive(Debug)]
pub struct Proceed {
    /// The permit.
    pub permit: Permit,
    /// The action with its arguments as they are to be forwarded.
    pub action: Arc<Action>,
    /// ALLOW or MODIFY.
    pub verdict: Verdict,
    /// Why.
    pub because: Because,
    /// The receipt of the ruling.
    pub receipt: ReceiptRef,
    pub(crate) session: SessionId,
    pub(crate) epochs: Epochs,
}

impl Proceed {
    /// The session it belongs to.
    #[must_use]
    pub const fn session(&self) -> &SessionId {
        &self.session
    }
}

/// A refusal that explains itself. Names rules and fields, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The action, where one was taken in.
    pub action: Option<ActionId>,
    /// Which step refused.
    pub step: Step,
    /// The rules that refused.
    pub rules: Vec<RuleId>,
    /// Why, in a sentence.
    pub reason: Arc<str>,
    /// What can be done about it.
    pub hint: Arc<str>,
    /// The receipt; `None` when it could not be recorded.
    pub receipt: Option<ReceiptRef>,
}

/// A receipt, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRef {
    /// Its id.
    pub id: Arc<str>,
    /// Its digest, `sha256:…`.
    pub digest: Arc<str>,
}

/// What became of an action that ran.
#[derive(Clone, Debug)]
pub struct Report {
    /// The session it ran in.
    pub session: SessionId,
    /// The outcome.
    pub outcome: Outcome,
}

/// A recorded outcome.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Its receipt.
    pub receipt: ReceiptRef,
}

/// An outcome that could not be recorded: what the tool answered must not reach the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outcome could not be recorded: {0}")]
pub struct Unrecorded(pub String);

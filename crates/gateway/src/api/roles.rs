//! Every endpoint and whom it is for. The router is built from this table and guards each route by its row, so
//! no route exists without one; the book's page of roles is printed from it.

use std::fmt::Write as _;

use http::Method;

use crate::auth::Role;

/// What a bearer is, without who.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleKind {
    /// Submits actions.
    Agent,
    /// Runs agents: opens sessions, adds turns.
    Host,
    /// Answers questions.
    Approver,
    /// Gives facts, halts.
    Operator,
    /// Reads receipts.
    Auditor,
}

use RoleKind::{Agent, Approver, Auditor, Host, Operator};

impl RoleKind {
    /// All of them, in the order of the book's table.
    pub const ALL: [Self; 5] = [Agent, Host, Approver, Operator, Auditor];

    /// The kind of this role.
    #[must_use]
    pub const fn of(role: &Role) -> Self {
        match role {
            Role::Agent(_) => Agent,
            Role::Host { .. } => Host,
            Role::Approver { .. } => Approver,
            Role::Operator { .. } => Operator,
            Role::Auditor { .. } => Auditor,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Agent => "agent",
            Host => "host",
            Approver => "approver",
            Operator => "operator",
            Auditor => "auditor",
        }
    }
}

/// Whom an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a token.
    Anyone,
    /// Bearers of these roles.
    Only(&'static [RoleKind]),
}

impl Access {
    /// Whether a bearer of `role`, or nobody known, may use it.
    #[must_use]
    pub fn admits(self, role: Option<RoleKind>) -> bool {
        match (self, role) {
            (Self::Anyone, _) => true,
            (Self::Only(roles), Some(role)) => roles.contains(&role),
            (Self::Only(_), None) => false,
        }
    }
}

/// What an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Opens a session.
    OpenSession,
    /// Lists sessions.
    ListSessions,
    /// Shows a session's context.
    ShowSession,
    /// Adds a turn of the user.
    AddTurn,
    /// Gives facts.
    GiveFacts,
    /// Submits an action.
    SubmitAction,
    /// Shows an action, waits for it, gives its permit.
    ShowAction,
    /// Reports an outcome.
    ReportOutcome,
    /// Lists questions to people.
    ListApprovals,
    /// Answers one.
    AnswerApproval,
    /// Lists what waits for context.
    ListDeferrals,
    /// Lists receipts.
    ListReceipts,
    /// Stops or resumes.
    Halt,
    /// Lowers a high-water mark.
    LowerMark,
    /// Shows the policy in force.
    ShowPolicy,
    /// Puts a policy in force.
    ApplyPolicy,
    /// Publishes the keys.
    Keys,
    /// Says that the process runs.
    Alive,
    /// Says whether actions are taken.
    Ready,
    /// Counts.
    Metrics,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// What it does.
    pub op: Op,
    /// GET or POST.
    pub method: Verb,
    /// Its path; `{id}` is a parameter.
    pub path: &'static str,
    /// Whom it is for.
    pub access: Access,
    /// What it does, in a line.
    pub summary: &'static str,
}

/// The methods that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Writes.
    Post,
}

impl From<Verb> for Method {
    fn from(method: Verb) -> Self {
        match method {
            Verb::Get => Self::GET,
            Verb::Post => Self::POST,
        }
    }
}

const fn get(op: Op, path: &'static str, access: Access, summary: &'static str) -> Endpoint {
    Endpoint { op, method: Verb::Get, path, access, summary }
}

const fn post(op: Op, path: &'static str, access: Access, summary: &'static str) -> Endpoint {
    Endpoint { op, method: Verb::Post, path, access, summary }
}

/// Endpoint × role: the one table.
pub const ENDPOINTS: &[Endpoint] = &[
    post(Op::OpenSession, "/v1/sessions", Access::Only(&[Host]), "Open a session with the user's request"),
    get(
        Op::ListSessions,
        "/v1/sessions",
        Access::Only(&[Host, Operator, Auditor]),
        "List sessions; a host sees those of its own service",
    ),
    get(
        Op::ShowSession,
        "/v1/sessions/{id}",
        Access::Only(&[Host, Operator, Auditor]),
        "Show a session's context; a host sees those of its own service",
    ),
    post(
        Op::AddTurn,
        "/v1/sessions/{id}/turns",
        Access::Only(&[Host]),
        "Add a turn of the user to a session of the host's own service",
    ),
    post(
        Op::GiveFacts,
        "/v1/sessions/{id}/context",
        Access::Only(&[Operator]),
        "Give facts; what waits for them is decided again",
    ),
    post(Op::SubmitAction, "/v1/actions", Access::Only(&[Agent]), "Submit an action; ALLOW gives the permit"),
    get(
        Op::ShowAction,
        "/v1/actions/{id}",
        Access::Only(&[Agent]),
        "Show an action of one's own, wait for it, claim its permit once",
    ),
    post(
        Op::ReportOutcome,
        "/v1/actions/{id}/outcome",
        Access::Only(&[Agent]),
        "Report what became of an action of one's own",
    ),
    get(
        Op::ListApprovals,
        "/v1/approvals",
        Access::Only(&[Approver, Operator]),
        "List questions; an approver sees those they may answer",
    ),
    post(Op::AnswerApproval, "/v1/approvals/{id}", Access::Only(&[Approver]), "Approve or deny"),
    get(
        Op::ListDeferrals,
        "/v1/deferrals",
        Access::Only(&[Approver, Operator]),
        "List what waits for context; arguments are shown to operators",
    ),
    get(Op::ListReceipts, "/v1/receipts", Access::Only(&[Auditor]), "Read receipts with their disclosures"),
    post(Op::Halt, "/v1/halt", Access::Only(&[Operator]), "Stop everything in a scope, or resume it"),
    post(Op::LowerMark, "/v1/marks", Access::Only(&[Host, Operator]), "Lower a high-water mark"),
    get(Op::ShowPolicy, "/v1/policy", Access::Only(&[Operator, Auditor]), "Show which policy is in force"),
    post(
        Op::ApplyPolicy,
        "/v1/policy",
        Access::Only(&[Operator]),
        "Put a policy in force as a whole, or see what it would change",
    ),
    get(Op::Keys, "/.well-known/jwks.json", Access::Anyone, "The public keys that receipts verify with"),
    get(Op::Alive, "/healthz", Access::Anyone, "Whether the process runs"),
    get(Op::Ready, "/readyz", Access::Anyone, "Whether actions can be taken, else why not"),
    get(Op::Metrics, "/metrics", Access::Anyone, "Counts, in the OpenMetrics text form"),
];

/// The table as the book shows it, in Markdown.
#[must_use]
pub fn table() -> String {
    let mut page = String::from(PREFACE);
    let roles: Vec<&str> = RoleKind::ALL.iter().map(|role| role.as_str()).collect();
    let _ = writeln!(page, "| endpoint | anonymous | {} | what it does |", roles.join(" | "));
    let _ = writeln!(page, "|---|---|{}---|", "---|".repeat(roles.len()));
    for row in ENDPOINTS {
        let mark = |role| if row.access.admits(role) { "yes" } else { "" };
        let mut cells = vec![mark(None)];
        cells.extend(RoleKind::ALL.map(|role| mark(Some(role))));
        let method = Method::from(row.method);
        let _ = writeln!(page, "| `{method} {}` | {} | {} |", row.path, cells.join(" | "), row.summary);
    }
    page
}

const PREFACE: &str = "\
# Roles

<!-- Printed from crates/gateway/src/api/roles.rs; refresh with UPDATE_DOCS=1 cargo test -p countersign-gateway --test api -->

A bearer token has exactly one role. Without a token that is known, everything but the anonymous column is answered
with 401; with a token of another role, with 403. The same table builds the router and guards each route.

| role | who |
|---|---|
| agent | proposes actions, and reports what became of those that it ran itself |
| host | the application that runs the agent: vouches for the user's request |
| approver | answers the questions that are put to one of their groups |
| operator | gives facts, halts and resumes, lowers marks, puts policies in force |
| auditor | reads receipts and what is disclosed of them |

";

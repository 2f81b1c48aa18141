//! The gate in front of every route: who bears the token, and whether the route is for them.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use countersign_core::names::ApproverGroup;
use countersign_engine::Caller;
use countersign_receipt::v1::{Enforcement, Face};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::roles::{Access, Endpoint, RoleKind};
use super::{ApiState, Problem};
use crate::auth::Role;

/// Who bears the token of a request that came through the gate.
#[derive(Clone, Debug)]
pub(super) struct Bearer(Arc<Role>);

/// Lets a request through to the route of this row, or answers 401 or 403.
pub(super) async fn gate(
    State((api, row)): State<(ApiState, &'static Endpoint)>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Access::Only(_) = row.access {
        match admit(&api, row, request.headers()) {
            Ok(bearer) => {
                request.extensions_mut().insert(bearer);
            }
            Err(problem) => return problem.into_response(),
        }
        // A HEAD would claim a permit and throw it away with the body.
        if request.method() == Method::HEAD {
            return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "HEAD is not answered", "use GET")
                .into_response();
        }
    }
    let mut response = next.run(request).await;
    if let Access::Only(_) = row.access {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn admit(api: &ApiState, row: &Endpoint, headers: &HeaderMap) -> Result<Bearer, Problem> {
    let Some(role) = token(headers).and_then(|token| api.settings.credentials.role(token)) else {
        api.turned_away.unauthenticated();
        return Err(Problem::unauthenticated());
    };
    if !row.access.admits(Some(RoleKind::of(role))) {
        api.turned_away.forbidden();
        return Err(wrong_role(role, row));
    }
    Ok(Bearer(Arc::new(role.clone())))
}

/// The bearer token of a request; `None` when there is none, or more than one `Authorization`.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn wrong_role(role: &Role, row: &Endpoint) -> Problem {
    let Access::Only(roles) = row.access else { return Problem::unauthenticated() };
    let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    let message = format!("your token is that of {role}; this is for: {}", roles.join(", "));
    Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        message,
        "use a token of that role; each token has one role",
    )
}

impl Bearer {
    /// What a host is called.
    pub(super) fn host(&self) -> Result<&Arc<str>, Problem> {
        match &*self.0 {
            Role::Host { name } => Ok(name),
            _ => Err(unfit()),
        }
    }

    /// The name of the service whose sessions alone a host may see; `None` for those who may see all.
    pub(super) fn only_service(&self) -> Option<&Arc<str>> {
        match &*self.0 {
            Role::Host { name } => Some(name),
            _ => None,
        }
    }

    /// The groups that an approver is in; `None` for others.
    pub(super) fn groups(&self) -> Option<&std::collections::BTreeSet<ApproverGroup>> {
        match &*self.0 {
            Role::Approver { groups, .. } => Some(groups),
            _ => None,
        }
    }

    /// The name of whoever is no agent.
    pub(super) fn name(&self) -> Result<&Arc<str>, Problem> {
        match &*self.0 {
            Role::Agent(_) => Err(unfit()),
            Role::Host { name }
            | Role::Approver { name, .. }
            | Role::Operator { name }
            | Role::Auditor { name } => Ok(name),
        }
    }

    /// The agent as one who calls the engine. What it reports is believed as a report.
    pub(super) fn caller(&self, api: &ApiState) -> Result<Caller, Problem> {
        match &*self.0 {
            Role::Agent(agent) => Ok(Caller {
                identity: Arc::new(agent.identity("token", api.engine.now())),
                face: Face::Api,
                enforcement: Enforcement::Reported,
            }),
            _ => Err(unfit()),
        }
    }
}

/// The table and the handler disagree; the request is refused.
fn unfit() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "this is not for your role",
        "use a token of another role",
    )
}

impl FromRequestParts<ApiState> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

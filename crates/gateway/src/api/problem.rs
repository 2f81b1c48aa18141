//! The one shape of errors: `{"error": {"code", "message", "hint", "receipt"?}}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use countersign_engine::commit::Failure;
use countersign_engine::{ReceiptRef, Refusal};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::wire::ReceiptName;

/// A refusal of the API itself. Says who erred and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: String,
    receipt: OnRecord,
}

/// Whether a receipt speaks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OnRecord {
    /// Nothing was decided, so there is nothing to record.
    NotAsked,
    /// There should be one, and the ledger took none.
    Unrecorded,
    /// This one.
    Receipt(ReceiptName),
}

/// What is sent.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorBody {
    /// What went wrong.
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorDetail {
    /// A word for programs.
    code: &'static str,
    /// A sentence for people.
    message: String,
    /// What to do next.
    hint: String,
    /// The receipt of the refusal; null when it could not be recorded, absent when nothing was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Option<ReceiptName>>,
}

impl Problem {
    /// A problem without a receipt.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { status, code, message: message.into(), hint: hint.into(), receipt: OnRecord::NotAsked }
    }

    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "there is no bearer token that is known here",
            "send `Authorization: Bearer TOKEN` with the token from your token file",
        )
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        let hint = "correct the request; the API's page in the book shows each body";
        Self::new(StatusCode::BAD_REQUEST, "malformed", message, hint)
    }

    pub(super) fn unacceptable(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unacceptable", message, hint)
    }

    pub(super) fn not_found(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message, hint)
    }

    pub(super) fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message, hint)
    }

    /// Something could not be recorded or read (`R1.closed`).
    pub(super) fn unavailable(why: impl std::fmt::Display) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            why.to_string(),
            "nothing was done; the operator finds the cause under /readyz",
        );
        Self { receipt: OnRecord::Unrecorded, ..problem }
    }

    /// A refusal that the engine could not record.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        let receipt = refusal.receipt.as_ref().map_or(OnRecord::Unrecorded, |r| OnRecord::Receipt(r.into()));
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            refusal.reason.to_string(),
            refusal.hint.to_string(),
        );
        Self { receipt, ..problem }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::unavailable(failure)
    }
}

impl From<countersign_engine::ports::LedgerError> for Problem {
    fn from(error: countersign_engine::ports::LedgerError) -> Self {
        Self::unavailable(error)
    }
}

impl From<&ReceiptRef> for ReceiptName {
    fn from(receipt: &ReceiptRef) -> Self {
        Self { id: receipt.id.to_string(), digest: receipt.digest.to_string() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let receipt = match self.receipt {
            OnRecord::NotAsked => None,
            OnRecord::Unrecorded => Some(None),
            OnRecord::Receipt(name) => Some(Some(name)),
        };
        let error = ErrorDetail { code: self.code, message: self.message, hint: self.hint, receipt };
        let mut response = (self.status, Json(ErrorBody { error })).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

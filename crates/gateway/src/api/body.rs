//! Reading requests: one reading only, nothing unknown, nothing oversized, and errors that name the place.

use axum::body::Body as RawBody;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

use super::{ApiState, Problem};

/// A JSON body, read strictly.
pub(super) struct Body<T>(pub(super) T);

/// The query of a URL, read strictly.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<ApiState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body is not declared as JSON",
                "send `Content-Type: application/json`",
            ));
        }
        let bytes = bytes(request.into_body(), api.settings.max_body).await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Problem::malformed("the body is not UTF-8"))?;
        read(text).map(Self)
    }
}

async fn bytes(body: RawBody, limit: usize) -> Result<bytes::Bytes, Problem> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too_large",
                    format!("the body is larger than {limit} bytes"),
                    "send less, or ask the operator to raise the limit",
                );
            }
            cause = error.source();
        }
        Problem::malformed("the body ended before it was complete")
    })
}

/// Reads a text that is to be JSON with one meaning, then as `T`.
fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    countersign_core::json::parse(text).map_err(|error| Problem::malformed(format!("the body: {error}")))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." { String::new() } else { format!(" at `{place}`") };
        let hint = "the API's page in the book shows each body; members that it does not name are refused";
        Problem::unacceptable(format!("the body{place}: {}", error.inner()), hint)
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = declared.split(';');
    let media = parts.next().unwrap_or_default().trim();
    let utf8 = parts.all(|parameter| match parameter.trim().split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    media.eq_ignore_ascii_case("application/json") && utf8
}

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::malformed(format!("the query: {}", rejection.body_text()))),
        }
    }
}

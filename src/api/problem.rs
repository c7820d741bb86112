//! What is not an answer: problem documents (RFC 9457).

use axum::body::Body;
use axum::http::{HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

const CONTENT_TYPE: &str = "application/problem+json";

/// An answer without a representation of its own. Its type is `about:blank`: the status says
/// all, and the title is that of the status.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    /// The token is missing or wrong.
    pub(super) fn unauthorised() -> Self {
        let detail =
            "send the token of `api.token` as `Authorization: Bearer`, or as password".to_owned();
        Self { status: StatusCode::UNAUTHORIZED, detail }
    }

    /// The request is for another host.
    pub(super) fn misdirected() -> Self {
        let detail = "without `api.token` only requests for localhost or a loopback address are \
                      answered: ask 127.0.0.1, or set `api.token_file`"
            .to_owned();
        Self { status: StatusCode::MISDIRECTED_REQUEST, detail }
    }
}

/// There is no such path here.
pub(super) async fn not_found(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}", uri.path());
    Problem { status: StatusCode::NOT_FOUND, detail }
}

/// The path is only looked at.
pub(super) async fn method_not_allowed(uri: Uri) -> Problem {
    let detail = format!("{} answers GET alone", uri.path());
    Problem { status: StatusCode::METHOD_NOT_ALLOWED, detail }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail,
        });
        let mut response = document(status, CONTENT_TYPE, body.to_string());
        // A browser asks its user for what the second of them names.
        let more: &[(HeaderName, &'static str)] = match status {
            StatusCode::UNAUTHORIZED => &[
                (header::WWW_AUTHENTICATE, "Bearer"),
                (
                    header::WWW_AUTHENTICATE,
                    "Basic realm=\"milvus-backup-agent\", charset=\"UTF-8\"",
                ),
            ],
            StatusCode::METHOD_NOT_ALLOWED => &[(header::ALLOW, "GET, HEAD")],
            _ => &[],
        };
        for (name, value) in more {
            response.headers_mut().append(name, header::HeaderValue::from_static(value));
        }
        response
    }
}

/// An answer in one piece.
pub(super) fn document(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], Body::from(body)).into_response()
}

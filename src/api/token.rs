//! Who is let in.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::Secret;

use super::problem::Problem;

/// Lets a request through that shows the token.
pub(super) async fn check(
    State(token): State<Secret<String>>,
    request: Request,
    next: Next,
) -> Response {
    if shows(request.headers(), token.reveal()) {
        return next.run(request).await;
    }
    Problem::unauthorised().into_response()
}

/// As a token, or as the password of a browser that asked its user, whatever the name.
fn shows(headers: &HeaderMap, token: &str) -> bool {
    let Some(sent) = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes) else {
        return false;
    };
    let Some(space) = sent.iter().position(|byte| *byte == b' ') else { return false };
    let (scheme, sent) = (&sent[..space], sent[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"Basic") {
        let Ok(pair) = STANDARD.decode(sent) else { return false };
        let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return false };
        return is_same(&pair[colon + 1..], token.as_bytes());
    }
    scheme.eq_ignore_ascii_case(b"Bearer") && is_same(sent, token.as_bytes())
}

/// Takes as long for a token that is nearly right as for one that is all wrong.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differing = |found, (one, other): (&u8, &u8)| found | (one ^ other);
    one.len() == other.len() && one.iter().zip(other).fold(0, differing) == 0
}

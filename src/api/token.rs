//! Who is let in.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

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

fn shows(headers: &HeaderMap, token: &str) -> bool {
    let sent = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let sent = sent.and_then(|value| value.split_at_checked("Bearer ".len()));
    sent.is_some_and(|(scheme, sent)| {
        scheme.eq_ignore_ascii_case(b"Bearer ") && is_same(sent.trim_ascii(), token.as_bytes())
    })
}

/// Takes as long for a token that is nearly right as for one that is all wrong.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differing = |found, (one, other): (&u8, &u8)| found | (one ^ other);
    one.len() == other.len() && one.iter().zip(other).fold(0, differing) == 0
}

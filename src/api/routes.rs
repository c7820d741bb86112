//! Paths and what answers them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::problem::{document, method_not_allowed, not_found};
use super::{Shown, Surface};
use super::{host, token};
use crate::status;

const JSON: &str = "application/json";

const HTML: &str = "text/html; charset=utf-8";

/// The page has its style in itself and an empty icon, runs nothing, asks for nothing, and is
/// part of no other page.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The format that every Prometheus reads.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All paths of a listener.
pub(super) fn routes(surface: Surface, shown: Shown) -> Router {
    let guarded = Router::new().route("/metrics", get(metrics)).route("/readyz", get(readiness));
    let guarded = match surface {
        Surface::Whole(_) => guarded.route("/", get(page)).route("/v1/status", get(view)),
        Surface::MetricsOnly => guarded,
    };
    let whole = guarded.fallback(not_found).method_not_allowed_fallback(method_not_allowed);
    let whole = match surface {
        Surface::Whole(Some(secret)) => {
            whole.layer(middleware::from_fn_with_state(secret, token::check))
        }
        Surface::Whole(None) => whole.layer(middleware::from_fn(host::check)),
        Surface::MetricsOnly => whole,
    };
    // What is added after the layer is outside of it.
    whole.route("/healthz", get(health).fallback(method_not_allowed)).with_state(shown)
}

async fn health() -> Response {
    document(StatusCode::OK, JSON, json!({"status": "ok"}).to_string())
}

async fn readiness(State(shown): State<Shown>) -> Response {
    let found = shown.readiness.borrow().clone();
    let ready = found.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    document(status, JSON, json!({"ready": ready, "waiting": found.waiting}).to_string())
}

async fn view(State(shown): State<Shown>) -> Response {
    let view = Arc::clone(&shown.status.borrow());
    let body = serde_json::to_string(&*view).expect("a view is plain data");
    fresh(document(StatusCode::OK, JSON, body))
}

async fn page(State(shown): State<Shown>) -> Response {
    let view = Arc::clone(&shown.status.borrow());
    let mut response = fresh(document(StatusCode::OK, HTML, status::page(&view)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// What is true now is kept nowhere, and taken for nothing else than it says.
fn fresh(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn metrics(State(shown): State<Shown>) -> Response {
    document(StatusCode::OK, EXPOSITION, shown.metrics.render())
}

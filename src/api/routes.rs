//! Paths and what answers them.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::problem::{document, method_not_allowed, not_found};
use super::token;
use super::{Shown, Surface};

const JSON: &str = "application/json";

/// The format that every Prometheus reads.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All paths of a listener.
pub(super) fn routes(surface: Surface, shown: Shown) -> Router {
    let guarded = Router::new().route("/metrics", get(metrics)).route("/readyz", get(readiness));
    let whole = guarded.fallback(not_found).method_not_allowed_fallback(method_not_allowed);
    let whole = match surface {
        Surface::Whole(Some(secret)) => {
            whole.layer(middleware::from_fn_with_state(secret, token::check))
        }
        Surface::Whole(None) | Surface::MetricsOnly => whole,
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

async fn metrics(State(shown): State<Shown>) -> Response {
    document(StatusCode::OK, EXPOSITION, shown.metrics.render())
}

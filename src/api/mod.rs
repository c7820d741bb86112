//! What the agent answers over HTTP: how it is, to people, probes and Prometheus.
//!
//! | path | `api.listen` | `metrics.listen` | answers |
//! | --- | --- | --- | --- |
//! | `/` | with the token | no | [`crate::status::page`] |
//! | `/v1/status` | with the token | no | [`crate::status::StatusView`] |
//! | `/healthz` | to anyone | to anyone | 200 while the process answers at all |
//! | `/readyz` | with the token | to anyone | 200, or 503 and what it waits for |
//! | `/metrics` | with the token | to anyone | [`crate::metrics::Metrics::render`] |
//!
//! The token comes as `Bearer`, or as the password of `Basic`, which a browser can ask for.
//! Anything else is 404, another method 405, a missing or wrong token 401: each a problem
//! document (RFC 9457). Without a token everybody who reaches `api.listen` is let in, so the
//! configuration keeps it on loopback then, and who asks for another host than that (a web page
//! can lead its own name here) gets 421, but for `/healthz`.
//!
//! # Contract
//!
//! - [`Server::bind`] has the port when it returns: a port that is taken is an error of the
//!   start, which names the key to change.
//! - Answers come from memory. None asks a store or Milvus, so none can hang with them.
//! - When it is told to stop, no new connection is taken; those that are open may end their
//!   request, within a limit.
//!
//! [`ask_status`] is the other side of `/v1/status`, for the command line.
//!
//! # What it does not do
//!
//! No TLS. It spawns nothing by itself: whoever starts [`Server::serve`] owns the task.

mod asking;
mod error;
mod host;
mod problem;
mod readiness;
mod routes;
mod server;
#[cfg(test)]
mod tests;
mod token;

pub use asking::ask_status;
pub use error::ApiError;
pub use readiness::{Readiness, Waiting};
pub use server::{Server, Shown, Surface};

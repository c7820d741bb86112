//! Where the agent answers, and whom.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::parse::{self, Invalid};
use super::reader::Reader;
use crate::model::{Diagnostic, Secret};

const LISTEN: &str = "api.listen";
const METRICS_LISTEN: &str = "metrics.listen";

/// Where the agent answers, and whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// On loopback, unless there is a token.
    pub listen: SocketAddr,
    /// What a client has to show.
    pub token: Option<Secret<String>>,
}

/// Where metrics go besides the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsOutput {
    /// Where they and health alone are answered, to anyone.
    pub listen: Option<SocketAddr>,
    /// The file that commands write them to.
    pub textfile: Option<PathBuf>,
}

/// The section `api`.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Api> {
    let listen = reader.get(LISTEN, address);
    reader.get("api.token_file", parse::path);
    let found = reader.problems.len();
    let token = reader.get("api.token", token);
    let token_is_wrong = reader.problems.len() > found;
    let listen = listen?;
    if token.is_none() && !token_is_wrong && !listen.ip().to_canonical().is_loopback() {
        refuse(reader, listen);
        return None;
    }
    Some(Api { listen, token: token.map(Secret::new) })
}

/// The section `metrics`.
pub(crate) fn read_metrics(reader: &mut Reader<'_>, api: Option<&Api>) -> MetricsOutput {
    let listen = reader.get(METRICS_LISTEN, address);
    let twice =
        |address: &SocketAddr| address.port() != 0 && Some(*address) == api.map(|api| api.listen);
    if let Some(address) = listen.filter(twice) {
        let problem = format!("`{METRICS_LISTEN}` and `{LISTEN}` are both `{address}`");
        let problem = Diagnostic::new(problem)
            .hint(format!("remove `{METRICS_LISTEN}`, or set it to another port"));
        report(reader, METRICS_LISTEN, problem);
    }
    MetricsOutput { listen, textfile: reader.get("metrics.textfile", parse::path) }
}

/// Whoever reaches the listener may do what the agent can.
fn refuse(reader: &mut Reader<'_>, listen: SocketAddr) {
    let port = listen.port();
    let problem = Diagnostic::new(format!(
        "`{LISTEN}` is `{listen}`, where other hosts reach it, and `api.token` is not set"
    ))
    .hint(format!(
        "set `api.token_file`, or listen on 127.0.0.1:{port}; for Prometheus alone set `metrics.listen`"
    ));
    report(reader, LISTEN, problem);
}

fn report(reader: &mut Reader<'_>, path: &str, problem: Diagnostic) {
    let written = reader.values.get(path);
    reader.problems.push(match written {
        Some(written) => written.origin.place(problem),
        None => problem,
    });
}

/// Where to listen. Names are not looked up: what they mean may change.
fn address(text: &str) -> Result<SocketAddr, Invalid> {
    text.parse().map_err(|_| {
        let invalid = Invalid::expected("an IP address and a port such as 127.0.0.1:7480", text);
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let port = port.parse::<u16>().ok();
        match (host, port) {
            ("" | "*", Some(port)) => invalid.hint(format!("write 0.0.0.0:{port} for all")),
            ("localhost", Some(port)) => invalid.hint(format!("write 127.0.0.1:{port}")),
            _ => invalid,
        }
    })
}

/// What fits into a header of HTTP.
fn token(text: &str) -> Result<String, Invalid> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new("must be letters, digits and signs of ASCII without spaces")
        .hint("make one with `openssl rand -hex 32`"))
}

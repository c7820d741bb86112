//! The other side: a command asks the agent how it all stands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::model::{Secret, plain};
use crate::status::{StatusView, Unanswered};

/// How long an answer may take; the agent has it in its memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// What no view exceeds: 10,000 policies, each with a problem of its own.
const LARGEST: usize = 64 << 20;

/// How much of what something else answers is shown.
const SHOWN: usize = 120;

/// Asks the agent that listens at `api.listen`, with its token if it has one.
pub async fn ask_status(
    listen: SocketAddr,
    token: Option<&Secret<String>>,
) -> Result<StatusView, Unanswered> {
    let address = reachable(listen);
    let (status, body) = match timeout(PATIENCE, ask(address, token)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => return Err(silent(address, &why)),
        Err(_) => {
            return Err(silent(address, &format!("no answer within {} s", PATIENCE.as_secs())));
        }
    };
    if status == StatusCode::UNAUTHORIZED {
        return Err(Unanswered {
            message: format!("the agent at {address} (`api.listen`) does not take this token"),
            remedy: "give this command the agent's own `api.token`, such as by \
                     `CREDENTIALS_DIRECTORY`, and ask again"
                .to_owned(),
            command: None,
            is_there: true,
        });
    }
    let view = serde_json::from_slice(&body).ok().filter(|_| status == StatusCode::OK);
    view.ok_or_else(|| {
        let said = plain(&String::from_utf8_lossy(&body), SHOWN);
        Unanswered {
            message: format!(
                "what answers at {address} (`api.listen`) tells no status: {status} {said}"
            ),
            remedy: "look which program listens there; an agent of another version has to be \
                     restarted with this one"
                .to_owned(),
            command: Some("systemctl restart milvus-backup-agent".to_owned()),
            is_there: true,
        }
    })
}

/// Nothing answers there.
fn silent(address: SocketAddr, why: &str) -> Unanswered {
    Unanswered {
        message: format!("no agent answers at {address} (`api.listen`): {why}"),
        remedy: "start it, unless timers make the backups; the rest was read from policies and \
                 repository"
            .to_owned(),
        command: Some("systemctl start milvus-backup-agent".to_owned()),
        is_there: false,
    }
}

/// Who listens on every address is asked on this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(
    address: SocketAddr,
    token: Option<&Secret<String>>,
) -> Result<(StatusCode, Bytes), String> {
    let mut request = Request::get("/v1/status").body(Empty::<Bytes>::new());
    let request = request.as_mut().map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    let host = HeaderValue::try_from(address.to_string()).map_err(|error| error.to_string())?;
    headers.insert(HOST, host);
    if let Some(token) = token {
        let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
        headers.insert(AUTHORIZATION, value.map_err(|_| "the token is no header".to_owned())?);
    }
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(std::mem::take(request)).await;
        let response = response.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    };
    // The connection moves the bytes; it may end as soon as the last of them is here.
    let connection = async {
        match connection.await {
            Ok(()) => std::future::pending().await,
            Err(error) => error.to_string(),
        }
    };
    tokio::select! {
        biased;
        answered = answer => answered,
        ended = connection => Err(ended),
    }
}

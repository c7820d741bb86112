//! Single questions over HTTP/1.1, each on a connection of its own.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::grpc::{Secured, Speaks};

/// A server that answers HTTP.
#[derive(Clone)]
pub(super) struct HttpServer {
    address: Url,
    authorization: Option<HeaderValue>,
    secured: Option<Secured>,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    /// The beginning of it, for people.
    pub(super) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        format!("it answered {}: {}", self.status, text.chars().take(200).collect::<String>())
    }
}

impl HttpServer {
    /// `address` is a host and a port.
    pub(super) fn new(address: Url) -> Self {
        Self { address, authorization: None, secured: None }
    }

    /// Asks over TLS.
    #[must_use]
    pub(super) fn secured(mut self, secured: Option<Secured>) -> Self {
        self.secured = secured;
        self
    }

    /// Says `Authorization: Bearer` with this to every question.
    #[must_use]
    pub(super) fn with_bearer(mut self, token: &str) -> Self {
        self.authorization =
            HeaderValue::try_from(format!("Bearer {token}")).ok().map(|mut value| {
                value.set_sensitive(true);
                value
            });
        self
    }

    pub(super) fn address(&self) -> &Url {
        &self.address
    }

    /// Asks once, and takes an answer of at most `largest` bytes. What goes wrong on the way is
    /// told in words.
    pub(super) async fn ask(
        &self,
        request: Request<Bytes>,
        deadline: Duration,
        largest: usize,
    ) -> Result<Answer, String> {
        let asked = timeout(deadline, self.send(request, largest)).await;
        asked.unwrap_or_else(|_| Err(format!("no answer within {} s", deadline.as_secs())))
    }

    /// The one place where a connection is made.
    async fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Connection>, String> {
        if let Some(secured) = &self.secured {
            let stream = secured.connect(Speaks::Http).await;
            return Ok(Box::new(stream.map_err(|fault| fault.to_string())?));
        }
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        Ok(Box::new(TokioIo::new(stream)))
    }

    async fn send(&self, mut request: Request<Bytes>, largest: usize) -> Result<Answer, String> {
        let (host, port) = (self.address.host_str(), self.address.port_or_known_default());
        let (Some(host), Some(port)) = (host, port) else {
            return Err("the address has no host".to_owned());
        };
        let named = HeaderValue::try_from(format!("{host}:{port}"));
        request.headers_mut().insert(HOST, named.map_err(|error| error.to_string())?);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let io = self.connect(host.trim_start_matches('[').trim_end_matches(']'), port).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(|error| error.to_string())?;
        let answer = async {
            let sent = sender.send_request(request.map(Full::new)).await;
            let response = sent.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), largest).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            Ok(Answer { status, body })
        };
        // The connection moves the bytes; it may end as soon as the last of them is here.
        let connection = async {
            let ended = connection.await;
            match ended {
                Ok(()) => std::future::pending().await,
                Err(error) => Err(error.to_string()),
            }
        };
        tokio::select! {
            biased;
            answered = answer => answered,
            ended = connection => ended,
        }
    }
}

/// A connection, with TLS or without.
trait Connection: Read + Write + Send + Unpin {}
impl<T: Read + Write + Send + Unpin> Connection for T {}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("address", &self.address.as_str())
            .finish_non_exhaustive()
    }
}

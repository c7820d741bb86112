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

use super::MilvusErrorKind;
use super::grpc::{Fault, Secured, Speaks};

/// A server that answers HTTP.
#[derive(Clone)]
pub(super) struct HttpServer {
    address: Url,
    /// An error where no header can say it.
    authorization: Option<Result<HeaderValue, HttpFault>>,
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

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(super) struct HttpFault {
    pub(super) kind: MilvusErrorKind,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl HttpFault {
    fn no_header() -> Self {
        let message = "`milvus.password` or `milvus.token` has a character that HTTP cannot show";
        let kind = MilvusErrorKind::Misconfigured;
        Self { kind, message: message.to_owned(), hint: Some("give the user another one") }
    }
}

impl From<String> for HttpFault {
    fn from(message: String) -> Self {
        Self { kind: MilvusErrorKind::Unreachable, message, hint: None }
    }
}

impl From<Fault> for HttpFault {
    fn from(fault: Fault) -> Self {
        Self { kind: fault.kind, message: fault.message, hint: Some(fault.hint) }
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
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        self.authorization = Some(value.map_err(|_| HttpFault::no_header()).map(|mut value| {
            value.set_sensitive(true);
            value
        }));
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
    ) -> Result<Answer, HttpFault> {
        let asked = timeout(deadline, self.send(request, largest)).await;
        let late = || format!("no answer within {} s", deadline.as_secs());
        asked.unwrap_or_else(|_| Err(late().into()))
    }

    /// The one place where a connection is made.
    async fn connect(&self, host: &str, port: u16) -> Result<Box<dyn Connection>, HttpFault> {
        if let Some(secured) = &self.secured {
            let stream = secured.connect(Speaks::Http).await;
            return Ok(Box::new(stream?));
        }
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        Ok(Box::new(TokioIo::new(stream)))
    }

    async fn send(&self, mut request: Request<Bytes>, largest: usize) -> Result<Answer, HttpFault> {
        let (host, port) = (self.address.host_str(), self.address.port_or_known_default());
        let (Some(host), Some(port)) = (host, port) else {
            return Err("the address has no host".to_owned().into());
        };
        let named = HeaderValue::try_from(format!("{host}:{port}"));
        request.headers_mut().insert(HOST, named.map_err(|error| error.to_string())?);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone()?);
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
            Ok::<_, String>(Answer { status, body })
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
            answered = answer => Ok(answered?),
            ended = connection => Ok(ended?),
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

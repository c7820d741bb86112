//! Milvus's management address: a few questions over HTTP/1.1.
//!
//! The paths are those of `internal/proxy/management.go` in Milvus 2.3 and later. 2.3.5
//! answers 404 to them (measured), 2.6.8 numbers its pauses.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use url::Url;

use super::http::HttpServer;
use super::{GcControl, GcTarget, GcTicket, MilvusError, MilvusErrorKind, MilvusResult};

/// The server decides at once; a firewall never does.
const DEADLINE: Duration = Duration::from_secs(10);

/// No answer is near this.
const LARGEST_ANSWER_BYTES: usize = 64 << 10;

const PATH: &str = "/management/datacoord/garbage_collection";

/// The management address of one Milvus.
#[derive(Debug, Clone)]
pub struct HttpManagement {
    server: HttpServer,
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    msg: String,
    ticket: Option<String>,
}

impl HttpManagement {
    /// Connects for each call; `address` is a host and a port.
    pub fn new(address: Url) -> Self {
        Self { server: HttpServer::new(address) }
    }

    async fn ask(&self, operation: &str, query: &str) -> MilvusResult<Answer> {
        let failed = |kind, message: String| {
            let operation = format!("{operation} garbage collection at {}", self.server.address());
            MilvusError::new(operation, kind, message)
        };
        let request = Request::get(format!("{PATH}/{operation}{query}")).body(Bytes::new());
        let request = request.map_err(|error| failed(MilvusErrorKind::Other, error.to_string()))?;
        let answered = self.server.ask(request, DEADLINE, LARGEST_ANSWER_BYTES).await;
        let answered = answered.map_err(|fault| failed(fault.kind, fault.message))?;
        if answered.status == StatusCode::NOT_FOUND {
            return Err(failed(
                MilvusErrorKind::Unimplemented,
                "the server has no such call".into(),
            ));
        }
        let other = || failed(MilvusErrorKind::Other, answered.said());
        let answer: Answer = serde_json::from_slice(&answered.body).map_err(|_| other())?;
        let fine = answer.ticket.is_some() || answer.msg.eq_ignore_ascii_case("ok");
        if answered.status.is_success() && fine {
            return Ok(answer);
        }
        Err(other())
    }
}

#[async_trait]
impl GcControl for HttpManagement {
    async fn pause(&self, target: GcTarget, lease: Duration) -> MilvusResult<GcTicket> {
        let of = match target {
            GcTarget::Cluster => String::new(),
            GcTarget::Collection(id) => format!("&collection_id={id}"),
        };
        let query = format!("?pause_seconds={}{of}", lease.as_secs());
        Ok(GcTicket(self.ask("pause", &query).await?.ticket))
    }

    async fn resume(&self, ticket: &GcTicket) -> MilvusResult<()> {
        let query = ticket.0.as_ref().map(|ticket| {
            let encoded: String = url::form_urlencoded::byte_serialize(ticket.as_bytes()).collect();
            format!("?ticket={encoded}")
        });
        self.ask("resume", &query.unwrap_or_default()).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::HttpManagement;
    use crate::milvus::{GcControl, GcTarget, GcTicket, MilvusErrorKind, MilvusResult};

    /// A server that answers once; what it was asked, and what the client made of it.
    async fn served<T>(
        answer: &str,
        call: impl AsyncFnOnce(HttpManagement) -> MilvusResult<T>,
    ) -> (String, MilvusResult<T>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap().lines().next().unwrap().to_owned()
        };
        tokio::join!(server, call(HttpManagement::new(address)))
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_pause_is_asked_for_and_ended_as_milvus_wants_it() {
        let pause =
            async |gc: HttpManagement| gc.pause(GcTarget::Cluster, Duration::from_mins(15)).await;
        let (asked, ticket) = served(&answer("200 OK", r#"{"msg": "OK"}"#), pause).await;
        assert_eq!(asked, format!("GET {}/pause?pause_seconds=900 HTTP/1.1", super::PATH));
        assert_eq!(ticket.unwrap(), GcTicket(None));
        let one = async |gc: HttpManagement| {
            gc.pause(GcTarget::Collection(7), Duration::from_mins(15)).await
        };
        let (asked, _) = served(&answer("200 OK", r#"{"msg":"OK","ticket":"1"}"#), one).await;
        let query = "pause_seconds=900&collection_id=7";
        assert_eq!(asked, format!("GET {}/pause?{query} HTTP/1.1", super::PATH));
        let numbered = answer("200 OK", r#"{"msg":"OK","ticket":"a b/1"}"#);
        let (_, ticket) = served(&numbered, pause).await;
        let ticket = ticket.unwrap();
        let resume = async |gc: HttpManagement| gc.resume(&ticket).await;
        let (asked, ended) = served(&answer("200 OK", r#"{"msg":"OK"}"#), resume).await;
        assert_eq!(asked, format!("GET {}/resume?ticket=a+b%2F1 HTTP/1.1", super::PATH));
        ended.unwrap();
        let resume = async |gc: HttpManagement| gc.resume(&GcTicket(None)).await;
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nc\r\n{\"msg\":\"OK\"}\r\n0\r\n\r\n";
        let (asked, ended) = served(chunked, resume).await;
        assert_eq!(asked, format!("GET {}/resume HTTP/1.1", super::PATH));
        ended.unwrap();
    }

    #[tokio::test]
    async fn anything_but_a_yes_is_an_error() {
        let pause =
            async |gc: HttpManagement| gc.pause(GcTarget::Cluster, Duration::from_secs(1)).await;
        for (answer, kind) in [
            (answer("404 Not Found", "404 page not found"), MilvusErrorKind::Unimplemented),
            (answer("200 OK", "<html>welcome</html>"), MilvusErrorKind::Other),
            (answer("200 OK", r#"{"msg":"failed to pause"}"#), MilvusErrorKind::Other),
            (answer("500 Oops", r#"{"msg":"OK"}"#), MilvusErrorKind::Other),
            (String::new(), MilvusErrorKind::Unreachable),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned(),
                MilvusErrorKind::Unreachable,
            ),
        ] {
            let (_, ended) = served(&answer, pause).await;
            assert_eq!(ended.unwrap_err().kind(), kind, "{answer}");
        }
    }
}

//! One address that answers gRPC and REST, as Milvus's does, and another for management.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::convert::Infallible;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

/// gRPC's code for a call that a server does not have.
const UNIMPLEMENTED: &str = "12";

/// The length and a flag before each message.
const PREFIX: usize = 5;

type Frames = Vec<Result<Frame<Bytes>, Infallible>>;
type Body = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

/// What answers.
pub(super) trait Answers: Send + Sync + 'static {
    /// A call by its name, in a database: the answer, or that there is no such call.
    fn grpc(&self, method: &str, database: &str, message: &[u8]) -> Option<Vec<u8>>;

    /// A JSON document posted to a path; `None` for a path that is not there.
    fn rest(&self, path: &str, bearer: Option<&str>, body: &[u8]) -> Option<String>;

    /// A path of the management address, with its query.
    fn management(&self, path: &str, query: &str) -> Option<String>;
}

/// Serves as long as the tasks live.
pub(super) async fn serve(server: Arc<dyn Answers>, tasks: &mut JoinSet<()>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let server = Arc::clone(&server);
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let server = Arc::clone(&server);
                    async move { Ok::<_, Infallible>(answer(&*server, request).await) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                // The client may go at any time.
                builder.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
            });
        }
    });
    address.parse().unwrap()
}

async fn answer(server: &dyn Answers, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    if text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/grpc")) {
        let method = path.rsplit('/').next().unwrap();
        let database = text("dbname").unwrap_or_default();
        return grpc(server.grpc(method, database, &body[PREFIX..]));
    }
    let json = if path.starts_with("/management/") {
        server.management(path, query)
    } else {
        let bearer = text(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        server.rest(path, bearer, &body)
    };
    let status = if json.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let body = json.unwrap_or_else(|| "404 page not found".to_owned());
    response(status, "application/json", vec![Ok(Frame::data(body.into()))])
}

fn grpc(message: Option<Vec<u8>>) -> Response<Body> {
    let mut frames = Vec::new();
    let mut trailers = HeaderMap::new();
    match message {
        Some(message) => {
            let mut data = BytesMut::with_capacity(PREFIX + message.len());
            data.put_u8(0);
            data.put_u32(u32::try_from(message.len()).unwrap());
            data.put_slice(&message);
            frames.push(Ok(Frame::data(data.freeze())));
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
        }
        None => {
            trailers.insert("grpc-status", HeaderValue::from_static(UNIMPLEMENTED));
        }
    }
    frames.push(Ok(Frame::trailers(trailers)));
    response(StatusCode::OK, "application/grpc", frames)
}

fn response(status: StatusCode, kind: &'static str, frames: Frames) -> Response<Body> {
    let mut response = Response::new(StreamBody::new(stream::iter(frames)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

//! `s3s-fs` in this process, and in front of it a script of faults.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::stream::{ByteStream as S3sStream, DynByteStream, RemainingLength};
use s3s::{Body, HttpResponse};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use milvus_backup_agent::model::S3Settings;
use milvus_backup_agent::storage::{S3Limits, S3Store};

use super::limits::{self, settings};
use super::storm::Storm;

/// What happens to a request instead of its answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This answer; the request is not carried out.
    Answer(u16, &'static str),
    /// The request is carried out and answered like this.
    AnswerAfter(u16, &'static str),
    /// The body ends after so many bytes, though its length was told.
    Truncate(usize),
    /// What follows this in the answer's body is taken out, up to the next `<`.
    Without(&'static str),
    /// No answer.
    Silence,
    /// The connection ends without an answer.
    Reset,
    /// The request is carried out, then the connection ends without an answer.
    ResetAfter,
    /// The answer has another `ETag`.
    WrongEtag,
    /// Half of the body comes, though the length of the whole was told.
    Halve,
}

/// A fault of the requests with this method and this in their address.
#[derive(Debug)]
struct Scripted {
    method: Method,
    contains: &'static str,
    times: usize,
    fault: Fault,
}

/// What a server says of the objects of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disguise {
    /// As requests name it.
    pub(super) bucket: &'static str,
    /// What their `ETag`s are instead of MD5s.
    pub(super) etag: fn(&str) -> String,
    /// Only lists tell those: what is told of one object may come back as a condition.
    pub(super) only_in_lists: bool,
    /// How they are encrypted, as answers about one object tell it.
    pub(super) encrypted: Option<&'static str>,
}

#[derive(Debug, Default)]
struct Script {
    faults: Vec<Scripted>,
    disguises: Vec<Disguise>,
    /// Every request: method, and path with query.
    log: Vec<String>,
    storm: Option<Storm>,
}

/// A server with two buckets, `one` and `two`.
pub(crate) struct FaultyServer {
    pub(crate) address: String,
    script: Arc<Mutex<Script>>,
    root: TempDir,
    _tasks: JoinSet<()>,
}

impl FaultyServer {
    pub(crate) async fn start() -> Self {
        let root = TempDir::new().expect("a folder");
        for bucket in ["one", "two"] {
            std::fs::create_dir(root.path().join(bucket)).expect("a bucket");
        }
        let files = s3s_fs::FileSystem::new(root.path()).expect("a file system");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single("key", "secret"));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let script = Arc::<Mutex<Script>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, service, Arc::clone(&script)));
        Self { address, script, root, _tasks: tasks }
    }

    pub(super) fn settings(&self, bucket: &str, prefix: &str) -> S3Settings {
        settings(&self.address, bucket, prefix)
    }

    pub(super) async fn store(&self, limits: S3Limits) -> Arc<S3Store> {
        limits::open(&self.settings("one", "a/b"), limits).await
    }

    /// Where the objects of a bucket lie as files.
    pub(super) fn folder(&self, bucket: &str) -> PathBuf {
        self.root.path().join(bucket)
    }

    /// Lets the next `times` requests like this one fail.
    pub(crate) fn fail(&self, method: Method, contains: &'static str, times: usize, fault: Fault) {
        let faults = &mut self.script.lock().expect("no panic").faults;
        faults.push(Scripted { method, contains, times, fault });
    }

    /// From now on the objects of these buckets look other than they are.
    pub(super) fn disguise(&self, disguises: &[Disguise]) {
        self.script.lock().expect("no panic").disguises = disguises.to_vec();
    }

    /// From now on one request of ten fails.
    pub(super) fn begin_storm(&self, seed: u64) {
        self.script.lock().expect("no panic").storm = Some(Storm::new(seed));
    }

    /// From now on none does. Tells how often each fault came.
    pub(super) fn end_storm(&self) -> BTreeMap<&'static str, usize> {
        let storm = self.script.lock().expect("no panic").storm.take();
        storm.map(|storm| storm.seen).unwrap_or_default()
    }

    /// How many requests like this one came, failed ones too.
    pub(super) fn count(&self, method: &Method, contains: &str) -> usize {
        let start = format!("{method} ");
        let script = self.script.lock().expect("no panic");
        let like = |line: &&String| line.starts_with(&start) && line.contains(contains);
        script.log.iter().filter(like).count()
    }
}

async fn serve(listener: TcpListener, service: S3Service, script: Arc<Mutex<Script>>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (service, script) = (service.clone(), Arc::clone(&script));
        connections.spawn(async move {
            let answer = service_fn(|request| {
                let (service, script) = (service.clone(), Arc::clone(&script));
                async move { answer(&service, &script, request).await }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), answer);
            // A client that goes away, or a body that breaks off as told.
            connection.await.ok();
        });
    }
}

async fn answer(
    service: &S3Service,
    script: &Mutex<Script>,
    request: Request<Incoming>,
) -> io::Result<HttpResponse> {
    let disguise = {
        let script = script.lock().expect("no panic");
        let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
        script.disguises.iter().find(|disguise| disguise.bucket == bucket).copied()
    };
    let fault = {
        let mut script = script.lock().expect("no panic");
        let path = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
        script.log.push(format!("{} {path}", request.method()));
        let hit = script.faults.iter_mut().find(|scripted| {
            scripted.times > 0
                && scripted.method == *request.method()
                && path.contains(scripted.contains)
        });
        let scripted = hit.map(|scripted| {
            scripted.times -= 1;
            scripted.fault.clone()
        });
        let is_copy = request.headers().contains_key("x-amz-copy-source");
        let storm = &mut script.storm;
        scripted.or_else(|| storm.as_mut()?.fault(request.method(), is_copy))
    };
    Ok(match fault {
        Some(Fault::Answer(status, body)) => {
            // The client sends its body before it reads.
            drain(request.into_body()).await;
            canned(status, body)
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::AnswerAfter(status, body)) => {
            pass(service, request).await;
            canned(status, body)
        }
        Some(Fault::Truncate(bytes)) => truncated(pass(service, request).await, |_| bytes).await,
        Some(Fault::Halve) => truncated(pass(service, request).await, |whole| whole / 2).await,
        Some(Fault::Without(start)) => without(pass(service, request).await, start).await,
        Some(Fault::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(Fault::ResetAfter) => {
            pass(service, request).await;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Some(Fault::WrongEtag) => {
            let mut response = pass(service, request).await;
            let other = HeaderValue::from_static("\"00000000000000000000000000000000\"");
            if let Some(etag) = response.headers_mut().get_mut("etag") {
                *etag = other;
            }
            response
        }
        None => match disguise {
            Some(disguise) => disguised(pass(service, request).await, disguise).await,
            None => pass(service, request).await,
        },
    })
}

/// The same answer with other `ETag`s, in its header and in its XML.
async fn disguised(response: HttpResponse, disguise: Disguise) -> HttpResponse {
    let other = |etag: &str| {
        let bare = etag.replace("&quot;", "").replace('"', "");
        format!("\"{}\"", (disguise.etag)(&bare))
    };
    let (mut head, mut body) = response.into_parts();
    let told = head.headers.get_mut("etag").filter(|_| !disguise.only_in_lists);
    if let Some(etag) = told {
        let text = other(etag.to_str().expect("an ETag is text"));
        *etag = HeaderValue::from_str(&text).expect("an ETag is a header");
    }
    if let Some(with) = disguise.encrypted {
        head.headers.insert("x-amz-server-side-encryption", HeaderValue::from_static(with));
    }
    if head.headers.get("content-type").is_none_or(|kind| kind != "application/xml") {
        return Response::from_parts(head, body);
    }
    let whole = body.store_all_limited(usize::MAX).await.expect("a body");
    let text = String::from_utf8(whole.to_vec()).expect("text");
    let told: Vec<String> = text
        .split("<ETag>")
        .map(|piece| match piece.split_once("</ETag>") {
            Some((etag, rest)) => format!("{}</ETag>{rest}", other(etag)),
            None => piece.to_owned(),
        })
        .collect();
    head.headers.remove("content-length");
    Response::from_parts(head, Body::from(told.join("<ETag>")))
}

/// s3s-fs looks for an object and writes it in two steps: writers go one by one.
async fn pass(service: &S3Service, request: Request<Incoming>) -> HttpResponse {
    static ONE_WRITER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let _alone = if reads { None } else { Some(ONE_WRITER.lock().await) };
    service.call(request.map(Body::from)).await.unwrap_or_else(|_| canned(500, ""))
}

async fn drain(body: Incoming) {
    Body::from(body).store_all_limited(usize::MAX).await.ok();
}

fn canned(status: u16, body: &'static str) -> HttpResponse {
    let mut response = Response::new(Body::from(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// The first bytes, then an error, under the length of the whole.
async fn truncated(response: HttpResponse, bytes: impl Fn(usize) -> usize) -> HttpResponse {
    let (head, mut body) = response.into_parts();
    let whole = body.store_all_limited(usize::MAX).await.expect("a body");
    let kept: Result<Bytes, s3s::StdError> = Ok(whole.slice(..bytes(whole.len())));
    let end = stream::once(async {
        // What came before has left by then.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err("cut".into())
    });
    let chunks = stream::iter([kept]).chain(end).boxed();
    let body: DynByteStream = Box::pin(Unsized(Mutex::new(chunks)));
    Response::from_parts(head, Body::from(body))
}

async fn without(response: HttpResponse, start: &str) -> HttpResponse {
    let (mut head, mut body) = response.into_parts();
    let whole = body.store_all_limited(usize::MAX).await.expect("a body");
    let text = String::from_utf8(whole.to_vec()).expect("text");
    let Some(from) = text.find(start).map(|at| at + start.len()) else {
        return Response::from_parts(head, Body::from(text));
    };
    let to = from + text[from..].find('<').expect("the answer is XML");
    head.headers.remove("content-length");
    Response::from_parts(head, Body::from(format!("{}{}", &text[..from], &text[to..])))
}

/// A stream that does not tell its length.
struct Unsized(Mutex<stream::BoxStream<'static, Result<Bytes, s3s::StdError>>>);

impl futures::Stream for Unsized {
    type Item = Result<Bytes, s3s::StdError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.get_mut().expect("no panic").poll_next_unpin(context)
    }
}

impl S3sStream for Unsized {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::unknown()
    }
}

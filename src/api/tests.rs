//! Real requests over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Readiness, Server, Shown, Surface, Waiting};
use crate::metrics::Metrics;
use crate::model::{ErrorKind, Secret};

struct Running {
    address: SocketAddr,
    readiness: watch::Sender<Readiness>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

async fn running(surface: Surface) -> Running {
    let (readiness, seen) = watch::channel(Readiness::default());
    let shown = Shown { metrics: Metrics::default(), readiness: seen };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), surface, shown).await.unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let address = server.address();
    tasks.spawn(server.serve(stop.clone()));
    tasks.close();
    Running { address, readiness, stop, tasks }
}

impl Running {
    /// The status line, the headers and the body.
    async fn ask(&self, method: &str, path: &str, header: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    async fn status(&self, path: &str, header: &str) -> u16 {
        self.ask("GET", path, header).await.0
    }
}

#[tokio::test]
async fn the_agent_tells_how_it_is() {
    let agent = running(Surface::Whole(None)).await;
    let (status, _, body) = agent.ask("GET", "/healthz", "").await;
    assert_eq!((status, body.as_str()), (200, r#"{"status":"ok"}"#));
    let (status, head, body) = agent.ask("GET", "/metrics", "").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("\nmilvus_backup_build_info{"), "{body}");
    assert_eq!(agent.ask("HEAD", "/metrics", "").await.2, "");

    let (status, _, body) = agent.ask("GET", "/readyz", "").await;
    assert_eq!((status, body.as_str()), (200, r#"{"ready":true,"waiting":[]}"#));
    let waiting = vec![Waiting { what: "catalog", why: "it is being \"read\"".to_owned() }];
    agent.readiness.send_replace(Readiness { waiting });
    let (status, head, body) = agent.ask("GET", "/readyz", "").await;
    assert_eq!(status, 503);
    assert!(head.contains("content-type: application/json"), "{head}");
    let expected = r#"{"ready":false,"waiting":[{"what":"catalog","why":"it is being \"read\""}]}"#;
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let agent = running(Surface::Whole(None)).await;
    for (method, path, status, title, detail) in [
        ("GET", "/nowhere?x=1", 404, "Not Found", "there is nothing at /nowhere"),
        ("POST", "/metrics", 405, "Method Not Allowed", "/metrics answers GET alone"),
        ("DELETE", "/healthz", 405, "Method Not Allowed", "/healthz answers GET alone"),
    ] {
        let (found, head, body) = agent.ask(method, path, "").await;
        assert_eq!(found, status, "{path}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert_eq!(head.contains("allow: get"), status == 405, "{head}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], "about:blank");
        assert_eq!((&body["title"], &body["status"]), (&title.into(), &status.into()));
        assert_eq!(body["detail"], detail);
    }
}

#[tokio::test]
async fn a_token_guards_all_but_the_probe_of_life() {
    let agent = running(Surface::Whole(Some(Secret::new("s3cret".to_owned())))).await;
    assert_eq!(agent.status("/healthz", "").await, 200);
    for path in ["/metrics", "/readyz", "/nowhere"] {
        for wrong in [
            "",
            "Authorization: Bearer s3cre\r\n",
            "Authorization: Bearer s3cret2\r\n",
            "Authorization: Bearer s3creT\r\n",
            "Authorization: Basic s3cret\r\n",
            "Authorization: s3cret\r\n",
            "Authorization: \r\n",
        ] {
            let (status, head, body) = agent.ask("GET", path, wrong).await;
            assert_eq!(status, 401, "{path} {wrong}");
            assert!(head.contains("www-authenticate: bearer"), "{head}");
            assert!(!body.contains("s3cret"), "{body}");
        }
    }
    let right = "Authorization: bearer s3cret\r\n";
    assert_eq!(agent.status("/metrics", right).await, 200);
    assert_eq!(agent.status("/readyz", right).await, 200);
    assert_eq!(agent.status("/nowhere", right).await, 404);
}

#[tokio::test]
async fn metrics_alone_need_no_token() {
    let agent = running(Surface::MetricsOnly).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(agent.status(path, "").await, 200, "{path}");
    }
    assert_eq!(agent.status("/v1/jobs", "").await, 404);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_its_key() {
    let agent = running(Surface::Whole(None)).await;
    for (surface, key) in
        [(Surface::Whole(None), "api.listen"), (Surface::MetricsOnly, "metrics.listen")]
    {
        let (_, readiness) = watch::channel(Readiness::default());
        let shown = Shown { metrics: Metrics::default(), readiness };
        let error = Server::bind(agent.address, surface, shown).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(error.to_string(), format!("listen on {} (`{key}`)", agent.address));
        assert!(error.hint().contains("another agent or program has port"), "{}", error.hint());
    }
}

#[tokio::test]
async fn it_stops_when_it_is_told_to() {
    let agent = running(Surface::Whole(None)).await;
    let idle = TcpStream::connect(agent.address).await.unwrap();
    agent.stop.cancel();
    let stopped = timeout(Duration::from_secs(30), agent.tasks.wait()).await;
    assert!(stopped.is_ok(), "an idle connection holds it");
    assert!(TcpStream::connect(agent.address).await.is_err(), "the port is still taken");
    drop(idle);
}

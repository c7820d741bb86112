//! Real requests over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Readiness, Server, Shown, Surface, Waiting, ask_status};
use crate::metrics::Metrics;
use crate::model::{ErrorKind, Secret};
use crate::status::{RepositoryFacts, StatusFacts, StatusView, Teller, Wrong};

struct Running {
    address: SocketAddr,
    readiness: watch::Sender<Readiness>,
    status: watch::Sender<Arc<StatusView>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// How a cluster without policies stands, of which this is wrong.
fn view(settings: Vec<Wrong>) -> StatusView {
    StatusView::of(&StatusFacts {
        now: Timestamp::UNIX_EPOCH,
        cluster: "c1".to_owned(),
        told_by: Teller::Agent { version: "1".to_owned(), started_at: Timestamp::UNIX_EPOCH },
        policies: Vec::new(),
        strays: Vec::new(),
        leftovers: None,
        config_file: None,
        policy_folder: "/p".to_owned(),
        repository: RepositoryFacts::default(),
        waiting: Vec::new(),
        broker: None,
        unnamed_broker: false,
        settings,
    })
}

async fn running(surface: Surface) -> Running {
    let (readiness, seen) = watch::channel(Readiness::default());
    let (status, sees_status) = watch::channel(Arc::new(view(Vec::new())));
    let shown = Shown { metrics: Metrics::default(), readiness: seen, status: sees_status };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), surface, shown).await.unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let address = server.address();
    tasks.spawn(server.serve(stop.clone()));
    tasks.close();
    Running { address, readiness, status, stop, tasks }
}

impl Running {
    /// The status line, the headers and the body.
    async fn ask(&self, method: &str, path: &str, header: &str) -> (u16, String, String) {
        let header = format!("Host: {}\r\n{header}", self.address);
        self.send(&format!("{method} {path} HTTP/1.1"), &header).await
    }

    /// The same, with just these headers.
    async fn send(&self, line: &str, header: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{line}\r\nConnection: close\r\n{header}\r\n");
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
async fn the_newest_view_is_a_page_and_json() {
    let agent = running(Surface::Whole(None)).await;
    let (status, head, body) = agent.ask("GET", "/", "").await;
    assert_eq!(status, 200);
    for header in [
        "content-type: text/html; charset=utf-8",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "content-security-policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert!(body.starts_with("<!DOCTYPE html>") && body.ends_with("</html>"), "{body}");
    assert!(body.contains("1 thing needs you") && body.contains("there is no policy"), "{body}");
    assert_eq!(agent.ask("HEAD", "/", "").await.2, "");

    let wrong = |what: &str| Wrong { message: format!("{what} is wrong"), remedy: "x".to_owned() };
    let newer = view(vec![wrong("one"), wrong("another")]);
    agent.status.send_replace(Arc::new(newer.clone()));
    let (status, head, body) = agent.ask("GET", "/v1/status", "").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert_eq!(serde_json::from_str::<StatusView>(&body).unwrap(), newer, "{body}");
    assert_eq!(agent.ask("HEAD", "/v1/status", "").await.2, "");
    assert_eq!(agent.ask("POST", "/v1/status", "").await.0, 405);
}

#[tokio::test]
async fn a_command_is_told_how_it_stands_or_why_it_is_not() {
    let secret = |text: &str| Secret::new(text.to_owned());
    let agent = running(Surface::Whole(Some(secret("s3cret")))).await;
    let told = ask_status(agent.address, Some(&secret("s3cret"))).await;
    assert_eq!(told.unwrap(), view(Vec::new()));
    for wrong in [None, Some(secret("S3cret"))] {
        let error = ask_status(agent.address, wrong.as_ref()).await.unwrap_err();
        assert!(error.message.contains("does not take this token"), "{error}");
        assert!(error.remedy.contains("api.token"), "{error:?}");
    }

    let metrics = running(Surface::MetricsOnly).await;
    let error = ask_status(metrics.address, None).await.unwrap_err();
    assert!(error.message.contains("tells no status: 404 Not Found"), "{error}");
    assert!(error.is_there, "an agent of another version keeps the schedules");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = ask_status(silent.local_addr().unwrap(), None).await.unwrap_err();
    assert!(error.message.ends_with("no answer within 2 s"), "{error}");
    let nobody = silent.local_addr().unwrap();
    drop(silent);
    let error = ask_status(nobody, None).await.unwrap_err();
    assert!(error.message.contains("no agent answers at 127.0.0.1:"), "{error}");
    assert!(error.message.to_lowercase().contains("refused"), "{error}");
    assert_eq!(error.command.as_deref(), Some("systemctl start milvus-backup-agent"));
    assert!(!error.is_there);
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
    for path in ["/", "/v1/status", "/metrics", "/readyz", "/nowhere"] {
        for wrong in [
            "",
            "Authorization: Bearer s3cre\r\n",
            "Authorization: Bearer s3cret2\r\n",
            "Authorization: Bearer s3creT\r\n",
            "Authorization: Basic s3cret\r\n",
            // s3cret, s3cret: and me:s3cre
            "Authorization: Basic czNjcmV0\r\n",
            "Authorization: Basic czNjcmV0Og==\r\n",
            "Authorization: Basic bWU6czNjcmU=\r\n",
            "Authorization: Digest bWU6czNjcmV0\r\n",
            "Authorization: s3cret\r\n",
            "Authorization: \r\n",
        ] {
            let (status, head, body) = agent.ask("GET", path, wrong).await;
            assert_eq!(status, 401, "{path} {wrong}");
            assert!(head.contains("www-authenticate: bearer\r\n"), "{head}");
            assert!(head.contains("www-authenticate: basic realm="), "{head}");
            assert!(!body.contains("s3cret"), "{body}");
        }
    }
    // The second is a browser's, of me:s3cret.
    for right in ["Authorization: bearer s3cret\r\n", "Authorization: Basic bWU6czNjcmV0\r\n"] {
        for path in ["/", "/v1/status", "/metrics", "/readyz"] {
            assert_eq!(agent.status(path, right).await, 200, "{path}");
        }
        assert_eq!(agent.status("/nowhere", right).await, 404);
    }
}

#[tokio::test]
async fn without_a_token_no_web_page_can_lead_its_own_name_here() {
    let agent = running(Surface::Whole(None)).await;
    let own = ["127.0.0.1", "127.8.9.1:7480", "LocalHost", "localhost:9", "[::1]", "[::1]:7480"];
    for host in own {
        for path in ["/", "/v1/status", "/metrics", "/readyz"] {
            let header = format!("Host: {host}\r\n");
            let (status, ..) = agent.send(&format!("GET {path} HTTP/1.1"), &header).await;
            assert_eq!(status, 200, "{path} {host}");
        }
    }
    for header in [
        "Host: evil.example:7480\r\n",
        "Host: localhost.evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Host: 127.0.0.1@evil.example\r\n",
        "Host: 192.168.0.7:7480\r\n",
        "Host: [::2]:7480\r\n",
        "Host: 0.0.0.0:7480\r\n",
        "Host: \r\n",
        "",
    ] {
        for path in ["/", "/v1/status", "/metrics", "/readyz", "/nowhere"] {
            let (status, head, body) = agent.send(&format!("GET {path} HTTP/1.0"), header).await;
            assert_eq!(status, 421, "{path} {header}");
            assert!(head.contains("content-type: application/problem+json"), "{head}");
            assert!(body.contains("set `api.token_file`"), "{body}");
        }
        assert_eq!(agent.send("GET /healthz HTTP/1.0", header).await.0, 200, "{header}");
    }
    let guarded = running(Surface::Whole(Some(Secret::new("s3cret".to_owned())))).await;
    let header = "Host: backup.example\r\nAuthorization: Bearer s3cret\r\n";
    assert_eq!(guarded.send("GET / HTTP/1.1", header).await.0, 200);
    let metrics = running(Surface::MetricsOnly).await;
    assert_eq!(metrics.send("GET /metrics HTTP/1.1", "Host: backup.example\r\n").await.0, 200);
}

#[tokio::test]
async fn metrics_alone_need_no_token() {
    let agent = running(Surface::MetricsOnly).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(agent.status(path, "").await, 200, "{path}");
    }
    for path in ["/", "/v1/status", "/v1/jobs"] {
        assert_eq!(agent.status(path, "").await, 404, "{path}");
    }
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_its_key() {
    let agent = running(Surface::Whole(None)).await;
    for (surface, key) in
        [(Surface::Whole(None), "api.listen"), (Surface::MetricsOnly, "metrics.listen")]
    {
        let (_, readiness) = watch::channel(Readiness::default());
        let (_, status) = watch::channel(Arc::new(view(Vec::new())));
        let shown = Shown { metrics: Metrics::default(), readiness, status };
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

//! Brokers that are not there, or do not let us in.

use std::time::{Duration, Instant};

use milvus_backup_agent::broker::BrokerFault::{Protocol, Topology, Unauthorised, Unreachable};
use milvus_backup_agent::broker::{Broker, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::site::{
    DECLARED, QUEUE, Site, assert_error, assert_refused, broker, event, lost, next, reply,
};

#[tokio::test]
async fn who_is_not_let_in_hears_why() {
    let site = Site::new();
    let wrong = site.url.replace("guest:guest", "guest:hunter2");
    let login = ["it refused the login", "check user and password in `amqp.url`"];
    let error = assert_refused(&broker(&wrong, ""), Unauthorised, &login).await;
    assert!(!error.message.contains("hunter2"));
    let elsewhere = format!("{}x", site.url);
    let vhost = ["virtual host `", "there is no such virtual host", "rabbitmqctl add_vhost v"];
    assert_refused(&broker(&elsewhere, ""), Topology, &vhost).await;
    let user = site.user("nobody", ["", "", ""]);
    let (name, vhost) = (format!("nobody-{}", site.vhost()), site.vhost());
    site.rabbit.eval(&format!(
        "rabbit_auth_backend_internal:clear_permissions(<<\"{name}\">>, <<\"{vhost}\">>, <<\"lab\">>)."
    ));
    let rights = ["cannot open the virtual host", "rabbitmqctl set_permissions -p v", "nobody-"];
    assert_refused(&broker(&user, ""), Unauthorised, &rights).await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let site = Site::new();
    let admin = site.link(DECLARED).await;
    let declarer = site.user("declarer", ["", ".*", ".*"]);
    let declare = ["cannot use the exchange `other`", "to configure", "set_permissions"];
    let keys = "declare: true, exchange: other";
    assert_refused(&broker(&declarer, keys), Unauthorised, &declare).await;

    let writer = broker(&site.user("writer", ["", ".*", ""]), "");
    let link = writer.connect().await.unwrap();
    let error = link.next().await.map(drop).unwrap_err();
    let consume =
        ["cannot consume from the queue `milvus-backup.prod`", "to read `milvus-backup.prod`"];
    assert_error(&error, Unauthorised, &consume);
    assert_eq!(lost(&*link).await, error);

    let reader = broker(&site.user("reader", ["", "", ".*"]), "");
    let link = reader.connect().await.unwrap();
    let (published, ended) = link.publish(&[event("1")]).await;
    let error = ended.unwrap_err();
    assert_eq!(published, []);
    assert_error(
        &error,
        Unauthorised,
        &["cannot publish to the exchange", "to write `milvus-backup`"],
    );

    site.send(QUEUE, b"{}").await;
    let link = reader.connect().await.unwrap();
    let why = Refusal { reason: "malformed", detail: "no".to_owned() };
    let error = next(&*link).await.refuse(&why).await.unwrap_err();
    assert_error(
        &error,
        Unauthorised,
        &["cannot put a message aside", "to write `milvus-backup.dead`"],
    );
    drop(link);
    next(&*admin).await.accept().await.unwrap();

    // Whoever asks may name any queue; an answer that we may not give costs nothing else.
    let shy = broker(&site.user("shy", ["", "^milvus-backup.*", ""]), "");
    let link = shy.connect().await.unwrap();
    site.client.declare("answers", &[]).await;
    let letters = [reply("1", "answers"), event("2"), reply("3", "answers")];
    let (published, ended) = link.publish(&letters).await;
    assert_eq!((published.len(), ended), (3, Ok(())));
    site.has("answers", 0).await;
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_unreachable_at_once() {
    let nobody = ["Connection refused", "check that the broker runs"];
    assert_refused(&broker("amqp://a:secret@127.0.0.1:1/v", ""), Unreachable, &nobody).await;
    let nowhere = ["the host cannot be found", "check the host in `amqp.url`"];
    assert_refused(&broker("amqp://nowhere.invalid", ""), Unreachable, &nowhere).await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time_and_left() {
    for (scheme, words) in
        [("amqp", "it says nothing of AMQP within 0.5 s"), ("amqps", "TLS was not")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("{scheme}://127.0.0.1:{port}?connection_timeout=500");
        let begun = Instant::now();
        let silent = broker(&url, "");
        let (connected, accepted) = tokio::join!(silent.connect(), listener.accept());
        assert_error(&connected.map(drop).unwrap_err(), Unreachable, &[words]);
        let waited = begun.elapsed();
        assert!(
            waited > Duration::from_millis(450) && waited < Duration::from_secs(3),
            "{waited:?}"
        );
        // The thread that held the connection is gone, and so is the connection.
        let mut rest = Vec::new();
        let (mut stream, _) = accepted.unwrap();
        let read = stream.read_to_end(&mut rest);
        timeout(Duration::from_secs(2), read).await.expect("the end of the connection").unwrap();
        assert!(!rest.is_empty());
    }
}

#[tokio::test]
async fn what_is_no_broker_is_told_from_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 8]).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    };
    let http = broker(&format!("amqp://127.0.0.1:{port}"), "");
    let words = ["what it says is not AMQP 0-9-1", "check the port in `amqp.url`"];
    tokio::select! {
        () = answers => {}
        _ = assert_refused(&http, Protocol, &words) => {}
    }
    let site = Site::new();
    let tls = site.url.replace("amqp://", "amqps://");
    let words = ["TLS failed", "for a port without TLS write amqp://"];
    assert_refused(&broker(&tls, ""), Protocol, &words).await;
}

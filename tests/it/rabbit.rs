//! The lab's RabbitMQ is a real one, and its client and its proxy do what tests trust them to.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicGetOptions, QueueDeclareOptions};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::lab::{Client, Proxy, Rabbit, Way, rabbit, say};

const QUORUM: &[(&str, &str)] = &[("x-queue-type", "quorum")];
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn messages_come_back_as_they_were_sent() {
    let rabbit = rabbit();
    let (here, there) = (rabbit.vhost(), rabbit.vhost());
    let client = Client::new(&rabbit, &here);
    client.declare("in", QUORUM).await;
    client.listen("events", "milvus-backup", "backup.*").await;
    let other = Client::new(&rabbit, &there);
    other.declare("in", &[]).await;

    let mut headers = FieldTable::default();
    headers.insert("reason".into(), AMQPValue::LongString("none".into()));
    headers.insert("count".into(), AMQPValue::LongLongInt(3));
    let properties = BasicProperties::default().with_headers(headers).with_message_id("m1".into());
    client.publish("in", br#"{"policy": "nightly"}"#, properties).await;
    for kind in ["backup.started", "prune.started", "backup.failed"] {
        let none = BasicProperties::default();
        if kind.starts_with("backup") {
            client.publish_to("milvus-backup", kind, kind.as_bytes(), none).await;
        }
    }

    assert_eq!((client.depth("in").await, other.depth("in").await), (1, 0));
    let [message] = client.take_all("in").await.try_into().expect("one message");
    let quorum_adds = "x-delivery-count";
    assert_eq!(message.headers, json!({"reason": "none", "count": 3, quorum_adds: 0}));
    assert_eq!(message.json(), json!({"policy": "nightly"}));
    assert_eq!(message.properties.message_id().as_ref().expect("an id").as_str(), "m1");
    assert_eq!((message.routing_key.as_str(), message.redelivered), ("in", false));
    assert_eq!(client.depth("in").await, 0);

    let events = client.take_all("events").await;
    let keys: Vec<_> = events.iter().map(|event| event.routing_key.as_str()).collect();
    assert_eq!(keys, ["backup.started", "backup.failed"]);
    assert!(events.iter().all(|event| event.exchange == "milvus-backup"));
}

#[tokio::test]
async fn a_message_that_someone_holds_is_counted_and_not_purged() {
    let rabbit = rabbit();
    let client = Client::new(&rabbit, &rabbit.vhost());
    for (queue, arguments) in [("quorum", QUORUM), ("classic", &[])] {
        client.declare(queue, arguments).await;
        for body in ["a", "b"] {
            client.publish(queue, body.as_bytes(), BasicProperties::default()).await;
        }
        let channel = client.channel().await;
        let held =
            channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("an answer");
        assert_eq!(client.depth(queue).await, 2, "{queue}");
        client.purge(queue).await;
        assert_eq!(client.depth(queue).await, 1, "{queue}");
        held.expect("a message").ack(BasicAckOptions::default()).await.expect("it is ours");
        assert_eq!(client.take_all(queue).await.len(), 0, "{queue}");
        assert_eq!(client.depth(queue).await, 0, "{queue}");
    }
}

/// What was confirmed is there whatever becomes of the node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_goes_on_over_a_stop_a_kill_and_an_alarm() {
    let rabbit = Rabbit::start(&[]);
    let url = rabbit.vhost();
    let client = Client::new(&rabbit, &url);
    client.declare("in", QUORUM).await;
    let mut publisher = JoinSet::new();
    let other = Client::new(&rabbit, &url);
    publisher.spawn(async move {
        for number in 0..60 {
            other.publish("in", number.to_string().as_bytes(), BasicProperties::default()).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let begun = Instant::now();
    rabbit.stop();
    rabbit.restart();
    say(&format!("RabbitMQ stopped and started in {:.1} s", begun.elapsed().as_secs_f64()));
    rabbit.ctl(&["set_disk_free_limit", "100000GB"]);
    let before = client.depth("in").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.depth("in").await, before, "nothing is taken while the disk is full");
    rabbit.kill();
    rabbit.restart();
    timeout(Duration::from_mins(1), publisher.join_all()).await.expect("the publisher ends");
    let taken = client.take_all("in").await;
    let distinct: BTreeSet<_> = taken.iter().map(|message| message.body.clone()).collect();
    assert_eq!(distinct.len(), 60, "of {}", taken.len());
}

/// One with TLS, where a delivery is looked at after 10 s.
fn strict() -> Rabbit {
    static STRICT: OnceLock<Rabbit> = OnceLock::new();
    let tick = "{rabbit, [{channel_tick_interval, 5000}]}";
    let options = ["--tls", "--set", "consumer_timeout=10000", "--advanced", tick];
    STRICT.get_or_init(|| Rabbit::start_with(&options)).clone()
}

#[tokio::test]
async fn who_has_a_certificate_needs_no_password() {
    let rabbit = strict();
    let url = rabbit.tls_url(&rabbit.vhost());
    let files = rabbit.tls();
    let ca = std::fs::read_to_string(&files.ca).expect("a file");
    let read = |file| std::fs::read(file).expect("a file");
    let identity = OwnedIdentity::PKCS8 { pem: read(&files.certificate), key: read(&files.key) };
    let connect = async |identity, cert_chain| {
        let runtime = lapin::runtime::default_runtime().expect("tokio");
        let tls = OwnedTLSConfig { identity, cert_chain };
        Connection::connect_with_config(&url, ConnectionProperties::default(), tls, runtime).await
    };
    let connection = connect(Some(identity.clone()), Some(ca.clone())).await.expect("it is let in");
    connection.create_channel().await.expect("agent may use the vhost");
    connect(None, Some(ca)).await.expect_err("nobody is let in without a certificate");
    connect(Some(identity), None).await.expect_err("the server's authority is its own");
}

/// Why a message is never held for the length of a backup.
#[tokio::test]
async fn a_consumer_that_holds_a_message_is_cut_with_406() {
    let rabbit = strict();
    let client = Client::new(&rabbit, &rabbit.vhost());
    client.declare("in", QUORUM).await;
    client.publish("in", b"slow", BasicProperties::default()).await;
    let channel = client.channel().await;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume("in".into(), "".into(), options, FieldTable::default());
    let mut consumer = consumer.await.expect("a consumer");
    consumer.next().await.expect("a delivery").expect("a message");
    let begun = Instant::now();
    let next = timeout(Duration::from_secs(40), consumer.next()).await;
    let end = next.expect("it is cut within 40 s").expect("the end is told").expect_err("an end");
    let held = begun.elapsed();
    say(&format!("a held delivery cost its channel after {:.1} s", held.as_secs_f64()));
    assert!(end.to_string().contains("PRECONDITION_FAILED"), "{end}");
    assert!(held > Duration::from_secs(9), "{held:?}");
    let [again] = client.take_all("in").await.try_into().expect("it is there again");
    assert!(again.redelivered);
}

#[tokio::test]
async fn a_proxy_cuts_refuses_and_welcomes() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let server = format!("127.0.0.1:{}", rabbit.port());
    let mut proxy = Proxy::start(&server).await;
    let client = Client::new(&rabbit, &url.replace(&server, &proxy.address));
    client.declare("in", QUORUM).await;
    let channel = client.channel().await;
    let passive = async || {
        let passive = QueueDeclareOptions::durable().passive();
        channel.queue_declare("in".into(), passive, FieldTable::default()).await
    };
    passive().await.expect("the proxy lets it pass");
    proxy.cut();
    timeout(SOON, passive()).await.expect("soon").expect_err("the connection is lost");
    client.publish("in", b"a", BasicProperties::default()).await;

    proxy.refuse().await;
    let refused = TcpStream::connect(&proxy.address).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let publish = client.publish("in", b"b", BasicProperties::default());
    let (published, ()) = tokio::join!(publish, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(client.depth("in").await, 1);
        proxy.welcome().await;
    });
    assert_eq!((published, client.depth("in").await), ((), 2));
    assert_eq!(proxy.faults(), 0, "these are not the weather's");
}

/// A frame is held back in its midst, one way and the other.
#[tokio::test]
async fn a_proxy_stalls_within_a_frame_and_goes_on() {
    let rabbit = rabbit();
    let url = rabbit.vhost();
    let server = format!("127.0.0.1:{}", rabbit.port());
    let proxy = Proxy::start(&server).await;
    let direct = Client::new(&rabbit, &url);
    let stalled = Client::new(&rabbit, &url.replace(&server, &proxy.address));
    direct.declare("in", QUORUM).await;
    let channel = stalled.channel().await;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume("in".into(), "".into(), options, FieldTable::default());
    let mut consumer = consumer.await.expect("a consumer");

    proxy.stall(Way::ToClient, 10);
    direct.publish("in", b"one", BasicProperties::default()).await;
    proxy.stalled(Way::ToClient).await;
    timeout(Duration::from_secs(1), consumer.next()).await.expect_err("it is on its way");
    assert_eq!(direct.depth("in").await, 1);
    proxy.go_on();
    let next = timeout(SOON, consumer.next()).await.expect("soon").expect("it goes on");
    let delivery = next.expect("the connection is as good as ever");
    assert_eq!(delivery.data, b"one");

    proxy.stall(Way::ToServer, 10);
    let publish = stalled.publish("in", b"two", BasicProperties::default());
    let ((), ()) = tokio::join!(publish, async {
        proxy.stalled(Way::ToServer).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(direct.depth("in").await, 1);
        proxy.go_on();
    });
    assert_eq!(direct.depth("in").await, 2, "once");
}

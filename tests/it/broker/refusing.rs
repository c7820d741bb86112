//! Messages that are not for us.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use milvus_backup_agent::broker::BrokerFault::{Protocol, Topology};
use milvus_backup_agent::broker::{Broker, Refusal};
use serde_json::json;
use tokio::time::timeout;

use super::site::{DEAD, DECLARED, QUEUE, Site, assert_error, broker, next};

fn refusal(detail: &str) -> Refusal {
    Refusal { reason: "malformed", detail: detail.to_owned() }
}

#[tokio::test]
async fn a_refused_message_is_put_aside_whole_with_the_reason() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut headers = FieldTable::default();
    headers.insert("team".into(), text("search"));
    headers.insert("count".into(), AMQPValue::LongInt(3));
    let short = |text: &str| ShortString::from(text);
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_content_type(short("application/json"))
        .with_content_encoding(short("utf-8"))
        .with_priority(3)
        .with_correlation_id(short("c1"))
        .with_reply_to(short("answers"))
        .with_message_id(short("m1"))
        .with_timestamp(1_700_000_000)
        .with_type(short("trigger"))
        .with_app_id(short("loader"));
    site.client.publish(QUEUE, b"not JSON", properties.clone()).await;
    next(&*link).await.refuse(&refusal("it is no trigger")).await.unwrap();
    site.has(QUEUE, 0).await;
    let [dead] = site.client.take_all(DEAD).await.try_into().expect("one dead letter");
    assert_eq!(dead.body, b"not JSON");
    assert_eq!((&*dead.exchange, &*dead.routing_key), ("milvus-backup.dead", QUEUE));
    let mut found = dead.headers;
    found.as_object_mut().unwrap().remove("x-delivery-count");
    let expected = json!({
        "team": "search",
        "count": 3,
        "x-milvus-backup-reason": "malformed",
        "x-milvus-backup-detail": "it is no trigger",
        "x-milvus-backup-agent": "agent-1",
    });
    assert_eq!(found, expected);
    let sent = properties.with_delivery_mode(2).with_headers(FieldTable::default());
    assert_eq!(dead.properties.with_headers(FieldTable::default()), sent);
}

/// A copy of these as they are would be dropped, sent elsewhere, or refused by the broker, which
/// checks who says to be whom.
#[tokio::test]
async fn what_would_lose_the_copy_is_left_out_of_it() {
    let site = Site::new();
    let url = site.user("agent", [".*", ".*", ".*"]);
    let link = broker(&url, DECLARED).connect().await.unwrap();
    site.client.listen("elsewhere", "milvus-backup", "#").await;
    let mut headers = FieldTable::default();
    let mut copies = FieldArray::default();
    copies.push(AMQPValue::LongString("elsewhere".into()));
    headers.insert("CC".into(), AMQPValue::FieldArray(copies));
    site.bind("elsewhere", "milvus-backup.dead", "elsewhere").await;
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_user_id(ShortString::from("guest"))
        .with_expiration(ShortString::from("60000"));
    site.client.publish(QUEUE, b"a", properties).await;
    assert_eq!(site.client.take_all("elsewhere").await.len(), 1, "the broker routes by CC");
    let long = "ä".repeat(2000);
    next(&*link).await.refuse(&refusal(&long)).await.unwrap();
    let [dead] = site.client.take_all(DEAD).await.try_into().expect("one dead letter");
    assert_eq!(dead.headers["x-milvus-backup-detail"], "ä".repeat(512));
    let properties = &dead.properties;
    assert_eq!((properties.user_id(), properties.expiration()), (&None, &None));
    site.has("elsewhere", 0).await;

    // What fills a frame by itself leaves no room for the reason.
    let mut headers = FieldTable::default();
    headers.insert("large".into(), AMQPValue::LongString("x".repeat(130_000).into()));
    let properties = BasicProperties::default().with_headers(headers);
    site.client.publish(QUEUE, b"b", properties).await;
    next(&*link).await.refuse(&refusal("no")).await.unwrap();
    let [dead] = site.client.take_all(DEAD).await.try_into().expect("one dead letter");
    assert_eq!((&*dead.body, &dead.headers["large"]), (&b"b"[..], &serde_json::Value::Null));
    assert_eq!(dead.headers["x-milvus-backup-detail"], "no");
}

#[tokio::test]
async fn a_refused_message_stays_where_no_queue_takes_the_dead() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    let unbind = async || {
        let channel = site.client.channel().await;
        let (dead, exchange) = (DEAD.into(), "milvus-backup.dead".into());
        channel.queue_unbind(dead, exchange, QUEUE.into(), FieldTable::default()).await.unwrap();
    };
    unbind().await;
    site.send(QUEUE, b"a").await;
    let error = next(&*link).await.refuse(&refusal("no")).await.unwrap_err();
    let words = [
        "no queue is bound to the dead-letter exchange `milvus-backup.dead` by `milvus-backup.prod`",
        "the next connection binds it again",
    ];
    assert_error(&error, Topology, &words);
    assert_eq!(link.lost().await, error);
    drop(link);
    let link = site.link(DECLARED).await;
    next(&*link).await.refuse(&refusal("no")).await.unwrap();
    site.has(DEAD, 1).await;

    unbind().await;
    site.send(QUEUE, b"b").await;
    let passive = site.link("declare: false").await;
    drop(link);
    let error = next(&*passive).await.refuse(&refusal("no")).await.unwrap_err();
    assert_error(&error, Topology, &["bind a durable queue to it by the key `milvus-backup.prod`"]);
}

/// lapin ends a connection that brings it what is not UTF-8.
#[tokio::test]
async fn a_message_that_cannot_be_read_is_put_aside_by_the_broker_alone() {
    let site = Site::new();
    drop(site.link(DECLARED).await);
    let exchange = format!("rabbit_misc:r(<<\"{}\">>, exchange, <<>>)", site.vhost());
    let properties = "[{message_id, <<255, 254>>}]";
    let publish = format!("rabbit_basic:publish({exchange}, <<\"{QUEUE}\">>, {properties}, <<>>).");
    site.rabbit.eval(&publish);
    for body in [b"a", b"b", b"c"] {
        site.send(QUEUE, body).await;
    }
    let broker = site.broker(DECLARED);
    let (mut lost, mut bodies) = (Vec::new(), Vec::new());
    let mut link = broker.connect().await.unwrap();
    while let Ok(next) = timeout(Duration::from_secs(2), link.next()).await {
        match next {
            Ok(delivery) => {
                bodies.push(delivery.message().body.clone());
                delivery.accept().await.unwrap();
            }
            Err(error) => {
                lost.push(error);
                link = broker.connect().await.unwrap();
            }
        }
    }
    let words = ["it sent what cannot be read", "`milvus-backup.prod`", "where the queue has a"];
    assert_error(&lost[0], Protocol, &words);
    bodies.sort();
    assert_eq!((bodies, lost.len()), (vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()], 21));
    site.has(QUEUE, 0).await;
    site.has(DEAD, 1).await;
}

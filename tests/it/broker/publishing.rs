//! Letters.

use std::time::Duration;

use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use milvus_backup_agent::broker::Broker;
use milvus_backup_agent::broker::BrokerFault::{Full, Topology};
use milvus_backup_agent::broker::Published::{Taken, Unroutable};
use milvus_backup_agent::model::{Address, Letter};
use tokio::time::{sleep, timeout};

use super::site::{DECLARED, EXCHANGE, QUEUE, Site, assert_error, broker, event, lost, reply};
use crate::lab::{Proxy, Way};

fn about(key: &str, id: usize) -> Letter {
    let to = Address::Topic { key: key.to_owned() };
    Letter { id: id.to_string(), to, body: "{}".to_owned() }
}

#[tokio::test]
async fn a_letter_is_a_cloud_event_that_outlives_the_broker() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    site.client.listen("events", EXCHANGE, "backup.*").await;
    site.client.declare("answers", &[]).await;
    let letters = [event("e1"), reply("e2", "answers")];
    assert_eq!(link.publish(&letters).await, (vec![Taken, Taken], Ok(())));
    for (queue, id, correlation_id) in [("events", "e1", None), ("answers", "e2", Some("c1"))] {
        let [message] = site.client.take_all(queue).await.try_into().expect("one message");
        assert_eq!(message.json()["id"], id);
        let text =
            |value: &Option<ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
        let properties = &message.properties;
        let content_type = text(properties.content_type());
        assert_eq!(content_type.as_deref(), Some("application/cloudevents+json"));
        assert_eq!(text(properties.message_id()).as_deref(), Some(id));
        assert_eq!(text(properties.correlation_id()).as_deref(), correlation_id);
        assert_eq!(text(properties.app_id()).as_deref(), Some("milvus-backup-agent"));
        assert_eq!(*properties.delivery_mode(), Some(2));
    }
    assert_eq!(link.publish(&[]).await, (vec![], Ok(())));
}

/// A broker that is given many at once confirms many at once, and lapin hands what came back
/// out with any of those.
#[tokio::test]
async fn whom_nobody_hears_is_known_one_by_one() {
    let site = Site::new();
    let server = format!("127.0.0.1:{}", site.rabbit.port());
    let proxy = Proxy::start(&server).await;
    let url = site.url.replace(&server, &proxy.address);
    let link = broker(&url, DECLARED).connect().await.unwrap();
    let channel = site.client.channel().await;
    let (options, none) = (QueueDeclareOptions::default(), FieldTable::default());
    channel.queue_declare("events".into(), options, none).await.unwrap();
    site.bind("events", EXCHANGE, "backup.*").await;
    let letters: Vec<Letter> = (0..300)
        .map(|number| about(["prune.started", "backup.started"][number % 3 / 2], number))
        .collect();
    proxy.stall(Way::ToServer, 0);
    let late = async {
        proxy.stalled(Way::ToServer).await;
        sleep(Duration::from_millis(500)).await;
        proxy.go_on();
    };
    let (published, ()) = tokio::join!(link.publish(&letters), late);
    let expected: Vec<_> = (0..300).map(|number| [Unroutable, Taken][number % 3 / 2]).collect();
    assert_eq!(published, (expected, Ok(())));
    let events = site.client.take_all("events").await;
    assert_eq!(events.len(), 100);
    assert!(events.is_sorted_by_key(|event| {
        event.properties.message_id().as_ref().unwrap().as_str().parse::<usize>().unwrap()
    }));

    site.client.declare("answers", &[]).await;
    let letters: Vec<Letter> = (0..30)
        .map(|number| match number % 3 {
            0 => reply(&number.to_string(), "gone"),
            1 => reply(&number.to_string(), "answers"),
            _ => about("prune.started", number),
        })
        .collect();
    let expected: Vec<_> =
        (0..30).map(|number| [Unroutable, Taken, Unroutable][number % 3]).collect();
    assert_eq!(link.publish(&letters).await, (expected, Ok(())));
}

#[tokio::test]
async fn a_publish_whose_future_is_dropped_goes_on_and_the_next_one_is_right() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    site.client.listen("events", EXCHANGE, "backup.*").await;
    for turn in 0..20 {
        let unheard: Vec<_> = (0..10).map(|number| about("prune.started", number)).collect();
        let micros = Duration::from_micros(turn * 100);
        drop(timeout(micros, link.publish(&unheard)).await);
        assert_eq!(link.publish(&[event("1")]).await, (vec![Taken], Ok(())));
        let one = about("prune.ended", 1);
        assert_eq!(link.publish(&[one]).await, (vec![Unroutable], Ok(())));
    }
    site.has("events", 20).await;
}

#[tokio::test]
async fn an_exchange_that_is_gone_ends_the_link() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    site.client.listen("events", EXCHANGE, "backup.*").await;
    assert_eq!(link.publish(&[event("1")]).await, (vec![Taken], Ok(())));
    let channel = site.client.channel().await;
    channel.exchange_delete(EXCHANGE.into(), ExchangeDeleteOptions::default()).await.unwrap();
    site.client.declare("answers", &[]).await;
    let letters = [reply("2", "answers"), event("3"), event("4")];
    let (published, ended) = link.publish(&letters).await;
    assert_eq!(published, [Taken]);
    let error = ended.unwrap_err();
    assert_error(&error, Topology, &["there is no exchange `milvus-backup`", "makes it again"]);
    assert_eq!(lost(&*link).await, error);
    assert_eq!(link.publish(&letters).await, (vec![], Err(error.clone())));
    assert_eq!(link.next().await.map(drop), Err(error));
}

#[tokio::test]
async fn what_a_full_queue_does_not_take_is_an_error_and_an_answer_is_none() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    let client = &site.client;
    let channel = client.channel().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    channel.queue_declare("full".into(), QueueDeclareOptions::default(), arguments).await.unwrap();
    site.bind("full", EXCHANGE, "#").await;
    site.send("full", b"").await;
    assert_eq!(link.publish(&[reply("1", "full")]).await, (vec![Unroutable], Ok(())));
    let (published, ended) = link.publish(&[event("2"), event("3")]).await;
    assert_eq!(published, []);
    assert_error(&ended.unwrap_err(), Full, &["it did not take a message", "is full"]);
    site.has(QUEUE, 0).await;
    // The link is as good as before.
    client.purge("full").await;
    assert_eq!(link.publish(&[event("2")]).await, (vec![Taken], Ok(())));
}

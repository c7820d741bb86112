//! Messages of our queue.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::QueueDeleteOptions;
use lapin::types::ShortString;
use milvus_backup_agent::broker::BrokerFault::Topology;
use milvus_backup_agent::broker::{Broker, Incoming};
use tokio::time::timeout;

use super::site::{DEAD, DECLARED, QUEUE, Site, assert_error, lost, next, nothing};

async fn send(site: &Site, count: usize) {
    for number in 0..count {
        let properties = BasicProperties::default();
        site.client.publish(QUEUE, number.to_string().as_bytes(), properties).await;
    }
}

#[tokio::test]
async fn a_message_comes_with_its_properties_and_is_gone_once_it_is_accepted() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    let short = |text: &str| ShortString::from(text);
    let properties = BasicProperties::default()
        .with_message_id(short("m1"))
        .with_reply_to(short("answers"))
        .with_correlation_id(short("c1"));
    site.client.publish(QUEUE, b"{}", properties).await;
    let delivery = next(&*link).await;
    let expected = Incoming {
        body: b"{}".to_vec(),
        message_id: Some("m1".to_owned()),
        reply_to: Some("answers".to_owned()),
        correlation_id: Some("c1".to_owned()),
        redelivered: false,
    };
    assert_eq!(*delivery.message(), expected);
    site.has(QUEUE, 1).await;
    delivery.accept().await.unwrap();
    site.send(QUEUE, b"").await;
    let delivery = next(&*link).await;
    assert_eq!(*delivery.message(), Incoming::default());
    delivery.accept().await.unwrap();
    link.close().await;
    site.has(QUEUE, 0).await;
}

#[tokio::test]
async fn what_is_not_settled_comes_again_once_the_link_is_gone() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    send(&site, 2).await;
    let (held, dropped) = (next(&*link).await, next(&*link).await);
    drop(dropped);
    nothing(&*link).await;
    drop(link);
    held.accept().await.unwrap_err();
    let link = site.link(DECLARED).await;
    let mut bodies = Vec::new();
    for _ in 0..2 {
        let delivery = next(&*link).await;
        assert!(delivery.message().redelivered);
        bodies.push(delivery.message().body.clone());
        delivery.accept().await.unwrap();
    }
    bodies.sort();
    assert_eq!(bodies, [b"0", b"1"]);
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_nothing() {
    let site = Site::new();
    let link = site.link("declare: true, prefetch: 1").await;
    for micros in (0..40).map(|step| step * 250) {
        let next = timeout(Duration::from_micros(micros), link.next()).await;
        assert!(next.is_err());
    }
    send(&site, 30).await;
    let mut taken = 0;
    let mut dropped = 0_u64;
    while taken < 30 {
        let patience = Duration::from_micros(dropped % 7 * 300);
        match timeout(patience, link.next()).await {
            Ok(delivery) => {
                let delivery = delivery.unwrap();
                assert_eq!(delivery.message().body, taken.to_string().as_bytes());
                delivery.accept().await.unwrap();
                taken += 1;
            }
            Err(_) => dropped += 1,
        }
        assert!(dropped < 20_000, "{taken} of 30 came");
    }
}

#[tokio::test]
async fn no_more_messages_are_held_than_prefetch_says() {
    let site = Site::new();
    let link = site.link("declare: true, prefetch: 2").await;
    send(&site, 5).await;
    let first = next(&*link).await;
    let _second = next(&*link).await;
    nothing(&*link).await;
    let other = site.link(DECLARED).await;
    for _ in 0..3 {
        next(&*other).await.accept().await.unwrap();
    }
    nothing(&*other).await;
    first.accept().await.unwrap();
    send(&site, 1).await;
}

#[tokio::test]
async fn who_rests_gives_back_what_was_fetched_and_keeps_what_was_handed_out() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    link.rest().await.unwrap();
    send(&site, 4).await;
    let first = next(&*link).await;
    link.rest().await.unwrap();
    link.rest().await.unwrap();
    let other = site.link(DECLARED).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let delivery = next(&*other).await;
        bodies.push(delivery.message().body.clone());
        delivery.accept().await.unwrap();
    }
    bodies.sort();
    assert_eq!(bodies, [b"1", b"2", b"3"]);
    other.close().await;
    first.accept().await.unwrap();
    send(&site, 1).await;
    let again = next(&*link).await;
    assert_eq!(again.message().body, b"0");
    again.accept().await.unwrap();
    site.has(QUEUE, 0).await;
}

/// Why nobody who cannot accept a message for now gives it back in turns.
#[tokio::test]
async fn a_message_that_is_given_back_too_often_is_put_aside_by_the_broker() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    send(&site, 1).await;
    for turn in 0..=20 {
        let delivery = next(&*link).await;
        assert_eq!(delivery.message().redelivered, turn > 0);
        delivery.give_back().await.unwrap();
    }
    nothing(&*link).await;
    let [dead] = site.client.take_all(DEAD).await.try_into().expect("one dead letter");
    assert_eq!(dead.headers["x-first-death-reason"], "delivery_limit");
}

#[tokio::test]
async fn a_queue_that_is_deleted_ends_the_link_and_the_next_one_finds_out() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    nothing(&*link).await;
    let delete = async |queue: &str| {
        let channel = site.client.channel().await;
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    };
    let (error, ()) = tokio::join!(link.next(), delete(QUEUE));
    let error = error.map(drop).unwrap_err();
    let words =
        ["queue `milvus-backup.prod` gives us nothing any more", "connects again by itself"];
    assert_error(&error, Topology, &words);
    assert_eq!(lost(&*link).await, error);
    let passive = site.broker("declare: false").connect().await.map(drop).unwrap_err();
    assert_error(&passive, Topology, &["there is no queue"]);
    let link = site.link(DECLARED).await;
    send(&site, 1).await;
    next(&*link).await.accept().await.unwrap();
}

#[tokio::test]
async fn a_stream_is_no_queue_of_ours() {
    let site = Site::new();
    drop(site.link("declare: true, queue: other").await);
    site.client.declare("stream", &[("x-queue-type", "stream")]).await;
    let link = site.link("queue: stream").await;
    let (error, ()) = tokio::join!(link.next(), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        site.send("stream", b"{}").await;
    });
    let error = error.map(drop).unwrap_err();
    assert_error(&error, Topology, &["queue `stream` is a stream", "to a quorum queue"]);
}

//! Brokers that go away, fall silent or run short of something.

use std::time::{Duration, Instant};

use milvus_backup_agent::broker::BrokerFault::Unreachable;
use milvus_backup_agent::broker::Published::Taken;
use milvus_backup_agent::broker::{Broker, Refusal};
use tokio::time::{sleep, timeout};

use super::site::{
    DEAD, DECLARED, EXCHANGE, QUEUE, Site, Undo, assert_error, assert_refused, broker, event, lost,
    next, nothing, own_node,
};
use crate::lab::{Proxy, Way, say};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_or_is_killed_ends_the_link_and_the_next_one_goes_on() {
    let (node, _turn) = own_node().await;
    let site = Site::on(&node);
    site.client.listen("events", EXCHANGE, "backup.*").await;
    let broker = site.broker(DECLARED);
    let _up = Undo(|| {
        if std::thread::panicking() {
            node.restart();
        }
    });
    let mut sent = 0;
    for end in ["stop", "kill"] {
        let link = broker.connect().await.unwrap();
        let idle = broker.connect().await.unwrap();
        site.send(QUEUE, end.as_bytes()).await;
        let delivery = next(&*link).await;
        let publishing = async {
            loop {
                let (published, ended) = link.publish(&[event(&sent.to_string())]).await;
                match ended {
                    Ok(()) => assert_eq!(published, [Taken]),
                    Err(error) => return (published, error),
                }
                sent += 1;
            }
        };
        let ending = {
            let node = node.clone();
            tokio::task::spawn_blocking(
                move || if end == "stop" { node.stop() } else { node.kill() },
            )
        };
        let ((published, error), consuming, ended) = tokio::join!(publishing, link.next(), ending);
        ended.unwrap();
        assert_eq!(published, []);
        let consuming = consuming.map(drop).unwrap_err();
        assert_error(&error, Unreachable, &[]);
        assert_eq!(error, consuming, "there is one reason");
        assert_eq!(lost(&*link).await, error);
        assert_eq!(lost(&*idle).await.fault, Unreachable);
        delivery.accept().await.unwrap_err();
        assert_refused(&broker, Unreachable, &["Connection refused"]).await;
        node.restart();
        let link = broker.connect().await.unwrap();
        let again = next(&*link).await;
        assert_eq!((&*again.message().body, again.message().redelivered), (end.as_bytes(), true));
        again.accept().await.unwrap();
        assert_eq!(link.publish(&[event("x")]).await, (vec![Taken], Ok(())));
        link.close().await;
    }
    // What was confirmed is there, and perhaps one more each time.
    let found = site.client.depth("events").await;
    assert!((sent + 2..=sent + 4).contains(&found), "{found} of {sent}");
    say(&format!("{sent} events were published into a stop and a kill"));
}

#[tokio::test]
async fn who_closes_a_connection_by_hand_is_heard() {
    let site = Site::new();
    let link = site.link(DECLARED).await;
    site.rabbit.ctl(&["close_all_connections", "--vhost", site.vhost(), "we move house"]);
    let words = ["it closed the connection: CONNECTION_FORCED - we move house"];
    assert_error(&lost(&*link).await, Unreachable, &words);
}

#[tokio::test]
async fn a_message_that_is_held_for_too_long_is_taken_back() {
    let (node, _turn) = own_node().await;
    let site = Site::on(&node);
    let timeout_after = |millis: u32| {
        node.eval(&format!("application:set_env(rabbit, consumer_timeout, {millis})."));
    };
    let _usual = Undo(|| timeout_after(1_800_000));
    timeout_after(2000);
    let link = site.link(DECLARED).await;
    site.send(QUEUE, b"a").await;
    let held = next(&*link).await;
    let error = timeout(Duration::from_secs(10), link.next()).await.unwrap().map(drop).unwrap_err();
    let words = ["it took a message back: PRECONDITION_FAILED", "messages are held for too long"];
    assert_error(&error, Unreachable, &words);
    assert_eq!(held.accept().await, Err(error));
}

#[tokio::test]
async fn a_broker_short_of_disk_takes_no_letters_and_still_hears_what_was_accepted() {
    let (node, _turn) = own_node().await;
    let site = Site::on(&node);
    let url = format!("{}?heartbeat=2", site.url);
    let link = broker(&url, DECLARED).connect().await.unwrap();
    site.client.listen("events", EXCHANGE, "backup.*").await;
    for body in ["a", "b", "c"] {
        site.send(QUEUE, body.as_bytes()).await;
    }
    let (accepted, refused) = (next(&*link).await, next(&*link).await);
    assert_eq!(link.blocked(), None);
    let wants = |limit: &str| {
        node.eval(&format!("rabbit_disk_monitor:set_disk_free_limit(\"{limit}\")."));
    };
    let _enough = Undo(|| wants("1MB"));
    wants("100000GB");
    let letters: Vec<_> = (0..3).map(|number| event(&number.to_string())).collect();
    let short = async {
        while link.blocked().is_none() {
            sleep(Duration::from_millis(20)).await;
        }
        assert!(link.blocked().unwrap().contains("disk"), "{:?}", link.blocked());
        accepted.accept().await.unwrap();
        // Longer than it takes to find a silent broker out.
        sleep(Duration::from_secs(5)).await;
        next(&*link).await.accept().await.unwrap();
        site.has(QUEUE, 1).await;
        let new = broker(&url, DECLARED).connect().await.unwrap();
        new.close().await;
        wants("1MB");
    };
    let why = Refusal { reason: "malformed", detail: "no".to_owned() };
    let begun = Instant::now();
    let refusing = async {
        let refused = refused.refuse(&why).await;
        (refused, begun.elapsed())
    };
    let (published, (refused, waited), ()) = tokio::join!(link.publish(&letters), refusing, short);
    assert_eq!(published, (vec![Taken; 3], Ok(())));
    assert_eq!(refused, Ok(()));
    assert!(waited > Duration::from_secs(5), "{waited:?}");
    assert_eq!(link.blocked(), None);
    site.has(DEAD, 1).await;
    site.has("events", 3).await;
    assert_eq!(link.publish(&letters).await, (vec![Taken; 3], Ok(())));
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_given_up_and_what_it_says_late_is_fine() {
    let site = Site::new();
    let server = format!("127.0.0.1:{}", site.rabbit.port());
    let proxy = Proxy::start(&server).await;
    let url = site.url.replace(&server, &proxy.address);
    let quick = broker(&format!("{url}?heartbeat=1"), DECLARED);
    let link = quick.connect().await.unwrap();
    nothing(&*link).await;
    // Within a frame, and for less than two heartbeats.
    proxy.stall(Way::ToClient, 10);
    site.send(QUEUE, b"a").await;
    proxy.stalled(Way::ToClient).await;
    sleep(Duration::from_millis(800)).await;
    proxy.go_on();
    let delivery = next(&*link).await;
    proxy.stall(Way::ToServer, 10);
    proxy.stall(Way::ToClient, 3);
    let begun = Instant::now();
    let letters = [event("1")];
    let (published, error) = tokio::join!(link.publish(&letters), lost(&*link));
    let silence = begun.elapsed();
    assert!(silence < Duration::from_secs(5), "{silence:?}");
    assert_error(&error, Unreachable, &["nothing was heard of it for 2 s"]);
    assert_eq!(published, (vec![], Err(error.clone())));
    assert_eq!(delivery.accept().await, Err(error));
    let begun = Instant::now();
    link.close().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    let late = broker(&format!("{url}?connection_timeout=500"), "");
    assert_refused(&late, Unreachable, &["within 0.5 s"]).await;
    proxy.go_on();
    let link = quick.connect().await.unwrap();
    next(&*link).await.accept().await.unwrap();
    // A way that is cut is known at once.
    proxy.cut();
    let begun = Instant::now();
    assert_error(&lost(&*link).await, Unreachable, &["the connection ended"]);
    assert!(begun.elapsed() < Duration::from_millis(500));
}

//! The fake does what tests trust it to.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::{sleep, timeout};

use super::fake::FakeBroker;
use crate::broker::{
    Broker, BrokerError, BrokerFault, Delivery, Incoming, Link, Published, Refusal,
};
use crate::model::{Address, Letter};

fn message(id: &str) -> Incoming {
    Incoming { message_id: Some(id.to_owned()), ..Incoming::default() }
}

fn letters(count: usize) -> Vec<Letter> {
    let letter = |id: usize| Letter {
        id: id.to_string(),
        to: Address::Topic { key: "backup.started".to_owned() },
        body: String::new(),
    };
    (0..count).map(letter).collect()
}

async fn next(link: &dyn Link) -> Box<dyn Delivery> {
    timeout(Duration::from_secs(1), link.next()).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_was_not_settled_comes_again_when_the_link_is_lost() {
    let broker = FakeBroker::default();
    for id in ["a", "b", "c", "d"] {
        broker.send(message(id));
    }
    let link = broker.connect().await.unwrap();
    next(&*link).await.accept().await.unwrap();
    let (b, c) = (next(&*link).await, next(&*link).await);
    drop(c);
    assert_eq!((broker.depth(), broker.held()), (3, 2));
    broker.cut();
    assert_eq!(link.lost().await.fault, BrokerFault::Unreachable);
    assert_eq!(b.accept().await, Err(link.lost().await));
    assert!(link.next().await.is_err());
    let link = broker.connect().await.unwrap();
    let why = Refusal { reason: "malformed", detail: "no".to_owned() };
    for (id, redelivered) in [("b", true), ("c", true), ("d", false)] {
        let delivery = next(&*link).await;
        assert_eq!(*delivery.message(), Incoming { redelivered, ..message(id) });
        delivery.refuse(&why).await.unwrap();
    }
    assert_eq!((broker.depth(), broker.dead().len(), broker.connections()), (0, 3, 2));
    assert_eq!(broker.dead()[0].reason, "malformed");
    assert!(link.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn letters_wait_while_it_is_blocked_and_the_last_before_a_cut_is_not_heard_of() {
    let broker = FakeBroker::default();
    let link = broker.connect().await.unwrap();
    let one = letters(1);
    broker.block(Some("disk"));
    assert_eq!(link.blocked().as_deref(), Some("disk"));
    let unblock = async {
        sleep(Duration::from_mins(1)).await;
        assert_eq!(broker.published(), []);
        broker.block(None);
    };
    let ((), published) = tokio::join!(unblock, link.publish(&one));
    assert_eq!(published.0, [Published::Taken]);
    broker.deafen(true);
    broker.cut_at_letter(3);
    let (published, error) = link.publish(&letters(5)).await;
    assert_eq!(published, [Published::Unroutable; 2]);
    assert_eq!(error, Err(link.lost().await));
    assert_eq!(broker.published().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn it_fails_as_it_is_told_to() {
    let broker = FakeBroker::default();
    let error = BrokerError::new(BrokerFault::Unauthorised, "no");
    broker.refuse_connections(Some(error.clone()));
    assert_eq!(broker.connect().await.map(drop), Err(error.clone()));
    broker.refuse_connections(None);
    broker.send(message("a"));
    let link = broker.connect().await.unwrap();
    broker.fail_refusals(Some(error.clone()));
    let why = Refusal { reason: "malformed", detail: String::new() };
    assert_eq!(next(&*link).await.refuse(&why).await, Err(error.clone()));
    assert_eq!((link.lost().await, broker.depth()), (error, 1));
    broker.hang(true);
    assert!(timeout(Duration::from_mins(1), broker.connect()).await.is_err());
    broker.hang(false);
    let link = broker.connect().await.unwrap();
    let delivery = next(&*link).await;
    broker.hang(true);
    let accept = delivery.accept();
    assert!(timeout(Duration::from_mins(1), accept).await.is_err());
    link.close().await;
    assert_eq!(broker.held(), 0);
}

//! Queues and exchanges.

use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use milvus_backup_agent::broker::BrokerFault::Topology;
use milvus_backup_agent::broker::{Broker, Refusal};

use super::site::{DECLARED, QUEUE, Site, assert_error, assert_refused, next};

#[tokio::test]
async fn what_is_missing_is_declared_and_declared_again_beside_a_second_agent() {
    let site = Site::new();
    let first = site.link(DECLARED).await;
    let second = site.link(DECLARED).await;
    first.close().await;
    let third = site.link(DECLARED).await;
    let listed = |what: &str, columns: &[&str]| {
        let command = [&["-q", what, "-p", site.vhost()], columns].concat();
        site.rabbit.ctl(&command)
    };
    let queues = listed("list_queues", &["name", "durable", "type", "arguments"]);
    let (ours, dead) = queues.lines().partition::<Vec<_>, _>(|line| !line.contains(".dead\t"));
    assert_eq!(dead, ["milvus-backup.prod.dead\ttrue\tquorum\t[{\"x-queue-type\",\"quorum\"}]"]);
    let [_, ours] = ours[..] else { panic!("{queues}") };
    for part in [
        "milvus-backup.prod\ttrue\tquorum",
        "{\"x-dead-letter-exchange\",\"milvus-backup.dead\"}",
        "{\"x-dead-letter-routing-key\",\"milvus-backup.prod\"}",
        "{\"x-delivery-limit\",20}",
        "{\"x-dead-letter-strategy\",\"at-least-once\"}",
    ] {
        assert!(ours.contains(part), "{ours}");
    }
    let exchanges = listed("list_exchanges", &["name", "type", "durable"]);
    assert!(exchanges.contains("milvus-backup\ttopic\ttrue"), "{exchanges}");
    assert!(exchanges.contains("milvus-backup.dead\tdirect\ttrue"), "{exchanges}");

    // It is what an agent finds good that declares nothing.
    let passive = site.link("declare: false").await;
    site.send(QUEUE, b"{}").await;
    next(&*passive).await.accept().await.unwrap();
    for link in [second, third, passive] {
        link.close().await;
    }
    let connections = listed("list_queues", &["name", "consumers"]);
    assert!(connections.contains("milvus-backup.prod\t0"), "{connections}");
}

#[tokio::test]
async fn nothing_is_declared_unasked_and_what_is_missing_is_named_with_the_remedy() {
    let site = Site::new();
    let broker = site.broker("declare: false");
    let declare = "or set `amqp.declare: true`";
    let exchange = ["there is no exchange `milvus-backup`", "a durable topic exchange", declare];
    assert_refused(&broker, Topology, &exchange).await;
    site.client.listen("events", "milvus-backup", "#").await;
    let dead = [
        "there is no dead-letter exchange `milvus-backup.dead`",
        "a durable direct exchange of this name, with a queue bound to it by `milvus-backup.prod`",
        declare,
    ];
    assert_refused(&broker, Topology, &dead).await;
    site.client.listen("dead", "milvus-backup.dead", QUEUE).await;
    let queue = ["there is no queue `milvus-backup.prod`", "a durable quorum queue", declare];
    let error = assert_refused(&broker, Topology, &queue).await;
    let place = format!("RabbitMQ at {}, virtual host `{}`", broker.address(), site.vhost());
    assert!(error.message.starts_with(&place), "{}", error.message);
    site.client.declare(QUEUE, &[]).await;
    drop(broker.connect().await.unwrap());
}

#[tokio::test]
async fn a_queue_or_an_exchange_of_another_kind_is_told_and_can_be_used_as_it_is() {
    let site = Site::new();
    let ours = [
        ("x-dead-letter-exchange", "milvus-backup.dead"),
        ("x-dead-letter-routing-key", QUEUE),
        ("x-overflow", "reject-publish"),
    ];
    site.client.declare(QUEUE, &ours).await;
    let queue = [
        "the queue `milvus-backup.prod` is there with another `x-queue-type`",
        "'quorum'",
        "set `amqp.declare: false` to take it as it is",
    ];
    assert_refused(&site.broker(DECLARED), Topology, &queue).await;

    site.send(QUEUE, b"{}").await;
    let link = site.link("declare: false").await;
    let why = Refusal { reason: "malformed", detail: "no".to_owned() };
    next(&*link).await.refuse(&why).await.unwrap();

    let exchange = ["the exchange `milvus-backup.dead` is there with another `type`", "'direct'"];
    let keys = "declare: true, exchange: milvus-backup.dead";
    assert_refused(&site.broker(keys), Topology, &exchange).await;
}

#[tokio::test]
async fn a_queue_that_someone_has_alone_is_told() {
    let site = Site::new();
    drop(site.link(DECLARED).await);
    let channel = site.client.channel().await;
    let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
    let none = FieldTable::default();
    // A quorum queue of 3.10 lets others in.
    site.client.declare("lone", &[]).await;
    let alone = channel.basic_consume("lone".into(), "".into(), options, none).await.unwrap();
    let link = site.link("queue: lone").await;
    let error = link.next().await.map(drop).unwrap_err();
    let words = ["cannot consume from the queue `lone`", "exclusive use", "end the other consumer"];
    assert_error(&error, Topology, &words);
    drop(alone);

    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("mine".into(), options, FieldTable::default()).await.unwrap();
    let words = ["cannot use the queue `mine`: RESOURCE_LOCKED", "no other connection alone"];
    assert_refused(&site.broker("queue: mine"), Topology, &words).await;
}

//! A vhost with a client of its own, and brokers for it.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::sync::OnceLock;
use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::QueueBindOptions;
use lapin::types::FieldTable;
use milvus_backup_agent::broker::{Broker, BrokerError, BrokerFault, Delivery, Link, RabbitBroker};
use milvus_backup_agent::config::{Environment, load};
use milvus_backup_agent::model::{Address, ClusterName, Letter};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use crate::lab::{Client, Rabbit, rabbit, until};

/// What every test's agent has, unless it says otherwise: these are made.
pub(super) const DECLARED: &str = "declare: true";
pub(super) const QUEUE: &str = "milvus-backup.prod";
pub(super) const EXCHANGE: &str = "milvus-backup";
pub(super) const DEAD: &str = "milvus-backup.prod.dead";

/// A vhost with a client of its own.
pub(super) struct Site {
    pub(super) rabbit: Rabbit,
    pub(super) url: String,
    pub(super) client: Client,
}

impl Site {
    /// One on the shared node.
    pub(super) fn new() -> Self {
        Self::on(&rabbit())
    }

    pub(super) fn on(rabbit: &Rabbit) -> Self {
        let url = rabbit.vhost();
        let client = Client::new(rabbit, &url);
        Self { rabbit: rabbit.clone(), url, client }
    }

    pub(super) fn vhost(&self) -> &str {
        self.url.rsplit_once('/').unwrap().1
    }

    /// A broker whose section `amqp` has these keys, too.
    pub(super) fn broker(&self, keys: &str) -> RabbitBroker {
        broker(&self.url, keys)
    }

    pub(super) async fn link(&self, keys: &str) -> Box<dyn Link> {
        self.broker(keys).connect().await.unwrap()
    }

    /// Puts a message into a queue.
    pub(super) async fn send(&self, queue: &str, body: &[u8]) {
        self.client.publish(queue, body, BasicProperties::default()).await;
    }

    /// Waits until a queue has so many messages: nobody tells when an acknowledgement arrived.
    pub(super) async fn has(&self, queue: &str, count: u64) {
        let what = format!("{queue} to have {count} messages");
        until(&what, async || self.client.depth(queue).await == count).await;
    }

    pub(super) async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let (queue, exchange, key) = (queue.into(), exchange.into(), key.into());
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let channel = self.client.channel().await;
        channel.queue_bind(queue, exchange, key, options, none).await.unwrap();
    }

    /// A user with these rights: to configure, write and read. The URL of the user.
    pub(super) fn user(&self, name: &str, rights: [&str; 3]) -> String {
        // Users are the node's, not the vhost's.
        let vhost = self.vhost();
        let name = format!("{name}-{vhost}");
        let [configure, write, read] = rights;
        self.rabbit.eval(&format!(
            "ok = rabbit_auth_backend_internal:add_user(<<\"{name}\">>, <<\"secret\">>, <<\"lab\">>), \
             ok = rabbit_auth_backend_internal:set_permissions(<<\"{name}\">>, <<\"{vhost}\">>, \
             <<\"{configure}\">>, <<\"{write}\">>, <<\"{read}\">>, <<\"lab\">>)."
        ));
        self.url.replace("guest:guest", &format!("{name}:secret"))
    }
}

/// The broker at a URL.
pub(super) fn broker(url: &str, keys: &str) -> RabbitBroker {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, format!("amqp: {{url: \"{url}\", {keys}}}\n")).unwrap();
    let loaded = load(Some(&file), &Environment::default());
    let config = loaded.unwrap_or_else(|error| panic!("{error}")).config;
    let cluster = ClusterName::new("prod").unwrap();
    RabbitBroker::new(&config.amqp.unwrap(), &cluster, "agent-1")
}

/// A node that has TLS and looks each second for messages that are held for too long. Who has
/// the guard may do with it whatever is [undone](Undo) in the end.
pub(super) async fn own_node() -> (Rabbit, MutexGuard<'static, ()>) {
    static TURNS: Mutex<()> = Mutex::const_new(());
    static NODE: OnceLock<Rabbit> = OnceLock::new();
    let turn = TURNS.lock().await;
    let tick = "{rabbit, [{channel_tick_interval, 1000}]}";
    let options = ["--tls", "--advanced", tick];
    (NODE.get_or_init(|| Rabbit::start_with(&options)).clone(), turn)
}

/// What is done at the end, whatever happens until then.
pub(super) struct Undo<F: Fn()>(pub(super) F);

impl<F: Fn()> Drop for Undo<F> {
    fn drop(&mut self) {
        self.0();
    }
}

/// Why there is no link: the fault, and parts of what is said.
pub(super) async fn assert_refused(
    broker: &RabbitBroker,
    fault: BrokerFault,
    parts: &[&str],
) -> BrokerError {
    let error = broker.connect().await.map(drop).expect_err("a reason");
    assert_error(&error, fault, parts);
    error
}

pub(super) fn assert_error(error: &BrokerError, fault: BrokerFault, parts: &[&str]) {
    let said = format!("{}\nhint: {}", error.message, error.hint.as_deref().unwrap_or_default());
    assert_eq!(error.fault, fault, "{said}");
    for part in parts {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    assert!(!said.contains("secret") && !said.contains("guest:guest"), "{said}");
}

/// The next message, soon.
pub(super) async fn next(link: &dyn Link) -> Box<dyn Delivery> {
    timeout(Duration::from_secs(10), link.next()).await.expect("soon").unwrap()
}

/// That there is none.
pub(super) async fn nothing(link: &dyn Link) {
    let next = timeout(Duration::from_millis(300), link.next()).await;
    let next = next.map(|next| next.map(|delivery| delivery.message().clone()));
    assert!(next.is_err(), "{next:?}");
}

/// Why a link is lost, soon.
pub(super) async fn lost(link: &dyn Link) -> BrokerError {
    timeout(Duration::from_secs(20), link.lost()).await.expect("it is lost soon")
}

pub(super) fn event(id: &str) -> Letter {
    let to = Address::Topic { key: "backup.succeeded".to_owned() };
    Letter { id: id.to_owned(), to, body: format!("{{\"id\": \"{id}\"}}") }
}

pub(super) fn reply(id: &str, queue: &str) -> Letter {
    let correlation_id = Some("c1".to_owned());
    let to = Address::Reply { queue: queue.to_owned(), correlation_id };
    Letter { id: id.to_owned(), to, body: format!("{{\"id\": \"{id}\"}}") }
}

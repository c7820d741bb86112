//! What a broker and its links know from the start.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::{Amqp, AmqpUrl, ClientCertificate};
use crate::model::ClusterName;

/// How long connecting may take, unless the URL says otherwise.
const CONNECT: Duration = Duration::from_secs(10);

/// How often each side shows that it lives, unless the URL says otherwise.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Who we are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// The user of the URL.
    Password,
    /// The user `guest`, which the broker lets in from its own host only.
    Guest,
    /// Whoever our certificate names.
    Certificate,
}

/// What a broker and its links know from the start.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) url: AmqpUrl,
    pub(super) queue: String,
    pub(super) exchange: String,
    pub(super) dead_letter_exchange: String,
    pub(super) declare: bool,
    prefetch: u16,
    /// Whether there was a message that cannot be read.
    unreadable: AtomicBool,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) certificate: Option<ClientCertificate>,
    /// What the broker calls our connections.
    pub(super) name: String,
    /// Who we are, for those who look after dead letters.
    pub(super) agent: String,
}

impl Setup {
    pub(super) fn new(amqp: &Amqp, cluster: &ClusterName, agent: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self {
            url: amqp.url.clone(),
            queue: amqp.queue(cluster),
            exchange: amqp.exchange.clone(),
            dead_letter_exchange: amqp.dead_letter_exchange.clone(),
            declare: amqp.declare,
            prefetch: amqp.prefetch.get(),
            unreadable: AtomicBool::new(false),
            ca_file: amqp.ca_file.clone(),
            certificate: amqp.certificate.clone(),
            name: format!("milvus-backup-agent/{version} {agent} on {cluster}"),
            agent: agent.to_owned(),
        }
    }

    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        format!("RabbitMQ at {}, virtual host `{}`", self.url, self.url.vhost)
    }

    /// Where dead letters of our queue wait.
    pub(super) fn dead_letter_queue(&self) -> String {
        format!("{}.dead", self.queue)
    }

    pub(super) fn login(&self) -> Login {
        match (&self.url.user, &self.certificate) {
            (Some(_), _) => Login::Password,
            (None, Some(_)) => Login::Certificate,
            (None, None) => Login::Guest,
        }
    }

    /// The user, as the broker would call it.
    pub(super) fn user(&self) -> &str {
        match (&self.url.user, self.login()) {
            (Some(user), _) => &user.name,
            (None, Login::Certificate) => "USER",
            (None, Login::Guest | Login::Password) => "guest",
        }
    }

    /// How many messages may be on their way. One, where one of them may end the connection: a
    /// broker counts how often a message came in vain, also for those that were beside it.
    pub(super) fn prefetch(&self) -> u16 {
        if self.unreadable.load(Ordering::Relaxed) { 1 } else { self.prefetch }
    }

    /// There was a message that ended the connection.
    pub(super) fn beware(&self) {
        self.unreadable.store(true, Ordering::Relaxed);
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.url.connection_timeout.unwrap_or(CONNECT)
    }

    /// In whole seconds.
    pub(super) fn heartbeat(&self) -> u16 {
        let heartbeat = self.url.heartbeat.unwrap_or(HEARTBEAT);
        u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX)
    }
}

//! What the broker or the way to it answered → who has to do what.

use std::io;
use std::time::Duration;

use lapin::{Error, ErrorKind};
use rustls_connector::rustls;
use rustls_connector::rustls::CertificateError;

use super::setup::{Login, Setup};
use crate::broker::BrokerFault::{Full, Protocol, Topology, Unauthorised, Unreachable};
use crate::broker::{BrokerError, BrokerFault};

const NOBODY: &str = "check that the broker runs, the host and the port in `amqp.url`, and the \
                      network between";
const NAME: &str = "check the host in `amqp.url`";
const AUTHORITY: &str =
    "set `amqp.ca_file` to the certificate of the authority that signed the broker's";
const NO_TLS: &str = "for a port without TLS write amqp:// in `amqp.url`; the usual one with TLS \
                      is 5671";
const PERHAPS_TLS: &str = "check the port in `amqp.url`; for one with TLS write amqps://";
const OURS: &str = "set `amqp.cert_file` and `amqp.key_file` to a certificate that the broker \
                    trusts";
const UNREADABLE: &str = "where the queue has a delivery limit the broker puts such a message aside \
                          when it came too often; else remove it from the queue";
const LOST: &str = "the agent connects again by itself";

/// The codes of AMQP 0-9-1 that stand for something of ours.
mod code {
    pub(super) const CONNECTION_FORCED: u16 = 320;
    pub(super) const ACCESS_REFUSED: u16 = 403;
    pub(super) const NOT_FOUND: u16 = 404;
    pub(super) const RESOURCE_LOCKED: u16 = 405;
    pub(super) const PRECONDITION_FAILED: u16 = 406;
    pub(super) const NOT_ALLOWED: u16 = 530;
    pub(super) const INTERNAL_ERROR: u16 = 541;
}

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Login,
    Channel,
    Exchange,
    DeadLetterExchange,
    Queue,
    DeadLetterQueue,
    Consume,
    Settle,
    Publish,
    Reply,
    Refuse,
    /// Nothing; it failed by itself.
    Waiting,
}

/// Looking a name up failed.
pub(super) fn unknown_host(setup: &Setup, error: &io::Error) -> BrokerError {
    let message = format!("{}: the host cannot be found: {error}", setup.url);
    BrokerError::new(Unreachable, message).hint(NAME)
}

/// A connection could not be made.
pub(super) fn no_connection(setup: &Setup, error: &io::Error) -> BrokerError {
    BrokerError::new(Unreachable, format!("{}: {error}", setup.url)).hint(NOBODY)
}

/// Something took too long.
pub(super) fn late(setup: &Setup, what: &str, waited: Duration) -> BrokerError {
    let message = format!("{}: {what} within {} s", setup.url, waited.as_secs_f32());
    BrokerError::new(Unreachable, message).hint(NOBODY)
}

/// What a file of ours holds is no good.
pub(super) fn our_file(key: &str, why: &str) -> BrokerError {
    BrokerError::new(Unauthorised, format!("`{key}` {why}")).hint(
        "the agent's user must be able to read it, and it has to be PEM: certificates, or one key \
         without a password in PKCS#8, PKCS#1 or SEC1",
    )
}

/// TLS failed, on either side.
pub(super) fn of_tls(setup: &Setup, error: &io::Error) -> BrokerError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => handshake(setup, inner),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            let message = format!("{}: it closed the connection instead of TLS", setup.url);
            BrokerError::new(Protocol, message).hint(NO_TLS)
        }
        None => no_connection(setup, error),
    }
}

fn handshake(setup: &Setup, error: &rustls::Error) -> BrokerError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add variants")]
    let (fault, hint) = match error {
        rustls::Error::InvalidCertificate(why) => (Unauthorised, of_certificate(why)),
        rustls::Error::AlertReceived(_) => (Unauthorised, OURS),
        rustls::Error::InvalidMessage(_) => (Protocol, NO_TLS),
        _ => (Protocol, "look into the log of the broker"),
    };
    BrokerError::new(fault, format!("{}: TLS failed: {error}", setup.url)).hint(hint)
}

fn of_certificate(why: &CertificateError) -> &'static str {
    #[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add variants")]
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "write the host in `amqp.url` as it stands in the broker's certificate"
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "renew the broker's certificate, or set this machine's clock"
        }
        _ => AUTHORITY,
    }
}

/// A call of lapin failed.
pub(super) fn failed(setup: &Setup, doing: Doing, error: &Error) -> BrokerError {
    if let ErrorKind::ProtocolError(answer) = error.kind() {
        return refused(setup, doing, answer.get_id(), answer.get_message().as_str());
    }
    if let ErrorKind::IOError(io) = error.kind() {
        let cause = io.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        if let Some(cause) = cause {
            return handshake(setup, cause);
        }
        if doing == Doing::Login {
            let message = format!("{}: the connection ended before the login: {io}", setup.url);
            return BrokerError::new(Unreachable, message).hint(PERHAPS_TLS);
        }
        return told(setup, Unreachable, format!("the connection ended: {io}"), LOST);
    }
    if let ErrorKind::ParsingError(_) | ErrorKind::InvalidProtocolVersion(_) = error.kind() {
        if doing == Doing::Login {
            return told(setup, Protocol, "what it says is not AMQP 0-9-1", PERHAPS_TLS);
        }
        setup.beware();
        let message = format!(
            "it sent what cannot be read, as a message of queue `{}` whose properties are not UTF-8",
            setup.queue
        );
        return told(setup, Protocol, message, UNREADABLE);
    }
    if let ErrorKind::MissingHeartbeatError = error.kind() {
        let silence = 2 * setup.heartbeat();
        let message = format!("nothing was heard of it for {silence} s");
        return told(setup, Unreachable, message, NOBODY);
    }
    told(setup, Unreachable, format!("cannot {}: {error}", doing.what(setup)), LOST)
}

fn told(setup: &Setup, fault: BrokerFault, what: impl AsRef<str>, hint: &str) -> BrokerError {
    BrokerError::new(fault, format!("{}: {}", setup.place(), what.as_ref())).hint(hint)
}

/// The broker refused to do something, in a code and its own words.
pub(super) fn refused(setup: &Setup, doing: Doing, code: u16, words: &str) -> BrokerError {
    let what = doing.what(setup);
    let plain = || format!("cannot {what}: {words}");
    match code {
        code::CONNECTION_FORCED => {
            told(setup, Unreachable, format!("it closed the connection: {words}"), LOST)
        }
        code::ACCESS_REFUSED if doing == Doing::Login => {
            told(setup, Unauthorised, format!("it refused the login: {words}"), &login(setup))
        }
        code::ACCESS_REFUSED if words.contains("exclusive use") => {
            told(setup, Topology, plain(), "end the other consumer, which wants the queue alone")
        }
        code::NOT_ALLOWED if words.contains("limit") => {
            told(setup, Unreachable, plain(), "raise the limit, or close other connections")
        }
        code::NOT_ALLOWED if words.contains("not found") => {
            let vhost = &setup.url.vhost;
            let hint =
                format!("make it with `rabbitmqctl add_vhost {vhost}`, or correct `amqp.url`");
            told(setup, Topology, "there is no such virtual host", &hint)
        }
        code::ACCESS_REFUSED | code::NOT_ALLOWED => {
            told(setup, Unauthorised, plain(), &rights(setup, doing))
        }
        code::NOT_FOUND if words.contains("down") => {
            told(setup, Unreachable, plain(), "start the node that has it")
        }
        code::NOT_FOUND => missing(setup, doing, words),
        code::RESOURCE_LOCKED => {
            told(setup, Topology, plain(), "use a queue that belongs to no other connection alone")
        }
        code::PRECONDITION_FAILED if words.contains("timed out") => {
            let hint = "messages are held for too long; look what the agent waits for";
            told(setup, Unreachable, format!("it took a message back: {words}"), hint)
        }
        code::PRECONDITION_FAILED if words.contains("inequivalent") => {
            let property = words.split('\'').nth(1).unwrap_or("property");
            let message = format!("{what} is there with another `{property}`: {words}");
            let hint = "delete it once it is of no use any more, or set `amqp.declare: false` to \
                        take it as it is";
            told(setup, Topology, message.trim_start_matches("use "), hint)
        }
        code::INTERNAL_ERROR => told(setup, Unreachable, plain(), "look into the broker's log"),
        _ => told(setup, Protocol, plain(), "look into the broker's log"),
    }
}

fn login(setup: &Setup) -> String {
    match setup.login() {
        Login::Password => "check user and password in `amqp.url`".to_owned(),
        Login::Guest => "write user and password into `amqp.url`; without them the agent is \
                         `guest`, who may come from the broker's own host only"
            .to_owned(),
        Login::Certificate => "the broker needs the plugin rabbitmq_auth_mechanism_ssl, \
                               `auth_mechanisms.1 = EXTERNAL` and a user of the certificate's name"
            .to_owned(),
    }
}

fn rights(setup: &Setup, doing: Doing) -> String {
    let (vhost, user) = (&setup.url.vhost, setup.user());
    let need = match doing {
        Doing::Login => {
            return format!(
                "name the virtual host that the user is for at the end of `amqp.url`, or give \
                 the user rights: `rabbitmqctl set_permissions -p {vhost} {user} CONFIGURE WRITE READ`"
            );
        }
        Doing::Channel | Doing::Settle | Doing::Waiting => "rights".to_owned(),
        Doing::Exchange | Doing::DeadLetterExchange | Doing::Queue | Doing::DeadLetterQueue => {
            "to configure, write and read what it declares".to_owned()
        }
        Doing::Consume => format!("to read `{}`", setup.queue),
        Doing::Publish => format!("to write `{}`", setup.exchange),
        Doing::Reply => "to write `amq.default`".to_owned(),
        Doing::Refuse => format!("to write `{}`", setup.dead_letter_exchange),
    };
    format!(
        "the user needs {need}: `rabbitmqctl set_permissions -p {vhost} {user} CONFIGURE WRITE READ`"
    )
}

fn missing(setup: &Setup, doing: Doing, words: &str) -> BrokerError {
    let (exchange, queue) = (&setup.exchange, &setup.queue);
    let dead = &setup.dead_letter_exchange;
    let (what, kind) = match doing {
        Doing::Exchange | Doing::Publish => {
            (format!("exchange `{exchange}`"), "a durable topic exchange of this name".to_owned())
        }
        Doing::DeadLetterExchange | Doing::Refuse => (
            format!("dead-letter exchange `{dead}`"),
            format!(
                "a durable direct exchange of this name, with a queue bound to it by `{queue}`"
            ),
        ),
        Doing::Queue | Doing::Consume => {
            (format!("queue `{queue}`"), "a durable quorum queue of this name".to_owned())
        }
        Doing::Login
        | Doing::Channel
        | Doing::DeadLetterQueue
        | Doing::Settle
        | Doing::Reply
        | Doing::Waiting => {
            let message = format!("cannot {}: {words}", doing.what(setup));
            return told(setup, Topology, message, "look what was deleted on the broker");
        }
    };
    let hint = if setup.declare {
        "the next connection makes it again".to_owned()
    } else {
        format!("make {kind}, or set `amqp.declare: true`")
    };
    told(setup, Topology, format!("there is no {what}"), &hint)
}

impl Doing {
    /// After "cannot".
    fn what(self, setup: &Setup) -> String {
        match self {
            Self::Login => "open the virtual host".to_owned(),
            Self::Channel => "open a channel".to_owned(),
            Self::Exchange => format!("use the exchange `{}`", setup.exchange),
            Self::DeadLetterExchange => {
                format!("use the dead-letter exchange `{}`", setup.dead_letter_exchange)
            }
            Self::Queue => format!("use the queue `{}`", setup.queue),
            Self::DeadLetterQueue => format!("use the queue `{}`", setup.dead_letter_queue()),
            Self::Consume => format!("consume from the queue `{}`", setup.queue),
            Self::Settle => "say what becomes of a message".to_owned(),
            Self::Publish => format!("publish to the exchange `{}`", setup.exchange),
            Self::Reply => "answer".to_owned(),
            Self::Refuse => {
                format!("put a message aside in the exchange `{}`", setup.dead_letter_exchange)
            }
            Self::Waiting => "go on".to_owned(),
        }
    }
}

/// The broker did not take a message.
pub(super) fn not_taken(setup: &Setup, exchange: &str) -> BrokerError {
    let message = format!("it did not take a message to the exchange `{exchange}`");
    let hint =
        "a queue behind it is full, or has lost most of its nodes; look into the broker's log";
    told(setup, Full, message, hint)
}

/// A name is longer than AMQP allows.
pub(super) fn too_long(setup: &Setup, name: &str) -> BrokerError {
    let message = format!("`{name}` is longer than the 255 bytes that AMQP allows");
    told(setup, Protocol, message, "shorten it")
}

//! One connection.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt};
use lapin::options::ConfirmSelectOptions;
use lapin::runtime::default_runtime;
use lapin::uri::{
    AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism,
};
use lapin::{AsyncTcpStream, Channel, ConnectionProperties, ConnectionStatus, Event};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::fate::Fate;
use super::faults::{self, Doing};
use super::patience::Until;
use super::setup::{Login, Setup};
use super::socket::{Socket, addresses, encrypted};
use crate::broker::{BrokerError, BrokerFault, BrokerResult};

/// How long a good end may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often it is looked at, for what no event tells.
const LOOK: Duration = Duration::from_secs(1);

/// One connection. Dropped, it is cut.
pub(super) struct Connection {
    setup: Arc<Setup>,
    lapin: Arc<lapin::Connection>,
    blocked: watch::Receiver<Option<String>>,
    /// Tells what happens to it.
    _watching: JoinSet<()>,
    _socket: Socket,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Connection {
    /// Opens one; `what` says in the broker's lists what it does.
    pub(super) async fn open(
        setup: &Arc<Setup>,
        fate: &Fate,
        what: &str,
        until: Until,
    ) -> BrokerResult<Self> {
        let broken = |error: io::Error| faults::no_connection(setup, &error);
        let runtime =
            default_runtime().map_err(|error| faults::failed(setup, Doing::Login, &error))?;
        let mut found = Err(broken(io::ErrorKind::AddrNotAvailable.into()));
        for (address, until) in addresses(setup, until).await? {
            let connecting = AsyncTcpStream::connect(&runtime, address);
            let connected = until.wait(setup, "nobody answered", connecting).await;
            found = connected.and_then(|connected| connected.map_err(broken));
            if found.is_ok() {
                break;
            }
        }
        let AsyncTcpStream::Plain(plain) = found? else {
            return Err(broken(io::ErrorKind::Unsupported.into()));
        };
        let socket = Socket::of(plain.get_ref()).map_err(broken)?;
        let stream = encrypted(setup, until, AsyncTcpStream::Plain(plain)).await?;

        // It is asked for once: nothing is repaired in place.
        let stream = Mutex::new(Some(stream));
        let hand_over = async move |_, _| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
        };
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("{}, {what}", setup.name).into())
            .with_client_property("product".into(), "milvus-backup-agent".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
        let login = lapin::Connection::connector(uri(setup), runtime, hand_over, properties);
        let login = until.wait(setup, "it says nothing of AMQP", login).await?;
        let lapin = login.map_err(|error| faults::failed(setup, Doing::Login, &error))?;

        let (tell, blocked) = watch::channel(None);
        let watching = Watching {
            setup: Arc::clone(setup),
            fate: fate.clone(),
            status: lapin.status().clone(),
            blocked: tell,
        };
        let watching = JoinSet::from_iter([watching.go_on(lapin.events_listener())]);
        Ok(Self {
            setup: Arc::clone(setup),
            lapin: Arc::new(lapin),
            blocked,
            _watching: watching,
            _socket: socket,
        })
    }

    /// A new channel.
    pub(super) async fn channel(&self) -> BrokerResult<Channel> {
        let channel = self.lapin.create_channel().await;
        channel.map_err(|error| faults::failed(&self.setup, Doing::Channel, &error))
    }

    /// What opens channels whose messages are confirmed.
    pub(super) fn confirming(&self) -> Confirming {
        Confirming {
            setup: Arc::clone(&self.setup),
            lapin: Arc::clone(&self.lapin),
            blocked: self.blocked.clone(),
        }
    }

    /// Why it takes nothing at the moment.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.borrow().clone()
    }

    /// Ends it in good order, if the broker does its part soon.
    pub(super) async fn close(&self) {
        match timeout(FAREWELL, self.lapin.close(200, "OK".into())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection ended before it was closed"),
            Err(_) => tracing::debug!("the broker did not answer to the end of a connection"),
        }
    }
}

/// What opens channels whose messages are confirmed.
#[derive(Clone)]
pub(super) struct Confirming {
    pub(super) setup: Arc<Setup>,
    lapin: Arc<lapin::Connection>,
    pub(super) blocked: watch::Receiver<Option<String>>,
}

impl fmt::Debug for Confirming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirming").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Confirming {
    pub(super) async fn channel(&self) -> BrokerResult<Channel> {
        let open = async {
            let channel = self.lapin.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        };
        open.await.map_err(|error| faults::failed(&self.setup, Doing::Channel, &error))
    }
}

/// Tells what happens to a connection.
struct Watching {
    setup: Arc<Setup>,
    fate: Fate,
    status: ConnectionStatus,
    blocked: watch::Sender<Option<String>>,
}

impl Watching {
    async fn go_on(self, mut events: impl Stream<Item = Event> + Unpin) {
        let mut look = interval(LOOK);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = look.tick() => {
                    if self.status.connected() {
                        continue;
                    }
                    None
                }
            };
            match event {
                Some(Event::ConnectionBlocked(reason)) => {
                    self.blocked.send_replace(Some(reason));
                }
                Some(Event::ConnectionUnblocked) => {
                    self.blocked.send_replace(None);
                }
                // A channel may fail alone; whoever uses it hears of it.
                Some(Event::Error(error)) if !error.is_amqp_soft_error() => {
                    self.fate.failed(faults::failed(&self.setup, Doing::Waiting, &error));
                }
                Some(_) => {}
                None => {
                    let message = format!("{}: the connection was closed", self.setup.place());
                    self.fate.failed(BrokerError::new(BrokerFault::Unreachable, message));
                    return;
                }
            }
        }
    }
}

fn uri(setup: &Setup) -> AMQPUri {
    let url = &setup.url;
    let userinfo = url.user.as_ref().map(|user| AMQPUserInfo {
        username: user.name.clone(),
        password: user.password.reveal().clone(),
    });
    let auth_mechanism = match setup.login() {
        Login::Password | Login::Guest => SASLMechanism::Plain,
        Login::Certificate => SASLMechanism::External,
    };
    AMQPUri {
        scheme: if url.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: userinfo.unwrap_or_default(),
            host: url.host.clone(),
            port: url.port,
        },
        vhost: url.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(setup.heartbeat()),
            auth_mechanism: Some(auth_mechanism),
            ..AMQPQueryString::default()
        },
    }
}

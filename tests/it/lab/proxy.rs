//! A TCP proxy that cuts, refuses, stalls and slows connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of a connection by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Weather {
    Fine,
    /// It ends after so many bytes of answers.
    Cut(usize),
    /// After so many bytes of answers nothing comes any more.
    Stall(usize),
    /// A breath between pieces, then it ends.
    Slow(usize),
}

/// Where bytes go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// A proxy in front of a server. Its connections end with it.
pub(crate) struct Proxy {
    /// Host and port.
    pub(crate) address: String,
    road: Arc<Road>,
    listener: JoinSet<()>,
}

/// What all connections share.
struct Road {
    server: String,
    weather: Mutex<Box<dyn FnMut() -> Weather + Send>>,
    faults: AtomicUsize,
    /// How often all connections were cut.
    cuts: watch::Sender<usize>,
    to_server: Gate,
    to_client: Gate,
}

/// How many bytes may still pass, if there is a limit.
struct Gate(watch::Sender<Option<usize>>);

impl Proxy {
    /// One that does nothing by itself.
    pub(crate) async fn start(server: &str) -> Self {
        Self::start_in(server, || Weather::Fine).await
    }

    /// One that asks what becomes of each new connection.
    pub(crate) async fn start_in(
        server: &str,
        weather: impl FnMut() -> Weather + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let road = Arc::new(Road {
            server: server.to_owned(),
            weather: Mutex::new(Box::new(weather)),
            faults: AtomicUsize::new(0),
            cuts: watch::Sender::default(),
            to_server: Gate(watch::Sender::default()),
            to_client: Gate(watch::Sender::default()),
        });
        let mut proxy = Self { address, road, listener: JoinSet::new() };
        proxy.listener.spawn(accept(listener, Arc::clone(&proxy.road)));
        proxy
    }

    /// How many connections were cut or stalled by the weather.
    pub(crate) fn faults(&self) -> usize {
        self.road.faults.load(Ordering::Relaxed)
    }

    /// Ends all connections, in the midst of whatever they carry. New ones are welcome.
    pub(crate) fn cut(&self) {
        self.road.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Ends all connections, and has none listen.
    pub(crate) async fn refuse(&mut self) {
        self.listener.shutdown().await;
    }

    /// Listens again after [`Self::refuse`].
    pub(crate) async fn welcome(&mut self) {
        let listener = TcpListener::bind(&self.address).await.expect("the port is free");
        self.listener.spawn(accept(listener, Arc::clone(&self.road)));
    }

    /// Lets so many more bytes pass one way, on all connections together, and then nothing
    /// until [`Self::go_on`]. A frame of AMQP has 7 bytes before its content.
    pub(crate) fn stall(&self, way: Way, after: usize) {
        self.road.gate(way).0.send_replace(Some(after));
    }

    /// Waits until bytes are held back, or the next ones would be.
    pub(crate) async fn stalled(&self, way: Way) {
        let mut gate = self.road.gate(way).0.subscribe();
        gate.wait_for(|left| *left == Some(0)).await.expect("the gate is ours");
    }

    /// Lets pass what was held back, and everything that follows.
    pub(crate) fn go_on(&self) {
        self.road.to_server.0.send_replace(None);
        self.road.to_client.0.send_replace(None);
    }
}

impl Road {
    fn gate(&self, way: Way) -> &Gate {
        match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
        }
    }

    fn weather(&self) -> Weather {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)()
    }
}

impl Gate {
    /// How many of so many bytes may pass now.
    fn take(&self, wanted: usize) -> usize {
        let mut taken = wanted;
        self.0.send_if_modified(|left| {
            let Some(left) = left else { return false };
            taken = wanted.min(*left);
            *left -= taken;
            taken > 0
        });
        taken
    }

    async fn opened(&self) {
        let open = |left: &Option<usize>| *left != Some(0);
        self.0.subscribe().wait_for(open).await.expect("the gate is ours");
    }
}

async fn accept(listener: TcpListener, road: Arc<Road>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let weather = road.weather();
        let mut cuts = road.cuts.subscribe();
        let road = Arc::clone(&road);
        connections.spawn(async move {
            tokio::select! {
                _ = cuts.changed() => {}
                () = pass(client, weather, &road) => {}
            }
        });
    }
}

async fn pass(client: TcpStream, weather: Weather, road: &Road) {
    let Ok(server) = TcpStream::connect(&road.server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pour(from_client, to_server, Weather::Fine, Way::ToServer, road) => {}
        () = pour(from_server, to_client, weather, Way::ToClient, road) => {}
    }
}

async fn pour(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    weather: Weather,
    way: Way,
    road: &Road,
) {
    let mut buffer = [0; 512];
    let mut poured = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        match weather {
            Weather::Cut(after) | Weather::Stall(after) | Weather::Slow(after)
                if poured + count > after =>
            {
                road.faults.fetch_add(1, Ordering::Relaxed);
                if matches!(weather, Weather::Stall(_)) {
                    std::future::pending::<()>().await;
                }
                return;
            }
            Weather::Slow(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Weather::Fine | Weather::Cut(_) | Weather::Stall(_) => {}
        }
        poured += count;
        let mut piece = &buffer[..count];
        while !piece.is_empty() {
            let (now, later) = piece.split_at(road.gate(way).take(piece.len()));
            if to.write_all(now).await.is_err() {
                return;
            }
            piece = later;
            if !piece.is_empty() {
                road.gate(way).opened().await;
            }
        }
    }
}

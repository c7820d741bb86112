//! A TCP proxy that cuts, stalls and slows connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::storm::Storm;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy)]
enum Weather {
    Fine,
    /// It ends after so many bytes of answers.
    Cut(usize),
    /// After so many bytes of answers nothing comes any more.
    Stall(usize),
    /// A breath between pieces, then it ends.
    Slow(usize),
}

/// A proxy in front of a server.
pub(super) struct Proxy {
    pub(super) address: String,
    faults: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(super) async fn start(server: &str, seed: u64) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let faults = Arc::<AtomicUsize>::default();
        let mut tasks = JoinSet::new();
        let counter = Arc::clone(&faults);
        tasks.spawn(async move {
            let mut storm = Storm::new(seed);
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let weather = weather(&mut storm);
                connections.spawn(pass(client, server.clone(), weather, Arc::clone(&counter)));
            }
        });
        Self { address, faults, _tasks: tasks }
    }

    /// How many connections were cut or stalled.
    pub(super) fn faults(&self) -> usize {
        self.faults.load(Ordering::Relaxed)
    }
}

/// A client keeps its good connections, so there are none: a large answer is always cut.
fn weather(storm: &mut Storm) -> Weather {
    let bytes = 600 + storm.below(6000);
    match storm.below(8) {
        0..3 => Weather::Cut(bytes),
        3 => Weather::Stall(bytes),
        4..6 => Weather::Slow(bytes),
        _ => Weather::Cut(bytes * 2),
    }
}

async fn pass(client: TcpStream, server: String, weather: Weather, faults: Arc<AtomicUsize>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pour(from_client, to_server, Weather::Fine, &faults) => {}
        () = pour(from_server, to_client, weather, &faults) => {}
    }
}

async fn pour(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    weather: Weather,
    faults: &AtomicUsize,
) {
    let mut buffer = [0; 512];
    let mut poured = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        match weather {
            Weather::Cut(after) | Weather::Stall(after) | Weather::Slow(after)
                if poured + count > after =>
            {
                faults.fetch_add(1, Ordering::Relaxed);
                if matches!(weather, Weather::Stall(_)) {
                    std::future::pending::<()>().await;
                }
                return;
            }
            Weather::Slow(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Weather::Fine | Weather::Cut(_) | Weather::Stall(_) => {}
        }
        poured += count;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

//! The socket below a connection.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;

use futures::io::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;
use tokio::net::lookup_host;

use super::patience::Until;
use super::setup::Setup;
use super::{faults, tls};
use crate::broker::BrokerResult;

/// A second hand on the socket that a thread of lapin's reads. Dropped, it ends both.
#[derive(Debug)]
pub(super) struct Socket(TcpStream);

impl Socket {
    pub(super) fn of(stream: &impl AsFd) -> io::Result<Self> {
        Ok(Self(TcpStream::from(stream.as_fd().try_clone_to_owned()?)))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown(Shutdown::Both) {
            tracing::trace!(%error, "the other side had closed it");
        }
    }
}

/// Where the host may be, each with its share of the time that is left.
pub(super) async fn addresses(
    setup: &Setup,
    until: Until,
) -> BrokerResult<Vec<(SocketAddr, Until)>> {
    let look = lookup_host((&*setup.url.host, setup.url.port));
    let found = until.wait(setup, "the host was not found", look).await?;
    let found = found.map_err(|error| faults::unknown_host(setup, &error))?;
    let found: Vec<SocketAddr> = found.collect();
    let count = found.len();
    Ok(found
        .into_iter()
        .enumerate()
        .map(|(at, address)| (address, until.share(count - at)))
        .collect())
}

/// The same connection, encrypted if it has to be.
pub(super) async fn encrypted<S>(
    setup: &Setup,
    until: Until,
    stream: AsyncTcpStream<S>,
) -> BrokerResult<AsyncTcpStream<S>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if !setup.url.tls {
        return Ok(stream);
    }
    let connector = tls::connector(setup.ca_file.as_deref(), setup.certificate.as_ref()).await?;
    let handshake = stream.into_rustls(&connector, &setup.url.host);
    let done = until.wait(setup, "TLS was not agreed on", handshake).await?;
    done.map_err(|error| faults::of_tls(setup, &error))
}

//! A port, and what answers on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::model::Secret;
use crate::status::StatusView;

use super::routes::routes;
use super::{ApiError, Readiness};

/// How long an open request may go on after the stop: no answer takes long.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// What a listener is for.
#[derive(Debug, Clone)]
pub enum Surface {
    /// `api.listen`, with the token that clients have to show, if there is one.
    Whole(Option<Secret<String>>),
    /// `metrics.listen`.
    MetricsOnly,
}

impl Surface {
    fn key(&self) -> &'static str {
        match self {
            Self::Whole(_) => "api.listen",
            Self::MetricsOnly => "metrics.listen",
        }
    }
}

/// What there is to see.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The metrics of the process.
    pub metrics: Metrics,
    /// What it waits for.
    pub readiness: watch::Receiver<Readiness>,
    /// How it all stands.
    pub status: watch::Receiver<Arc<StatusView>>,
}

/// A listener that has its port.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    routes: Router,
}

impl Server {
    /// Takes the port.
    pub async fn bind(
        address: SocketAddr,
        surface: Surface,
        shown: Shown,
    ) -> Result<Self, ApiError> {
        let key = surface.key();
        let failed = |source| ApiError { address, key, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, routes: routes(surface, shown) })
    }

    /// Where it listens: the port that it got where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is told to stop.
    pub async fn serve(self, stop: CancellationToken) {
        let served = axum::serve(self.listener, self.routes)
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        let too_long = async {
            stop.cancelled().await;
            sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            // It goes on after whatever a connection does wrong, and never fails.
            _ = served => {}
            () = too_long => tracing::debug!(address = %self.address, "a connection was cut off"),
        }
    }
}

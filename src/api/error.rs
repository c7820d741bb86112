//! Why the agent cannot listen.

use std::io;
use std::net::SocketAddr;

use crate::model::ErrorKind;

/// A listener that cannot be had. `Display` names the address; the cause is its source.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} (`{key}`)")]
pub struct ApiError {
    pub(super) address: SocketAddr,
    pub(super) key: &'static str,
    #[source]
    pub(super) source: io::Error,
}

impl ApiError {
    /// Always [`ErrorKind::Usage`]: the configuration asks for what the host does not give.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        let key = self.key;
        if self.source.kind() == io::ErrorKind::AddrInUse {
            let port = self.address.port();
            return format!(
                "another agent or program has port {port}: stop it, or set `{key}` to another port"
            );
        }
        format!("set `{key}` to an address of this host and a port from 1024 on")
    }
}

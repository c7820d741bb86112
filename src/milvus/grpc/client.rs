//! The channel to one Milvus.

use std::fmt;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use url::Url;

use crate::milvus::rest::Rest;
use crate::milvus::{MilvusError, MilvusErrorKind, MilvusResult};

use super::proto::milvus::milvus_service_client::MilvusServiceClient;

/// The generated client.
pub(super) type Client = MilvusServiceClient<Channel>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Milvus refuses pings that come more often than every 5 s.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The segments of a large collection are far above tonic's 4 MiB.
const LARGEST_ANSWER_BYTES: usize = 256 << 20;

/// A Milvus server at an address.
#[derive(Clone)]
pub struct GrpcMilvus {
    address: String,
    client: Client,
    rest: Rest,
}

impl GrpcMilvus {
    /// Connects at the first call; needs a tokio runtime around it.
    pub fn new(address: &Url) -> MilvusResult<Self> {
        let text = address.as_str().trim_end_matches('/').to_owned();
        let refused = |message: String| {
            MilvusError::new(format!("open {text}"), MilvusErrorKind::Other, message)
        };
        match address.scheme() {
            "http" => {}
            "https" => return Err(refused("TLS is not supported yet; use http://".to_owned())),
            other => {
                return Err(refused(format!("`{other}` is no scheme of Milvus; use http://")));
            }
        }
        let endpoint = Endpoint::from_shared(text.clone())
            .map_err(|error| refused(error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let client = MilvusServiceClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(LARGEST_ANSWER_BYTES);
        Ok(Self { address: text, client, rest: Rest::new(address.clone()) })
    }

    /// Says who asks to the server's REST interface: `user:password`, or a token.
    #[must_use]
    pub fn with_bearer(mut self, token: &str) -> Self {
        self.rest = self.rest.with_bearer(token);
        self
    }

    pub(super) fn address_text(&self) -> &str {
        &self.address
    }

    /// The same server's REST interface.
    pub(super) fn rest(&self) -> &Rest {
        &self.rest
    }

    /// A handle on the one connection; cheap.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }
}

impl fmt::Debug for GrpcMilvus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcMilvus").field("address", &self.address).finish_non_exhaustive()
    }
}

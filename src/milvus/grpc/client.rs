//! The channel to one Milvus.

use std::fmt;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use url::Url;

use crate::config::MilvusAccess;
use crate::milvus::rest::Rest;
use crate::milvus::{MilvusError, MilvusErrorKind, MilvusResult};

use super::api::DEFAULT_DATABASE;
use super::call::{Ask, Kind, rpc};
use super::login::Login;
use super::proto::milvus::milvus_service_client::MilvusServiceClient;
use super::proto::{common, milvus};
use super::tls::{Secured, Speaks};

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
    login: Option<Login>,
}

impl GrpcMilvus {
    /// Connects at the first call, with TLS where `address` begins with `https`; needs a tokio
    /// runtime around it.
    pub fn new(address: &Url, access: &MilvusAccess) -> MilvusResult<Self> {
        let text = address.as_str().trim_end_matches('/').to_owned();
        let refused = |message: String| {
            MilvusError::new(format!("open {text}"), MilvusErrorKind::Other, message)
        };
        let secured = match address.scheme() {
            "http" => None,
            "https" => Some(Secured::of(address, access)),
            other => {
                let message = format!("`{other}` is no scheme of Milvus; use http:// or https://");
                return Err(refused(message));
            }
        };
        let endpoint = Endpoint::from_shared(text.clone())
            .map_err(|error| refused(error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        let rest = Rest::new(address, access);
        let channel = match secured {
            None => endpoint.connect_lazy(),
            Some(secured) => endpoint.connect_with_connector_lazy(service_fn(move |_| {
                let secured = secured.clone();
                async move { secured.connect(Speaks::Grpc).await }
            })),
        };
        let client =
            MilvusServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER_BYTES);
        let login = access.login.as_ref().map(Login::new);
        Ok(Self { address: text, client, rest, login })
    }

    /// Who we are to this server, if we say so.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
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

    /// The version, from servers that tell it at the connection.
    pub(super) async fn build_tag(&self) -> MilvusResult<String> {
        let client_info = common::ClientInfo {
            sdk_type: env!("CARGO_PKG_NAME").to_owned(),
            sdk_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let message = milvus::ConnectRequest { client_info: Some(client_info) };
        let (kind, database) = (Kind::Read, DEFAULT_DATABASE);
        let ask = Ask { kind, operation: "connect".to_owned(), database, message };
        let answer: milvus::ConnectResponse = self.call(ask, rpc!(connect)).await?;
        Ok(answer.server_info.unwrap_or_default().build_tags)
    }
}

impl fmt::Debug for GrpcMilvus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcMilvus").field("address", &self.address).finish_non_exhaustive()
    }
}

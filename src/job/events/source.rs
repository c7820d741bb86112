//! Who tells of a run.

use serde::{Deserialize, Serialize};

use crate::model::ClusterName;

/// Whose run it is, as the `source` of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSource {
    /// The cluster.
    pub(super) cluster: ClusterName,
    /// The path below it.
    by: String,
}

impl EventSource {
    /// An agent, by its name among those on one repository.
    pub fn agent(cluster: ClusterName, agent: &str) -> Self {
        Self { cluster, by: format!("agents/{}", encoded(agent)) }
    }

    /// A command that someone ran on a host.
    pub fn host(cluster: ClusterName, host: &str) -> Self {
        Self { cluster, by: format!("hosts/{}", encoded(host)) }
    }

    /// The URI reference.
    pub(super) fn uri(&self) -> String {
        format!("/clusters/{}/{}", self.cluster, self.by)
    }
}

/// What is not a letter, a digit or one of `-._~`, percent-encoded
/// ([RFC 3986, 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)).
fn encoded(text: &str) -> String {
    let encode = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::EventSource;
    use crate::model::ClusterName;

    #[test]
    fn a_source_is_a_uri_whatever_the_host_is_called() {
        let cluster = ClusterName::new("milvus-1.example").unwrap();
        let source = EventSource::host(cluster.clone(), "a b/ü?");
        assert_eq!(source.uri(), "/clusters/milvus-1.example/hosts/a%20b%2F%C3%BC%3F");
        assert_eq!(
            EventSource::agent(cluster, "00ff").uri(),
            "/clusters/milvus-1.example/agents/00ff"
        );
    }
}

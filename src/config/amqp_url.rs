//! The address of a broker, which holds a password.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use super::parse::Invalid;
use crate::model::Secret;

/// Where a broker is, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpUrl {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The virtual host.
    pub vhost: String,
    /// Who we are, if we say so by name.
    pub user: Option<AmqpUser>,
    /// How often each side shows that it lives; without one, the agent chooses.
    pub heartbeat: Option<Duration>,
    /// How long connecting may take; without one, the agent chooses.
    pub connection_timeout: Option<Duration>,
}

/// A user of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Secret<String>,
}

/// Without the user.
impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        let host = &self.host;
        let bracketed = host.contains(':').then(|| format!("[{host}]"));
        write!(f, "{scheme}://{}:{}", bracketed.as_ref().unwrap_or(host), self.port)
    }
}

const EXAMPLE: &str = "expected an address such as amqps://user:password@host:5671/vhost";

/// Reads the address; nothing of it is in a message, since all of it may be a password.
pub(crate) fn parse(text: &str) -> Result<AmqpUrl, Invalid> {
    let encode = "in user, password and virtual host write `/` as %2F, `@` as %40, `:` as %3A, \
                  `?` as %3F, `#` as %23 and `%` as %25";
    let wrong = || Invalid::new(EXAMPLE).hint(encode);
    let decode = |text: &str| {
        let whole = percent_decode_str(text).decode_utf8().map_err(|_| wrong())?;
        let clean = whole.len() <= 255 && !whole.chars().any(char::is_control);
        if clean { Ok(whole.into_owned()) } else { Err(wrong()) }
    };
    let url = Url::parse(text).map_err(|_| wrong())?;
    let (tls, default_port) = match url.scheme() {
        "amqp" => (false, 5672),
        "amqps" => (true, 5671),
        _ => return Err(wrong()),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    let host = decode(host.trim_start_matches('[').trim_end_matches(']'))?;
    let path = url.path().strip_prefix('/').unwrap_or_default();
    if path.contains(['/', '@']) || url.fragment().is_some() {
        return Err(wrong());
    }
    let vhost = if path.is_empty() { "/".to_owned() } else { decode(path)? };
    let user = match (url.username(), url.password()) {
        ("", None) => None,
        (name, Some(password)) if !name.is_empty() => {
            Some(AmqpUser { name: decode(name)?, password: Secret::new(decode(password)?) })
        }
        _ => return Err(Invalid::new("must hold a user and a password, or neither").hint(encode)),
    };
    let port = url.port().unwrap_or(default_port);
    let (mut heartbeat, mut connection_timeout) = (None, None);
    for (key, value) in url.query_pairs() {
        let number = value.parse::<u64>().ok();
        match &*key {
            "heartbeat" => heartbeat = Some(within(number, 300).map(Duration::from_secs)?),
            "connection_timeout" => {
                connection_timeout = Some(within(number, 300_000).map(Duration::from_millis)?);
            }
            _ => return Err(Invalid::new(PARAMETERS)),
        }
    }
    Ok(AmqpUrl { tls, host, port, vhost, user, heartbeat, connection_timeout })
}

const PARAMETERS: &str = "has parameters other than `heartbeat`, in seconds up to 300, and \
                          `connection_timeout`, in milliseconds up to 300000";

fn within(number: Option<u64>, most: u64) -> Result<u64, Invalid> {
    number.filter(|number| (1..=most).contains(number)).ok_or_else(|| Invalid::new(PARAMETERS))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;

    #[test]
    fn an_address_says_where_and_who() {
        let url = parse("amqps://a%40b:p%2Fw%3A@h.example:1/v%2fx").unwrap();
        assert_eq!((url.tls, &*url.host, url.port, &*url.vhost), (true, "h.example", 1, "v/x"));
        let user = url.user.as_ref().unwrap();
        assert_eq!((&*user.name, &**user.password.reveal()), ("a@b", "p/w:"));
        assert_eq!(url.to_string(), "amqps://h.example:1");
        assert!(!format!("{url:?}").contains("p/w"), "{url:?}");
        for (text, host, port, vhost) in [
            ("amqp://h", "h", 5672, "/"),
            ("amqps://h/", "h", 5671, "/"),
            ("amqp://127.0.0.1/%2F", "127.0.0.1", 5672, "/"),
            ("amqp://[::1]:1/b", "::1", 1, "b"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!((&*url.host, url.port, &*url.vhost), (host, port, vhost), "{text}");
            assert_eq!((url.user, url.heartbeat, url.connection_timeout), (None, None, None));
        }
        assert_eq!(parse("amqp://[::1]").unwrap().to_string(), "amqp://[::1]:5672");
        let url = parse("amqp://h?heartbeat=30&connection_timeout=5000").unwrap();
        assert_eq!(url.heartbeat, Some(Duration::from_secs(30)));
        assert_eq!(url.connection_timeout, Some(Duration::from_secs(5)));
    }

    #[test]
    fn what_is_wrong_is_told_without_a_word_of_it() {
        for (text, message) in [
            ("hunter2", "expected an address"),
            ("http://a:hunter2@b", "expected an address"),
            ("amqp:hunter2", "expected an address"),
            ("amqp://", "expected an address"),
            ("amqp://a:hun#ter2@b", "expected an address"),
            ("amqp://a:5/hunter2@b", "expected an address"),
            ("amqp://a:5?hunter2@b", "has parameters other"),
            ("amqp://a:%ffhunter2@b", "expected an address"),
            ("amqp://a:hunter2%0a@b", "expected an address"),
            ("amqp://b/c/hunter2", "expected an address"),
            ("amqp://hunter2@b", "must hold a user and a password"),
            ("amqp://:hunter2@b", "must hold a user and a password"),
            ("amqp://b?heartbeat=0", "has parameters other"),
            ("amqp://b?heartbeat=301", "has parameters other"),
            ("amqp://b?connection_timeout=hunter2", "has parameters other"),
            ("amqp://b?cacertfile=hunter2", "has parameters other"),
        ] {
            let invalid = parse(text).unwrap_err();
            assert!(invalid.message.starts_with(message), "{text}: {}", invalid.message);
            assert!(!format!("{invalid:?}").contains("hunter2"), "{invalid:?}");
        }
    }
}

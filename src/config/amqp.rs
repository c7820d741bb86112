//! The message broker.

use std::num::NonZeroU16;
use std::path::PathBuf;

use super::amqp_url::{self, AmqpUrl};
use super::certificate::{self, ClientCertificate};
use super::keys::Key;
use super::parse::{self, Invalid};
use super::reader::Reader;
use super::table::KEYS;
use crate::model::{ClusterName, Diagnostic};

const URL: &str = "amqp.url";
const CA_FILE: &str = "amqp.ca_file";
const CERT_FILE: &str = "amqp.cert_file";
const KEY_FILE: &str = "amqp.key_file";
const DEAD_LETTER_EXCHANGE: &str = "amqp.dead_letter_exchange";

/// What a name may have in AMQP, less what we append to it.
const MAX_NAME: usize = 250;

/// The most messages that one agent may have in its hands.
const MAX_PREFETCH: u16 = 1000;

/// The message broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amqp {
    /// Where it is, and who we are there.
    pub url: AmqpUrl,
    /// The queue that triggers come from, if it has a name of its own: [`Self::queue`].
    pub queue: Option<String>,
    /// Where events go.
    pub exchange: String,
    /// Where triggers go that are not for us.
    pub dead_letter_exchange: String,
    /// Whether queues and exchanges are made where they are missing.
    pub declare: bool,
    /// How many messages may be on their way to us.
    pub prefetch: NonZeroU16,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// What shows who we are.
    pub certificate: Option<ClientCertificate>,
}

impl Amqp {
    /// The queue that triggers for a cluster come from.
    pub fn queue(&self, cluster: &ClusterName) -> String {
        self.queue.clone().unwrap_or_else(|| format!("milvus-backup.{cluster}"))
    }
}

/// The section `amqp`; none without `amqp.url`.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Amqp> {
    reader.get("amqp.url_file", parse::path);
    let url = reader.get(URL, amqp_url::parse);
    let queue = reader.get("amqp.queue", name);
    let exchange = reader.get("amqp.exchange", name);
    let dead_letters = reader.get(DEAD_LETTER_EXCHANGE, name);
    let declare = reader.get("amqp.declare", parse::switch);
    let prefetch = reader.get("amqp.prefetch", prefetch);
    let ca_file = reader.get(CA_FILE, parse::path);
    let hint = "set both, or neither for a user and a password";
    let certificate = certificate::read(reader, (CERT_FILE, KEY_FILE), hint);
    let url = url?;
    if !url.tls {
        for path in [CA_FILE, CERT_FILE, KEY_FILE] {
            let hint = format!("begin `{URL}` with amqps://, or remove `{path}`");
            reader.needs(path, "amqps://", &hint);
        }
    }
    let exchange = exchange?;
    if dead_letters.as_ref() == Some(&exchange) {
        let problem = format!("`{DEAD_LETTER_EXCHANGE}` and `amqp.exchange` are both `{exchange}`");
        let hint = format!("remove `{DEAD_LETTER_EXCHANGE}`: what is refused is no event");
        let written = reader.values.get(DEAD_LETTER_EXCHANGE)?;
        let problem = written.origin.place(Diagnostic::new(problem).hint(hint));
        reader.problems.push(problem);
    }
    let dead_letter_exchange = dead_letters.unwrap_or_else(|| format!("{exchange}.dead"));
    let (declare, prefetch) = (declare?, prefetch?);
    Some(Amqp {
        url,
        queue,
        exchange,
        dead_letter_exchange,
        declare,
        prefetch,
        ca_file,
        certificate,
    })
}

/// Whether the section says something of a broker, and not where it is: the URL may be a
/// credential that only the agent's service has.
pub(crate) fn is_unnamed(reader: &Reader<'_>) -> bool {
    let in_section = |key: &&Key| key.path.starts_with("amqp.");
    let written = |path| reader.values.written(path).is_some();
    reader.values.get(URL).is_none() && KEYS.iter().filter(in_section).any(|key| written(key.path))
}

/// The name of a queue or an exchange.
fn name(text: &str) -> Result<String, Invalid> {
    if text.len() <= MAX_NAME && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected a name of at most {MAX_NAME} bytes on one line")))
}

fn prefetch(text: &str) -> Result<NonZeroU16, Invalid> {
    let number = text.parse().ok().filter(|number: &NonZeroU16| number.get() <= MAX_PREFETCH);
    number.ok_or_else(|| Invalid::expected(&format!("a number between 1 and {MAX_PREFETCH}"), text))
}

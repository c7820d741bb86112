//! The table of keys.

use super::connection;
use super::keys::{Fallback, Key, Kind};
use crate::model::SWITCH;

/// The words of `log.level`, the least first.
pub(crate) const LOG_LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// The words of `log.format`.
pub(crate) const LOG_FORMATS: &[&str] = &["text", "json"];

/// The words of `checksums`, in the order of [`crate::model::S3Checksums`].
pub(crate) const CHECKSUMS: &[&str] = &["auto", "when_supported", "when_required"];

/// The words of `milvus.settle`, in the order of [`super::Settle`].
pub(crate) const SETTLE: &[&str] = &["auto", "none"];

/// Every key, in the order in which they are shown.
pub const KEYS: &[Key] = &joined::<{ connection::KEYS.len() + OTHERS.len() }>();

const fn joined<const N: usize>() -> [Key; N] {
    let mut keys = [OTHERS[0]; N];
    let mut at = 0;
    while at < N {
        let first = connection::KEYS.len();
        keys[at] = if at < first { connection::KEYS[at] } else { OTHERS[at - first] };
        at += 1;
    }
    keys
}

const OTHERS: &[Key] = &[
    Key {
        path: "milvus.management_address",
        kind: Kind::Url,
        help: "where Milvus answers HTTP, to pause its garbage collection during a backup",
        fallback: Fallback::Described("port 9091 of milvus.address"),
    },
    Key {
        path: "milvus.cluster",
        kind: Kind::Name,
        help: "the name under which everything is stored",
        fallback: Fallback::Described("host name at the first run"),
    },
    Key {
        path: "milvus.staging_prefix",
        kind: Kind::Prefix,
        help: "where a restore puts files in Milvus's bucket, to be imported and then removed",
        fallback: Fallback::Described("<prefix>/_mba_staging"),
    },
    Key {
        path: "milvus.config_file",
        kind: Kind::Path,
        help: "Milvus's own milvus.yaml, which says where Milvus keeps its files",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "milvus.settle",
        kind: Kind::Word(SETTLE),
        help: "whether a backup of Milvus 2.2 waits for deletes that are not in its storage yet",
        fallback: Fallback::Value("auto"),
    },
    Key {
        path: "milvus.sync_period",
        kind: Kind::Duration,
        help: "how often Milvus 2.2 writes deletes down: its `dataNode.segment.syncPeriod`, from milvus.config_file if that has it",
        fallback: Fallback::Value("10m"),
    },
    Key {
        path: "milvus.storage.local.path",
        kind: Kind::Path,
        help: "the folder of Milvus's files, as the agent sees it",
        fallback: Fallback::Described("from milvus.config_file"),
    },
    Key {
        path: "milvus.storage.local.milvus_path",
        kind: Kind::Path,
        help: "the same folder as Milvus sees it",
        fallback: Fallback::Described("milvus.storage.local.path"),
    },
    Key {
        path: "milvus.storage.s3.bucket",
        kind: Kind::Text,
        help: "the bucket of Milvus's files, which must exist",
        fallback: Fallback::Described("from milvus.config_file"),
    },
    Key {
        path: "milvus.storage.s3.prefix",
        kind: Kind::Prefix,
        help: "the folder of Milvus's files in the bucket",
        fallback: Fallback::Described("from milvus.config_file"),
    },
    Key {
        path: "milvus.storage.s3.endpoint",
        kind: Kind::Url,
        help: "the address of the S3 server",
        fallback: Fallback::Described("from milvus.config_file"),
    },
    Key {
        path: "milvus.storage.s3.region",
        kind: Kind::Text,
        help: "the region of the bucket",
        fallback: Fallback::Described("from milvus.config_file"),
    },
    Key {
        path: "milvus.storage.s3.access_key_id",
        kind: Kind::Secret,
        help: "the access key; without keys: environment, profile, role",
        fallback: Fallback::Described("from milvus.config_file"),
    },
    Key {
        path: "milvus.storage.s3.access_key_id_file",
        kind: Kind::Path,
        help: "a file that holds the access key",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "milvus.storage.s3.secret_access_key",
        kind: Kind::Secret,
        help: "the secret of the access key",
        fallback: Fallback::Described("from milvus.config_file"),
    },
    Key {
        path: "milvus.storage.s3.secret_access_key_file",
        kind: Kind::Path,
        help: "a file that holds the secret",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "milvus.storage.s3.path_style",
        kind: Kind::Word(SWITCH),
        help: "whether the bucket is in the path, else in the host name",
        fallback: Fallback::Described("true with an endpoint, else false"),
    },
    Key {
        path: "milvus.storage.s3.ca_file",
        kind: Kind::Path,
        help: "certificates in PEM to trust beside the system's",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "milvus.storage.s3.checksums",
        kind: Kind::Word(CHECKSUMS),
        help: "whether checksums travel with the bytes",
        fallback: Fallback::Value("auto"),
    },
    Key {
        path: "milvus.storage.s3.milvus_endpoint",
        kind: Kind::Url,
        help: "the address of the same server as Milvus sees it",
        fallback: Fallback::Described("milvus.storage.s3.endpoint"),
    },
    Key {
        path: "repository.local.path",
        kind: Kind::Path,
        help: "the folder that holds the backups",
        fallback: Fallback::Value("/var/lib/milvus-backup-agent/repository"),
    },
    Key {
        path: "repository.local.min_free",
        kind: Kind::Space,
        help: "the free space that no backup may use",
        fallback: Fallback::Described("the larger of 10% and 5GiB"),
    },
    Key {
        path: "repository.s3.bucket",
        kind: Kind::Text,
        help: "the bucket of the backups, which must exist",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "repository.s3.prefix",
        kind: Kind::Prefix,
        help: "the folder of the backups in the bucket",
        fallback: Fallback::Described("the whole bucket"),
    },
    Key {
        path: "repository.s3.endpoint",
        kind: Kind::Url,
        help: "the address of the S3 server",
        fallback: Fallback::Described("AWS"),
    },
    Key {
        path: "repository.s3.region",
        kind: Kind::Text,
        help: "the region of the bucket",
        fallback: Fallback::Described("AWS_REGION, else us-east-1 where the server is not AWS"),
    },
    Key {
        path: "repository.s3.access_key_id",
        kind: Kind::Secret,
        help: "the access key; without keys: environment, profile, role",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "repository.s3.access_key_id_file",
        kind: Kind::Path,
        help: "a file that holds the access key",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "repository.s3.secret_access_key",
        kind: Kind::Secret,
        help: "the secret of the access key",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "repository.s3.secret_access_key_file",
        kind: Kind::Path,
        help: "a file that holds the secret",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "repository.s3.path_style",
        kind: Kind::Word(SWITCH),
        help: "whether the bucket is in the path, else in the host name",
        fallback: Fallback::Described("true with an endpoint, else false"),
    },
    Key {
        path: "repository.s3.ca_file",
        kind: Kind::Path,
        help: "certificates in PEM to trust beside the system's",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "repository.s3.checksums",
        kind: Kind::Word(CHECKSUMS),
        help: "whether checksums travel with the bytes",
        fallback: Fallback::Value("auto"),
    },
    Key {
        path: "repository.staging",
        kind: Kind::Path,
        help: "a folder that a Milvus with local storage can read, for files on their way back",
        fallback: Fallback::Described("<cluster>/_staging in the repository"),
    },
    Key {
        path: "policies",
        kind: Kind::Path,
        help: "the folder of the policies",
        fallback: Fallback::Value("/etc/milvus-backup-agent/policies"),
    },
    Key {
        path: "state",
        kind: Kind::Path,
        help: "the folder of the agent's journal",
        fallback: Fallback::Value("/var/lib/milvus-backup-agent"),
    },
    Key {
        path: "amqp.url",
        kind: Kind::Secret,
        help: "the message broker, RabbitMQ, as `amqps://user:password@host/vhost`; without it there is none",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "amqp.url_file",
        kind: Kind::Path,
        help: "a file that holds the URL",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "amqp.queue",
        kind: Kind::Text,
        help: "the queue that triggers come from",
        fallback: Fallback::Described("milvus-backup.<cluster>"),
    },
    Key {
        path: "amqp.exchange",
        kind: Kind::Text,
        help: "the topic exchange that events go to",
        fallback: Fallback::Value("milvus-backup"),
    },
    Key {
        path: "amqp.dead_letter_exchange",
        kind: Kind::Text,
        help: "the exchange that refused triggers go to, with the name of the queue as routing key",
        fallback: Fallback::Described("<exchange>.dead"),
    },
    Key {
        path: "amqp.declare",
        kind: Kind::Word(SWITCH),
        help: "whether the agent makes queues and exchanges, else they must be there",
        fallback: Fallback::Value("false"),
    },
    Key {
        path: "amqp.prefetch",
        kind: Kind::Number,
        help: "how many triggers are on their way to the agent at once, 1 to 1000",
        fallback: Fallback::Value("4"),
    },
    Key {
        path: "amqp.ca_file",
        kind: Kind::Path,
        help: "certificates in PEM to trust beside the system's",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "amqp.cert_file",
        kind: Kind::Path,
        help: "the agent's own certificate in PEM; where the URL has no user, it is also the login (EXTERNAL)",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "amqp.key_file",
        kind: Kind::Path,
        help: "its key in PEM, without a password",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "api.listen",
        kind: Kind::Listen,
        help: "where the agent answers HTTP; anywhere but on loopback only with a token",
        fallback: Fallback::Value("127.0.0.1:7480"),
    },
    Key {
        path: "api.token",
        kind: Kind::Secret,
        help: "what clients of `api.listen` have to send as `Authorization: Bearer`",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "api.token_file",
        kind: Kind::Path,
        help: "a file that holds the token",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "metrics.listen",
        kind: Kind::Listen,
        help: "where `/metrics`, `/healthz` and `/readyz` are answered without a token, for a Prometheus on another host",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "metrics.textfile",
        kind: Kind::Path,
        help: "a `.prom` file for the textfile collector of node_exporter, rewritten after each backup, restore, drill, verify and prune",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "transfer.concurrency",
        kind: Kind::Number,
        help: "how many files are copied at once, 1 to 1024",
        fallback: Fallback::Value("64"),
    },
    Key {
        path: "transfer.max_bytes_per_second",
        kind: Kind::Rate,
        help: "what all copies of a run together read and write in a second; what a server copies by itself does not count",
        fallback: Fallback::Value("unlimited"),
    },
    Key {
        path: "transfer.retries",
        kind: Kind::Number,
        help: "how often a request or copy that failed for a moment is tried again, 0 to 100",
        fallback: Fallback::Value("5"),
    },
    Key {
        path: "retention.delete_grace",
        kind: Kind::Duration,
        help: "how long a deleted backup can be brought back",
        fallback: Fallback::Value("48h"),
    },
    Key {
        path: "retention.orphan_grace",
        kind: Kind::Duration,
        help: "how long a file must be seen to be in no backup before it is deleted",
        fallback: Fallback::Value("24h"),
    },
    Key {
        path: "retention.failed_ttl",
        kind: Kind::Duration,
        help: "how long a run that made no backup stays listed",
        fallback: Fallback::Value("3d"),
    },
    Key {
        path: "retention.max_delete",
        kind: Kind::Percent,
        help: "how many of a policy's backups one prune may let go without being asked to",
        fallback: Fallback::Value("50%"),
    },
    Key {
        path: "log.level",
        kind: Kind::Word(LOG_LEVELS),
        help: "how much is logged",
        fallback: Fallback::Value("info"),
    },
    Key {
        path: "log.format",
        kind: Kind::Word(LOG_FORMATS),
        help: "for people or for programs",
        fallback: Fallback::Value("text"),
    },
];

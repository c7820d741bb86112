//! What the keys of both versions stand for.

/// Whose storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Milvus's.
    Milvus,
    /// That of the backups, which takes over what it does not say.
    Backup,
}

/// What is said of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Provider,
    Address,
    Port,
    Region,
    UseSsl,
    Bucket,
    RootPath,
    LocalPath,
    /// The host as Milvus sees it.
    SeenAddress,
    SeenPort,
    AuthType,
    UseIam,
    IamEndpoint,
    AccessKeyId,
    SecretAccessKey,
    SessionToken,
    /// Anything for Azure or native GCS.
    Foreign,
}

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Version,
    Host,
    Port,
    User,
    Password,
    TlsMode,
    CaFile,
    ServerName,
    CertFile,
    KeyFile,
    Management,
    /// Where it answers REST.
    Rest,
    Storage(Side, Part),
    Concurrency,
    PausesGc,
    CrossStorage,
    TransferMode,
    LogLevel,
    /// Nothing to us, for this reason.
    Nothing(&'static str),
}

/// A key of milvus-backup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// Its dotted path.
    pub(super) path: &'static str,
    pub(super) meaning: Meaning,
    /// The variable of its environment that outdoes the file.
    pub(super) variable: Option<&'static str>,
}

pub(super) const fn key(path: &'static str, meaning: Meaning) -> Peer {
    Peer { path, meaning, variable: None }
}

pub(super) const fn by(path: &'static str, meaning: Meaning, variable: &'static str) -> Peer {
    Peer { path, meaning, variable: Some(variable) }
}

pub(super) const OWN_LOG: &str = "the agent logs to stderr, which systemd keeps";
pub(super) const OWN_HTTP: &str =
    "the agent's own listener is `api.listen`, which has other endpoints";
pub(super) const NO_ETCD: &str = "the agent never reads Milvus's etcd";
pub(super) const NO_CDC: &str = "the agent restores no CDC secondaries";
pub(super) const NO_CLOUD: &str = "the agent does not migrate to Zilliz Cloud";
pub(super) const PLANNED: &str = "the agent plans by itself how many collections, segments and \
                                  imports are at work";
pub(super) const TEMPORARY: &str = "the agent removes what it staged, after a kill with `prune`";
pub(super) const PARTS: &str = "the agent chooses by itself which copies go in parts";

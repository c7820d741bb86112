//! The trait through which everything asks Milvus.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::model::Namespace;

use super::{
    CollectionSpec, ImportJob, ImportRequest, ImportState, ImportTask, JobRequest, MilvusResult,
    MilvusVersion,
};
use crate::model::{
    ClusterFlush, CollectionDescription, DatabaseDescription, FlushAnswer, IndexDescription,
    KeyValue, LoadState, Partition, Rbac, SegmentInfo, SegmentLogs,
};

/// What a backup and a restore ask of a Milvus server. Lists are sorted, by id where they
/// have ids.
#[async_trait]
pub trait MilvusApi: Debug + Send + Sync + 'static {
    /// The address, for people.
    fn address(&self) -> &str;

    /// Connects and asks for the version.
    async fn version(&self) -> MilvusResult<MilvusVersion>;

    /// Names of all databases (`["default"]` on a server without them).
    async fn databases(&self) -> MilvusResult<Vec<String>>;

    /// Names of the collections of a database; [`super::MilvusErrorKind::NotFound`] when there
    /// is no such database.
    async fn collections(&self, database: &str) -> MilvusResult<Vec<String>>;

    /// Schema and settings; [`super::MilvusErrorKind::NotFound`] when there is none.
    async fn describe(&self, namespace: &Namespace) -> MilvusResult<CollectionDescription>;

    /// Its partitions.
    async fn partitions(&self, namespace: &Namespace) -> MilvusResult<Vec<Partition>>;

    /// Its indexes; empty when it has none.
    async fn indexes(&self, namespace: &Namespace) -> MilvusResult<Vec<IndexDescription>>;

    /// How much of it is loaded, asked partition by partition where needed.
    async fn load_state(
        &self,
        namespace: &Namespace,
        partitions: &[Partition],
    ) -> MilvusResult<LoadState>;

    /// Seals everything written so far. Waits out the server's rate limit.
    async fn flush(&self, namespace: &Namespace) -> MilvusResult<FlushAnswer>;

    /// Whether this user may flush; nothing is flushed. Who is not known may do everything.
    async fn may_flush(&self, namespace: &Namespace) -> MilvusResult<()> {
        let _ = namespace;
        Ok(())
    }

    /// Whether all of a flush has reached the storage.
    async fn is_flushed(&self, namespace: &Namespace, flush: &FlushAnswer) -> MilvusResult<bool>;

    /// The segments that are in the storage now.
    async fn persistent_segments(&self, namespace: &Namespace) -> MilvusResult<Vec<SegmentInfo>>;

    /// Seals everything written so far in all databases (2.6.11 and later);
    /// [`super::MilvusErrorKind::Unimplemented`] where the server does not tell where each
    /// channel ends.
    async fn flush_all(&self) -> MilvusResult<ClusterFlush>;

    /// Whether all of it has reached the storage.
    async fn is_all_flushed(&self, flush: &ClusterFlush) -> MilvusResult<bool>;

    /// The files of segments by the ids of their logs (2.5.8 and later, else
    /// [`super::MilvusErrorKind::Unimplemented`]), in the order that was asked for.
    async fn segment_logs(
        &self,
        database: &str,
        collection: i64,
        segments: &[i64],
    ) -> MilvusResult<Vec<SegmentLogs>>;

    /// Id and properties of a database (2.4.3 and later, else
    /// [`super::MilvusErrorKind::Unimplemented`]).
    async fn describe_database(&self, database: &str) -> MilvusResult<DatabaseDescription>;

    /// Makes a database. Before 2.4 there are no properties.
    async fn create_database(&self, database: &str, properties: &[KeyValue]) -> MilvusResult<()>;

    /// Drops a database; an absent one is fine. One that has a collection stays, with an error.
    async fn drop_database(&self, database: &str) -> MilvusResult<()>;

    /// Makes a collection; [`super::MilvusErrorKind::AlreadyExists`] when the name is taken, by
    /// an alias too.
    async fn create_collection(&self, spec: &CollectionSpec) -> MilvusResult<()>;

    /// Adds a field, a `schema.FieldSchema`, to a collection (2.6 and later). It gets the next
    /// id, whatever the one that it has.
    async fn add_field(&self, namespace: &Namespace, field: &[u8]) -> MilvusResult<()>;

    /// Sets properties of a collection and leaves its others.
    async fn alter_properties(
        &self,
        namespace: &Namespace,
        properties: &[KeyValue],
    ) -> MilvusResult<()>;

    /// Makes a partition; one that exists is fine.
    async fn create_partition(&self, namespace: &Namespace, partition: &str) -> MilvusResult<()>;

    /// Makes an index; the very same one is fine.
    async fn create_index(
        &self,
        namespace: &Namespace,
        index: &IndexDescription,
    ) -> MilvusResult<()>;

    /// Starts an import of backup files. Milvus does not look into the folders first: one
    /// that is absent imports 0 rows.
    async fn import(&self, request: &ImportRequest) -> MilvusResult<ImportTask>;

    /// Whether this user may import into a collection, which need not exist; nothing is
    /// imported. Who is not known may do everything.
    async fn may_import(&self, namespace: &Namespace) -> MilvusResult<()> {
        let _ = namespace;
        Ok(())
    }

    /// How an import is doing.
    async fn import_state(&self, task: ImportTask) -> MilvusResult<ImportState>;

    /// Starts an import of many folders at once (2.4 and later).
    async fn import_job(&self, request: &JobRequest) -> MilvusResult<ImportJob>;

    /// How it is doing. A job that the server does not know is an error.
    async fn job_state(&self, job: &ImportJob) -> MilvusResult<ImportState>;

    /// Loads what `state` says. Returns at once; [`Self::load_percent`] tells the progress.
    async fn load(&self, namespace: &Namespace, state: &LoadState) -> MilvusResult<()>;

    /// 0 to 100 for what was asked to be loaded.
    async fn load_percent(&self, namespace: &Namespace, state: &LoadState) -> MilvusResult<i64>;

    /// Gives a collection another name in the same database, loaded or not. A name that an
    /// alias has, even a dangling one, is [`super::MilvusErrorKind::AlreadyExists`].
    async fn rename_collection(&self, from: &Namespace, to: &str) -> MilvusResult<()>;

    /// Drops a collection; an absent one is fine.
    async fn drop_collection(&self, namespace: &Namespace) -> MilvusResult<()>;

    /// Points an alias at a collection, whether it exists, dangles or is new. The name of a
    /// collection is [`super::MilvusErrorKind::AlreadyExists`].
    async fn set_alias(&self, namespace: &Namespace, alias: &str) -> MilvusResult<()>;

    /// Users with the hashes of their passwords, roles, grants and privilege groups, without
    /// those that every Milvus has; [`super::MilvusErrorKind::Unimplemented`] before 2.5.
    async fn rbac(&self) -> MilvusResult<Rbac>;

    /// Makes all of that, or nothing: what is there already fails it.
    async fn restore_rbac(&self, rbac: &Rbac) -> MilvusResult<()>;
}

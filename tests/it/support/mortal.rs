//! A process that is killed at one of its calls: nothing of it runs afterwards.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use milvus_backup_agent::job::{JobContext, Staging};
use milvus_backup_agent::milvus::{
    ClusterFlush, CollectionDescription, CollectionSpec, DatabaseDescription, FlushAnswer,
    ImportJob, ImportRequest, ImportState, ImportTask, IndexDescription, JobRequest, KeyValue,
    LoadState, MilvusApi, MilvusResult, MilvusVersion, Partition, SegmentInfo, SegmentLogs,
};
use milvus_backup_agent::model::{KeyPrefix, Namespace, ObjectKey, Rbac};
use milvus_backup_agent::storage::{
    CopySource, Deadline, DeleteReport, ObjectMeta, ObjectStore, ObjectStream, PutMode, Space,
    StoreResult, UnfinishedWrite,
};
use tokio_util::sync::CancellationToken;

/// Counts the calls of one process to Milvus and to its stores, and kills it at one.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    lives_for: usize,
    calls: Arc<AtomicUsize>,
    dead: CancellationToken,
    halt: Option<Halt>,
}

/// Where a process stops for a while, and how.
#[derive(Debug, Clone)]
struct Halt {
    at: usize,
    how: Stop,
    reached: CancellationToken,
    go_on: CancellationToken,
}

/// What stops of a process that stops for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// One call is slow; its leases go on beating.
    OneCall,
    /// Everything, as with SIGSTOP.
    Everything,
}

impl Process {
    /// A process that completes `calls` calls and begins no other.
    pub(crate) fn killed_after(calls: usize) -> Self {
        Self { lives_for: calls, calls: Arc::default(), dead: CancellationToken::new(), halt: None }
    }

    /// A process that nobody kills.
    pub(crate) fn immortal() -> Self {
        Self::killed_after(usize::MAX)
    }

    /// A process that stops before its call of number `at` until it is told to go on.
    pub(crate) fn halted_before(at: usize, how: Stop) -> Self {
        let (reached, go_on) = (CancellationToken::new(), CancellationToken::new());
        Self { halt: Some(Halt { at, how, reached, go_on }), ..Self::immortal() }
    }

    /// Runs a workflow of this process, and another in the midst of it, at its halt; it goes on
    /// when the other has ended. Without the halt, if it ends before it.
    pub(crate) async fn amid<T, U>(
        &self,
        work: impl Future<Output = T>,
        other: impl Future<Output = U>,
    ) -> (T, U) {
        let halt = self.halt.clone().expect("a process with a halt");
        let work = async {
            let done = work.await;
            halt.reached.cancel();
            done
        };
        let other = async {
            halt.reached.cancelled().await;
            let done = other.await;
            halt.go_on.cancel();
            done
        };
        tokio::join!(Box::pin(work), Box::pin(other))
    }

    /// The calls that were begun.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Puts the process between a workflow and its world.
    pub(crate) fn context(&self, mut context: JobContext) -> JobContext {
        context.milvus = Arc::new(MortalMilvus { process: self.clone(), inner: context.milvus });
        context.repository = self.store(context.repository);
        context
    }

    /// The same for the staging folder.
    pub(crate) fn staging(&self, staging: Staging) -> Staging {
        Staging { store: self.store(staging.store), ..staging }
    }

    /// A store whose calls hang once the process is dead.
    pub(crate) fn store(&self, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(MortalStore { process: self.clone(), inner })
    }

    /// Runs a workflow to its end or to its death.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.dead.run_until_cancelled(work).await
    }

    async fn call(&self) {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        if number >= self.lives_for {
            self.dead.cancel();
            pending::<()>().await;
        }
        let Some(halt) = &self.halt else { return };
        if number == halt.at {
            halt.reached.cancel();
        }
        let stopped = halt.how == Stop::Everything && halt.reached.is_cancelled();
        if number == halt.at || stopped {
            halt.go_on.cancelled().await;
        }
    }
}

#[derive(Debug)]
struct MortalStore {
    process: Process,
    inner: Arc<dyn ObjectStore>,
}

impl fmt::Display for MortalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ObjectStore for MortalStore {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let (process, inner, under) =
            (self.process.clone(), Arc::clone(&self.inner), under.clone());
        let called = stream::once(async move { process.call().await });
        called.flat_map(move |()| inner.list(&under)).boxed()
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        self.process.call().await;
        self.inner.list_folders(under).await
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.process.call().await;
        self.inner.head(key).await
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        self.process.call().await;
        self.inner.get(key).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        self.process.call().await;
        self.inner.put(key, body, mode).await
    }

    async fn put_before(
        &self,
        key: &ObjectKey,
        body: Bytes,
        mode: PutMode,
        deadline: Deadline,
    ) -> StoreResult<ObjectMeta> {
        self.process.call().await;
        self.inner.put_before(key, body, mode, deadline).await
    }

    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        body: ObjectStream,
    ) -> StoreResult<ObjectMeta> {
        self.process.call().await;
        self.inner.put_stream(key, size, body).await
    }

    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.process.call().await;
        self.inner.copy_from(source, to).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        let mut report = DeleteReport::default();
        for key in keys {
            self.process.call().await;
            let one = self.inner.delete(std::slice::from_ref(key)).await?;
            report.deleted += one.deleted;
            report.failed.extend(one.failed);
        }
        Ok(report)
    }

    async fn delete_before(
        &self,
        keys: &[ObjectKey],
        deadline: Deadline,
    ) -> StoreResult<DeleteReport> {
        let mut report = DeleteReport::default();
        for key in keys {
            self.process.call().await;
            let one = self.inner.delete_before(std::slice::from_ref(key), deadline).await?;
            report.deleted += one.deleted;
            report.failed.extend(one.failed);
        }
        Ok(report)
    }

    async fn sync(&self) -> StoreResult<()> {
        self.process.call().await;
        self.inner.sync().await
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        self.process.call().await;
        self.inner.space().await
    }

    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource> {
        self.inner.copy_source(key)
    }

    async fn unfinished(
        &self,
        under: &KeyPrefix,
        before: Timestamp,
    ) -> StoreResult<Vec<UnfinishedWrite>> {
        self.process.call().await;
        self.inner.unfinished(under, before).await
    }

    async fn abort(&self, write: &UnfinishedWrite) -> StoreResult<()> {
        self.process.call().await;
        self.inner.abort(write).await
    }

    async fn abort_before(&self, write: &UnfinishedWrite, deadline: Deadline) -> StoreResult<()> {
        self.process.call().await;
        self.inner.abort_before(write, deadline).await
    }

    async fn settle(&self) {
        self.inner.settle().await;
    }
}

#[derive(Debug)]
struct MortalMilvus {
    process: Process,
    inner: Arc<dyn MilvusApi>,
}

/// Every call passes the process first.
macro_rules! pass_on {
    ($($call:ident($($argument:ident: [$($kind:tt)+]),*) -> [$($answer:tt)+];)+) => {
        #[async_trait]
        impl MilvusApi for MortalMilvus {
            fn address(&self) -> &str {
                self.inner.address()
            }

            $(async fn $call(&self, $($argument: $($kind)+),*) -> MilvusResult<$($answer)+> {
                self.process.call().await;
                self.inner.$call($($argument),*).await
            })+
        }
    };
}

pass_on! {
    version() -> [MilvusVersion];
    databases() -> [Vec<String>];
    collections(database: [&str]) -> [Vec<String>];
    describe(namespace: [&Namespace]) -> [CollectionDescription];
    partitions(namespace: [&Namespace]) -> [Vec<Partition>];
    indexes(namespace: [&Namespace]) -> [Vec<IndexDescription>];
    load_state(namespace: [&Namespace], partitions: [&[Partition]]) -> [LoadState];
    flush(namespace: [&Namespace]) -> [FlushAnswer];
    may_flush(namespace: [&Namespace]) -> [()];
    is_flushed(namespace: [&Namespace], flush: [&FlushAnswer]) -> [bool];
    persistent_segments(namespace: [&Namespace]) -> [Vec<SegmentInfo>];
    flush_all() -> [ClusterFlush];
    is_all_flushed(flush: [&ClusterFlush]) -> [bool];
    segment_logs(database: [&str], collection: [i64], segments: [&[i64]]) -> [Vec<SegmentLogs>];
    describe_database(database: [&str]) -> [DatabaseDescription];
    create_database(database: [&str], properties: [&[KeyValue]]) -> [()];
    drop_database(database: [&str]) -> [()];
    create_collection(spec: [&CollectionSpec]) -> [()];
    add_field(namespace: [&Namespace], field: [&[u8]]) -> [()];
    alter_properties(namespace: [&Namespace], properties: [&[KeyValue]]) -> [()];
    create_partition(namespace: [&Namespace], partition: [&str]) -> [()];
    create_index(namespace: [&Namespace], index: [&IndexDescription]) -> [()];
    import(request: [&ImportRequest]) -> [ImportTask];
    may_import(namespace: [&Namespace]) -> [()];
    import_state(task: [ImportTask]) -> [ImportState];
    import_job(request: [&JobRequest]) -> [ImportJob];
    job_state(job: [&ImportJob]) -> [ImportState];
    load(namespace: [&Namespace], state: [&LoadState]) -> [()];
    load_percent(namespace: [&Namespace], state: [&LoadState]) -> [i64];
    rename_collection(from: [&Namespace], to: [&str]) -> [()];
    drop_collection(namespace: [&Namespace]) -> [()];
    set_alias(namespace: [&Namespace], alias: [&str]) -> [()];
    rbac() -> [Rbac];
    restore_rbac(rbac: [&Rbac]) -> [()];
}

//! A store as one process sees it: each call passes the gate first.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use milvus_backup_agent::model::{KeyPrefix, ObjectKey};
use milvus_backup_agent::storage::{
    CopySource, Deadline, DeleteReport, ObjectMeta, ObjectStore, ObjectStream, PutMode, Space,
    StoreError, StoreErrorKind, StoreOp, StoreResult,
};

use super::gate::Gate;
use super::op::Fault;

#[derive(Debug, Clone)]
pub(super) struct GatedStore {
    gate: Arc<Gate>,
    inner: Arc<dyn ObjectStore>,
}

impl GatedStore {
    pub(super) fn new(gate: &Arc<Gate>, inner: Arc<dyn ObjectStore>) -> Self {
        Self { gate: Arc::clone(gate), inner }
    }

    async fn call<T>(
        &self,
        (op, place): (StoreOp, &str),
        work: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        match self.gate.pass().await {
            None => work.await,
            Some(Fault::Unanswered) => {
                work.await?;
                Err(failed(op, place, Fault::Unanswered))
            }
            Some(fault @ (Fault::Busy | Fault::Broken)) => Err(failed(op, place, fault)),
        }
    }
}

fn failed(op: StoreOp, place: &str, fault: Fault) -> StoreError {
    let kind = match fault {
        Fault::Busy | Fault::Unanswered => StoreErrorKind::Transient,
        Fault::Broken => StoreErrorKind::Other,
    };
    StoreError::new(op, place, kind, format!("{fault:?} by the history"))
}

impl fmt::Display for GatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for GatedStore {
    fn list(&self, under: &KeyPrefix) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let (gate, inner, under) = (Arc::clone(&self.gate), Arc::clone(&self.inner), under.clone());
        let called = stream::once(async move {
            let fault = gate.pass().await;
            match fault {
                None => inner.list(&under),
                Some(fault) => {
                    let error = failed(StoreOp::List, under.as_str(), fault);
                    stream::once(async { Err(error) }).boxed()
                }
            }
        });
        called.flatten().boxed()
    }

    async fn list_folders(&self, under: &KeyPrefix) -> StoreResult<Vec<String>> {
        let call = (StoreOp::List, under.as_str());
        self.call(call, self.inner.list_folders(under)).await
    }

    async fn head(&self, key: &ObjectKey) -> StoreResult<ObjectMeta> {
        self.call((StoreOp::Head, key.as_str()), self.inner.head(key)).await
    }

    async fn get(&self, key: &ObjectKey) -> StoreResult<ObjectStream> {
        self.call((StoreOp::Get, key.as_str()), self.inner.get(key)).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, mode: PutMode) -> StoreResult<ObjectMeta> {
        let call = (StoreOp::Put, key.as_str());
        self.call(call, self.inner.put(key, body, mode)).await
    }

    async fn put_before(
        &self,
        key: &ObjectKey,
        body: Bytes,
        mode: PutMode,
        deadline: Deadline,
    ) -> StoreResult<ObjectMeta> {
        let call = (StoreOp::Put, key.as_str());
        self.call(call, self.inner.put_before(key, body, mode, deadline)).await
    }

    async fn put_stream(
        &self,
        key: &ObjectKey,
        size: u64,
        body: ObjectStream,
    ) -> StoreResult<ObjectMeta> {
        let call = (StoreOp::Put, key.as_str());
        self.call(call, self.inner.put_stream(key, size, body)).await
    }

    async fn copy_from(&self, source: &CopySource, to: &ObjectKey) -> StoreResult<ObjectMeta> {
        let call = (StoreOp::Copy, to.as_str());
        self.call(call, self.inner.copy_from(source, to)).await
    }

    async fn delete(&self, keys: &[ObjectKey]) -> StoreResult<DeleteReport> {
        let mut report = DeleteReport::default();
        for key in keys {
            let one = self.inner.delete(std::slice::from_ref(key));
            add(&mut report, key, self.call((StoreOp::Delete, key.as_str()), one).await)?;
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
            let one = self.inner.delete_before(std::slice::from_ref(key), deadline);
            add(&mut report, key, self.call((StoreOp::Delete, key.as_str()), one).await)?;
        }
        Ok(report)
    }

    async fn sync(&self) -> StoreResult<()> {
        self.call((StoreOp::Sync, ""), self.inner.sync()).await
    }

    async fn space(&self) -> StoreResult<Option<Space>> {
        self.call((StoreOp::Space, ""), self.inner.space()).await
    }

    fn copy_source(&self, key: &ObjectKey) -> Option<CopySource> {
        self.inner.copy_source(key)
    }

    async fn settle(&self) {
        self.inner.settle().await;
    }
}

/// Each key of a batch is a call of its own: a process can die in the midst of one.
fn add(
    report: &mut DeleteReport,
    key: &ObjectKey,
    one: StoreResult<DeleteReport>,
) -> StoreResult<()> {
    match one {
        Ok(one) => {
            report.deleted += one.deleted;
            report.failed.extend(one.failed);
        }
        Err(error) if error.kind() == StoreErrorKind::Expired => return Err(error),
        Err(error) => report.failed.push((key.clone(), error)),
    }
    Ok(())
}

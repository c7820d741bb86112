//! Would a backup work? Proved, not guessed.

use std::sync::Arc;

use futures::TryStreamExt;
use serde::Serialize;
use uuid::Uuid;

use crate::catalog::{self, Repository};
use crate::milvus::{CollectionSpec, MilvusVersion, Support};
use crate::model::{ByteSize, ErrorKind, KeyPrefix, Namespace, SegmentInfo};
use crate::plan;
use crate::schema::minimal_schema;
use crate::storage::probe_conditional_put;

use super::filling::{Staging, StagingArea, probe};
use super::privileges;
use super::settle::Settling;
use super::{JobContext, JobError, JobResult};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckLine {
    /// What.
    pub check: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
    /// The kind of what is wrong.
    #[serde(skip)]
    pub kind: Option<ErrorKind>,
}

/// Everything that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// In the order in which a backup would meet it.
    pub checks: Vec<CheckLine>,
    /// The kind of the first failure.
    #[serde(skip)]
    pub failure: Option<ErrorKind>,
}

impl CheckReport {
    /// One thing more was looked at.
    pub fn add(&mut self, check: &'static str, found: JobResult<String>) {
        let line = match found {
            Ok(detail) => CheckLine { check, ok: true, detail, hint: None, kind: None },
            Err(error) => {
                self.failure = self.failure.or(Some(error.kind()));
                let hint = error.remedy().map(str::to_owned);
                let kind = Some(error.kind());
                CheckLine { check, ok: false, detail: error.chain(), hint, kind }
            }
        };
        self.checks.push(line);
    }
}

/// Looks at everything, and goes on after a failure where that makes sense. With `staging`
/// it also tests whether Milvus reads the staging folder. `with_rbac` names the policies that also
/// back up users and roles.
pub async fn run_check(
    context: &JobContext,
    staging: Option<&Staging>,
    with_rbac: &[&str],
) -> CheckReport {
    let mut report = CheckReport { checks: Vec::new(), failure: None };
    let version = context.supported_version().await;
    let milvus = version.as_ref().ok().cloned();
    report.add("milvus", version.map(|version| described(context, &version)));
    let reachable = milvus.is_some();
    let mut may = false;
    if let Some(version) = milvus {
        report.add("storage", storage(context).await);
        let milvus = (&*context.milvus, &version);
        let allowed = privileges::look(milvus, staging.is_some()).await;
        may = allowed.is_ok();
        report.add("privileges", allowed);
        if !with_rbac.is_empty() {
            report.add("rbac", rbac(context, with_rbac).await);
        }
    }
    report.add("repository", repository(context).await);
    // Of a Milvus that does not answer nobody can say which one it is.
    if reachable {
        report.add("cluster", cluster(context).await);
    }
    report.add("space", space(context).await);
    // It would only meet the same refusal.
    if let (Some(staging), true) = (staging, may) {
        report.add("staging", readable(context, staging).await);
    }
    report
}

fn described(context: &JobContext, version: &MilvusVersion) -> String {
    let doubt = match version.support() {
        Support::Fake => ", a version that this agent was never run with, only with a fake of it",
        Support::Live | Support::No => "",
    };
    let waits = Settling::of(version, context.settle).describe();
    format!("version {version} at {}{doubt}{waits}", context.milvus.address())
}

/// One segment that Milvus names must have its folder where the configuration says.
async fn storage(context: &JobContext) -> JobResult<String> {
    let source = context.source()?;
    let Some((namespace, segment)) = some_segment(context).await? else {
        let message = format!("{source}: Milvus has no flushed segment to look for");
        return Err(JobError::new(ErrorKind::NothingToDo, message)
            .hint("insert a row and flush, or run a backup, which flushes"));
    };
    let SegmentInfo { id, collection, partition, .. } = segment;
    let folder = KeyPrefix::root().join("insert_log").join(collection).join(partition).join(id);
    if source.list(&folder).try_next().await?.is_some() {
        return Ok(format!("{source}: segment {id} of {namespace} is there"));
    }
    let message = format!("segment {id} of {namespace} is not in `{source}/{folder}`");
    Err(JobError::new(ErrorKind::Usage, message)
        .hint("set `milvus.storage.local.path` (or `milvus.storage.s3.*`) to where this Milvus keeps its files"))
}

async fn some_segment(context: &JobContext) -> JobResult<Option<(Namespace, SegmentInfo)>> {
    for database in context.milvus.databases().await? {
        for collection in context.milvus.collections(&database).await? {
            let namespace = Namespace::new(&database, collection);
            let segments = context.milvus.persistent_segments(&namespace).await?;
            if let Some(segment) = segments.into_iter().find(|segment| segment.rows > 0) {
                return Ok(Some((namespace, segment)));
            }
        }
    }
    Ok(None)
}

/// Puts an object twice: a store that lets the second through cannot be shared by agents.
async fn repository(context: &JobContext) -> JobResult<String> {
    let store = &context.repository;
    catalog::admit(&Repository::unopened(Arc::clone(store))).await?;
    if probe_conditional_put(&**store).await? {
        return Ok(format!("{store}: writable, conditional put works"));
    }
    Ok(format!(
        "{store}: writable, but it overwrites what a conditional put should keep: one agent \
         may use it, and a second one, on another machine, will be refused"
    ))
}

/// Whether Milvus tells users and roles, as policies want it. Nothing of what it says is kept.
async fn rbac(context: &JobContext, policies: &[&str]) -> JobResult<String> {
    let names = policies.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let wanted = format!("wanted by `rbac: true` of {names}");
    match super::rbac::of_milvus(context).await {
        Ok(found) => Ok(format!("{}, {wanted}", found.counts())),
        Err(error) => {
            let refused = JobError::new(error.kind(), format!("{}, {wanted}", error.chain()));
            Err(error.remedy().into_iter().fold(refused, JobError::hint))
        }
    }
}

/// Whether the cluster's folder, if there is one, is this Milvus's.
async fn cluster(context: &JobContext) -> JobResult<String> {
    let repository = Repository::unopened(Arc::clone(&context.repository));
    let cluster = repository.cluster(&context.cluster);
    let known = catalog::recognise(&cluster, &context.identity).await?;
    let state = if known.is_some() { "is this Milvus" } else { "is new" };
    Ok(format!("`{}` {state}", context.cluster))
}

async fn space(context: &JobContext) -> JobResult<String> {
    let Some(space) = context.repository.space().await? else {
        return Ok("not limited".to_owned());
    };
    let reserve = context.min_free.bytes(space.total);
    let (free, kept) = (ByteSize(space.free), ByteSize(reserve));
    if space.free > reserve {
        return Ok(format!("{free} free, {kept} of them are kept free"));
    }
    let message = format!("{free} are free and {kept} are kept free");
    Err(JobError::new(ErrorKind::Refused, message)
        .hint("free space, choose another repository, or lower `repository.local.min_free`"))
}

/// Makes a small collection, asks Milvus to import into it, and drops it.
async fn readable(context: &JobContext, staging: &Staging) -> JobResult<String> {
    let version = context.milvus.version().await?;
    if version.dialect().import_jobs {
        return Ok(format!(
            "not tried: what Milvus {version} says of what it cannot import was never seen"
        ));
    }
    let id = Uuid::new_v4().simple().to_string();
    let namespace = Namespace::new("default", plan::check_name(&id));
    let spec = CollectionSpec {
        schema: minimal_schema(&namespace.collection),
        namespace: namespace.clone(),
        shards: 1,
        consistency_level: 0,
        num_partitions: None,
        properties: Vec::new(),
    };
    context.milvus.create_collection(&spec).await?;
    let area = StagingArea::new(staging, &format!("restore-{id}"), context);
    let seen = probe(&*context.milvus, &area, &namespace, "_default").await;
    let cleared = area.clear_all().await;
    context.milvus.drop_collection(&namespace).await?;
    cleared?;
    seen.map(|()| format!("Milvus reads {}", area.place()))
}

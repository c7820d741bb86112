//! A backup made of one that is there: the same as a standalone tree.
//!
//! It lies in the folder of the cluster that the backup is of, beside it, where its lists and
//! leases are, and belongs to no policy. Its name is reserved, its files are copied and it is
//! committed as any backup is; what is copied is kept from a delete by a lease. Nothing of it is
//! asked of Milvus.
//!
//! The server copies where it can, and on a disk a file gets a second name: both are the
//! repository's own, and nobody writes to them. Else the bytes pass the agent, and their
//! checksum has to be the one that the list has.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use tokio::time::Instant;

use crate::catalog::{
    self, BackupState, CatalogError, Cluster, Readable, Repute, Reservation, Run, Unfinished, Work,
};
use crate::manifest::{
    FileEntry, FileId, FileList, Manifest, Placement, SegmentFiles, encode_rbac,
};
use crate::metrics::LeaseScope;
use crate::model::{BackupName, ClusterName, ErrorKind, Layout};
use crate::plan::{CopyItem, Damage, SourceFile};
use crate::storage::{CopySource, ObjectStoreExt};
use crate::transfer::{
    Checkpoint, Copier, CopyReport, Fence, ServerSide, SpaceGuard, Stage, TransferError,
};

use super::backup::collection_report;
use super::ending::{Listed, conclude, documents, store_lists, watched};
use super::verify::readable;
use super::{ExportReport, ExportedFiles, JobContext, JobError, JobResult, reading};

/// What someone wants exported.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// The backup.
    pub backup: BackupName,
    /// The cluster that it is of, where its name is not unique.
    pub cluster: Option<ClusterName>,
    /// The name of the new one.
    pub to: BackupName,
}

/// Exports a backup.
pub async fn run_export(context: &JobContext, options: &ExportOptions) -> JobResult<ExportReport> {
    let started = Instant::now();
    if options.to == options.backup {
        let message = format!("a backup cannot be exported to its own name `{}`", options.to);
        return Err(JobError::new(ErrorKind::Usage, message).hint("give another name with --to"));
    }
    let repository = context.open_repository().await?;
    catalog::admit(&repository).await?;
    let (clock, cluster) = (&*context.clock, options.cluster.as_ref());
    let (cluster, _) = catalog::find(&repository, cluster, &options.backup, clock).boxed().await?;
    refuse_roots_of_others(&cluster).await?;
    let reading = reading::hold_to_export(&cluster, &options.backup).await?;
    let done = begin(context, &cluster, (options, started)).boxed().await;
    reading.release().await;
    done
}

/// Nobody would look after what an export that dies leaves in milvus-backup's own root.
async fn refuse_roots_of_others(cluster: &Cluster) -> JobResult<()> {
    let store = cluster.repository.store();
    if store.find_bytes(&cluster.layout.mark()).await?.is_some() {
        return Ok(());
    }
    let message =
        format!("folder `{}` is milvus-backup's, and no cluster of this agent", cluster.name);
    Err(JobError::new(ErrorKind::Refused, message)
        .hint("its backups are such trees already: restore them from where they are, or copy them"))
}

/// Nobody lets the backup go from now on.
async fn begin(
    context: &JobContext,
    cluster: &Cluster,
    (options, started): (&ExportOptions, Instant),
) -> JobResult<ExportReport> {
    let record = catalog::read_record(cluster, &options.backup, &*context.clock).await?;
    let suspect = (record.state == BackupState::Suspect).then(|| record.reasons.join("; "));
    let source = &readable(cluster, record).await?;
    let reservation = Reservation {
        name: options.to.clone(),
        policy: String::new(),
        trigger: "export".to_owned(),
        job: None,
        unfinished: Unfinished::TakeOver,
    };
    let run = Run::reserve(cluster, reservation, &*context.clock).boxed().await?;
    let _held = context.holds(LeaseScope::Run, run.lease());
    let store = Arc::clone(&context.repository);
    let place = (run.checkpoint(Layout::Standalone), run.lease().deadlines());
    let checkpoint = Arc::new(Checkpoint::new(store, place, context.checkpoint));
    let placement = cluster.layout.placement(&options.to, Layout::Standalone);
    let export = Export { context, source, placement, checkpoint: &checkpoint, suspect, started };
    let ended = watched(context, &run, export.work(&run).boxed()).await;
    conclude(context, (run, &checkpoint), ended).await
}

struct Export<'a> {
    context: &'a JobContext,
    source: &'a Readable,
    placement: Placement,
    checkpoint: &'a Arc<Checkpoint>,
    /// What speaks against the backup.
    suspect: Option<String>,
    started: Instant,
}

/// What is there to be copied.
struct Survey {
    lists: Vec<(i64, FileList)>,
    items: Vec<CopyItem>,
    /// What an earlier run has copied.
    found: HashMap<FileId, FileEntry>,
}

impl Export<'_> {
    async fn work(&self, run: &Run) -> JobResult<(Work, ExportReport)> {
        let cluster = &self.source.cluster;
        self.context.progress.enter(Stage::Gather, 0);
        catalog::wait_for_sweep(cluster).await?;
        run.clear(Layout::Standalone).await?;
        // It refers to nothing that others may delete: the lease keeps the backup.
        run.save_plan(&FileList::default()).await?;
        catalog::wait_for_sweep(cluster).await?;
        let Survey { lists, items, found } = self.survey(run).await?;
        let reused = found.len() as u64;
        let mut copied = CopyReport { entries: found, ..CopyReport::default() };
        self.copy(run, items, &mut copied).await?;
        let mut listed = Vec::new();
        for (collection, list) in lists {
            let list = self.carried(&list, &copied.entries)?;
            let encoded = list.encode();
            listed.push((collection, list, encoded));
        }
        let rbac = match self.source.rbac().await.map_err(JobError::from) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => {
                return Err(self.damaged(&error.chain()));
            }
            rbac => rbac?,
        };
        let encoded = rbac.as_ref().map(encode_rbac);
        let mut manifest = self.manifest(run, &listed);
        manifest.rbac = encoded.as_ref().map(|rbac| rbac.record.clone());
        let lists = store_lists(self.context, (run, Layout::Standalone), listed).await?;
        let manifest = Manifest { completed_at: self.context.clock.now(), ..manifest };
        let documents = documents(self.context, (&manifest, &lists), rbac.as_ref())?;
        let report = self.report(&manifest, (&copied, reused));
        Ok((Work { manifest, lists, documents, rbac: encoded }, report))
    }

    /// Reads the lists, and looks whether their files are there.
    async fn survey(&self, run: &Run) -> JobResult<Survey> {
        let Readable { cluster, manifest, .. } = self.source;
        let checkpoints = catalog::own_checkpoint(cluster, &run.attempt().name).await?;
        let placement = &self.placement;
        let repute = Repute { placement, records: &[], checkpoints: &checkpoints };
        let mut survey = Survey { lists: Vec::new(), items: Vec::new(), found: HashMap::new() };
        for (record, content) in manifest.contents() {
            self.context.progress.subject(&record.namespace().to_string());
            let list = match self.source.list(&content.list).await {
                Err(error @ CatalogError::Document { .. }) => {
                    return Err(self.damaged(&JobError::from(error).chain()));
                }
                list => list?,
            };
            if let Some(damage) = self.source.compare(record.id, &list).await?.first() {
                return Err(self.damaged(&match damage {
                    Damage::Missing(id) => format!("`{}` is missing", self.source.place(id)),
                    Damage::Changed(id, why) => format!("`{}`: {why}", self.source.place(id)),
                }));
            }
            let known = catalog::known_files(cluster, repute, record.id).await?;
            for (id, entry) in list.files() {
                let file = SourceFile { id, size: entry.size, source: expected(entry) };
                if let Some(copy) = known.reusable(&file) {
                    survey.found.insert(id, copy.clone());
                    continue;
                }
                let SourceFile { id, size, source } = file;
                survey.items.push(CopyItem { id, size, source, mends: None });
            }
            survey.lists.push((record.id, list));
        }
        self.checkpoint.carry(survey.found.iter().map(|(id, entry)| (*id, entry.clone())));
        Ok(survey)
    }

    async fn copy(
        &self,
        run: &Run,
        items: Vec<CopyItem>,
        report: &mut CopyReport,
    ) -> JobResult<()> {
        let context = self.context;
        let copier = Copier {
            source: Arc::clone(&context.repository),
            destination: Arc::clone(&context.repository),
            concurrency: context.concurrency,
            retries: context.retries,
            throttle: Arc::clone(&context.throttle),
            server_side: Arc::new(ServerSide::or_links()),
            fence: Fence::of(run.lease().deadlines()),
            space: Arc::new(SpaceGuard::new(context.min_free)),
            checkpoint: Arc::clone(self.checkpoint),
            progress: Arc::clone(&context.progress),
            cancel: context.cancel.clone(),
        };
        let bytes = items.iter().map(|item| item.size).sum();
        if !self.links() {
            let fits = copier.space.fits(&*context.repository, bytes).await?;
            fits.map_err(TransferError::Space)?;
        }
        context.progress.enter(Stage::Copy, bytes);
        let place = |id: &FileId| (self.source.key(id), self.placement.key(id));
        copier.run(items, place, report).await?;
        match report.failures.iter().next() {
            None => Ok(()),
            Some((id, why)) => Err(self.damaged(&format!("`{}`: {why}", self.source.place(id)))),
        }
    }

    /// Whether a file gets a second name in the place of a copy, which needs no room.
    fn links(&self) -> bool {
        let any = self.source.cluster.layout.mark();
        matches!(self.context.repository.copy_source(&any), Some(CopySource::File(_)))
    }

    /// A list with what is known of the copies.
    fn carried(&self, list: &FileList, copies: &HashMap<FileId, FileEntry>) -> JobResult<FileList> {
        let line = |segment: &SegmentFiles| {
            let entries = segment.files().map(|(id, entry)| {
                let copy = copies.get(&id).map(|copy| carried(entry, copy));
                copy.flatten().map(|copy| (id.kind, copy)).ok_or_else(|| {
                    let place = self.source.place(&id);
                    self.damaged(&format!("`{place}` has not the checksum that was written"))
                })
            });
            let ids = (segment.collection, segment.partition, segment.segment);
            let entries = entries.collect::<JobResult<Vec<_>>>()?;
            let line = SegmentFiles::new(ids, segment.rows, entries);
            Ok(line.with_traits(segment.traits.clone()))
        };
        Ok(FileList::new(list.segments().iter().map(line).collect::<JobResult<_>>()?))
    }

    fn manifest(&self, run: &Run, listed: &[Listed]) -> Manifest {
        let attempt = run.attempt();
        let mut manifest = Manifest {
            version: Manifest::VERSION,
            name: attempt.name.clone(),
            policy: String::new(),
            run: attempt.run.clone(),
            layout: Layout::Standalone,
            agent: attempt.agent.clone(),
            selection: Vec::new(),
            suspect: self.suspect.clone(),
            ..self.source.manifest.clone()
        };
        for record in &mut manifest.collections {
            let list = listed.iter().find(|(collection, ..)| *collection == record.id);
            if let (Some(content), Some((_, _, encoded))) = (&mut record.content, list) {
                content.list.clone_from(&encoded.digest);
            }
        }
        manifest
    }

    fn report(&self, manifest: &Manifest, (copied, reused): (&CopyReport, u64)) -> ExportReport {
        let by_store = copied.written.0 - copied.streamed.0;
        let links = self.links();
        ExportReport {
            name: manifest.name.to_string(),
            from: self.source.manifest.name.to_string(),
            cluster: manifest.cluster.to_string(),
            outcome: manifest.outcome.into(),
            collections: manifest.collections.iter().map(collection_report).collect(),
            files: manifest.contents().map(|(_, content)| content.files).sum(),
            bytes: manifest.bytes(),
            copied: ExportedFiles {
                by_server: if links { 0 } else { by_store },
                linked: if links { by_store } else { 0 },
                streamed: copied.streamed.0,
                found: reused + copied.adopted.0,
            },
            rows: manifest.rows(),
            suspect: manifest.suspect.clone(),
            duration_seconds: self.started.elapsed().as_secs_f64(),
        }
    }

    fn damaged(&self, why: &str) -> JobError {
        let name = &self.source.manifest.name;
        let message = format!("backup `{name}` cannot be exported: {why}");
        JobError::new(ErrorKind::Damaged, message)
            .hint(format!("`verify {name} --depth content` tells what else is wrong"))
    }
}

/// The fingerprint that a file of the repository has.
fn expected(entry: &FileEntry) -> String {
    if entry.copy.is_empty() { entry.source.clone() } else { entry.copy.clone() }
}

/// The entry of a copy whose original has this one; none if its bytes are others. The copy was
/// made with what is [`expected`] as its source.
fn carried(entry: &FileEntry, copied: &FileEntry) -> Option<FileEntry> {
    let other = !entry.crc.is_empty() && !copied.crc.is_empty() && entry.crc != copied.crc;
    let copy = match copied.copy.as_str() {
        "" => entry.copy.clone(),
        etag if etag == entry.source => String::new(),
        etag => etag.to_owned(),
    };
    let crc = if entry.crc.is_empty() { &copied.crc } else { &entry.crc };
    (!other).then(|| FileEntry { copy, crc: crc.clone(), ..entry.clone() })
}

#[cfg(test)]
mod tests {
    use super::{carried, expected};
    use crate::manifest::FileEntry;

    fn entry(source: &str, copy: &str, crc: &str) -> FileEntry {
        let [source, copy, crc] = [source, copy, crc].map(str::to_owned);
        FileEntry { log: 1, size: 2, source, copy, crc }
    }

    #[test]
    fn what_is_known_of_a_file_is_carried_over_to_its_copy() {
        for (original, etag, crc, carries) in [
            // The server copied it, under the same ETag or another.
            (("s", "", "1"), "", "", Some(("", "1"))),
            (("s", "c", "1"), "", "", Some(("c", "1"))),
            (("s", "c", "1"), "d", "", Some(("d", "1"))),
            (("s", "c", "1"), "s", "", Some(("", "1"))),
            // The bytes passed.
            (("s", "", "1"), "", "1", Some(("", "1"))),
            (("s", "", ""), "d", "2", Some(("d", "2"))),
            (("s", "", "1"), "", "2", None),
        ] {
            let original = entry(original.0, original.1, original.2);
            let copied = entry(&expected(&original), etag, crc);
            let found = carried(&original, &copied);
            let expected = carries.map(|(copy, crc)| entry("s", copy, crc));
            assert_eq!(found, expected, "{original:?} {copied:?}");
        }
    }
}

//! Deleting shared files that nothing refers to. The steps are in the module's essay.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use futures::{FutureExt, TryStreamExt};
use jiff::Timestamp;

use crate::catalog::{self, CatalogError, Cluster, Lease, SWEEP};
use crate::manifest::{DocumentError, FileId, Sighting, SightingsWriter, read_sightings};
use crate::metrics::LeaseScope;
use crate::model::{ByteSize, ErrorKind};
use crate::plan::{
    Obstacle, Planned, PruneFacts, References, Sieve, Verdict, goes_at, is_due, references,
};
use crate::storage::ObjectMeta;

use super::report::{StagingRoot, VerdictRow};
use super::{requests, uploads};
use crate::job::{JobContext, JobError, JobResult};

/// Files deleted at once, and between two looks at the lease.
pub(super) const BATCH: usize = 1000;

/// How a sweep ended.
pub(super) enum Swept {
    /// Something is wrong.
    Refused(String),
    /// Someone is at work.
    Busy(String),
    /// To its end.
    Done(Found),
}

/// What a sweep found and did.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: Vec<VerdictRow>,
    pub(super) deleted: (u64, u64),
    pub(super) errors: Vec<JobError>,
}

impl From<Obstacle> for Swept {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Refused(why) => Self::Refused(why),
            Obstacle::Busy(why) => Self::Busy(why),
        }
    }
}

/// What a sweep would do now, told without a lease and without writing.
pub(super) async fn preview(
    context: &JobContext,
    (cluster, staging): (&Cluster, Option<&StagingRoot>),
    facts: PruneFacts,
) -> JobResult<Swept> {
    let references = match references(&facts.backups, facts.planned) {
        Ok(references) => references,
        Err(obstacle) => return Ok(obstacle.into()),
    };
    let now = context.clock.now();
    Ok(match scan(context, cluster, (&references, now)).await? {
        Err(obstacle) => obstacle.into(),
        Ok(scan) => {
            let mut found = Found { rows: scan.rows(&references), ..Found::default() };
            uploads::find(context, (cluster, staging), now, &mut found).await?;
            requests::find(cluster, now, &mut found).await?;
            Swept::Done(found)
        }
    })
}

/// A whole sweep under its lease.
pub(super) async fn sweep(
    context: &JobContext,
    (cluster, staging): (&Cluster, Option<&StagingRoot>),
) -> JobResult<Swept> {
    let lease = match Lease::acquire(cluster, SWEEP).await {
        Err(error @ CatalogError::LeaseHeld { .. }) => return Ok(Swept::Busy(error.to_string())),
        taken => taken?,
    };
    let _held = context.holds(LeaseScope::Sweep, &lease);
    let work = swept(context, (cluster, staging), &lease).boxed();
    let lost = lease.lost().clone();
    let ended = tokio::select! {
        () = context.cancel.cancelled() => Err(JobError::cancelled()),
        () = lost.cancelled() => lease.check().await.map_err(JobError::from).map(|()| {
            Swept::Busy("its lease was lost".to_owned())
        }),
        ended = work => ended,
    };
    lease.release().await;
    ended
}

async fn swept(
    context: &JobContext,
    (cluster, staging): (&Cluster, Option<&StagingRoot>),
    lease: &Lease,
) -> JobResult<Swept> {
    let mut planned = Planned::default();
    let backups = match catalog::examine_all(cluster, Some(&mut planned)).await {
        Err(error @ (CatalogError::Document { .. } | CatalogError::StrayManifest { .. })) => {
            return Ok(Swept::Refused(JobError::from(error).chain()));
        }
        examined => examined?,
    };
    let references = match references(&backups, planned) {
        Ok(references) => references,
        Err(obstacle) => return Ok(obstacle.into()),
    };
    let now = lease.store_time().await?;
    let scan = match scan(context, cluster, (&references, now)).await? {
        Err(obstacle) => return Ok(obstacle.into()),
        Ok(scan) => scan,
    };
    let mut found = Found { rows: scan.rows(&references), ..Found::default() };
    catalog::put_sightings(cluster, lease, scan.sightings.clone()).await?;
    if scan.due() {
        let left = delete(cluster, lease, (&scan, &references), &mut found).await?;
        cluster.repository.store().sync().await?;
        catalog::put_sightings(cluster, lease, left).await?;
    }
    let left = uploads::find(context, (cluster, staging), now, &mut found).await?;
    uploads::abort(lease, &left, &mut found).await?;
    let forgotten = requests::find(cluster, now, &mut found).await?;
    requests::delete((cluster, lease), &forgotten, &mut found).await?;
    Ok(Swept::Done(found))
}

/// Deletes what is due; returns the sightings of what is left.
async fn delete(
    cluster: &Cluster,
    lease: &Lease,
    (scan, references): (&Scan, &References),
    found: &mut Found,
) -> JobResult<Vec<u8>> {
    let mut left = SightingsWriter::default();
    let mut batch: Vec<Sighting> = Vec::new();
    let sightings = read_sightings(&scan.sightings).map_err(|error| unreadable(&error))?;
    for sighting in sightings {
        let sighting = sighting.map_err(|error| unreadable(&error))?;
        if !scan.is_due(&sighting, references) {
            left.push(&sighting);
            continue;
        }
        batch.push(sighting);
        if batch.len() == BATCH {
            delete_batch(cluster, lease, &batch, (&mut left, found)).await?;
            batch.clear();
        }
    }
    delete_batch(cluster, lease, &batch, (&mut left, found)).await?;
    Ok(left.finish())
}

async fn delete_batch(
    cluster: &Cluster,
    lease: &Lease,
    batch: &[Sighting],
    (left, found): (&mut SightingsWriter, &mut Found),
) -> JobResult<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = batch.iter().map(|one| catalog::key_of(cluster, one)).collect();
    let report = lease.delete_in(cluster.repository.store(), &keys).await?;
    let failed: HashSet<_> = report.failed.iter().map(|(key, _)| key).collect();
    for (sighting, key) in batch.iter().zip(&keys) {
        if failed.contains(key) {
            left.push(sighting);
        } else {
            found.deleted.0 += 1;
            found.deleted.1 += sighting.size;
        }
    }
    // One of them tells what the others will have, too.
    if let Some((_, error)) = report.failed.into_iter().next() {
        found.errors.push(JobError::from(error));
    }
    Ok(())
}

fn unreadable(error: &DocumentError) -> JobError {
    JobError::new(ErrorKind::Failed, error.to_string())
}

/// Files of one kind that nothing refers to.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    due: (u64, u64),
    waiting: (u64, u64),
    /// When the first of those that wait will be due.
    next: Option<Timestamp>,
    /// What is in the way and not ours.
    strange: u64,
}

/// What lies there and nothing refers to.
struct Scan {
    sightings: Vec<u8>,
    segments: Tally,
    lists: Tally,
    now: Timestamp,
    grace: jiff::SignedDuration,
}

impl Scan {
    fn due(&self) -> bool {
        self.segments.due.0 + self.lists.due.0 > 0
    }

    fn is_due(&self, sighting: &Sighting, references: &References) -> bool {
        let held = references.writer.is_some() && sighting.path.starts_with("_lists/");
        !held && is_due(sighting, self.grace, self.now)
    }

    fn note(&mut self, sighting: &Sighting, references: &References) {
        let due = self.is_due(sighting, references);
        let at = goes_at(sighting.first_seen, self.grace);
        let list = sighting.path.starts_with("_lists/");
        let tally = if list { &mut self.lists } else { &mut self.segments };
        let kind = if due { &mut tally.due } else { &mut tally.waiting };
        *kind = (kind.0 + 1, kind.1 + sighting.size);
        if !due {
            tally.next = Some(tally.next.map_or(at, |next| next.min(at)));
        }
    }

    fn rows(&self, references: &References) -> Vec<VerdictRow> {
        let kinds = [("_segments", self.segments), ("_lists", self.lists)];
        let mut rows = Vec::new();
        for (name, tally) in kinds {
            let mut add = |verdict, reason: String| {
                let reasons = vec![reason];
                rows.push(VerdictRow { name: name.to_owned(), verdict, reasons });
            };
            let files = |(files, bytes): (u64, u64)| {
                format!(
                    "{files} {} ({})",
                    if files == 1 { "file" } else { "files" },
                    ByteSize(bytes)
                )
            };
            if tally.due.0 > 0 {
                let since = format!("of no backup for {:#} or longer", self.grace);
                add(Verdict::Delete, format!("{} {since}", files(tally.due)));
            }
            if let Some(next) = tally.next {
                let until = match &references.writer {
                    Some(run) if name == "_lists" => format!("as long as `{run}` is unfinished"),
                    _ => format!("until {next} or later"),
                };
                add(Verdict::Leave, format!("{} of no backup, {until}", files(tally.waiting)));
            }
            if tally.strange > 0 {
                add(Verdict::Leave, format!("{} files that are not ours", tally.strange));
            }
        }
        rows
    }
}

/// Compares everything that lies there with the references.
async fn scan(
    context: &JobContext,
    cluster: &Cluster,
    (references, now): (&References, Timestamp),
) -> JobResult<Result<Scan, Obstacle>> {
    let stored = catalog::read_sightings(cluster).await?;
    let old = match known(stored.as_ref()) {
        Ok(old) => old,
        Err(why) => return Ok(Err(Obstacle::Refused(why))),
    };
    let mut sieve = Sieve::new(old, now);
    let mut writer = SightingsWriter::default();
    let mut scan = Scan {
        sightings: Vec::new(),
        segments: Tally::default(),
        lists: Tally::default(),
        now,
        grace: context.retention.orphan_grace,
    };
    let (collections, strange) = collections(cluster, references).await?;
    scan.segments.strange = strange;
    let shared = cluster.layout.shared();
    for collection in collections {
        let needed = match needed(cluster, collection, references).await? {
            Ok(needed) => needed,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let mut folders = shared.collection_folders(collection);
        folders.sort();
        for folder in folders {
            let mut listing = cluster.repository.store().list(&folder);
            while let Some(meta) = listing.try_next().await? {
                match shared.parse(&meta.key) {
                    None => scan.segments.strange += 1,
                    Some(id) if needed.contains(&id) || references.planned.has(&id) => {}
                    Some(_) => see(cluster, &meta, (&mut sieve, &mut writer), |sighting| {
                        scan.note(sighting, references);
                    }),
                }
            }
        }
    }
    let mut listing = cluster.repository.store().list(&cluster.layout.lists());
    while let Some(meta) = listing.try_next().await? {
        match cluster.layout.digest_of(&meta.key) {
            None => scan.lists.strange += 1,
            Some(digest) if references.names_list(digest) => {}
            Some(_) => see(cluster, &meta, (&mut sieve, &mut writer), |sighting| {
                scan.note(sighting, references);
            }),
        }
    }
    scan.sightings = writer.finish();
    Ok(Ok(scan))
}

fn see<I: Iterator<Item = Sighting>>(
    cluster: &Cluster,
    meta: &ObjectMeta,
    (sieve, writer): (&mut Sieve<I>, &mut SightingsWriter),
    note: impl FnOnce(&Sighting),
) {
    let Some(path) = cluster.layout.root().strip(&meta.key) else { return };
    let sighting = sieve.see(path.to_owned(), meta.size, meta.modified);
    note(&sighting);
    writer.push(&sighting);
}

/// Earlier sightings. Where they are damaged, files begin anew: that only takes longer.
fn known(stored: Option<&Bytes>) -> Result<Box<dyn Iterator<Item = Sighting> + Send + '_>, String> {
    let Some(bytes) = stored else { return Ok(Box::new(std::iter::empty())) };
    match read_sightings(bytes) {
        Ok(sightings) => Ok(Box::new(sightings.map_while(|sighting| {
            sighting.inspect_err(|error| tracing::warn!(%error, "sightings begin anew")).ok()
        }))),
        Err(error @ DocumentError::TooNew { .. }) => Err(error.to_string()),
        Err(error @ (DocumentError::Damaged { .. } | DocumentError::Unsupported { .. })) => {
            tracing::warn!(%error, "sightings begin anew");
            Ok(Box::new(std::iter::empty()))
        }
    }
}

/// The collections that have files or are referred to, and how many folders are none.
async fn collections(
    cluster: &Cluster,
    references: &References,
) -> JobResult<(BTreeSet<i64>, u64)> {
    let mut all: BTreeSet<i64> = references.lists.keys().copied().collect();
    let mut strange = 0;
    for kind in ["insert_log", "delta_log"] {
        let folder = cluster.layout.segments().join(kind);
        for name in cluster.repository.store().list_folders(&folder).await? {
            match name.parse::<i64>() {
                Ok(id) if id.to_string() == name => drop(all.insert(id)),
                _ => strange += 1,
            }
        }
    }
    Ok((all, strange))
}

/// The files of one collection that some backup needs.
async fn needed(
    cluster: &Cluster,
    collection: i64,
    references: &References,
) -> JobResult<Result<HashSet<FileId>, Obstacle>> {
    let mut needed = HashSet::new();
    for digest in references.lists.get(&collection).into_iter().flatten() {
        let why = match catalog::load_list(cluster, digest).await {
            Ok(list) if list.files().all(|(id, _)| id.collection == collection) => {
                needed.extend(list.files().map(|(id, _)| id));
                continue;
            }
            Ok(_) => "it names files of another collection".to_owned(),
            Err(error) => {
                let error = JobError::from(error);
                let telling = [ErrorKind::Damaged, ErrorKind::NotFound, ErrorKind::Refused];
                if !telling.contains(&error.kind()) {
                    return Err(error);
                }
                error.chain()
            }
        };
        return Ok(Err(Obstacle::Refused(format!(
            "the list {digest} of a backup cannot be read ({why}): `verify` tells of which; the \
             next backup may mend it, else delete that backup with --now"
        ))));
    }
    Ok(Ok(needed))
}

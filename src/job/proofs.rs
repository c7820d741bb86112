//! What is known of drills and scheduled verifications, for whoever tells of it.

use std::collections::BTreeMap;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::catalog::{self, CatalogError, CatalogResult, Cluster};
use crate::manifest::{DrillProof, ReadingProof};
use crate::model::PolicyName;
use crate::plan::is_credible;

use super::prune::own_cluster;
use super::{JobContext, JobResult};

/// Policies whose records are read at once.
const READERS: usize = 16;

/// What a policy wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofsWanted {
    /// Its name.
    pub policy: PolicyName,
    /// Drills.
    pub drill: bool,
    /// Scheduled verifications.
    pub reread: bool,
}

/// What is known of its backups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proofs {
    /// How drills ended.
    pub drill: Option<DrillProof>,
    /// When their files were read again.
    pub reading: Option<ReadingProof>,
}

/// Reads the records of these policies. What was not wanted before is wanted from now on, and
/// the records say so; what is not wanted any more begins anew one day.
pub async fn run_proofs(
    context: &JobContext,
    wanted: &[ProofsWanted],
) -> JobResult<BTreeMap<PolicyName, Proofs>> {
    let (cluster, _) = own_cluster(context).boxed().await?;
    let looks: Vec<_> = wanted
        .iter()
        .map(|wanted| {
            let cluster = &cluster;
            async move {
                let reading = reading(context, cluster, wanted).boxed().await?;
                let proofs =
                    Proofs { drill: drill(context, cluster, wanted).boxed().await?, reading };
                JobResult::Ok((wanted.policy.clone(), proofs))
            }
            .boxed()
        })
        .collect();
    stream::iter(looks).buffered(READERS).try_collect().await
}

async fn drill(
    context: &JobContext,
    cluster: &Cluster,
    ProofsWanted { policy, drill: wanted, .. }: &ProofsWanted,
) -> CatalogResult<Option<DrillProof>> {
    let known = match known(policy, catalog::drill_proof(cluster, policy).await)? {
        Known::Unreadable => return Ok(None),
        Known::Read(known) => known,
    };
    let now = context.clock.now();
    if says(known.as_ref().and_then(|proof| proof.since), *wanted, now) {
        return Ok(known);
    }
    let mut proof = known.clone().unwrap_or_else(DrillProof::none);
    proof.since = wanted.then_some(now);
    let put = catalog::put_drill_proof(cluster, policy, &proof).await;
    Ok(if is_written(policy, &put) { Some(proof) } else { known })
}

async fn reading(
    context: &JobContext,
    cluster: &Cluster,
    ProofsWanted { policy, reread: wanted, .. }: &ProofsWanted,
) -> CatalogResult<Option<ReadingProof>> {
    let known = match known(policy, catalog::reading_proof(cluster, policy).await)? {
        Known::Unreadable => return Ok(None),
        Known::Read(known) => known,
    };
    let now = context.clock.now();
    if says(known.as_ref().and_then(|proof| proof.since), *wanted, now) {
        return Ok(known);
    }
    let mut proof = known.clone().unwrap_or_else(ReadingProof::none);
    proof.since = wanted.then_some(now);
    let put = catalog::put_reading_proof(cluster, policy, &proof).await;
    Ok(if is_written(policy, &put) { Some(proof) } else { known })
}

/// Whether a record says what is wanted. A moment to come was written under a clock that ran ahead.
fn says(since: Option<Timestamp>, wanted: bool, now: Timestamp) -> bool {
    since.map_or(!wanted, |since| wanted && is_credible(since, now))
}

/// Whether a record is there now. Where it cannot be written, what there is can be told.
fn is_written(policy: &PolicyName, put: &CatalogResult<()>) -> bool {
    if let Err(error) = put {
        tracing::warn!(%policy, %error, "since when it is wanted cannot be written down");
    }
    put.is_ok()
}

/// A record, if there is one.
enum Known<T> {
    Read(Option<T>),
    /// It is left alone.
    Unreadable,
}

/// Keeps a record that cannot be read apart from a store that failed.
fn known<T>(policy: &PolicyName, read: CatalogResult<Option<T>>) -> CatalogResult<Known<T>> {
    match read {
        Ok(found) => Ok(Known::Read(found)),
        Err(CatalogError::Document { place, source }) => {
            tracing::warn!(%policy, place, error = %source, "a record cannot be read");
            Ok(Known::Unreadable)
        }
        Err(error) => Err(error),
    }
}

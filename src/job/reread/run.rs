//! One run, from its slot to its end.

use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::time::Instant;

use super::doubt::{Damage, settle};
use super::gather::{gather, next_parts};
use super::read::{PartRead, Read, read_part};
use super::report::RereadReport;
use super::survey::Survey;
use super::unread::again;
use crate::catalog::{self, CatalogError, Cluster};
use crate::job::prune::own_cluster;
use crate::job::{JobContext, JobError, JobResult, RunOutcome};
use crate::manifest::{DocumentError, ReadingEnd, ReadingProof};
use crate::model::{ErrorKind, PolicyName};
use crate::plan::{Turn, choose_parts, is_credible, part_of, read_since};
use crate::transfer::Stage;

/// How often what was read is written down, at most.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// How often damage is seen to, at most.
const SETTLE_EVERY: Duration = Duration::from_mins(1);

/// What a run has done so far.
#[derive(Debug, Default)]
struct Done {
    read: Read,
    damage: Damage,
    /// Parts with damage that nobody has seen to, and when their reading began, of those that
    /// were read as a whole.
    bad: Vec<(usize, Option<Timestamp>)>,
    settled: Option<Instant>,
    /// Whether this run has read any.
    is_begun: bool,
    is_cut_short: bool,
}

/// What a run works on.
#[derive(Debug)]
struct Run<'r> {
    context: &'r JobContext,
    cluster: Cluster,
    policy: &'r PolicyName,
    turn: Turn,
    started_at: Timestamp,
    proof: ReadingProof,
    saved: Instant,
}

/// Reads the share of a turn. Damage is a report with outcome `failed`, not an error.
pub async fn run_scheduled_verify(
    context: &JobContext,
    policy: &PolicyName,
    turn: Turn,
) -> JobResult<RereadReport> {
    let (cluster, _) = own_cluster(context).boxed().await?;
    let started_at = context.clock.now();
    let mut proof = known(&cluster, policy).boxed().await?;
    let since = proof.since.filter(|since| is_credible(*since, started_at));
    proof.since = Some(since.unwrap_or(started_at));
    let saved = Instant::now();
    let mut run = Run { context, cluster, policy, turn, started_at, proof, saved };
    let done = context.cancel.run_until_cancelled(run.work().boxed()).await;
    match done.unwrap_or_else(|| Err(JobError::cancelled())) {
        Ok(report) => Ok(report),
        Err(error) => {
            if error.kind() != ErrorKind::Cancelled {
                run.proof.last =
                    Some(run.end(RunOutcome::Failed, Read::default(), vec![error.chain()]));
            }
            // What was read was read.
            if let Err(error) = run.save().boxed().await {
                tracing::warn!(%policy, error = %error.chain(), "what was read cannot be written down");
            }
            Err(error)
        }
    }
}

/// What was read before. If nobody can tell, all of it is read anew.
async fn known(cluster: &Cluster, policy: &PolicyName) -> JobResult<ReadingProof> {
    match catalog::reading_proof(cluster, policy).await {
        Ok(proof) => Ok(proof.unwrap_or_else(ReadingProof::none)),
        Err(CatalogError::Document { place, source })
            if !matches!(source, DocumentError::TooNew { .. }) =>
        {
            tracing::warn!(%policy, place, error = %source, "what was read before is not known");
            Ok(ReadingProof::none())
        }
        Err(error) => Err(error.into()),
    }
}

impl Run<'_> {
    async fn work(&mut self) -> JobResult<RereadReport> {
        let mut survey = Survey::of(self.context, &self.cluster, self.policy).boxed().await?;
        let mut done =
            Done { damage: settle(self.context, &survey).boxed().await?, ..Done::default() };
        let parts = choose_parts(&self.proof, &survey.sizes, &self.turn);
        let bytes = parts.iter().map(|part| survey.sizes.bytes(*part)).sum();
        self.context.progress.enter(Stage::Verify, bytes);
        self.context.progress.subject("");
        let mut left = parts.as_slice();
        while !left.is_empty() && !done.is_cut_short {
            let (these, others) = next_parts(left, &survey.sizes);
            left = others;
            self.read(&mut survey, these, &mut done).boxed().await?;
        }
        self.settle(&survey, &mut done).boxed().await?;
        let report = self.report(&survey, done);
        let read = Read { files: report.files_read, bytes: report.bytes_read, unchecked: 0 };
        self.proof.last = Some(self.end(report.outcome, read, report.problems()));
        self.save().boxed().await?;
        Ok(report)
    }

    /// Reads some parts, one after the other.
    async fn read(
        &mut self,
        survey: &mut Survey,
        parts: &[usize],
        done: &mut Done,
    ) -> JobResult<()> {
        let (mut gathered, is_whole) = gather(self.context, survey, parts).boxed().await?;
        for part in parts {
            if done.is_begun && self.is_out_of_time() {
                done.is_cut_short = true;
                return Ok(());
            }
            let begun = self.context.clock.now().max(self.turn.slot);
            let wanted = gathered.remove(part).unwrap_or_default();
            done.is_begun |= !wanted.is_empty();
            let read = read_part(self.context, survey, (wanted, &mut done.read)).boxed().await?;
            let PartRead { is_good, is_whole: is_read } = read;
            let at = (is_whole && is_read).then_some(begun);
            match at {
                _ if !is_good => done.bad.push((*part, at)),
                Some(at) => self.was_read(*part, at),
                None => {}
            }
            let is_time = done.settled.is_none_or(|at| at.elapsed() >= SETTLE_EVERY);
            if is_time && !done.bad.is_empty() {
                self.settle(survey, done).boxed().await?;
            }
            if self.saved.elapsed() >= SAVE_EVERY {
                self.save().boxed().await?;
            }
        }
        Ok(())
    }

    /// Whether the next slot has come, which goes on where this one has left.
    fn is_out_of_time(&self) -> bool {
        self.context.clock.now() >= self.turn.next
    }

    fn was_read(&mut self, part: usize, at: Timestamp) {
        self.proof.was_read(part, at);
        self.proof.damaged.remove(&part);
    }

    /// Sees to damage. A part that has any counts as read after that, so that a kill does not
    /// let it be forgotten.
    async fn settle(&mut self, survey: &Survey, done: &mut Done) -> JobResult<()> {
        if done.bad.is_empty() {
            return Ok(());
        }
        done.damage = settle(self.context, survey).boxed().await?;
        done.settled = Some(Instant::now());
        for (part, at) in std::mem::take(&mut done.bad) {
            if let Some(at) = at {
                self.was_read(part, at);
            }
        }
        self.proof.damaged.extend(done.damage.files.iter().map(|(_, id)| part_of(id)));
        Ok(())
    }

    fn end(&self, outcome: RunOutcome, read: Read, problems: Vec<String>) -> ReadingEnd {
        let (started_at, at) = (self.started_at, self.context.clock.now());
        ReadingEnd { started_at, at, outcome, files: read.files, bytes: read.bytes, problems }
    }

    /// Writes down what was read.
    async fn save(&mut self) -> JobResult<()> {
        let Self { cluster, policy, proof, .. } = &*self;
        again(self.context, || catalog::put_reading_proof(cluster, policy, proof)).await?;
        self.saved = Instant::now();
        Ok(())
    }

    fn report(
        &self,
        survey: &Survey,
        Done { read, damage, is_cut_short, .. }: Done,
    ) -> RereadReport {
        let is_good = damage.suspect.is_empty() && survey.unread.why.is_empty();
        let outcome = match (is_good, is_cut_short) {
            (false, _) => RunOutcome::Failed,
            (true, true) => RunOutcome::Partial,
            (true, false) => RunOutcome::Complete,
        };
        RereadReport {
            policy: self.policy.to_string(),
            backups: survey.backups.len() as u64,
            files: survey.sizes.all_files(),
            bytes: survey.sizes.all_bytes(),
            files_read: read.files,
            bytes_read: read.bytes,
            missing: damage.missing,
            damaged: damage.damaged,
            unread: survey.unread.why.iter().cloned().collect(),
            unchecked: read.unchecked,
            suspect: damage.suspect,
            read_since: read_since(&self.proof, self.context.clock.now()),
            outcome,
            wrong_size: damage.wrong_size,
            wrong_content: damage.wrong_content,
        }
    }
}

//! What becomes of a request, and of a word to stop.

use super::handle::{Busy, SubmitError, Submitted};
use super::record::{JobId, JobRecord, JobRequest};
use super::state::{JobEvent, JobState, Stop};
use super::task::{Open, Runner};
use crate::model::RunOutcome;

/// Messages that one job does for. More than these get another one.
const MOST_REQUESTERS: usize = 256;

impl Runner {
    pub(super) async fn submit(
        &mut self,
        request: JobRequest,
        busy: Busy,
    ) -> Result<Submitted, SubmitError> {
        if self.draining {
            return Err(SubmitError::Stopping);
        }
        let mut of_policy = self.jobs.values().filter(|open| open.job.policy == request.policy);
        let newest = of_policy.next_back().map(|open| (open.job.id, open.run.is_some()));
        let waiting = newest.filter(|(id, _)| {
            let job = self.jobs.get(id).map(|open| open.job.progress);
            matches!(job, Some(JobState::Waiting { .. }))
        });
        // What is due now is worth more than another try at what was due before.
        let busy = match (waiting, request.cause.slot()) {
            (Some(_), Some(_)) => Busy::Replace,
            _ => busy,
        };
        let mut replaced = None;
        let in_the_way = match (newest, busy) {
            (None, _) | (Some((_, true)), Busy::Queue) => None,
            (Some((id, _)), Busy::Join) | (Some((id, false)), Busy::Queue) => {
                Some(Submitted::Joined(id))
            }
            (Some((id, _)), Busy::Skip) => Some(Submitted::Skipped(id)),
            (Some((id, _)), Busy::Replace) => {
                // Others may have asked for it, and it has not begun: it does for them and now.
                let asked = |open: &Open| open.job.is_fresh() && !open.job.requesters.is_empty();
                let does = self.jobs.get(&id).is_some_and(asked);
                replaced = Some(id).filter(|_| !does);
                does.then_some(Submitted::Joined(id))
            }
            (Some((id, _)), Busy::Follow) => return self.follow(id, request).await,
        };
        let (journal, now) = (self.parts.journal.clone(), self.now());
        if let Some(submitted) = in_the_way {
            if let Some(slot) = request.cause.slot() {
                let policy = request.policy;
                journal.on_disk(move |journal| journal.pass_over(&policy, slot, now)).await?;
            }
            return Ok(submitted);
        }
        let Some(old) = replaced else { return self.accept(request).await };
        // Whoever asked for the old one is served by the new one.
        let asked = self.jobs.get(&old).map(|open| open.job.requesters.clone());
        let requesters = [request.requesters, asked.unwrap_or_default()].concat();
        let accepted = self.accept(JobRequest { requesters, ..request }).await?;
        if let Some(open) = self.jobs.get_mut(&old) {
            open.job.requesters.clear();
        }
        self.stop(old, Stop::Replaced).await;
        Ok(accepted)
    }

    async fn accept(&mut self, request: JobRequest) -> Result<Submitted, SubmitError> {
        let (journal, now) = (&self.parts.journal, self.now());
        let job = journal.on_disk(move |journal| journal.accept(&request, now)).await?;
        let id = job.id;
        tracing::info!(job = %id, policy = job.policy, cause = job.cause.as_str(), "job accepted");
        self.parts.observer.changed(&job, None);
        self.jobs.insert(id, Open { job, run: None });
        Ok(Submitted::Accepted(id))
    }

    /// Takes a request and skips it.
    pub(super) async fn decline(
        &mut self,
        request: JobRequest,
        why: String,
    ) -> Result<Submitted, SubmitError> {
        if self.draining {
            return Err(SubmitError::Stopping);
        }
        let accepted = self.accept(request).await?;
        if let Submitted::Accepted(id) = accepted
            && let Some(mut job) = self.jobs.get(&id).map(|open| open.job.clone())
        {
            job.detail = Some(why);
            let skipped = JobEvent::End(RunOutcome::Skipped, self.now());
            job.apply(skipped).expect("a job that has not begun may end");
            self.keep(job, None).await;
        }
        Ok(accepted)
    }

    /// Joins the newest job of the policy if it has not begun, else makes one more.
    async fn follow(&mut self, id: JobId, request: JobRequest) -> Result<Submitted, SubmitError> {
        let newest = self.jobs.get(&id).map(|open| &open.job);
        let room = MOST_REQUESTERS.saturating_sub(request.requesters.len());
        let takes = |job: &&JobRecord| job.is_fresh() && job.requesters.len() <= room;
        let Some(mut job) = newest.filter(takes).cloned() else {
            return self.accept(request).await;
        };
        job.requesters.extend(request.requesters);
        let (copy, now) = (job.clone(), self.now());
        self.parts.journal.on_disk(move |journal| journal.join(&copy, now)).await?;
        if let Some(open) = self.jobs.get_mut(&id) {
            open.job = job;
        }
        Ok(Submitted::Joined(id))
    }

    /// Stops a job, or its run. `false` if there is nothing to stop.
    pub(super) async fn stop(&mut self, id: JobId, why: Stop) -> bool {
        let Some(open) = self.jobs.get(&id) else { return false };
        let mut job = open.job.clone();
        // A run that is being stopped already is not stopped twice.
        if job.apply(JobEvent::Stop(why, self.now())).is_err() {
            return false;
        }
        if let Some(run) = &open.run {
            run.stop.send_replace(Some(why));
        }
        self.keep(job, None).await;
        true
    }
}

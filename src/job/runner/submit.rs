//! What becomes of a request, and of a word to stop.

use std::sync::Arc;

use super::handle::{Busy, SubmitError, Submitted};
use super::journal::{Journal, RequestState};
use super::record::{JobId, JobRecord, JobRequest};
use super::state::{JobEvent, JobState, Stop};
use super::task::{Open, Runner};
use super::work::Change;
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
        if let Some(job) = self.known(&request).await? {
            return Ok(Submitted::Joined(job));
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
        if let Some(submitted) = in_the_way {
            self.do_for(submitted.job(), request).await?;
            return Ok(submitted);
        }
        match replaced {
            Some(old) => self.replace(old, request).await,
            None => self.accept(request).await,
        }
    }

    /// The job that does for a request already: whoever hands it over may not have heard.
    async fn known(&self, request: &JobRequest) -> Result<Option<JobId>, SubmitError> {
        let Some(id) = request.requesters.first().map(|one| one.id.clone()) else {
            return Ok(None);
        };
        let known = self.parts.journal.on_disk(move |journal| journal.request(&id)).await?;
        Ok(match known.map(|known| known.state) {
            Some(RequestState::Accepted { job }) => Some(job),
            Some(RequestState::Held { .. } | RequestState::Elsewhere) | None => None,
        })
    }

    /// A job does for one more, who wants it however late it begins.
    async fn do_for(&mut self, id: JobId, request: JobRequest) -> Result<(), SubmitError> {
        let limited = |job: &&JobRecord| job.is_fresh() && job.not_after().is_some();
        let job = self.jobs.get(&id).map(|open| &open.job).filter(limited).cloned();
        let job = job.map(JobRecord::without_limit);
        let (slot, now) = (request.cause.slot(), self.now());
        if job.is_none() && slot.is_none() {
            return Ok(());
        }
        let (copy, policy) = (job.clone(), request.policy);
        let write = move |journal: &Journal| journal.serve(copy.as_ref(), (&policy, slot), now);
        self.parts.journal.on_disk(write).await?;
        if let (Some(open), Some(job)) = (self.jobs.get_mut(&id), job) {
            open.job = job;
        }
        Ok(())
    }

    /// Takes a request in the place of an older job, whose requesters are served by the new one.
    async fn replace(&mut self, old: JobId, request: JobRequest) -> Result<Submitted, SubmitError> {
        let before = self.jobs.get(&old).map(|open| open.job.clone());
        let asked = before.as_ref().map(|job| job.requesters.clone()).unwrap_or_default();
        let requesters = [request.requesters, asked].concat();
        let request = JobRequest { requesters, ..request };
        let left = before.map(|job| JobRecord { requesters: Vec::new(), ..job });
        let (journal, now, copy) = (&self.parts.journal, self.now(), left.clone());
        let write = move |journal: &Journal| journal.replace(copy.as_ref(), &request, now);
        let job = journal.on_disk(write).await?;
        if let (Some(open), Some(left)) = (self.jobs.get_mut(&old), left) {
            open.job = left;
        }
        let accepted = self.accepted(job);
        self.stop(old, Stop::Replaced).await;
        Ok(accepted)
    }

    async fn accept(&mut self, request: JobRequest) -> Result<Submitted, SubmitError> {
        let (journal, now) = (&self.parts.journal, self.now());
        let job = journal.on_disk(move |journal| journal.accept(&request, now)).await?;
        Ok(self.accepted(job))
    }

    /// The journal has it.
    fn accepted(&mut self, job: JobRecord) -> Submitted {
        let id = job.id;
        tracing::info!(job = %id, policy = job.policy, cause = job.cause.as_str(), "job accepted");
        self.parts.observer.changed(&job, None);
        self.jobs.insert(id, Open { job, run: None });
        Submitted::Accepted(id)
    }

    /// Takes a request and skips it, all at once: a paused policy is not to run after a kill.
    pub(super) async fn decline(
        &mut self,
        request: JobRequest,
        why: String,
    ) -> Result<Submitted, SubmitError> {
        if self.draining {
            return Err(SubmitError::Stopping);
        }
        if let Some(job) = self.known(&request).await? {
            return Ok(Submitted::Joined(job));
        }
        let (observer, now) = (Arc::clone(&self.parts.observer), self.now());
        let skip = move |fresh: &JobRecord| {
            let mut job = JobRecord { detail: Some(why), ..fresh.clone() };
            let skipped = JobEvent::End(RunOutcome::Skipped, now);
            job.apply(skipped).expect("a job that has not begun may end");
            let letters = observer.letters(&Change { before: Some(fresh), job: &job, ended: None });
            (job, letters)
        };
        let write = move |journal: &Journal| journal.accept_ended(&request, skip, now);
        let job = self.parts.journal.on_disk(write).await?;
        self.parts.observer.changed(&job, None);
        Ok(Submitted::Accepted(job.id))
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

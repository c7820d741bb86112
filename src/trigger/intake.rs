//! What becomes of a message.

use std::sync::Arc;

use uuid::Uuid;

use super::message::{MAX_BYTES, TriggerMessage};
use crate::broker::{Incoming, Refusal};
use crate::job::{
    Busy, Cause, JobChange, JobContext, JobError, JobId, JobRecord, JobRequest, JobResult, Journal,
    JournalError, KnownRequest, RefusedRequest, RequestState, Requester, Reserved, RunnerHandle,
    SubmitError, Submitted, can_reserve, job_letters, reserve_request,
};
use crate::metrics::{MessageResult, Metrics, TriggerSource};
use crate::model::{Address, BackupName, Clock, ErrorKind, PolicyName};
use crate::policy::{PolicySet, Trigger};

/// How much of an id that may be none is told.
const MAX_CALLED: usize = 128;

/// What is to be done with a message.
#[derive(Debug)]
pub enum Verdict {
    /// Accept it: whatever it asked for is seen to.
    Accept(MessageResult),
    /// It is not for us.
    Refuse(Refusal),
    /// Give it back: it could not be seen to.
    Later(JobError),
}

/// Turns messages into jobs: each request becomes one, or joins one that has not begun.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Who runs them.
    pub runner: RunnerHandle,
    /// Where they are written down.
    pub journal: Journal,
    /// Told of triggers.
    pub metrics: Metrics,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// The agent's name among those on one repository.
    pub agent: String,
}

/// The settings of the moment.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What may be asked for.
    pub policies: &'a PolicySet,
    /// The repository, and the cluster's name.
    pub context: &'a JobContext,
}

impl Intake {
    /// Sees to a message. Where it is to be accepted, journal and repository know of it.
    pub async fn take(&self, message: &Incoming, scene: Scene<'_>) -> Verdict {
        let asked =
            TriggerMessage::read(message).and_then(|asked| admit(&asked, scene).map(|()| asked));
        let asked = match asked {
            Ok(asked) => asked,
            Err(refusal) => return self.refuse(message, refusal, scene).await,
        };
        let requester = Requester {
            id: asked.request_id,
            reply_to: message.reply_to.clone(),
            correlation_id: message.correlation_id.clone(),
            not_after: asked.not_after,
        };
        let reason = asked.reason.unwrap_or_default();
        match self.see_to(&requester, &asked.policy, (scene, &reason)).await {
            Ok(result) => Verdict::Accept(result),
            Err(error) => Verdict::Later(error),
        }
    }

    /// Whoever waits for an answer gets one.
    async fn refuse(&self, message: &Incoming, refusal: Refusal, scene: Scene<'_>) -> Verdict {
        let Some(reply_to) = &message.reply_to else { return Verdict::Refuse(refusal) };
        let refused = RefusedRequest {
            cluster: &scene.context.cluster,
            agent: &self.agent,
            reason: refusal.reason,
            detail: &refusal.detail,
            reply_to,
            correlation_id: message.correlation_id.as_deref(),
        };
        let letter = refused.letter(self.clock.now());
        match self.in_journal(move |journal| journal.post(&[letter])).await {
            Ok(()) => Verdict::Refuse(refusal),
            Err(error) => Verdict::Later(error),
        }
    }

    async fn see_to(
        &self,
        requester: &Requester,
        policy: &PolicyName,
        (scene, reason): (Scene<'_>, &str),
    ) -> JobResult<MessageResult> {
        let id = requester.id.clone();
        let known = self.in_journal(move |journal| journal.request(&id)).await?;
        let held = match known.map(|KnownRequest { state, .. }| state) {
            None => false,
            Some(RequestState::Held { .. }) => true,
            Some(RequestState::Elsewhere) => return Ok(known_already(requester)),
            Some(RequestState::Accepted { job }) => {
                self.answer_again(requester, job, scene).await?;
                return Ok(known_already(requester));
            }
        };
        if !held {
            let (name, held, now) = (policy.to_string(), requester.clone(), self.clock.now());
            let write = move |journal: &Journal| journal.hold(&name, &held, now);
            self.in_journal(write).await?;
        }
        let since = if held { Since::AnEarlierTry } else { Since::Now };
        self.claim((requester, since), policy, (scene, reason)).await
    }

    /// Who asks again after the end may have lost the answer.
    async fn answer_again(
        &self,
        requester: &Requester,
        job: JobId,
        scene: Scene<'_>,
    ) -> JobResult<()> {
        if requester.reply_to.is_none() {
            return Ok(());
        }
        let ended = self.in_journal(move |journal| journal.ended_job(job)).await?;
        let Some(ended) = ended else { return Ok(()) };
        let job = JobRecord { requesters: vec![requester.clone()], ..ended };
        let mut letters = job_letters(&JobChange {
            cluster: &scene.context.cluster,
            agent: &self.agent,
            before: None,
            job: &job,
            done: None,
            failure: None,
            now: self.clock.now(),
        });
        letters.retain(|letter| matches!(letter.to, Address::Reply { .. }));
        self.in_journal(move |journal| journal.post(&letters)).await
    }

    /// Goes on with a request that the journal holds.
    async fn claim(
        &self,
        (requester, since): (&Requester, Since),
        policy: &PolicyName,
        (scene, reason): (Scene<'_>, &str),
    ) -> JobResult<MessageResult> {
        let asked = (&requester.id, policy.as_str());
        let whose = match (reserve_request(scene.context, asked, &self.agent).await?, since) {
            (Reserved::Ours, _) | (Reserved::OursBefore, Since::AnEarlierTry) => None,
            // The journal has forgotten it: a clock was wrong for a while.
            (Reserved::OursBefore, Since::Now) => Some("this host, once before".to_owned()),
            (Reserved::Elsewhere { host }, _) => Some(host),
        };
        if let Some(host) = whose {
            let (id, now) = (requester.id.clone(), self.clock.now());
            self.in_journal(move |journal| journal.leave(&id, now)).await?;
            tracing::info!(request_id = %requester.id, %policy, host, "the request has been taken elsewhere");
            return Ok(MessageResult::Duplicate);
        }
        let now = self.clock.now();
        let request = JobRequest {
            policy: policy.to_string(),
            cause: Cause::Message,
            backup: backup_name(policy, now),
            requesters: vec![requester.clone()],
        };
        let paused = scene.policies.get(policy.as_str()).is_some_and(|policy| policy.paused);
        let late = requester.not_after.filter(|limit| *limit < now);
        let (submitted, result) = if let Some(limit) = late {
            let why = format!("the request came too late: it was not to begin after {limit}");
            (self.runner.decline(request, why).await, MessageResult::Expired)
        } else if paused {
            let why = format!("the policy `{policy}` is paused");
            (self.runner.decline(request, why).await, MessageResult::Paused)
        } else {
            (self.runner.submit(request, Busy::Follow).await, MessageResult::Accepted)
        };
        let submitted = submitted.map_err(unsubmitted)?;
        let (job, joined) = (submitted.job(), matches!(submitted, Submitted::Joined(_)));
        self.metrics.trigger(policy.as_str(), TriggerSource::Amqp);
        tracing::info!(
            request_id = %requester.id, %policy, %job, joined, reason,
            result = result.as_str(), "request taken"
        );
        Ok(result)
    }

    /// Goes on with the requests of which an earlier process, or an earlier try, could not
    /// tell whose they are. Their messages may have gone to others by now.
    pub async fn resume(&self, scene: Scene<'_>) -> JobResult<()> {
        let held = self.in_journal(Journal::held_requests).await?;
        for (policy, requester) in held {
            let policy = PolicyName::new(policy).map_err(|error| {
                JobError::new(ErrorKind::Failed, format!("the journal is wrong: {error}"))
            })?;
            self.claim((&requester, Since::AnEarlierTry), &policy, (scene, "")).await?;
        }
        Ok(())
    }

    /// Waits for the disk where that is in nobody's way.
    async fn in_journal<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> JobResult<T> {
        self.journal.on_disk(work).await.map_err(|error| unwritten(&error))
    }

    /// Whether a request could be taken now.
    pub async fn is_able(&self, scene: Scene<'_>) -> JobResult<()> {
        self.forget().await?;
        can_reserve(scene.context).await
    }

    /// Forgets requests that nobody sends again.
    pub async fn forget(&self) -> JobResult<()> {
        let now = self.clock.now();
        let write = move |journal: &Journal| journal.forget_requests(now);
        self.in_journal(write).await
    }
}

/// Since when the journal holds a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Now,
    AnEarlierTry,
}

fn known_already(requester: &Requester) -> MessageResult {
    tracing::info!(request_id = %requester.id, "a request that is known came again");
    MessageResult::Duplicate
}

/// Refuses what this agent is not for.
fn admit(asked: &TriggerMessage, scene: Scene<'_>) -> Result<(), Refusal> {
    let refuse = |reason, detail| Err(Refusal { reason, detail });
    let ours = &scene.context.cluster;
    if let Some(cluster) = asked.cluster.as_ref().filter(|cluster| *cluster != ours) {
        let detail = format!("it is for the cluster `{cluster}`, and this agent's is `{ours}`");
        return refuse("other_cluster", detail);
    }
    let name = asked.policy.as_str();
    let Some(policy) = scene.policies.get(name) else {
        let nearest = scene.policies.nearest(name).map(|near| format!("; is it `{near}`?"));
        let nearest = nearest.unwrap_or_default();
        return refuse("unknown_policy", format!("this agent has no policy `{name}`{nearest}"));
    };
    if !policy.triggers.contains(&Trigger::Amqp) {
        let detail =
            format!("messages do not start the policy `{name}`: add `triggers: [amqp]` to it");
        return refuse("not_triggered", detail);
    }
    Ok(())
}

/// What a message that may be wrong calls itself, for whoever looks for it in the log.
pub fn calls_itself(message: &Incoming) -> String {
    let body = Some(&message.body).filter(|body| body.len() <= MAX_BYTES);
    let body = body.and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok());
    let id = body.as_ref().and_then(|body| body.get("request_id")?.as_str());
    let id = id.or(message.message_id.as_deref()).unwrap_or_default();
    id.chars().take(MAX_CALLED).collect()
}

/// A name that no slot has, nor any other request.
fn backup_name(policy: &PolicyName, now: jiff::Timestamp) -> BackupName {
    let unique = Uuid::new_v4().simple().to_string();
    let time = now.strftime("%Y%m%d_%H%M%S");
    BackupName::new(format!("{}_{time}_{}", policy.backup_prefix(), &unique[..8]))
        .expect("the name of a policy leaves room for more")
}

fn unwritten(error: &JournalError) -> JobError {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    JobError::new(ErrorKind::Failed, format!("{error}{}", cause.unwrap_or_default()))
}

fn unsubmitted(error: SubmitError) -> JobError {
    match error {
        SubmitError::Journal(error) => unwritten(&error),
        SubmitError::Stopping => JobError::new(ErrorKind::Cancelled, "the agent is stopping"),
    }
}

#[cfg(test)]
mod tests {
    use super::calls_itself;
    use crate::broker::Incoming;

    #[test]
    fn a_refused_message_is_told_by_the_id_that_it_has() {
        let called = |body: &str, message_id: Option<&str>| {
            let message_id = message_id.map(str::to_owned);
            calls_itself(&Incoming { body: body.into(), message_id, ..Incoming::default() })
        };
        assert_eq!(
            called(r#"{"polcy": "nightly", "request_id": "load-42"}"#, Some("m")),
            "load-42"
        );
        assert_eq!(called(r#"{"policy": "nightly"}"#, Some("m-1")), "m-1");
        assert_eq!(called(r#"{"request_id": 5}"#, None), "");
        assert_eq!(called("load-42", None), "");
        assert_eq!(called(&format!(r#"{{"request_id": "{}"}}"#, "é".repeat(500)), None).len(), 256);
    }
}

//! The events of one run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::data::{Data, End, Envelope, Failure, cut, page};
use super::facts::EventFacts;
use super::reply::answer;
use super::source::EventSource;
use super::word::EventWord;
use crate::job::{JobError, Requester};
use crate::model::{Address, ErrorKind, Letter, RequestId, RunKind, RunOutcome};

/// What every `type` of ours begins with.
pub(super) const TYPE: &str = "milvus.backup.agent.v1";

/// A run, or a job that ends without one, as all of its events tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRun {
    /// Whose it is.
    pub source: EventSource,
    /// What tells it from every other.
    pub id: String,
    /// What it does.
    pub kind: RunKind,
    /// The policy; empty for none.
    pub policy: String,
    /// The name of its backup, where that is known.
    pub backup: Option<String>,
    /// What asked for it, in a word.
    pub trigger: String,
    /// The job that it is of.
    pub job: Option<u64>,
    /// When it began; none of a job that ends without a run.
    pub started_at: Option<Timestamp>,
    /// The requests that it is for.
    pub requests: Vec<RequestId>,
}

/// Whether the same is tried again without anyone asking for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsAgain {
    /// It is over.
    No,
    /// As soon as it can be.
    Soon,
    /// At this moment.
    At(Timestamp),
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFailure {
    /// For scripts.
    pub kind: ErrorKind,
    /// What to do.
    pub hint: Option<String>,
}

impl From<&JobError> for EventFailure {
    fn from(error: &JobError) -> Self {
        Self { kind: error.kind(), hint: error.remedy().map(str::to_owned) }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EventEnd {
    /// The word.
    pub outcome: RunOutcome,
    /// What is worth knowing: the error and its causes, where it failed.
    pub detail: Option<String>,
    /// What failed.
    pub failure: Option<EventFailure>,
    /// When it ended; none of a run that was killed, of which nobody knows.
    pub ended_at: Option<Timestamp>,
    /// What follows.
    pub again: RunsAgain,
    /// What it has done.
    pub facts: Option<EventFacts>,
}

impl EventEnd {
    /// Of a run that came to its end.
    pub fn reported(outcome: RunOutcome, ended_at: Timestamp, facts: EventFacts) -> Self {
        let failed = (outcome == RunOutcome::Failed).then_some(ErrorKind::Failed);
        let failure = facts.failure().or(failed);
        Self {
            outcome,
            detail: None,
            failure: failure.map(|kind| EventFailure { kind, hint: None }),
            ended_at: Some(ended_at),
            again: RunsAgain::No,
            facts: Some(facts),
        }
    }

    /// Of a run that ended with an error.
    pub fn broken_off(outcome: RunOutcome, ended_at: Timestamp, error: &JobError) -> Self {
        Self {
            outcome,
            detail: Some(error.chain()),
            failure: (outcome == RunOutcome::Failed).then(|| error.into()),
            ended_at: Some(ended_at),
            again: RunsAgain::No,
            facts: None,
        }
    }

    /// Of a run that was killed. Nobody knows when.
    pub(super) fn killed() -> Self {
        Self {
            outcome: RunOutcome::Failed,
            detail: Some("it was killed while it was at work".to_owned()),
            failure: Some(EventFailure { kind: ErrorKind::Failed, hint: None }),
            ended_at: None,
            again: RunsAgain::No,
            facts: None,
        }
    }
}

impl EventRun {
    /// A run that begins, and is none of a job. Its id is new, and later than those before.
    pub fn begun(source: EventSource, kind: RunKind, started_at: Timestamp) -> Self {
        Self {
            source,
            id: Uuid::now_v7().to_string(),
            kind,
            policy: String::new(),
            backup: None,
            trigger: String::new(),
            job: None,
            started_at: Some(started_at),
            requests: Vec::new(),
        }
    }

    /// What is told when it begins.
    pub fn started(&self, now: Timestamp) -> Letter {
        self.letter(EventWord::Started, (None, None), self.started_at.unwrap_or(now))
    }

    /// What is told when it has ended: to everyone, and to whoever waits for an answer, unless
    /// another run follows that will answer.
    pub fn ended(&self, end: &EventEnd, replies: &[Requester], now: Timestamp) -> Vec<Letter> {
        let duration = self.started_at.zip(end.ended_at).map(|(started_at, ended_at)| {
            // A clock that was set back makes it 0, not negative.
            ended_at.duration_since(started_at).as_secs_f64().max(0.)
        });
        let ended = End {
            detail: end.detail.as_deref().map(page),
            error: end.failure.as_ref().map(|failure| Failure {
                kind: failure.kind.as_str(),
                hint: failure.hint.as_deref().map(page),
            }),
            ended_at: end.ended_at,
            duration_seconds: duration,
            will_run_again: end.again != RunsAgain::No,
            retry_at: match end.again {
                RunsAgain::At(at) => Some(at),
                RunsAgain::No | RunsAgain::Soon => None,
            },
            facts: end.facts.as_ref(),
        };
        let what = (Some(end.outcome), Some(ended));
        let event = self.letter(end.outcome.into(), what, end.ended_at.unwrap_or(now));
        let mut letters = vec![event];
        if end.again == RunsAgain::No {
            let answers = replies.iter().filter_map(|one| answer(one, &letters[0]));
            let answers: Vec<Letter> = answers.collect();
            letters.extend(answers);
        }
        letters
    }

    fn letter(
        &self,
        word: EventWord,
        (outcome, ended): (Option<RunOutcome>, Option<End<'_>>),
        time: Timestamp,
    ) -> Letter {
        let key = format!("{}.{word}", self.kind);
        let id = format!("{}-{word}", self.id);
        let policy = Some(self.policy.as_str()).filter(|policy| !policy.is_empty());
        let envelope = Envelope {
            specversion: "1.0",
            id: &id,
            source: self.source.uri(),
            kind: format!("{TYPE}.{key}"),
            subject: self.backup.as_deref().or(policy),
            time,
            datacontenttype: "application/json",
            data: Data {
                kind: self.kind,
                policy: &self.policy,
                cluster: self.source.cluster.as_str(),
                backup: self.backup.as_deref(),
                trigger: &self.trigger,
                job: self.job,
                run: self.started_at.map(|_| self.id.as_str()),
                requests_count: self.requests.len(),
                requests: cut(&self.requests, |_| true, RequestId::clone),
                started_at: self.started_at,
                outcome,
                ended,
            },
        };
        let body = serde_json::to_string(&envelope).expect("events are plain data");
        Letter { id, to: Address::Topic { key }, body }
    }
}

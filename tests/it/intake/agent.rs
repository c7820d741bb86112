//! An agent that takes messages, on a repository in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use milvus_backup_agent::broker::Incoming;
use milvus_backup_agent::job::{JobContext, JobRecord, Journal, RequestState};
use milvus_backup_agent::metrics::Metrics;
use milvus_backup_agent::model::{Clock, ClusterName, RequestId};
use milvus_backup_agent::policy::PolicySet;
use milvus_backup_agent::trigger::{Intake, Scene, Verdict};

use crate::support::{Deed, Jobs, Service};

pub(super) const SHORT: Deed = Deed::Takes(Duration::from_secs(10));

pub(super) fn policies() -> PolicySet {
    let file = |name: &str, more: &str| {
        let text = format!("{more}\nretention: {{keep_all: true}}\n");
        (PathBuf::from(format!("/policies/{name}.yaml")), Ok(text.into_bytes()))
    };
    let files = [
        file("nightly", "triggers: [amqp]"),
        file("other", "triggers: [amqp]"),
        file("quiet", "triggers: [api]"),
        file("resting", "triggers: [amqp]\npaused: true"),
    ];
    PolicySet::parse(&files, &ClusterName::new("c1").expect("a name")).expect("policies")
}

/// An agent of several on one repository.
pub(super) struct Agent {
    pub(super) service: Service,
    pub(super) intake: Intake,
    pub(super) context: JobContext,
    pub(super) policies: PolicySet,
}

impl Agent {
    /// One whose state is in a folder of its own.
    pub(super) async fn start(jobs: &Jobs, context: JobContext) -> Self {
        let service = jobs.agent().await;
        let intake = Intake {
            runner: service.runner.clone(),
            journal: service.journal.clone(),
            metrics: Metrics::default(),
            clock: Arc::clone(&jobs.clock) as Arc<dyn Clock>,
            agent: service.journal.agent().expect("a name"),
        };
        Self { service, intake, context, policies: policies() }
    }

    /// As SIGKILL does. A write that had begun ends first.
    pub(super) async fn kill(self) {
        let Self { service, intake, .. } = self;
        service.kill().await;
        let journal = intake.journal.clone();
        drop(intake);
        drop(journal.on_disk(Journal::open_jobs).await);
    }

    pub(super) fn scene(&self) -> Scene<'_> {
        Scene { policies: &self.policies, context: &self.context }
    }

    /// What becomes of a message with this body, in a word.
    pub(super) async fn take(&self, body: &str) -> String {
        let message = Incoming { body: body.into(), ..Incoming::default() };
        self.take_message(&message).await
    }

    pub(super) async fn take_message(&self, message: &Incoming) -> String {
        match self.intake.take(message, self.scene()).await {
            Verdict::Accept(result) => result.as_str().to_owned(),
            Verdict::Refuse(why) => format!("{}: {}", why.reason, why.detail),
            Verdict::Later(why) => format!("later: {}", why.chain()),
        }
    }

    pub(super) fn known(&self, id: &str) -> Option<RequestState> {
        let id = RequestId::new(id).expect("an id");
        self.service.journal.request(&id).expect("it is read").map(|known| known.state)
    }

    pub(super) fn open_jobs(&self) -> Vec<JobRecord> {
        self.service.journal.open_jobs().expect("they are read")
    }
}

pub(super) fn asks_for(policy: &str, id: &str) -> String {
    format!("{{\"policy\": \"{policy}\", \"request_id\": \"{id}\"}}")
}

pub(super) fn jobs() -> Jobs {
    Jobs::new(&[("nightly", SHORT), ("other", SHORT), ("resting", SHORT)])
}

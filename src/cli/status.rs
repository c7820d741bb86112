//! `status`: what the agent says, or else what repository and policies tell.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::config::Config;
use crate::job::{self, JobError, JobResult, Overview, Sizes, unread_repository};
use crate::model::{BackupState, Clock, ErrorKind, SystemClock};
use crate::policy::{Policy, PolicySet};
use crate::status::{
    BackupsFacts, Intent, PolicyStatus, RepositoryFacts, RunningFacts, StatusFacts, StatusView,
    Teller, Unanswered, Wrong, text,
};
use crate::storage::Access;

use super::output::{Output, width};
use super::{ExitStatus, policy, session};

pub(super) async fn run(
    (config, file): (&Config, Option<&Path>),
    output: Output,
    cancel: CancellationToken,
) -> JobResult<ExitStatus> {
    let asked = api::ask_status(config.api.listen, config.api.token.as_ref());
    let view = tokio::select! {
        asked = asked => match asked {
            Ok(view) => view,
            Err(unanswered) => found((config, file), unanswered, &cancel).await?,
        },
        () = cancel.cancelled() => return Err(JobError::cancelled()),
    };
    output.print(&view, || text(&view, width()));
    Ok(if view.well { ExitStatus::OK } else { ErrorKind::Failed.into() })
}

/// What a command finds out by itself.
async fn found(
    (config, file): (&Config, Option<&Path>),
    unanswered: Unanswered,
    cancel: &CancellationToken,
) -> JobResult<StatusView> {
    let cluster = session::cluster_name(config, Access::Read)?;
    let (policies, settings) = policies(config);
    let (overview, unreadable) = match overview(config, cancel).await {
        Ok(overview) => (overview, None),
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        Err(error) => (None, Some((error.chain(), error.remedy().map(str::to_owned)))),
    };
    let repository = match &overview {
        Some(overview) => overview.repository(&config.repository),
        None => unread_repository(&config.repository),
    };
    let is_known = |name: &String| policies.get(name).is_some();
    let strays = overview.iter().flat_map(|overview| &overview.backups);
    let strays = strays.filter(|(name, _)| !is_known(name));
    // What was read is not of the future.
    let now = SystemClock.now();
    let seen = (now, unanswered.is_there);
    let facts = StatusFacts {
        now,
        cluster: cluster.to_string(),
        policies: policies.iter().map(|one| standing(one, overview.as_ref(), seen)).collect(),
        told_by: Teller::Command(unanswered),
        strays: strays.flat_map(|(_, backups)| backups.doubtful.clone()).collect(),
        leftovers: None,
        config_file: session::named_file(file),
        policy_folder: config.policies.display().to_string(),
        repository: RepositoryFacts { unreadable, ..repository },
        waiting: Vec::new(),
        broker: None,
        unnamed_broker: config.unnamed_broker,
        settings,
    };
    Ok(StatusView::of(&facts))
}

/// The policies, or what is wrong with them.
fn policies(config: &Config) -> (PolicySet, Vec<Wrong>) {
    if policy::has_none(config) {
        return (PolicySet::default(), Vec::new());
    }
    match policy::load(config) {
        Ok(policies) => (policies, Vec::new()),
        Err(error) => {
            let message = format!("the policies are wrong, and no agent starts: {}", error.chain());
            let remedy = "mend the files; `policy check` says whether they are right".to_owned();
            (PolicySet::default(), vec![Wrong { message, remedy }])
        }
    }
}

async fn overview(config: &Config, cancel: &CancellationToken) -> JobResult<Option<Overview>> {
    let context = session::open(config, Access::ReadIfAny, cancel.clone()).await?;
    let looked = cancel.run_until_cancelled(job::look_over(&context, Sizes::Known)).await;
    looked.unwrap_or_else(|| Err(JobError::cancelled())).map(Some)
}

/// When the file of a policy was last written, as far as that can be told.
fn written_at(policy: &Policy) -> Option<Timestamp> {
    let written = fs::metadata(&policy.file).and_then(|file| file.modified());
    Timestamp::try_from(written.ok()?).ok()
}

fn standing(
    policy: &Policy,
    overview: Option<&Overview>,
    (now, is_there): (Timestamp, bool),
) -> PolicyStatus {
    let intent = Intent { written_at: written_at(policy), ..Intent::of(policy, now) };
    let backups = overview.map(|overview| {
        let known = overview.backups.get(&intent.name).cloned();
        known.unwrap_or_else(BackupsFacts::default)
    });
    // Without an agent nobody keeps it.
    let schedule = policy.schedule.as_ref().filter(|_| is_there && !policy.paused);
    let running = backups.as_ref().and_then(|backups| backups.running.clone());
    PolicyStatus {
        backups,
        last_run: None,
        running: running.map(|(backup, since)| RunningFacts {
            backup,
            since,
            stage: BackupState::Running.as_str(),
            subject: String::new(),
            done_bytes: 0,
            total_bytes: 0,
            moved_at: None,
        }),
        proving: None,
        next_run: schedule.and_then(|schedule| schedule.next_after(now)),
        others: BTreeMap::new(),
        pruned: None,
        drills: None,
        readings: None,
        intent,
    }
}

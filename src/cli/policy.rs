//! `policy check`, `policy list` and `policy next`.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::config::{Config, KEYS, policy_files, read_policy_files};
use crate::job::{JobError, JobResult};
use crate::model::{Clock, Diagnostics, ErrorKind, ReadFile, RunKind, SystemClock};
use crate::policy::{AfterBackup, Policy, PolicySet, Reread, Schedule, Trigger};
use crate::storage::Access;

use super::args::PolicyCommand;
use super::output::{Output, table};
use super::{ExitStatus, session};

pub(super) fn run(
    config: &Config,
    command: &PolicyCommand,
    output: Output,
) -> JobResult<ExitStatus> {
    let now = SystemClock.now();
    match command {
        PolicyCommand::Check { files } => {
            let policies = if files.is_empty() {
                load(config)?
            } else {
                parse(config, &read_policy_files(files.iter().cloned()))?
            };
            check(&policies, now, output);
        }
        PolicyCommand::List => list(&load(config)?, now, output),
        PolicyCommand::Next { count, policies } => {
            let set = load(config)?;
            let chosen = if policies.is_empty() {
                set.iter().collect()
            } else {
                policies.iter().map(|name| find(&set, name)).collect::<JobResult<Vec<_>>>()?
            };
            next(&chosen, *count, now, output);
        }
    }
    Ok(ExitStatus::OK)
}

/// The policies of the configured folder.
pub(super) fn load(config: &Config) -> JobResult<PolicySet> {
    let files = policy_files(&config.policies).map_err(|problem| refused(&problem.into(), 0))?;
    parse(config, &files)
}

/// How many there are and which is due next, in a line for `check`. Whoever has no policies
/// does without their usual folder.
pub(super) fn overview(config: &Config, now: Timestamp) -> JobResult<String> {
    if has_none(config) {
        let folder = config.policies.display();
        return Ok(format!("none; `run` needs the folder `{folder}`"));
    }
    let policies = load(config)?;
    let good = match policies.len() {
        0 => return Ok("none".to_owned()),
        1 => "1, good".to_owned(),
        count => format!("{count}, all good"),
    };
    let next = policies.iter().flat_map(|policy| due(policy, now, 1)).min_by_key(|fire| fire.at);
    let next = next.map_or_else(
        || "nothing is scheduled".to_owned(),
        |fire| {
            let kind = if fire.kind == RunKind::Backup { "" } else { fire.kind.as_str() };
            let what = format!("{kind} {}", fire.policy);
            format!("next: {} at {}", what.trim_start(), fire.shown())
        },
    );
    Ok(format!("{good}; {next}"))
}

/// Whether there is no folder of policies, and nobody named one.
pub(super) fn has_none(config: &Config) -> bool {
    is_usual(&config.policies) && !config.policies.exists()
}

/// Whether nobody named the folder.
fn is_usual(folder: &Path) -> bool {
    let key = KEYS.iter().find(|key| key.path == "policies").expect("it is a key");
    folder == Path::new(key.default_text())
}

/// The policy of this name.
pub(super) fn find<'s>(policies: &'s PolicySet, name: &str) -> JobResult<&'s Policy> {
    policies.get(name).ok_or_else(|| {
        let error = JobError::new(ErrorKind::Usage, format!("there is no policy `{name}`"));
        match policies.nearest(name) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint("`policy list` shows all"),
        }
    })
}

fn parse(config: &Config, files: &[ReadFile]) -> JobResult<PolicySet> {
    let cluster = session::cluster_name(config, Access::Read)?;
    PolicySet::parse(files, &cluster).map_err(|problems| refused(&problems, files.len()))
}

/// Every problem, and how many there are.
fn refused(problems: &Diagnostics, files: usize) -> JobError {
    let text = problems.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    JobError::new(
        ErrorKind::Usage,
        match problems.as_slice().len() {
            1 => text.to_owned(),
            count if files == 1 => format!("{text}\n\n{count} problems in 1 file"),
            count => format!("{text}\n\n{count} problems in {files} files"),
        },
    )
}

fn check(policies: &PolicySet, now: Timestamp, output: Output) {
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    let value = json!({"policies": names, "problems": [], "notes": []});
    output.print(&value, || {
        let rows = policies.iter().flat_map(|policy| lines(policy, now));
        let table = table(&["policy", "what", "schedule", "next", "keeps"], rows);
        let good = match policies.len() {
            0 => return "there are no policies".to_owned(),
            1 => "the policy is good".to_owned(),
            count => format!("{count} policies are good"),
        };
        format!("{table}\n{good}")
    });
}

/// A line for each thing that a policy does: backups always, what proves them on a schedule.
fn lines(policy: &Policy, now: Timestamp) -> Vec<Vec<String>> {
    let fires = due(policy, now, 1);
    let line = |kind: RunKind, times: String, keeps: String| {
        let next = fires.iter().find(|fire| fire.kind == kind).map(Fire::shown);
        let (name, what) = (policy.name.to_string(), kind.to_string());
        vec![name, what, times, next.unwrap_or_default(), keeps]
    };
    let mut lines = vec![line(RunKind::Backup, times(policy), policy.retention.to_string())];
    lines.extend(policy.reread.as_ref().map(|Reread { schedule, within }| {
        let times = format!("{}, all in {within:#}", zoned(schedule));
        line(RunKind::Verify, times, String::new())
    }));
    let drill = policy.drill.as_ref();
    lines.extend(drill.map(|drill| line(RunKind::Drill, zoned(drill), String::new())));
    lines
}

/// A schedule and whose clock it means.
fn zoned(schedule: &Schedule) -> String {
    format!("{schedule} ({})", schedule.zone_name())
}

fn list(policies: &PolicySet, now: Timestamp, output: Output) {
    let seconds = |duration: SignedDuration| duration.as_secs();
    let value = |policy: &Policy| {
        json!({
            "name": policy.name,
            "file": policy.file,
            "collections": policy.collections.to_string(),
            "schedule": policy.schedule.as_ref().map(ToString::to_string),
            "timezone": policy.schedule.as_ref().map(Schedule::zone_name),
            "next": next_backup(policy, now).map(|at| at.to_string()),
            "triggers": triggers(policy),
            "rbac": policy.rbac,
            "retention": policy.retention.to_string(),
            "max_age_seconds": policy.max_age_at(now).map(seconds),
            "verify": policy.reread.as_ref().map(|reread| reread.schedule.to_string()),
            "drill": policy.drill.as_ref().map(ToString::to_string),
            "paused": policy.paused,
        })
    };
    let values: Vec<_> = policies.iter().map(value).collect();
    output.print(&values, || {
        if policies.is_empty() {
            return "there are no policies".to_owned();
        }
        let rows = policies.iter().map(|policy| {
            vec![
                policy.name.to_string(),
                times(policy),
                triggers(policy).join(","),
                policy.collections.to_string(),
                policy.retention.to_string(),
                proofs(policy),
                policy.max_age_at(now).map(|age| format!("{age:#}")).unwrap_or_default(),
            ]
        });
        let header =
            ["policy", "schedule", "triggers", "collections", "keeps", "verify", "max age"];
        table(&header, rows)
    });
}

fn next(policies: &[&Policy], count: u16, now: Timestamp, output: Output) {
    let fires: Vec<Fire> =
        policies.iter().flat_map(|policy| due(policy, now, count.into())).collect();
    output.print(&fires, || {
        if fires.is_empty() {
            return "nothing is scheduled".to_owned();
        }
        let rows = fires.iter().map(|fire| {
            [fire.policy, fire.kind.as_str(), &fire.shown(), &fire.at.to_string()]
                .map(str::to_owned)
                .to_vec()
        });
        table(&["policy", "what", "local", "utc"], rows)
    });
}

/// One time at which a policy is due.
#[derive(Debug, Serialize)]
struct Fire<'p> {
    policy: &'p str,
    kind: RunKind,
    at: Timestamp,
    local: String,
    timezone: &'p str,
}

impl Fire<'_> {
    fn shown(&self) -> String {
        format!("{} {}", self.local, self.timezone)
    }
}

/// What a policy has for each of its schedules, each kind the next few times.
fn due(policy: &Policy, now: Timestamp, count: usize) -> Vec<Fire<'_>> {
    if policy.paused {
        return Vec::new();
    }
    let reread = policy.reread.as_ref().map(|reread| &reread.schedule);
    let kinds = [
        (RunKind::Backup, policy.schedule.as_ref()),
        (RunKind::Verify, reread),
        (RunKind::Drill, policy.drill.as_ref()),
    ];
    let mut fires = Vec::new();
    for (kind, schedule) in kinds {
        let Some(schedule) = schedule else { continue };
        let (zone, timezone) = (schedule.zone(), schedule.zone_name());
        let fire = |at: Timestamp| Fire {
            policy: policy.name.as_str(),
            kind,
            at,
            local: at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            timezone,
        };
        fires.extend(schedule.fires_after(now).take(count).map(fire));
    }
    fires
}

fn next_backup(policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    policy.schedule.as_ref().filter(|_| !policy.paused)?.next_after(now)
}

/// What proves its backups, and when.
fn proofs(policy: &Policy) -> String {
    let after = match policy.after_backup {
        AfterBackup::None => None,
        after @ (AfterBackup::Size | AfterBackup::Content) => Some(after.as_str().to_owned()),
    };
    let reread = policy.reread.as_ref();
    let reread = reread.map(|Reread { schedule, within }| format!("all in {within:#}: {schedule}"));
    let drill = policy.drill.as_ref().map(|drill| format!("drill: {drill}"));
    let proofs: Vec<String> = after.into_iter().chain(reread).chain(drill).collect();
    proofs.join("; ")
}

fn times(policy: &Policy) -> String {
    let times = policy.schedule.as_ref().map(zoned);
    let times = times.unwrap_or_else(|| "on request".to_owned());
    if policy.paused { format!("paused: {times}") } else { times }
}

fn triggers(policy: &Policy) -> Vec<&'static str> {
    policy.triggers.iter().copied().map(Trigger::as_str).collect()
}

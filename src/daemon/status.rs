//! One line for `systemctl status`.

use jiff::Timestamp;

use super::connection::BrokerState;
use crate::job::Active;
use crate::model::ByteSize;
use crate::policy::PolicySet;

/// What is at work, or what comes next; and what the broker is doing, if there is one.
pub(super) fn line(
    runs: &[Active],
    policies: &PolicySet,
    (now, broker): (Timestamp, Option<&BrokerState>),
) -> String {
    let mut parts: Vec<String> = runs.iter().map(run).collect();
    if parts.is_empty() {
        parts.push(next(policies, now));
    }
    parts.extend(broker.map(|state| format!("broker: {state}")));
    parts.join("; ")
}

fn run(run: &Active) -> String {
    let found = run.progress.snapshot();
    let (policy, stage) = (&run.job.policy, found.stage.as_str());
    match found.total_bytes {
        0 => format!("{policy}: {stage} {}", found.subject).trim_end().to_owned(),
        total => {
            let (done, all) = (ByteSize(found.done_bytes), ByteSize(total));
            format!("{policy}: {stage} {done} of {all}")
        }
    }
}

fn next(policies: &PolicySet, now: Timestamp) -> String {
    let due = policies.iter().filter(|policy| !policy.paused).filter_map(|policy| {
        let at = policy.schedule.as_ref()?.next_after(now)?;
        Some((at, policy.name.as_str()))
    });
    match due.min() {
        Some((at, name)) => format!("idle; next: {name} at {at:.0}"),
        None => "idle; no policy has a schedule".to_owned(),
    }
}

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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::line;
    use crate::broker::{BrokerError, BrokerFault};
    use crate::daemon::connection::{BrokerState, LinkState};
    use crate::model::ClusterName;
    use crate::policy::PolicySet;

    #[test]
    fn the_line_says_what_the_broker_is_doing() {
        let policies = PolicySet::parse(&[], &ClusterName::new("c1").unwrap()).unwrap();
        let said =
            |state: Option<&BrokerState>| line(&[], &policies, (Timestamp::UNIX_EPOCH, state));
        let idle = "idle; no policy has a schedule";
        assert_eq!(said(None), idle, "there is none");
        let away = BrokerError::new(BrokerFault::Unreachable, "refused").hint("start it");
        let cases = [
            (LinkState::Connecting, None, "connecting"),
            (LinkState::Serving, None, "connected"),
            (LinkState::Serving, Some("low on disk"), "connected; it takes no events: low on disk"),
            (
                LinkState::Resting("the repository is away".to_owned()),
                None,
                "connected, takes no messages: the repository is away",
            ),
            (LinkState::Away(away), None, "away: refused (start it)"),
        ];
        for (link, blocked, expected) in cases {
            let state = BrokerState { link, blocked: blocked.map(str::to_owned) };
            assert_eq!(said(Some(&state)), format!("{idle}; broker: {expected}"));
            assert_eq!(state.is_well(), expected == "connected");
        }
    }
}

//! What the textfile of an earlier command tells of other kinds of runs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::metrics::{Metrics, RunFacts};
use crate::model::{RunKind, RunOutcome};

/// Takes over how the newest runs of other kinds ended: the file is replaced as a whole, and a
/// prune must not make a backup that failed before it forgotten.
pub(super) fn remember(metrics: &Metrics, text: &str, kind: RunKind) {
    let mut ends: BTreeMap<(String, String), Timestamp> = BTreeMap::new();
    for (labels, value) in samples(text, "last_completion_timestamp_seconds") {
        if let (Some(at), true) = (Timestamp::from_second(value).ok(), value > 0) {
            ends.insert((label(&labels, "policy"), label(&labels, "kind")), at);
        }
    }
    for (labels, value) in samples(text, "last_run_outcome") {
        let (policy, of) = (label(&labels, "policy"), label(&labels, "kind"));
        let other = RunKind::ALL.iter().find(|known| known.as_str() == of && **known != kind);
        let outcome = label(&labels, "outcome");
        let outcome = RunOutcome::ALL.iter().find(|known| known.as_str() == outcome);
        let (Some(kind), Some(outcome), 1) = (other, outcome, value) else { continue };
        let Some(at) = ends.get(&(policy.clone(), of)) else { continue };
        metrics.add_policy(&policy);
        metrics.run_remembered(&RunFacts {
            policy,
            kind: *kind,
            outcome: *outcome,
            started_at: *at,
            ended_at: *at,
            stages: Vec::new(),
            backup: None,
        });
    }
}

type Labels<'t> = BTreeMap<&'t str, &'t str>;

/// The samples of one family, in the form in which [`Metrics::render`] writes them. Values of
/// labels are words and names, which need no escapes.
fn samples<'t>(text: &'t str, family: &str) -> Vec<(Labels<'t>, i64)> {
    let start = format!("milvus_backup_{family}{{");
    let sample = |line: &'t str| {
        let (labels, value) = line.strip_prefix(&start)?.split_once("} ")?;
        let labels = labels.split(',').filter_map(|pair| pair.split_once('='));
        let labels = labels.map(|(name, value)| (name, value.trim_matches('"'))).collect();
        Some((labels, value.parse().ok()?))
    };
    text.lines().filter_map(sample).collect()
}

fn label(labels: &Labels<'_>, name: &str) -> String {
    labels.get(name).copied().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::remember;
    use crate::metrics::{Metrics, RunFacts};
    use crate::model::{RunKind, RunOutcome};

    #[test]
    fn a_prune_does_not_make_a_failed_backup_forgotten() {
        let run = |kind, outcome, at| RunFacts {
            policy: "nightly".to_owned(),
            kind,
            outcome,
            started_at: Timestamp::from_second(at - 9).unwrap(),
            ended_at: Timestamp::from_second(at).unwrap(),
            stages: Vec::new(),
            backup: None,
        };
        let old = Metrics::default();
        old.add_policy("nightly");
        old.run_ended(&run(RunKind::Backup, RunOutcome::Failed, 1000));
        old.run_ended(&run(RunKind::Prune, RunOutcome::Partial, 900));
        let new = Metrics::default();
        new.add_policy("nightly");
        new.run_ended(&run(RunKind::Prune, RunOutcome::Complete, 2000));
        remember(&new, &old.render(), RunKind::Prune);
        let text = new.render();
        for line in [
            r#"last_run_outcome{kind="backup",outcome="failed",policy="nightly"} 1"#,
            r#"last_completion_timestamp_seconds{kind="backup",policy="nightly"} 1000"#,
            r#"last_run_outcome{kind="prune",outcome="complete",policy="nightly"} 1"#,
            r#"last_run_outcome{kind="prune",outcome="partial",policy="nightly"} 0"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}

//! `drill`.

use crate::config::Config;
use crate::job::{self, DrillOptions, DrillReport, JobContext, JobResult};
use crate::metrics::Metrics;
use crate::model::{ErrorKind, RunKind};

use super::ExitStatus;
use super::args::NameArguments;
use super::output::{Output, table};
use super::staging;
use super::told::{Done, Ended, Told};

/// What others are told of it.
pub(super) fn told(arguments: &NameArguments) -> Told {
    let backup = Some(arguments.name.to_string());
    Told { kind: RunKind::Drill, policy: String::new(), backup }
}

pub(super) async fn run(
    config: &Config,
    context: &JobContext,
    arguments: NameArguments,
    (output, metrics): (Output, &Metrics),
) -> JobResult<Ended> {
    let NameArguments { name, cluster } = arguments;
    let staging = staging::staging(config, context).await?.metered(metrics);
    let options = DrillOptions { backup: name, cluster };
    let report = job::run_drill(context, &staging, &options).await?;
    output.print(&report, || text(&report));
    let status = status(&report);
    let done = Done {
        backup: Some(report.name.clone()),
        detail: report.failures(),
        facts: (&report).into(),
    };
    let (outcome, metered) = (Some(report.outcome), Some(report.told_outcome()));
    Ok(Ended { status, outcome, metered, figures: None, done: Some(done) })
}

/// What is damaged or differs is worse than what did not come back.
fn status(report: &DrillReport) -> ExitStatus {
    let is_bad = report.differs() || !report.damaged().is_empty();
    if is_bad { ErrorKind::Damaged.into() } else { report.outcome.into() }
}

fn text(report: &DrillReport) -> String {
    let rows = report.collections.iter().map(|one| {
        let told = one.problems.iter().chain(&one.error).chain(&one.notes).cloned();
        let keys = one.keys_checked + one.deleted_keys_checked;
        vec![
            format!("{}.{}", one.database, one.name),
            one.rows.to_string(),
            format!("{keys}{}", if one.whole || keys == 0 { "" } else { " (sample)" }),
            format!("{:.1} s", one.restore_seconds),
            one.outcome.as_str().to_owned(),
            told.collect::<Vec<_>>().join("; "),
        ]
    });
    let header = ["collection", "rows", "keys looked for", "back after", "outcome", ""];
    let verdict = match (report.damaged().is_empty(), report.differs()) {
        (false, _) => ", files of the backup are damaged",
        (true, true) => ", what came back differs",
        (true, false) => "",
    };
    format!(
        "{}\ndrill of {}: {}{verdict}, everything back after {:.1} s, {:.1} s in all",
        table(&header, rows),
        report.name,
        report.outcome.as_str(),
        report.rto_seconds,
        report.duration_seconds
    )
}

#[cfg(test)]
mod tests {
    use super::{status, text};
    use crate::job::{DrillReport, DrilledCollection};
    use crate::model::RunOutcome;

    #[test]
    fn what_differs_and_what_is_damaged_have_a_code_of_their_own() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        for (problems, damaged, outcome, code, words) in [
            (&[][..], &[][..], RunOutcome::Complete, 0, "b: complete, everything"),
            (&[], &[], RunOutcome::Partial, 3, "b: partial, everything"),
            (&["x"], &[], RunOutcome::Failed, 14, "failed, what came back differs, "),
            (&[], &["k: y"], RunOutcome::Failed, 14, "failed, files of the backup are damaged, "),
            (&[], &[], RunOutcome::Failed, 1, "b: failed, everything"),
        ] {
            let one = DrilledCollection {
                database: "default".to_owned(),
                name: "films".to_owned(),
                rows: 1,
                keys_checked: 1,
                deleted_keys_checked: 0,
                whole: true,
                restore_seconds: 1.0,
                problems: lines(problems),
                damaged: lines(damaged),
                outcome,
                error: None,
                notes: Vec::new(),
            };
            let (collections, name) = (vec![one], "b".to_owned());
            let (rto_seconds, duration_seconds) = (1.0, 2.0);
            let report = DrillReport { name, outcome, collections, rto_seconds, duration_seconds };
            assert_eq!(status(&report).code(), code, "{report:?}");
            assert!(text(&report).contains(words), "{words}: {}", text(&report));
        }
    }
}

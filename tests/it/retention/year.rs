//! A year of backups, each followed by a prune, under the rules that are shipped.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::model::{BackupName, ClusterName};
use milvus_backup_agent::plan::{
    BackupFacts, Found, PolicyRules, RetentionTerms, Verdict, plan_retention,
};
use milvus_backup_agent::policy::PolicySet;

use super::world::{GRACES, backup, but, time};

const DOCUMENTED: &str = include_str!("../../../policies/README.md");

/// The Monday after the week of New Year, in Berlin: 2026 has 53 weeks.
const BEGIN: &str = "2026-01-01T00:00:00Z";
const END: &str = "2027-01-04T02:30:00Z";

/// The rules of a shipped policy, in Berlin.
fn shipped(name: &str) -> PolicyRules {
    let file = format!("{}/policies/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&file).expect("it is shipped");
    let cluster = ClusterName::new("c").expect("a name");
    let set = PolicySet::parse(&[(file.into(), Ok(text))], &cluster).expect("it is right");
    let rules = PolicyRules::of(set.get(name).expect("it is there"), time(BEGIN));
    PolicyRules { zone: TimeZone::get("Europe/Berlin").expect("a zone"), ..rules }
}

/// What is there in the end, with the reasons.
fn a_year(mut policy: PolicyRules) -> BTreeMap<BackupName, Vec<String>> {
    let hour = SignedDuration::from_hours(1);
    let (mut now, mut made): (Timestamp, u32) = (time(BEGIN), 0);
    let mut there: Vec<BackupFacts> = Vec::new();
    let mut reasons = BTreeMap::new();
    while now <= time(END) {
        there.push(but(backup(now), |it| it.policy = policy.name.to_string()));
        made += 1;
        let terms = RetentionTerms {
            graces: &GRACES,
            allow: &std::collections::BTreeSet::new(),
            all_policies: true,
            host: "h",
            now: now + SignedDuration::from_mins(1),
        };
        let plan = plan_retention(&there, std::slice::from_ref(&policy), &terms);
        assert!(plan.refusals.is_empty(), "at {now}: {:?}", plan.refusals);
        if let Some((_, mark)) = plan.marks.into_iter().next() {
            policy.mark = Found::Read(mark);
        }
        there.retain(|one| plan.verdicts[&one.name].0 == Verdict::Keep);
        reasons = plan.verdicts;
        now += hour;
    }
    assert_eq!(made, 24 * 368 + 3, "a year has passed");
    let kept = reasons.into_iter().filter(|(_, (verdict, _))| *verdict == Verdict::Keep);
    kept.map(|(name, (_, reasons))| (name, reasons)).collect()
}

/// A table as the README has it.
fn shown(kept: &BTreeMap<BackupName, Vec<String>>) -> String {
    let line = |(name, reasons): (&BackupName, &Vec<String>)| {
        let at = name.as_str().strip_prefix("nightly_").expect("so they are named here");
        format!("{at}  {}\n", reasons.join("; "))
    };
    kept.iter().rev().map(line).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the kept set is worth seeing")]
fn a_year_of_hourly_backups_leaves_what_is_documented() {
    let policies = ["nightly", "hourly", "before-deploy"];
    let tables = policies.map(|name| format!("# {name}.yaml\n{}", shown(&a_year(shipped(name)))));
    let documented = format!("```text\n{}```\n", tables.join("\n"));
    println!("in Europe/Berlin, hourly from {BEGIN} to {END}:\n{documented}");
    assert!(DOCUMENTED.contains(&documented), "policies/README.md wants this:\n\n{documented}");
}

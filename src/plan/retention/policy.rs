//! The verdicts on the backups of each policy.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::guards::{Refusal, Seen, future, objections};
use super::partial::only_here;
use super::rules::keep;
use crate::config;
use crate::manifest::{AllowedGuard, Manifest, ManifestOutcome, RetentionMark, suspicion};
use crate::model::{BackupName, Guard, PolicyName};
use crate::plan::{BackupFacts, Found, Verdict, goes_at};
use crate::policy::{Policy, Retention, Schedule};

/// What a policy wants kept.
#[derive(Debug, Clone)]
pub struct PolicyRules {
    /// Its name.
    pub name: PolicyName,
    /// Its rules.
    pub retention: Retention,
    /// The globs of its collections.
    pub selection: Vec<String>,
    /// Whose days and weeks they count.
    pub zone: TimeZone,
    /// How old its newest backup may be.
    pub max_age: Option<SignedDuration>,
    /// What the last prune noted of it.
    pub mark: Found<RetentionMark>,
}

impl PolicyRules {
    /// Those of a policy, as they are now.
    pub fn of(policy: &Policy, now: Timestamp) -> Self {
        Self {
            name: policy.name.clone(),
            retention: policy.retention,
            selection: policy.collections.globs(),
            zone: policy.schedule.as_ref().map_or(TimeZone::UTC, Schedule::zone),
            max_age: policy.max_age_at(now),
            mark: Found::Absent,
        }
    }

    /// The rules in words, and of what.
    fn words(&self) -> String {
        let (zone, of) = (self.zone.iana_name().unwrap_or("UTC"), self.selection.join(","));
        match &self.retention {
            Retention::KeepAll => format!("all, of {of}"),
            Retention::Rules(rules) => format!(
                "{}, min_keep {}, partial {}, in {zone}, of {of}",
                self.retention, rules.min_keep, rules.partial
            ),
        }
    }
}

/// What else a prune goes by.
#[derive(Debug, Clone, Copy)]
pub struct RetentionTerms<'a> {
    /// The graces of the repository.
    pub graces: &'a config::Retention,
    /// Guards that someone overrides.
    pub allow: &'a BTreeSet<Guard>,
    /// Where this is decided.
    pub host: &'a str,
    /// When.
    pub now: Timestamp,
}

/// What becomes of the backups that are there.
#[derive(Debug, Clone, Default)]
pub struct RetentionPlan {
    /// A verdict and its reasons for each of them.
    pub verdicts: BTreeMap<BackupName, (Verdict, Vec<String>)>,
    /// The guards that refuse.
    pub refusals: Vec<Refusal>,
    /// What is to be noted of policies before anything goes.
    pub marks: Vec<(PolicyName, RetentionMark)>,
}

/// Judges all backups that are there and not hidden.
pub fn plan_retention(
    backups: &[BackupFacts],
    policies: &[PolicyRules],
    terms: &RetentionTerms<'_>,
) -> RetentionPlan {
    let mut plan = RetentionPlan::default();
    let mut groups: BTreeMap<&str, Vec<Backup<'_>>> = BTreeMap::new();
    for facts in backups {
        if let (Some(manifest), None) = (facts.committed(), facts.too_new()) {
            let backup = Backup { facts, manifest, standing: Standing::of(facts, manifest) };
            groups.entry(manifest.policy.as_str()).or_default().push(backup);
        }
    }
    for (name, group) in &mut groups {
        // The newest first; two of one moment in an order that does not change.
        group.sort_by_key(|one| std::cmp::Reverse((one.at(), one.manifest.run.as_str())));
        match policies.iter().find(|policy| policy.name.as_str() == *name) {
            Some(policy) => judge(backups, (policy, group), terms, &mut plan),
            None => leave(name, group, &mut plan),
        }
    }
    plan
}

/// One backup that is there.
struct Backup<'a> {
    facts: &'a BackupFacts,
    manifest: &'a Manifest,
    standing: Standing,
}

/// What it counts for.
#[derive(PartialEq, Eq)]
enum Standing {
    Good,
    Suspect(String),
    Partial,
}

impl Standing {
    fn of(facts: &BackupFacts, manifest: &Manifest) -> Self {
        if let Some(why) = facts.doubt.problem() {
            return Self::Suspect(why.to_owned());
        }
        let partial = manifest.outcome == ManifestOutcome::Partial;
        match suspicion(manifest, facts.doubt.read(), facts.pin.read()) {
            Some(why) => Self::Suspect(why),
            None if partial => Self::Partial,
            None => Self::Good,
        }
    }
}

impl Backup<'_> {
    fn at(&self) -> Timestamp {
        self.manifest.created_at
    }

    /// What keeps it whatever the rules say.
    fn kept_by(&self, now: Timestamp) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(pin) = self.facts.pin.read().filter(|pin| pin.holds(now)) {
            let until = pin.until.map(|until| format!(" until {until}")).unwrap_or_default();
            reasons.push(format!("pinned{until}: {}", pin.reason));
        }
        if let Some(why) = self.facts.pin.problem() {
            reasons.push(format!("perhaps pinned: {why}"));
        }
        reasons.extend(self.facts.readers.iter().map(|reader| format!("{reader} reads it")));
        if let Standing::Suspect(why) = &self.standing {
            reasons.push(format!("suspect: {why}; `pin` it if it is good, else `delete` it"));
        }
        reasons
    }
}

/// Of no policy, or of one that is not configured here.
fn leave(name: &str, group: &[Backup<'_>], plan: &mut RetentionPlan) {
    for backup in group {
        let at = backup.at();
        let reason = if name.is_empty() {
            format!("backup of {at}, of no policy: stays until `delete`")
        } else {
            format!("backup of {at}, by policy `{name}`, whose rules are not looked at")
        };
        plan.verdicts.insert(backup.facts.name.clone(), (Verdict::Keep, vec![reason]));
    }
}

fn judge(
    everything: &[BackupFacts],
    (policy, group): (&PolicyRules, &[Backup<'_>]),
    terms: &RetentionTerms<'_>,
    plan: &mut RetentionPlan,
) {
    let reasons = reasons(policy, group, terms.now);
    let going = group.iter().zip(&reasons).filter(|(_, reasons)| reasons.is_empty());
    let going: BTreeSet<BackupName> = going.map(|(one, _)| one.facts.name.clone()).collect();
    let mut mark = mark(policy, group.len(), terms);
    let seen: Vec<Seen<'_>> = group
        .iter()
        .map(|one| {
            let good = one.standing == Standing::Good;
            Seen { name: &one.facts.name, at: one.at(), ended: one.manifest.completed_at, good }
        })
        .collect();
    let mut held: BTreeMap<BackupName, Guard> = BTreeMap::new();
    for (guard, message, names) in objections((policy, &mark), everything, (&seen, &going), terms) {
        if terms.allow.contains(&guard) {
            let (at, by) = (terms.now, terms.host.to_owned());
            mark.allow(AllowedGuard { at, by, guard: guard.to_string(), message });
            mark.settled |= guard == Guard::PolicyChanged;
            continue;
        }
        plan.refusals.push(Refusal::new(&policy.name, guard, &message));
        held.extend(names.into_iter().map(|name| (name, guard)));
    }
    for (backup, reasons) in group.iter().zip(reasons) {
        let name = backup.facts.name.clone();
        let verdict = match (reasons.is_empty(), held.get(&name)) {
            (false, _) => (Verdict::Keep, reasons),
            (true, Some(guard)) => {
                (Verdict::Leave, vec![format!("{}; `{guard}` refuses", unkept(policy, backup))])
            }
            (true, None) => {
                let after = goes_at(terms.now, terms.graces.delete_grace);
                let hidden = format!("hidden now, goes after {after}");
                (Verdict::Delete, vec![unkept(policy, backup), hidden])
            }
        };
        plan.verdicts.insert(name, verdict);
    }
    // What a clock that is wrong says of the day of a change would stay wrong.
    let wrong = future(&seen, terms.now).is_some() && !terms.allow.contains(&Guard::Clock);
    let noted = policy.mark.read() == Some(&mark);
    if !noted && !wrong && policy.mark.too_new().is_none() {
        plan.marks.push((policy.name.clone(), mark));
    }
}

fn unkept(policy: &PolicyRules, backup: &Backup<'_>) -> String {
    let what = if backup.standing == Standing::Partial {
        "partial, newer ones have all of it, and "
    } else {
        ""
    };
    format!("{what}no rule of policy `{}` keeps it ({})", policy.name, policy.retention)
}

/// Why each of a policy's backups stays; no reasons for those that no rule keeps.
fn reasons(policy: &PolicyRules, group: &[Backup<'_>], now: Timestamp) -> Vec<Vec<String>> {
    let rules = match &policy.retention {
        Retention::KeepAll => return vec![vec!["keep_all".to_owned()]; group.len()],
        Retention::Rules(rules) => rules,
    };
    let mut reasons: Vec<Vec<String>> = vec![Vec::new(); group.len()];
    let good: Vec<usize> = indices(group, &Standing::Good);
    let times: Vec<Timestamp> = good.iter().map(|index| group[*index].at()).collect();
    for (index, by_rule) in good.iter().zip(keep(&times, rules, &policy.zone)) {
        reasons[*index] = by_rule;
    }
    let wanted = rules.min_keep.get();
    let by_rules = good.iter().filter(|index| !reasons[**index].is_empty()).count();
    let mut kept = u32::try_from(by_rules).unwrap_or(u32::MAX);
    for index in good {
        if kept < wanted && reasons[index].is_empty() {
            kept += 1;
            reasons[index].push(format!("min_keep, {kept} of {wanted}"));
        }
    }
    for (one, reasons) in group.iter().zip(&mut reasons) {
        reasons.extend(one.kept_by(now));
    }
    for (number, index) in (1..).zip(indices(group, &Standing::Partial)) {
        if number <= rules.partial {
            reasons[index].push(format!("partial {number} of {}", rules.partial));
            continue;
        }
        let newer = group[..index].iter().zip(&reasons).filter(|(_, reasons)| !reasons.is_empty());
        let newer = newer.filter(|(one, _)| !matches!(one.standing, Standing::Suspect(_)));
        let newer = newer.map(|(one, _)| one.manifest);
        if let Some(lost) = only_here(group[index].manifest, newer) {
            reasons[index].push(format!("partial, and the newest with {lost}"));
        }
    }
    reasons
}

fn indices(group: &[Backup<'_>], standing: &Standing) -> Vec<usize> {
    let those = group.iter().enumerate().filter(|(_, one)| one.standing == *standing);
    those.map(|(index, _)| index).collect()
}

/// What is known of the rules from now on. A policy that has made no more than the backup at
/// hand has changed nothing.
fn mark(policy: &PolicyRules, backups: usize, terms: &RetentionTerms<'_>) -> RetentionMark {
    let (rules, since, by) = (policy.words(), terms.now, terms.host.to_owned());
    match &policy.mark {
        Found::Read(known) if known.rules == rules => known.clone(),
        Found::Read(other) => {
            let allowed = other.allowed.clone();
            RetentionMark { version: 1, rules, since, by, settled: false, allowed }
        }
        Found::Absent | Found::Unreadable(_) | Found::TooNew(_) => {
            let settled = backups <= 1 && !policy.mark.is_there();
            RetentionMark { version: 1, rules, since, by, settled, allowed: Vec::new() }
        }
    }
}

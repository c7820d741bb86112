//! What is true of all sets of backups and all rules.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use milvus_backup_agent::manifest::ManifestOutcome;
use milvus_backup_agent::plan::BackupFacts;

use super::world::{NOW, backup, but, kept, pin, policy, time};

const CASES: u64 = 2000;

/// Numbers that are the same in each run (Knuth's linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn hours(&mut self, bound: u64) -> SignedDuration {
        SignedDuration::from_hours(i64::try_from(self.below(bound)).expect("it is small"))
    }
}

fn rules(numbers: &mut Numbers) -> (String, u64) {
    let min_keep = 1 + numbers.below(4);
    let mut rules = format!("min_keep: {min_keep}, keep_partial: {}", numbers.below(3));
    let mut more = 0;
    for key in ["last", "hourly", "daily", "weekly", "monthly", "yearly"] {
        if numbers.below(3) == 0 {
            rules = format!("{rules}, keep_{key}: {}", 1 + numbers.below(6));
            more += 1;
        }
    }
    if more == 0 || numbers.below(4) == 0 {
        rules = format!("{rules}, keep_within: {}h", 1 + numbers.below(300));
    }
    (rules, min_keep)
}

fn backups(numbers: &mut Numbers) -> Vec<BackupFacts> {
    let now: Timestamp = time(NOW);
    let spread = [50, 500, 10_000][usize::try_from(numbers.below(3)).expect("it is small")];
    let count = numbers.below(40);
    let times: BTreeSet<Timestamp> = (0..count).map(|_| now - numbers.hours(spread)).collect();
    let make = |at| match numbers.below(12) {
        0 => but(backup(at), |it| it.suspect = Some("fewer rows".to_owned())),
        1 | 2 => but(backup(at), |it| it.outcome = ManifestOutcome::Partial),
        3 => BackupFacts { pin: pin(None), ..backup(at) },
        _ => backup(at),
    };
    times.into_iter().map(make).collect()
}

fn is_good(backup: &BackupFacts) -> bool {
    let manifest = backup.manifest.read().expect("it is there");
    let suspect = manifest.suspect.is_some() && !backup.pin.is_there();
    manifest.outcome == ManifestOutcome::Complete && !suspect
}

#[test]
fn the_floor_holds_the_newest_stays_and_a_second_prune_changes_nothing() {
    let mut numbers = Numbers(20_261_123);
    let mut gone = 0;
    for case in 0..CASES {
        let (rules, min_keep) = rules(&mut numbers);
        let all = backups(&mut numbers);
        let policy = policy(&rules);
        let first = kept(&all, &policy);
        let left: Vec<BackupFacts> =
            all.iter().filter(|one| first.contains_key(one.name.as_str())).cloned().collect();
        let why = format!("case {case}: {rules}, {} of {} stay", left.len(), all.len());
        gone += all.len() - left.len();

        let good =
            |backups: &[BackupFacts]| backups.iter().filter(|one| is_good(one)).count() as u64;
        assert!(good(&left) >= min_keep.min(good(&all)), "{why}: below the floor");
        let newest = all
            .iter()
            .filter(|one| is_good(one))
            .max_by_key(|one| one.manifest.read().map(|manifest| manifest.created_at));
        assert!(
            newest.is_none_or(|one| first.contains_key(one.name.as_str())),
            "{why}: the newest"
        );
        let held = all.iter().filter(|one| {
            one.pin.is_there() || {
                one.manifest.read().is_some_and(|manifest| manifest.suspect.is_some())
            }
        });
        for one in held {
            assert!(first.contains_key(one.name.as_str()), "{why}: {} is not kept", one.name);
        }
        let second = kept(&left, &policy);
        assert_eq!(second.len(), left.len(), "{why}: a second prune lets more go");

        // Time alone takes nothing, and a new backup brings none back into question that no
        // rule counts: what stays of all also stays of a part of all.
        let mut more = all.clone();
        more.push(backup(time(NOW) + SignedDuration::from_hours(1)));
        let later = kept(&more, &policy);
        let mut fewer = left.clone();
        fewer.push(backup(time(NOW) + SignedDuration::from_hours(1)));
        assert_eq!(kept(&fewer, &policy), later, "{why}: what went before would have stayed");
    }
    assert!(gone > 1000, "next to nothing was ever let go: {gone}");
}

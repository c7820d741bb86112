//! The policies that backups are of.

use std::num::NonZeroU32;

use jiff::tz::TimeZone;
use milvus_backup_agent::job::{Prune, PruneRequest, Sweeping};
use milvus_backup_agent::model::{Guard, PolicyName};
use milvus_backup_agent::plan::{Found, PolicyRules};
use milvus_backup_agent::policy::{KeepRules, Retention};

use super::op::{Keeps, Work};

/// All that prune.
const ALL: [Keeps; 2] = [Keeps::Two, Keeps::Days];

pub(super) fn policy(keeps: Keeps) -> Option<PolicyName> {
    let name = match keeps {
        Keeps::All => return None,
        Keeps::Two => "two",
        Keeps::Days => "days",
    };
    Some(PolicyName::new(name).expect("a name"))
}

/// How many good backups of a policy stay whatever its rules say.
pub(super) fn min_keep(policy: &str) -> usize {
    match policy {
        "two" => 2,
        _ => 1,
    }
}

fn rules(keeps: Keeps) -> PolicyRules {
    let number = NonZeroU32::new;
    let name = policy(keeps).expect("it is a policy");
    let (last, daily) = if keeps == Keeps::Two { (1, 0) } else { (2, 2) };
    let bound = u32::try_from(min_keep(name.as_str())).expect("it is small");
    let rules = KeepRules {
        last: number(last),
        within: None,
        hourly: None,
        daily: number(daily),
        weekly: None,
        monthly: None,
        yearly: None,
        min_keep: number(bound).expect("it is not 0"),
        partial: u32::from(keeps == Keeps::Days),
    };
    PolicyRules {
        selection: vec!["*.*".to_owned()],
        name,
        retention: Retention::Rules(rules),
        zone: TimeZone::UTC,
        max_age: None,
        mark: Found::Absent,
    }
}

/// What a prune is asked for.
pub(super) fn request(work: Work) -> PruneRequest {
    let prune = if work == Work::Preview { Prune::Plan } else { Prune::Apply };
    let allow: &[Guard] = if work == Work::Force { Guard::ALL } else { &[] };
    PruneRequest {
        prune,
        policies: ALL.map(rules).into(),
        allow: allow.iter().copied().collect(),
        sweeping: Sweeping::Yes,
    }
}

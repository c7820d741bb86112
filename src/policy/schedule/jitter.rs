//! A delay that spreads the load of many clusters, and stays what it is.

use jiff::SignedDuration;

use crate::model::{ClusterName, PolicyName};

/// A delay of 0 to `most`, in whole seconds. It follows from the names alone: a restart does
/// not move a schedule, and two policies of one cluster are apart, too.
pub(super) fn delay(
    cluster: &ClusterName,
    policy: &PolicyName,
    most: SignedDuration,
) -> SignedDuration {
    let seed = blake3::hash(format!("{cluster}/{policy}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&seed.as_bytes()[..8]);
    let choices = most.as_secs().unsigned_abs().saturating_add(1);
    let seconds = u64::from_le_bytes(first) % choices;
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::delay;
    use crate::model::{ClusterName, PolicyName};

    #[test]
    fn delays_are_spread_and_stay() {
        let policy = PolicyName::new("nightly").unwrap();
        let most = SignedDuration::from_mins(5);
        let of = |number: u32| {
            delay(&ClusterName::new(format!("c{number}")).unwrap(), &policy, most).as_secs()
        };
        let delays: Vec<i64> = (0..1000).map(of).collect();
        assert_eq!(delays, (0..1000).map(of).collect::<Vec<_>>());
        assert!(delays.iter().all(|seconds| (0..=300).contains(seconds)));
        let early = delays.iter().filter(|seconds| **seconds < 100).count();
        assert!((250..420).contains(&early), "{early} of 1000 in the first third");
        // Written down: another number would move the schedules of everyone who updates.
        assert_eq!(delays[..3], [271, 112, 165]);
        assert_eq!(
            delay(&ClusterName::new("c").unwrap(), &policy, SignedDuration::ZERO).as_secs(),
            0
        );
    }
}

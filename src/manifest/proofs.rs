//! What is known of how well the backups of a policy come back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::RunOutcome;

/// `_proofs/<policy>/drill.json`: how drills of a policy's backups ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillProof {
    /// Format of this document.
    pub version: u32,
    /// When an agent first saw that the policy wants drills; none while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<DrillEnd>,
    /// The newest that succeeded: complete, or `partial` only for what its Milvus would not have
    /// back as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<DrillEnd>,
}

/// How one drill ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillEnd {
    /// When.
    pub at: Timestamp,
    /// The backup that was restored.
    pub backup: String,
    /// How.
    pub outcome: RunOutcome,
    /// How long its collections took to be there again: filled, indexed, loaded.
    pub rto_seconds: f64,
    /// What was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl DrillProof {
    /// None was ever made.
    pub fn none() -> Self {
        Self { version: 1, since: None, last: None, last_success: None }
    }

    /// Takes a drill over, and whether it is a success. One that was cancelled or skipped proves
    /// nothing.
    pub fn ended(&mut self, end: DrillEnd, success: bool) {
        if success {
            self.last_success = Some(end.clone());
        }
        if !matches!(end.outcome, RunOutcome::Cancelled | RunOutcome::Skipped) {
            self.last = Some(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{DrillEnd, DrillProof};
    use crate::model::RunOutcome;

    #[test]
    fn a_success_stays_when_the_next_one_fails() {
        let end = |outcome, second| DrillEnd {
            at: Timestamp::from_second(second).unwrap(),
            backup: "b".to_owned(),
            outcome,
            rto_seconds: 1.5,
            detail: None,
        };
        let mut proof = DrillProof::none();
        proof.ended(end(RunOutcome::Complete, 1), true);
        proof.ended(end(RunOutcome::Failed, 2), false);
        proof.ended(end(RunOutcome::Cancelled, 3), false);
        assert_eq!(proof.last, Some(end(RunOutcome::Failed, 2)));
        assert_eq!(proof.last_success, Some(end(RunOutcome::Complete, 1)));
    }
}

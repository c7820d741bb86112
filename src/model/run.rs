//! What a run is, how far it is, and how it ends.

use serde::{Deserialize, Serialize};

use super::words::words;

words! {
    /// The five ways in which a run ends.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum RunOutcome {
        /// Everything that was asked for.
        Complete = "complete",
        /// Some of it.
        Partial = "partial",
        /// None of it.
        Failed = "failed",
        /// Stopped on request.
        Cancelled = "cancelled",
        /// Not needed.
        Skipped = "skipped",
    }
}

words! {
    /// What a run does.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum RunKind {
        /// Makes a backup.
        Backup = "backup",
        /// Deletes what no rule keeps.
        Prune = "prune",
        /// Reads a backup again.
        Verify = "verify",
        /// Restores one under generated names, compares and drops it.
        Drill = "drill",
        /// Restores one.
        Restore = "restore",
    }
}

words! {
    /// What a run is doing.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum RunStage {
        /// Deciding what is to be done.
        Plan = "plan",
        /// Holding Milvus's garbage collection back.
        Pin = "pin",
        /// Waiting for Milvus to write what it has in memory.
        Flush = "flush",
        /// Listing files.
        List = "list",
        /// Copying files.
        Copy = "copy",
        /// Filling collections.
        Import = "import",
        /// Reading back.
        Verify = "verify",
        /// Writing what makes the work count.
        Commit = "commit",
        /// Deleting what is not kept.
        Prune = "prune",
    }
}

#[cfg(test)]
mod tests {
    use super::{RunKind, RunOutcome, RunStage};

    #[test]
    fn a_word_is_the_same_in_json_and_in_labels() {
        for outcome in RunOutcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
        for kind in RunKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for stage in RunStage::ALL {
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.as_str());
            assert_eq!(stage.to_string(), stage.as_str());
        }
    }
}

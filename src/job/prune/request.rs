//! What a prune is asked for.

use std::collections::BTreeSet;

use crate::model::Guard;
use crate::plan::PolicyRules;

/// Whether anything is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// Only told.
    Plan,
    /// Done.
    Apply,
}

/// Whether files of no backup are looked for, which lists all that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweeping {
    /// They are.
    Yes,
    /// Not this time.
    No,
}

/// One prune.
#[derive(Debug, Clone)]
pub struct PruneRequest {
    /// Whether anything is deleted.
    pub prune: Prune,
    /// The policies whose rules are applied. Backups of others stay.
    pub policies: Vec<PolicyRules>,
    /// Whether these are all that there are.
    pub all_policies: bool,
    /// Guards that are overridden.
    pub allow: BTreeSet<Guard>,
    /// Whether files of no backup are looked for.
    pub sweeping: Sweeping,
}

/// Without any policy: what deletes and crashes have left.
impl From<Prune> for PruneRequest {
    fn from(prune: Prune) -> Self {
        Self {
            prune,
            policies: Vec::new(),
            all_policies: false,
            allow: BTreeSet::new(),
            sweeping: Sweeping::Yes,
        }
    }
}

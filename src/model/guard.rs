//! What may stand in the way of a prune.

use serde::Serialize;

use super::words::words;

words! {
    /// Why a prune refuses to delete what no rule keeps.
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Guard {
        /// A backup cannot be read, so nobody knows what it is.
        CatalogIncomplete = "catalog_incomplete",
        /// The newest good backup is older than `max_age`: backups fail.
        StaleSource = "stale_source",
        /// A backup is of the future.
        Clock = "clock",
        /// More would go than `retention.max_delete`.
        MassDelete = "mass_delete",
        /// The rules are new.
        PolicyChanged = "policy_changed",
        /// The lease was lost.
        Lock = "lock",
    }
}

#[cfg(test)]
mod tests {
    use super::Guard;

    #[test]
    fn a_word_is_the_same_in_json_and_in_labels() {
        for guard in Guard::ALL {
            assert_eq!(serde_json::to_value(guard).unwrap(), guard.as_str());
        }
    }
}

//! Leases that this process holds, as metrics tell of them.

use crate::catalog::Lease;
use crate::metrics::{LeaseScope, Metrics};

use super::JobContext;

/// Told of for as long as it is there.
#[derive(Debug)]
#[must_use]
pub(super) struct Held {
    metrics: Metrics,
    scope: LeaseScope,
}

impl JobContext {
    /// Tells of a lease that was just taken.
    pub(super) fn holds(&self, scope: LeaseScope, lease: &Lease) -> Held {
        self.metrics.lease_taken(scope);
        if lease.is_taken_over() {
            self.metrics.lease_taken_over();
        }
        Held { metrics: self.metrics.clone(), scope }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.lease_given_back(self.scope);
    }
}

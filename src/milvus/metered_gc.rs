//! Tells since when Milvus's garbage collection is held back, and what it refused.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;

use crate::metrics::{GcCall, GcScope, Metrics};
use crate::model::Clock;

use super::{GcControl, GcTarget, GcTicket, MilvusError, MilvusErrorKind, MilvusResult};

/// Passes every call on. The pause of a target lasts from its first ticket to the moment when the
/// last of them is given back, whether or not Milvus answers: without, it ends by itself.
#[derive(Debug)]
pub struct MeteredGc {
    inner: Arc<dyn GcControl>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    open: Mutex<Vec<(GcTarget, GcTicket)>>,
}

impl MeteredGc {
    /// Tells of what is asked of `inner`.
    pub fn new(inner: Arc<dyn GcControl>, metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        Self { inner, metrics, clock, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Vec<(GcTarget, GcTicket)>> {
        self.open.lock().expect("no holder of this lock panics")
    }

    /// A server that has no such call did not fail.
    fn failed(&self, call: GcCall, error: &MilvusError) {
        if error.kind() != MilvusErrorKind::Unimplemented {
            self.metrics.gc_failed(call);
        }
    }
}

fn scope(target: GcTarget) -> GcScope {
    match target {
        GcTarget::Cluster => GcScope::Cluster,
        GcTarget::Collection(_) => GcScope::Collection,
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl GcControl for MeteredGc {
    async fn pause(&self, target: GcTarget, lease: Duration) -> MilvusResult<GcTicket> {
        let is_open = |open: &[(GcTarget, GcTicket)]| open.iter().any(|(of, _)| *of == target);
        let call = if is_open(&self.open()) { GcCall::Renew } else { GcCall::Pause };
        let paused = self.inner.pause(target, lease).await;
        match &paused {
            Ok(ticket) => {
                let mut open = self.open();
                if !is_open(&open) {
                    self.metrics.gc_paused(scope(target), self.clock.now());
                }
                let pause = (target, ticket.clone());
                if !open.contains(&pause) {
                    open.push(pause);
                }
            }
            Err(error) => self.failed(call, error),
        }
        paused
    }

    async fn resume(&self, ticket: &GcTicket) -> MilvusResult<()> {
        let resumed = self.inner.resume(ticket).await;
        if let Err(error) = &resumed {
            self.failed(GcCall::Resume, error);
        }
        let mut open = self.open();
        let (ended, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *open).into_iter().partition(|(_, other)| other == ticket);
        for (target, _) in ended {
            if !rest.iter().any(|(of, _)| *of == target) {
                self.metrics.gc_resumed(scope(target));
            }
        }
        *open = rest;
        resumed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use async_trait::async_trait;
    use jiff::Timestamp;

    use super::MeteredGc;
    use crate::metrics::Metrics;
    use crate::milvus::{
        GcControl, GcTarget, GcTicket, MilvusError, MilvusErrorKind, MilvusResult,
    };
    use crate::model::ManualClock;

    /// A server that answers as it was told: with a number, or with a failure.
    #[derive(Debug)]
    struct Scripted(Mutex<VecDeque<Result<u32, MilvusErrorKind>>>);

    impl Scripted {
        fn answer(&self) -> MilvusResult<GcTicket> {
            let next = self.0.lock().unwrap().pop_front().expect("the script goes on");
            next.map(|number| GcTicket(Some(number.to_string())))
                .map_err(|kind| MilvusError::new("ask", kind, "scripted"))
        }
    }

    #[async_trait]
    impl GcControl for Scripted {
        async fn pause(&self, _target: GcTarget, _lease: Duration) -> MilvusResult<GcTicket> {
            self.answer()
        }

        async fn resume(&self, _ticket: &GcTicket) -> MilvusResult<()> {
            self.answer().map(drop)
        }
    }

    fn metered(
        script: impl IntoIterator<Item = Result<u32, MilvusErrorKind>>,
    ) -> (Metrics, MeteredGc) {
        let inner = Arc::new(Scripted(Mutex::new(script.into_iter().collect())));
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(77).unwrap()));
        let metrics = Metrics::default();
        (metrics.clone(), MeteredGc::new(inner, metrics, clock))
    }

    fn shows(metrics: &Metrics, series: &str) -> bool {
        metrics.render().contains(&format!("\nmilvus_backup_gc_pause_{series}\n"))
    }

    #[tokio::test]
    async fn a_pause_is_active_until_its_last_ticket_is_given_back() {
        use MilvusErrorKind::Unreachable;
        let (metrics, gc) = metered([Ok(1), Ok(2), Err(Unreachable), Ok(1), Err(Unreachable)]);
        let lease = Duration::from_secs(9);
        let first = gc.pause(GcTarget::Cluster, lease).await.unwrap();
        let second = gc.pause(GcTarget::Cluster, lease).await.unwrap();
        gc.pause(GcTarget::Cluster, lease).await.unwrap_err();
        assert!(shows(&metrics, "active{scope=\"cluster\"} 1"));
        assert!(shows(&metrics, "started_timestamp_seconds{scope=\"cluster\"} 77"));
        assert!(shows(&metrics, "failures_total{op=\"renew\"} 1"));
        gc.resume(&first).await.unwrap();
        assert!(shows(&metrics, "active{scope=\"cluster\"} 1"));
        gc.resume(&second).await.unwrap_err();
        assert!(shows(&metrics, "active{scope=\"cluster\"} 0"), "it ends by itself");
        assert!(shows(&metrics, "failures_total{op=\"resume\"} 1"));
        assert!(shows(&metrics, "failures_total{op=\"pause\"} 0"));
    }

    #[tokio::test]
    async fn a_server_that_cannot_pause_fails_nothing() {
        let (metrics, gc) = metered([Err(MilvusErrorKind::Unimplemented)]);
        gc.pause(GcTarget::Cluster, Duration::from_secs(9)).await.unwrap_err();
        assert!(shows(&metrics, "failures_total{op=\"pause\"} 0"));
        assert!(!metrics.render().contains("gc_pause_active"));
    }
    #[tokio::test]
    async fn collections_are_paused_each_for_itself() {
        let (metrics, gc) = metered([Ok(1), Ok(2), Ok(1), Ok(2)]);
        let lease = Duration::from_secs(9);
        let first = gc.pause(GcTarget::Collection(7), lease).await.unwrap();
        let second = gc.pause(GcTarget::Collection(8), lease).await.unwrap();
        gc.resume(&first).await.unwrap();
        assert!(shows(&metrics, "active{scope=\"collection\"} 1"));
        gc.resume(&second).await.unwrap();
        assert!(shows(&metrics, "active{scope=\"collection\"} 0"));
        assert!(!metrics.render().contains("gc_pause_active{scope=\"cluster\"}"));
    }
}

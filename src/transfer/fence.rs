//! Copies that only the holder of a lease may make: into a folder that is of one backup alone,
//! whose name another run may have by now.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::sleep;

use crate::storage::{ByteStream, Deadlines, StoreOp};

/// Between two looks whether a late heartbeat has come.
const LOOK: Duration = Duration::from_millis(500);

/// Holds copies back while it is unknown whether the lease is still there. Who has lost it is
/// stopped meanwhile. By default there is none: a shared file is the same, whoever writes it.
#[derive(Debug, Clone, Default)]
pub struct Fence(Option<Arc<dyn Deadlines>>);

impl Fence {
    /// Copies are made in time or not at all.
    pub fn of(deadlines: Arc<dyn Deadlines>) -> Self {
        Self(Some(deadlines))
    }

    /// Waits until a call may begin.
    pub(super) async fn pass(&self) {
        let Some(deadlines) = &self.0 else { return };
        while deadlines.deadline().begin(StoreOp::Put, "").is_err() {
            sleep(LOOK).await;
        }
    }

    /// The same bytes; each chunk and the end come only in time. What has no end is not written.
    pub(super) fn hold(&self, body: ByteStream) -> ByteStream {
        if self.0.is_none() {
            return body;
        }
        let held = stream::unfold((body, self.clone()), |(mut body, fence)| async move {
            let next = body.next().await;
            fence.pass().await;
            next.map(|chunk| (chunk, (body, fence)))
        });
        held.boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use bytes::Bytes;
    use futures::{FutureExt, StreamExt, stream};
    use tokio::time::{Instant, advance};

    use super::Fence;
    use crate::storage::{Deadline, Deadlines, suspended};

    #[derive(Debug)]
    struct Beating(Mutex<Instant>);

    impl Deadlines for Beating {
        fn deadline(&self) -> Deadline {
            let begin_by = *self.0.lock().unwrap();
            Deadline { begin_by, end_by: begin_by, suspended: suspended() }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn neither_a_chunk_nor_the_end_comes_too_late() {
        let beating = Arc::new(Beating(Mutex::new(Instant::now() + Duration::from_secs(10))));
        let fence = Fence::of(Arc::<Beating>::clone(&beating));
        let chunks = [b"a", b"b"].map(|chunk| Ok(Bytes::from_static(chunk)));
        let mut held = fence.hold(stream::iter(chunks).boxed());
        assert!(held.next().now_or_never().is_some_and(|chunk| chunk.is_some()));
        advance(Duration::from_secs(11)).await;
        assert!(held.next().now_or_never().is_none(), "it waits for a heartbeat");
        *beating.0.lock().unwrap() = Instant::now() + Duration::from_secs(10);
        assert!(held.next().await.is_some());
        advance(Duration::from_secs(11)).await;
        assert!(held.next().now_or_never().is_none(), "the end makes a file of it");
        let free = Fence::default().hold(stream::iter([]).boxed()).next().now_or_never();
        assert!(free.is_some_and(|end| end.is_none()));
    }
}

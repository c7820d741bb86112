//! File I/O away from the threads that poll futures.

use std::panic::resume_unwind;

/// Runs `work` on a blocking thread. Once started it ends, even if the caller goes away.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down before the work began: nobody polls this again.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

//! What cannot be read, and whether that is damage.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::sleep;

use crate::catalog::{CatalogError, CatalogResult};
use crate::job::{JobContext, JobError, JobResult};
use crate::model::ErrorKind;
use crate::transfer::retrying;

/// After so many failures in a row, each tried again in vain, the store is away.
const AWAY: u32 = 5;

/// After so many of another kind it refuses everything.
const REFUSES: u32 = 100;

/// What a disk could not give back is asked for once more, after this.
const ONCE_MORE: Duration = Duration::from_secs(5);

/// What could not be read, which says nothing of its content.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Why.
    pub(super) why: BTreeSet<String>,
    /// Lists whose files nobody knows, by the numbers of their places.
    pub(super) lists: BTreeSet<(usize, String)>,
    in_a_row: u32,
}

impl Unread {
    /// Notes one. An error if nothing else will be readable, either.
    pub(super) fn note(&mut self, error: CatalogError) -> JobResult<()> {
        let passes = matches!(&error, CatalogError::Store(error) if error.kind().is_transient());
        let error = JobError::from(error);
        self.in_a_row += 1;
        if self.in_a_row >= if passes { AWAY } else { REFUSES } {
            return Err(error);
        }
        self.why.insert(error.chain());
        Ok(())
    }

    /// The store is there.
    pub(super) fn was_read(&mut self) {
        self.in_a_row = 0;
    }
}

/// What came of reading something.
#[derive(Debug)]
pub(super) enum Found<T> {
    Whole(T),
    /// How it is damaged.
    Damaged(String),
    /// Nobody knows.
    Unread(CatalogError),
}

/// Reads something, again while its failure may pass. Damage is what is not there, not as it was
/// written, or on a disk that cannot give it back; not what a store refuses or keeps silent about.
pub(super) async fn found<T, F>(context: &JobContext, mut read: impl FnMut() -> F) -> Found<T>
where
    F: Future<Output = CatalogResult<T>>,
{
    let mut done = again(context, &mut read).await;
    if done.as_ref().is_err_and(is_bad_medium) {
        sleep(ONCE_MORE).await;
        done = again(context, &mut read).await;
    }
    match done {
        Ok(whole) => Found::Whole(whole),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => {
            Found::Damaged(JobError::from(error).chain())
        }
        // A mount that is away says the same of everything.
        Err(CatalogError::Store(error))
            if error.is_bad_medium() && context.open_repository().boxed().await.is_ok() =>
        {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            Found::Damaged(format!("its bytes cannot be read: {error}: {cause}"))
        }
        Err(error) => Found::Unread(error),
    }
}

/// Does something again while its failure may pass.
pub(super) async fn again<T, F>(
    context: &JobContext,
    mut work: impl FnMut() -> F,
) -> CatalogResult<T>
where
    F: Future<Output = CatalogResult<T>>,
{
    let done = retrying(context.retries, || {
        let done = work();
        async move {
            match done.await {
                Err(CatalogError::Store(error)) => Err(error),
                done => Ok(done),
            }
        }
    });
    done.await?
}

fn is_bad_medium(error: &CatalogError) -> bool {
    matches!(error, CatalogError::Store(error) if error.is_bad_medium())
}

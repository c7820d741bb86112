//! Rows that live for a time (`collection.ttl.seconds`): that they are gone is no difference.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::manifest::CollectionContent;
use crate::milvus::MilvusVersion;

/// The property of a collection that says for how long.
const PROPERTY: &str = "collection.ttl.seconds";

/// What may pass between the look at the clock and the last answer of Milvus.
const SLACK: Duration = Duration::from_mins(10);

/// When the restored rows of a collection may be gone.
#[derive(Debug)]
pub(super) struct Expiry {
    lives: Duration,
    /// Whether they are as old as in the backup; else they were written when they were imported.
    kept: bool,
    begun: Instant,
}

impl Expiry {
    /// Of a collection that is about to be filled; `None` if its rows live for ever.
    pub(super) fn of(content: &CollectionContent, version: &MilvusVersion) -> Option<Self> {
        let told = content.properties.iter().find(|property| property.key == PROPERTY)?;
        let seconds = told.value.parse().ok().filter(|seconds| *seconds > 0)?;
        let lives = Duration::from_secs(seconds);
        Some(Self { lives, kept: version.imports_keep_times(), begun: Instant::now() })
    }

    /// Rows whose timestamps are up to this one may be gone.
    pub(super) fn until(&self, now: Timestamp) -> u64 {
        let now = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let born = (now + millis(SLACK)).saturating_sub(millis(self.lives));
        if self.kept { born << 18 } else { 0 }
    }

    /// Whether all of them may be.
    pub(super) fn is_over(&self) -> bool {
        !self.kept && self.begun.elapsed() >= self.lives
    }

    /// That it is no difference, for people.
    pub(super) fn note(&self) -> String {
        let seconds = self.lives.as_secs();
        let so = if self.is_over() {
            "and the drill took longer: all of them may be gone again, so only of keys that are \
             there it is known that they came back"
        } else {
            "so some may be gone again: those are no difference"
        };
        format!("its rows live for {seconds} s (`{PROPERTY}`), {so}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Expiry;

    #[tokio::test(start_paused = true)]
    async fn rows_go_when_they_have_lived_since_they_were_written_or_imported() {
        let of =
            |kept, secs| Expiry { lives: Duration::from_secs(secs), kept, begun: Instant::now() };
        let now = "2026-11-23T02:00:00Z".parse().unwrap();
        let born = |hybrid: u64| jiff::Timestamp::from_millisecond((hybrid >> 18).cast_signed());
        let hour = of(true, 3600);
        assert_eq!(born(hour.until(now)).unwrap().to_string(), "2026-11-23T01:10:00Z");
        assert_eq!(of(true, u64::MAX).until(now), 0, "nothing is as old");
        let anew = of(false, 20);
        assert_eq!((anew.until(now), anew.is_over()), (0, false));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(anew.is_over() && !of(true, 20).is_over());
        assert!(anew.note().contains("only of keys that are there"), "{}", anew.note());
    }
}

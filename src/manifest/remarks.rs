//! What is known or said of a backup after its commit, and of the policies that keep it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FileId, Manifest};

/// `pin.json`: someone wants the backup to stay, or once did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Format of this document.
    pub version: u32,
    /// When it was put.
    pub at: Timestamp,
    /// Where.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When `unpin` ended it. What was in doubt stays accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

impl Pin {
    /// Whether it keeps the backup at this moment.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.until.is_none_or(|until| now < until)
    }
}

/// `doubt.json`: something was found wrong with a backup that was committed as good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Format of this document.
    pub version: u32,
    /// When it was found.
    pub at: Timestamp,
    /// Where.
    pub by: String,
    /// What.
    pub reason: String,
    /// Shared files that are not as they were written, by their paths below `_segments/`, the
    /// first of very many. No backup takes them over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl Doubt {
    /// How many files are remembered.
    const REMEMBERED: usize = 10_000;

    /// Names damaged files.
    #[must_use]
    pub fn with_files(mut self, files: impl IntoIterator<Item = FileId>) -> Self {
        self.files = files.into_iter().take(Self::REMEMBERED).map(|id| id.tail()).collect();
        self
    }

    /// This doubt with the damaged files of another, if that has more.
    pub fn and(mut self, other: &Self) -> Option<Self> {
        let known: BTreeSet<&String> = self.files.iter().collect();
        let new: Vec<String> =
            other.files.iter().filter(|file| !known.contains(file)).cloned().collect();
        let room = Self::REMEMBERED.saturating_sub(self.files.len());
        let more = !new.is_empty() && room > 0;
        self.files.extend(new.into_iter().take(room));
        more.then_some(self)
    }

    /// The files that it names.
    pub fn damaged(&self) -> impl Iterator<Item = FileId> {
        self.files.iter().filter_map(|tail| FileId::parse(tail))
    }
}

/// Why a backup that is there does not count as a good one, and what to do; `None` if it does.
/// Whoever pins one with few rows says that it is good; of damage nobody can say that.
pub fn suspicion(manifest: &Manifest, doubt: Option<&Doubt>, pin: Option<&Pin>) -> Option<String> {
    let found = doubt.map(|doubt| {
        format!("{}; `verify --depth content` it when that is mended, or `delete` it", doubt.reason)
    });
    let fell = manifest.suspect.as_ref().filter(|_| pin.is_none());
    found.or_else(|| fell.map(|fell| format!("{fell}; `pin` it if that is right, or `delete` it")))
}

/// `_retention/<policy>.json`: the rules that the last prune of a policy went by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionMark {
    /// Format of this document.
    pub version: u32,
    /// The rules in words, with their time zone.
    pub rules: String,
    /// When a prune first went by them.
    pub since: Timestamp,
    /// And where.
    #[serde(default)]
    pub by: String,
    /// Those before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Whether what was made before them may go as well.
    pub settled: bool,
    /// Guards that someone has overridden, newest last.
    #[serde(default)]
    pub allowed: Vec<AllowedGuard>,
}

impl RetentionMark {
    /// How many overridden guards are remembered.
    const REMEMBERED: usize = 50;

    /// Writes down that someone has overridden a guard.
    pub fn allow(&mut self, allowed: AllowedGuard) {
        self.allowed.push(allowed);
        let more = self.allowed.len().saturating_sub(Self::REMEMBERED);
        self.allowed.drain(..more);
    }
}

/// A guard that someone has overridden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedGuard {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub by: String,
    /// Which.
    pub guard: String,
    /// What it had to say.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{AllowedGuard, Pin, RetentionMark};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_pin_holds_until_its_end() {
        let pin = Pin {
            version: 1,
            at: at("2026-11-23T00:00:00Z"),
            by: "h".to_owned(),
            reason: "audit".to_owned(),
            until: Some(at("2027-01-01T00:00:00Z")),
            ended: None,
        };
        assert!(pin.holds(at("2026-12-31T23:59:59Z")));
        assert!(!pin.holds(at("2027-01-01T00:00:00Z")));
        let forever = Pin { until: None, ..pin.clone() };
        assert!(forever.holds(at("2099-01-01T00:00:00Z")));
        assert!(!Pin { ended: Some(pin.at), ..forever }.holds(pin.at));
    }

    #[test]
    fn only_the_newest_overrides_are_remembered() {
        let mut mark = RetentionMark {
            version: 1,
            rules: String::new(),
            since: Timestamp::UNIX_EPOCH,
            by: String::new(),
            before: None,
            settled: true,
            allowed: Vec::new(),
        };
        for number in 0..RetentionMark::REMEMBERED + 3 {
            mark.allow(AllowedGuard {
                at: Timestamp::UNIX_EPOCH,
                by: "h".to_owned(),
                guard: "clock".to_owned(),
                message: number.to_string(),
            });
        }
        assert_eq!(mark.allowed.len(), RetentionMark::REMEMBERED);
        assert_eq!(mark.allowed[0].message, "3");
    }
}

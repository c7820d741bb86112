//! The table of keys: the parser, the schema for editors and README.md all come from it.

use std::fmt;

use super::schedule::Overlap;
use super::settings::{AfterBackup, Flush, Trigger};
use crate::model::{Layout, SWITCH, nearest};

/// What a key takes, in the words of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A name of letters, digits, `_` and `-`.
    Name,
    /// A list of `database.collection` globs.
    Globs,
    /// Five fields of cron(5), or `@daily` and the like.
    Cron,
    /// The name of a time zone.
    Zone,
    /// A length of time, such as `48h` or `3d`.
    Duration,
    /// A whole number from the first to the second.
    Count(u32, u32),
    /// One of a few words.
    Word(&'static [&'static str]),
    /// A list of some of a few words.
    Words(&'static [&'static str]),
}

impl PolicyKind {
    /// Whether its value is a list.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Globs | Self::Words(_))
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("name"),
            Self::Globs => f.write_str("list of globs"),
            Self::Cron => f.write_str("cron pattern"),
            Self::Zone => f.write_str("IANA time zone"),
            Self::Duration => f.write_str("duration"),
            Self::Count(least, most) => write!(f, "{least} to {most}"),
            Self::Word(words) => f.write_str(&words.join(", ")),
            Self::Words(words) => write!(f, "list of {}", words.join(", ")),
        }
    }
}

/// What holds when a key is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fallback {
    /// This value, as one would write it.
    Value(&'static str),
    /// Something that depends on the rest, in words.
    Described(&'static str),
}

/// What else a key takes or refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// Nothing.
    No,
    /// Zero; the text says how to write what was meant.
    NoZero(&'static str),
    /// The word `none`; zero is refused.
    OrNone,
}

/// One key of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyKey {
    /// Its dotted path, such as `schedule.cron`.
    pub path: &'static str,
    /// What it takes.
    pub kind: PolicyKind,
    /// What it is for, in one line.
    pub help: &'static str,
    pub(super) fallback: Fallback,
    pub(super) special: Special,
}

impl PolicyKey {
    const fn new(
        path: &'static str,
        kind: PolicyKind,
        fallback: Fallback,
        help: &'static str,
    ) -> Self {
        Self { path, kind, help, fallback, special: Special::No }
    }

    const fn but(mut self, special: Special) -> Self {
        self.special = special;
        self
    }

    /// What holds when the key is not set, for people.
    pub fn default_text(&self) -> &'static str {
        match self.fallback {
            Fallback::Value(text) | Fallback::Described(text) => text,
        }
    }

    /// What it takes, for people.
    pub fn takes(&self) -> String {
        let none = if self.special == Special::OrNone { " or `none`" } else { "" };
        format!("{}{none}", self.kind)
    }
}

/// The most of one kind that a rule keeps, and the most attempts: beyond, it is a typing error.
const MOST: u32 = 10_000;
const MOST_ATTEMPTS: u32 = 100;

const KEEP: PolicyKind = PolicyKind::Count(1, MOST);
const UNSET: Fallback = Fallback::Described("none");

/// Every key, in the order in which they are shown.
pub const POLICY_KEYS: &[PolicyKey] = &[
    PolicyKey::new(
        "name",
        PolicyKind::Name,
        Fallback::Described("the file's name"),
        "the policy's name; its backups are `<name>_YYYYMMDD_HHMMSS` in UTC, with `_` for `-`",
    ),
    PolicyKey::new(
        "collections",
        PolicyKind::Globs,
        Fallback::Described("every collection"),
        "`database.collection` globs; `!` leaves out; the last match decides",
    ),
    PolicyKey::new(
        "schedule.cron",
        PolicyKind::Cron,
        UNSET,
        "when: minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`",
    ),
    PolicyKey::new(
        "schedule.every",
        PolicyKind::Duration,
        UNSET,
        "instead of `cron`: evenly, counted from 1970 in UTC; at least 1s",
    )
    .but(Special::NoZero("write at least 1s; to run on request alone, remove `schedule`")),
    PolicyKey::new(
        "schedule.timezone",
        PolicyKind::Zone,
        Fallback::Value("UTC"),
        "whose wall clock `cron` means, here and in `verify`",
    ),
    PolicyKey::new(
        "schedule.jitter",
        PolicyKind::Duration,
        Fallback::Value("0s"),
        "fires up to so much later, always the same for this cluster and policy; at most 10 % of the shortest interval",
    ),
    PolicyKey::new(
        "schedule.catch_up",
        PolicyKind::Duration,
        Fallback::Described("one interval, at most 24h"),
        "after being down, the newest missed slot runs if it is no older",
    )
    .but(Special::OrNone),
    PolicyKey::new(
        "schedule.overlap",
        PolicyKind::Word(Overlap::WORDS),
        Fallback::Value("skip"),
        "what a slot does while the run before is at work: nothing, run afterwards, or cancel it",
    ),
    PolicyKey::new(
        "triggers",
        PolicyKind::Words(Trigger::WORDS),
        UNSET,
        "who may start it besides schedule and command line",
    ),
    PolicyKey::new(
        "layout",
        PolicyKind::Word(Layout::WORDS),
        Fallback::Value("incremental"),
        "how a backup lies in the repository: files shared with those before, or a tree of its own for milvus-backup",
    ),
    PolicyKey::new(
        "flush",
        PolicyKind::Word(Flush::WORDS),
        Fallback::Value("required"),
        "what happens if Milvus cannot flush (best_effort, skip: not yet)",
    ),
    PolicyKey::new(
        "retention.keep_all",
        PolicyKind::Word(SWITCH),
        Fallback::Value("false"),
        "keep every backup; alone, without other rules",
    ),
    keep(
        "retention.keep_last",
        "keep the newest so many",
        "to keep none for being new, remove the line",
    ),
    PolicyKey::new(
        "retention.keep_within",
        PolicyKind::Duration,
        UNSET,
        "keep all that are no older than this",
    )
    .but(Special::NoZero("to keep none for its age, remove the line")),
    keep(
        "retention.keep_hourly",
        "keep the newest of each of so many hours",
        "to keep no hourly backups, remove the line",
    ),
    keep(
        "retention.keep_daily",
        "keep the newest of each of so many days",
        "to keep no daily backups, remove the line",
    ),
    keep(
        "retention.keep_weekly",
        "keep the newest of each of so many weeks",
        "to keep no weekly backups, remove the line",
    ),
    keep(
        "retention.keep_monthly",
        "keep the newest of each of so many months",
        "to keep no monthly backups, remove the line",
    ),
    keep(
        "retention.keep_yearly",
        "keep the newest of each of so many years",
        "to keep no yearly backups, remove the line",
    ),
    PolicyKey::new(
        "retention.min_keep",
        KEEP,
        Fallback::Value("2"),
        "so many complete backups stay, whatever the rules say",
    )
    .but(Special::NoZero("one backup always stays; write at least 1")),
    PolicyKey::new(
        "retention.keep_partial",
        PolicyKind::Count(0, MOST),
        Fallback::Value("3"),
        "keep the newest so many partial backups",
    ),
    PolicyKey::new(
        "max_age",
        PolicyKind::Duration,
        Fallback::Described(
            "twice the longest gap of the next 50 fires, plus the timeout; none without a schedule",
        ),
        "a newest backup older than this is an alert",
    )
    .but(Special::NoZero("every backup is older; write more than the interval of the schedule")),
    PolicyKey::new("timeout", PolicyKind::Duration, UNSET, "a run that takes longer is ended")
        .but(Special::NoZero("to let a run take as long as it needs, remove the line")),
    PolicyKey::new(
        "stall_timeout",
        PolicyKind::Duration,
        Fallback::Value("15m"),
        "a run that makes no progress for so long is ended",
    )
    .but(Special::NoZero("it cannot be switched off; write a longer one, such as 6h")),
    PolicyKey::new(
        "retry.attempts",
        PolicyKind::Count(1, MOST_ATTEMPTS),
        Fallback::Value("1"),
        "how often a run is tried in all",
    )
    .but(Special::NoZero("it counts the first try; for no second one, write 1")),
    PolicyKey::new(
        "retry.backoff",
        PolicyKind::Duration,
        Fallback::Value("1m"),
        "the pause before the second try; it doubles each time",
    )
    .but(Special::NoZero("write at least 1s: what failed needs a moment")),
    PolicyKey::new(
        "verify.after_backup",
        PolicyKind::Word(AfterBackup::WORDS),
        Fallback::Value("size"),
        "how deep a new backup is verified",
    ),
    PolicyKey::new(
        "verify.drill",
        PolicyKind::Cron,
        Fallback::Value("none"),
        "when the newest complete backup is restored for a test, compared, and dropped again; in `schedule.timezone`",
    )
    .but(Special::OrNone),
    PolicyKey::new(
        "paused",
        PolicyKind::Word(SWITCH),
        Fallback::Value("false"),
        "neither schedule nor triggers start it; the command line does",
    ),
    PolicyKey::new(
        "rbac",
        PolicyKind::Word(SWITCH),
        Fallback::Value("false"),
        "whether a backup holds users with password hashes, roles, grants and privilege groups; Milvus 2.5 and later",
    ),
    PolicyKey::new(
        "verify.schedule",
        PolicyKind::Cron,
        Fallback::Value("none"),
        "when a share of the bytes of all its backups is read again; in `schedule.timezone`",
    )
    .but(Special::OrNone),
    PolicyKey::new(
        "verify.read_all_within",
        PolicyKind::Duration,
        Fallback::Value("30d"),
        "with `verify.schedule`: in this time every byte is read again; at least the longest gap between two slots",
    )
    .but(Special::NoZero("it cannot be at once; to read nothing again, remove `verify.schedule`")),
];

const fn keep(path: &'static str, help: &'static str, way_out: &'static str) -> PolicyKey {
    PolicyKey::new(path, KEEP, UNSET, help).but(Special::NoZero(way_out))
}

/// What a dotted path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A key that takes a value.
    Key(&'static PolicyKey),
    /// A section: keys start with this path.
    Section(&'static str),
    /// Nothing; perhaps the other path was meant.
    Unknown(Option<&'static str>),
}

/// Looks a dotted path up. For an unknown one it suggests a key elsewhere that ends in the
/// same word, else a neighbour in the same section.
pub(super) fn find(path: &str) -> Found {
    if let Some(key) = POLICY_KEYS.iter().find(|key| key.path == path) {
        return Found::Key(key);
    }
    let mut sections = POLICY_KEYS.iter().filter_map(|key| key.path.split_once('.'));
    if let Some((section, _)) = sections.find(|(section, _)| *section == path) {
        return Found::Section(section);
    }
    let (section, word) = path.rsplit_once('.').unwrap_or(("", path));
    let mut paths = POLICY_KEYS.iter().map(|key| key.path);
    let elsewhere = paths.find(|path| path.rsplit('.').next() == Some(word));
    Found::Unknown(elsewhere.or_else(|| nearest(word, keys_of(section))))
}

/// The keys of a section, or of the file.
pub(super) fn keys_of(section: &str) -> impl Iterator<Item = &'static str> {
    POLICY_KEYS.iter().filter_map(move |key| match key.path.split_once('.') {
        Some((of, word)) if of == section => Some(word),
        Some((of, _)) if section.is_empty() => Some(of),
        None if section.is_empty() => Some(key.path),
        Some(_) | None => None,
    })
}

/// The key at `path`, which is in the table.
pub(super) fn key(path: &str) -> &'static PolicyKey {
    POLICY_KEYS.iter().find(|key| key.path == path).expect("the parser names keys of the table")
}

//! The shapes of the command line; no logic.

use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::{BackupName, ClusterName, Guard, InvalidName, Layout, Namespace};

/// Keeps Milvus backed up, and proves that the backups restore.
#[derive(Debug, Parser)]
#[command(name = "milvus-backup-agent", version, about, max_term_width = 100)]
pub struct Arguments {
    /// The configuration file [default: /etc/milvus-backup-agent/config.yaml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to print
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One JSON value, for scripts
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be the agent: follow the schedules of the policies, answer metrics, until SIGTERM
    Run,
    /// Would a backup work? Connections, permissions, one real segment found in the storage
    Check(CheckArguments),
    /// Make one backup now
    Backup(BackupArguments),
    /// Show all backups of all clusters, damaged and partial ones too
    List(ListArguments),
    /// Show one backup in full
    Show(NameArguments),
    /// Restore a backup into the configured Milvus
    Restore(RestoreArguments),
    /// Restore a backup for a test under generated names, compare it, drop it, and say how long it took
    Drill(NameArguments),
    /// Read a backup again and compare it with what was written
    Verify(VerifyArguments),
    /// Make a tree of its own of a backup, which milvus-backup lists and restores, too
    Export(ExportArguments),
    /// Hide a backup, and delete it after a grace
    Delete(DeleteArguments),
    /// Bring a hidden backup back, as long as its grace lasts
    Undelete(UndeleteArguments),
    /// Keep a backup whatever the rules say, and let it count as good
    Pin(PinArguments),
    /// Leave a pinned backup to the rules again
    Unpin(UnpinArguments),
    /// Say what stays and what can go: backups that no rule keeps, deleted ones, dead attempts,
    /// files of no backup; delete with --apply
    Prune(PruneArguments),
    /// Take a lease from its holder, which then neither commits nor deletes
    Unlock(UnlockArguments),
    /// Look at the policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look at clusters
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Also test whether Milvus can read the staging folder; makes and drops a small collection
    #[arg(long)]
    pub restore: bool,
}

/// `backup`.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// Take collections and name from this policy, and belong to it
    #[arg(long)]
    pub policy: Option<String>,
    /// Its name [default: `backup_`, or the policy's name, and the time, in UTC]
    #[arg(long, value_parser = checked::<BackupName>)]
    pub name: Option<BackupName>,
    /// Which collections: database.collection globs, `!` leaves out, the last match decides
    #[arg(long, value_name = "GLOBS", value_delimiter = ',')]
    pub collections: Vec<String>,
    /// How it is laid out: incremental shares files with the backups before, standalone is a tree
    /// of its own that milvus-backup restores, too [default: the policy's, or incremental]
    #[arg(long, value_parser = layout)]
    pub layout: Option<Layout>,
    /// Also users with the hashes of their passwords, roles, grants and privilege groups
    /// (Milvus 2.5 and later)
    #[arg(long)]
    pub rbac: bool,
    /// Only say what would be copied (flushes the collections, as a backup does)
    #[arg(long)]
    pub plan: bool,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Also tell how many bytes each backup alone refers to (reads all file lists)
    #[arg(long)]
    pub sizes: bool,
}

/// A backup by name.
#[derive(Debug, Args)]
pub struct NameArguments {
    /// The backup
    #[arg(value_parser = checked::<BackupName>)]
    pub name: BackupName,
    /// Its cluster, where the name is not unique
    #[arg(long, value_parser = checked::<ClusterName>)]
    pub cluster: Option<ClusterName>,
}

/// `restore`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "these are the flags of a command line")]
pub struct RestoreArguments {
    /// The backup and its cluster
    #[command(flatten)]
    pub backup: NameArguments,
    /// Which collections: database.collection globs, `!` leaves out, the last match decides
    #[arg(long, value_name = "GLOBS", value_delimiter = ',')]
    pub collections: Vec<String>,
    /// Append this to every collection's name
    #[arg(long)]
    pub suffix: Option<String>,
    /// Restore a collection under another name; may be repeated
    #[arg(long, value_name = "DB.NAME:DB.NAME", value_parser = rename)]
    pub rename: Vec<(Namespace, Namespace)>,
    /// Replace collections that exist; each is dropped only when its replacement is whole
    #[arg(long)]
    pub drop_existing: bool,
    /// Build no indexes (then nothing is loaded either)
    #[arg(long)]
    pub skip_index: bool,
    /// Load nothing
    #[arg(long)]
    pub skip_load: bool,
    /// Also users, roles, grants and privilege groups of the backup that are not there yet
    #[arg(long)]
    pub rbac: bool,
    /// Into Milvus 2.2: accept that rows are lost which were deleted and then written again
    #[arg(long)]
    pub accept_lost_reinserts: bool,
    /// Only say what would be restored where
    #[arg(long)]
    pub plan: bool,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The backup and its cluster
    #[command(flatten)]
    pub backup: NameArguments,
    /// How deep to look
    #[arg(long, default_value = "size")]
    pub depth: Depth,
}

/// How deep a verification looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Depth {
    /// Manifest and lists can be read
    Manifest,
    /// Every file exists with its size
    Size,
    /// Every byte is read and compared with its checksum
    Content,
}

/// `export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The backup and its cluster
    #[command(flatten)]
    pub backup: NameArguments,
    /// The name of the new backup, in the folder of the same cluster
    #[arg(long, value_name = "NAME", value_parser = checked::<BackupName>)]
    pub to: BackupName,
}

/// `delete`.
#[derive(Debug, Args)]
pub struct DeleteArguments {
    /// The backup, of the configured cluster
    #[arg(value_parser = checked::<BackupName>)]
    pub name: BackupName,
    /// Without the grace: it cannot be brought back
    #[arg(long)]
    pub now: bool,
    /// Only say what would be done
    #[arg(long)]
    pub plan: bool,
}

/// `undelete`.
#[derive(Debug, Args)]
pub struct UndeleteArguments {
    /// The backup, of the configured cluster
    #[arg(value_parser = checked::<BackupName>)]
    pub name: BackupName,
}

/// `pin`.
#[derive(Debug, Args)]
pub struct PinArguments {
    /// The backup, of the configured cluster
    #[arg(value_parser = checked::<BackupName>)]
    pub name: BackupName,
    /// Why, for those who look later
    #[arg(long)]
    pub reason: String,
    /// Until when: a day such as 2027-01-01 (its start, in UTC) or a moment such as
    /// 2027-01-01T12:00:00Z [default: for good]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
}

/// `unpin`.
#[derive(Debug, Args)]
pub struct UnpinArguments {
    /// The backup, of the configured cluster
    #[arg(value_parser = checked::<BackupName>)]
    pub name: BackupName,
}

/// `prune`.
#[derive(Debug, Args)]
pub struct PruneArguments {
    /// Apply the rules of this policy alone [default: of all policies]
    #[arg(long)]
    pub policy: Option<String>,
    /// Delete although this guard refuses; may be repeated. It is written down
    #[arg(long, value_name = "GUARD", value_parser = guard)]
    pub allow: Vec<Guard>,
    /// Do it
    #[arg(long)]
    pub apply: bool,
}

/// `unlock`.
#[derive(Debug, Args)]
pub struct UnlockArguments {
    /// Its name, as `prune`, `sweep`, `run-…`, `restore-…` or `drill-…`
    pub lease: String,
    /// Why; it is kept with the lease
    #[arg(long)]
    pub reason: String,
}

/// `policy …`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Report every problem of every policy
    Check {
        /// These files instead of the configured folder
        files: Vec<PathBuf>,
    },
    /// Show the policies
    List,
    /// Show when the policies are due next, in their zones and in UTC
    Next {
        /// How many times of each
        #[arg(short = 'n', value_name = "COUNT", default_value = "5")]
        count: u16,
        /// Only these
        policies: Vec<String>,
    },
}

/// `cluster …`.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Show the clusters in the repository
    List,
    /// Say that a cluster is the configured Milvus from now on, after it really moved
    Adopt {
        /// The cluster
        #[arg(value_parser = checked::<ClusterName>)]
        name: ClusterName,
        /// Why, for those who look later
        #[arg(long)]
        reason: String,
    },
}

/// `config …`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Report every problem of the configuration
    Check,
    /// Turn milvus-backup's backup.yaml into a configuration, and say what became of each key
    Import {
        /// The backup.yaml, of version 1 or 2
        file: PathBuf,
    },
    /// Show every key with its effective value
    Show {
        /// Also tell where each value comes from
        #[arg(long)]
        origin: bool,
    },
}

/// A name. Clap shows the value itself, so the error has only the rule.
fn checked<T: FromStr<Err = InvalidName>>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|error: InvalidName| error.rule())
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        day.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp())
    };
    let moment = text.parse().ok().or_else(day);
    moment.ok_or("write a day such as 2027-01-01 or a moment such as 2027-01-01T12:00:00Z")
}

fn layout(text: &str) -> Result<Layout, String> {
    let found = Layout::ALL.iter().copied().find(|layout| layout.as_str() == text);
    found.ok_or_else(|| format!("layouts are {}", Layout::WORDS.join(", ")))
}

/// A guard that can be overridden: without the lease, nothing can be deleted.
fn guard(text: &str) -> Result<Guard, String> {
    let known = Guard::ALL.iter().filter(|guard| **guard != Guard::Lock);
    let words: Vec<&str> = known.clone().map(|guard| guard.as_str()).collect();
    let found = known.copied().find(|guard| guard.as_str() == text);
    found.ok_or_else(|| format!("guards are {}", words.join(", ")))
}

fn rename(text: &str) -> Result<(Namespace, Namespace), &'static str> {
    let rule = "write database.collection:database.collection";
    let (from, to) = text.split_once(':').ok_or(rule)?;
    let parse = |name: &str| name.parse().map_err(|_: InvalidName| rule);
    Ok((parse(from)?, parse(to)?))
}

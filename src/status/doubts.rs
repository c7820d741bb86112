//! What is wrong with backups. Files that many share are damaged in all of them, and told once.

use crate::model::BackupState;

use super::problem::{Problem, Trouble, some};
use super::{DoubtfulBackup, StatusFacts};

/// Backups of which the same is wrong.
struct Doubted<'f> {
    first: &'f DoubtfulBackup,
    names: Vec<String>,
    /// The policies that they are of.
    policies: Vec<String>,
}

/// One problem for each thing that is wrong.
pub(super) fn judge(facts: &StatusFacts) -> Vec<Problem> {
    let strays = facts.strays.iter().map(|backup| (None, backup));
    let ours = facts.policies.iter().flat_map(|policy| {
        let doubtful = policy.backups.iter().flat_map(|backups| &backups.doubtful);
        doubtful.map(|backup| (Some(&policy.intent.name), backup))
    });
    let mut all: Vec<Doubted<'_>> = Vec::new();
    for (policy, backup) in strays.chain(ours) {
        let is_like = |known: &Doubted<'_>| {
            let first = known.first;
            (first.state, first.found_damaged, &first.why)
                == (backup.state, backup.found_damaged, &backup.why)
        };
        let index = all.iter().position(is_like).unwrap_or_else(|| {
            all.push(Doubted { first: backup, names: Vec::new(), policies: Vec::new() });
            all.len() - 1
        });
        let known = &mut all[index];
        known.names.push(backup.name.clone());
        if let Some(policy) = policy.filter(|policy| !known.policies.contains(policy)) {
            known.policies.push(policy.clone());
        }
    }
    all.iter().map(Doubted::problem).collect()
}

impl Doubted<'_> {
    fn problem(&self) -> Problem {
        let DoubtfulBackup { name, state, found_damaged, why } = self.first;
        let is_one = self.names.len() == 1;
        let (it, each) = if is_one { ("it", "it") } else { ("they", "each") };
        let mut command = format!("milvus-backup-agent show {name}");
        let gone = if is_one { name.as_str() } else { "NAME" };
        let (kind, remedy) = if *state == BackupState::Damaged {
            let remedy = format!(
                "{it} cannot be restored as a whole: look at the repository's disk; what cannot \
                 be mended goes with `delete`"
            );
            (Trouble::Damaged, remedy)
        } else if *found_damaged {
            command = format!("milvus-backup-agent verify {name} --depth content");
            let remedy = format!(
                "mend the disk or bring the files back, then verify {each} by content; if they \
                 are lost, make a good one with `backup --layout standalone`, which shares no \
                 file, and then `delete {gone}`"
            );
            (Trouble::Damaged, remedy)
        } else {
            let (does, is) = if is_one { ("does", "it is") } else { ("do", "they are") };
            let remedy = format!(
                "{it} {does} not count as good: `pin {gone} --reason ...` if {is}, else \
                 `delete {gone}`"
            );
            (Trouble::Suspect, remedy)
        };
        let message = if is_one {
            format!("backup `{name}` is {state}: {why}")
        } else {
            let (count, names) = (self.names.len(), some(&self.names));
            format!("{count} backups ({names}) are {state}: {why}")
        };
        Problem { policies: self.policies.clone(), ..Problem::new(kind, message, remedy) }
            .command(command)
    }
}

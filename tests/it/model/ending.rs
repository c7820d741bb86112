//! The end of a history: all goes right again, and all garbage goes.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use milvus_backup_agent::model::KeyPrefix;
use milvus_backup_agent::storage::ObjectStoreExt;
use tokio::time::sleep;

use super::book::{Book, Folder};
use super::op::{Fate, Work};
use super::world::{LONGEST, World};

/// Longer than any grace after what a wrong clock said.
const GRACE: Duration = Duration::from_hours(200);

impl World {
    /// Wakes whoever stands still, sets the clocks, prunes until nothing is left to do, and
    /// finds only what is needed. Then one backup is restored, and now and then all are deleted.
    pub(super) async fn end(&mut self) -> Result<(), String> {
        self.calm_down().await?;
        let damaged = |folder: &Folder| folder.is_damaged();
        while let Some(number) = self.find(Folder::is_removable, damaged) {
            self.must(Work::Remove(number)).await?;
        }
        while self.find(Folder::is_pinned, |_| true).is_some() {
            self.must(Work::Unpin(0)).await?;
        }
        self.finish_restores().await?;
        self.prune_to_the_end().await?;
        if self.find(|folder| folder.listed().is_some(), |_| true).is_some() {
            self.must(Work::Restore(0)).await?;
            self.must(Work::Verify(0)).await?;
        }
        if !self.random.chance(25) {
            return Ok(());
        }
        while self.find(|folder| folder.listed().is_some(), |_| true).is_some() {
            self.must(Work::Hide(0)).await?;
        }
        self.prune_to_the_end().await
    }

    /// One prune hides what no rule keeps, one takes it away, and one takes its files.
    async fn prune_to_the_end(&mut self) -> Result<(), String> {
        for last in [false, false, true] {
            sleep(GRACE).await;
            self.start(0, Work::Force, (Fate::Lives, 0));
            self.settle(LONGEST).await;
            self.pruned = self.pruned.take_if(|_| last);
            self.check().await?;
        }
        self.only_needed()
    }

    async fn calm_down(&mut self) -> Result<(), String> {
        for at in 0..self.agents.len() {
            self.agents[at].hours_off.store(0, Ordering::Relaxed);
            self.agents[at].gate.set(Fate::Lives, 0);
            if self.agents[at].gate.wake() {
                self.tally.wakes += 1;
            }
        }
        self.settle(LONGEST).await;
        // A store that fails for long may have left a lease to die.
        sleep(Duration::from_mins(5)).await;
        self.check().await
    }

    /// Does some work, alone and undisturbed.
    async fn must(&mut self, work: Work) -> Result<(), String> {
        self.start(0, work, (Fate::Lives, 0));
        self.settle(LONGEST).await;
        self.check().await
    }

    /// The number under which a step finds the first backup of some that is like this.
    fn find(&self, among: fn(&Folder) -> bool, like: impl Fn(&Folder) -> bool) -> Option<u8> {
        let book = self.book();
        let at = book.folders.values().filter(|folder| among(folder)).position(like)?;
        Some(u8::try_from(at).expect("there are few backups"))
    }

    /// What a restore left behind is cleaned up by the next one of the same backup.
    async fn finish_restores(&mut self) -> Result<(), String> {
        let backups: BTreeSet<String> = {
            let book = self.book();
            let of = book.readers.values().map(|reader| reader.ledger.backup.to_string());
            of.filter(|name| is_listed(&book, name)).collect()
        };
        for backup in backups {
            let at = {
                let book = self.book();
                let mut listed =
                    book.folders.iter().filter(|(_, folder)| folder.listed().is_some());
                listed.position(|(name, _)| *name == backup)
            };
            let at = at.expect("it is listed");
            self.must(Work::Restore(u8::try_from(at).expect("there are few backups"))).await?;
        }
        let book = self.book();
        let left =
            book.readers.iter().find(|(_, reader)| is_listed(&book, reader.ledger.backup.as_str()));
        left.map_or(Ok(()), |(id, _)| Err(format!("restore {id} left its ledger")))
    }

    /// What lies there is what listed backups need, and marks.
    fn only_needed(&self) -> Result<(), String> {
        let book = self.book();
        let mut needed = BTreeSet::new();
        for (name, folder) in &book.folders {
            let Some(manifest) = folder.listed() else { continue };
            let pin = folder.pin.as_ref().map(|_| "pin");
            let documents = ["attempt", "manifest"].into_iter().chain(pin);
            needed.extend(documents.map(|kind| format!("{name}/{kind}.json")));
            for (_, content) in manifest.contents() {
                needed.insert(format!("_lists/{}.jsonl.zst", content.list));
                let files = book.lists[&content.list].iter();
                needed.extend(files.map(|path| format!("_segments/{path}")));
            }
        }
        let strange = |key: &&String| !needed.contains(*key) && !self.stays(&book, key);
        if let Some(left) = self.keys("").iter().find(strange) {
            return Err(format!("{left} is left"));
        }
        let staged = self.staging.list_all(&KeyPrefix::root()).now_or_never();
        let staged = staged.expect("memory never waits").expect("memory never fails");
        staged.first().map_or(Ok(()), |meta| Err(format!("{} is left staged", meta.key)))
    }

    /// Marks, the last numbers of what takes turns, and the ledger of a restore whose backup is
    /// gone: what it left in Milvus is for people to look at.
    fn stays(&self, book: &Book, key: &str) -> bool {
        let turns = ["_leases/prune/", "_leases/sweep/"].into_iter();
        let one = turns
            .filter(|turn| key.starts_with(turn))
            .any(|turn| self.keys(turn.trim_end_matches('/')).len() == 1);
        let of_gone = book.readers.iter().any(|(id, reader)| {
            let its_lease = format!("_leases/{}/", reader.ledger.lease);
            let its = key.starts_with(&its_lease) || key == format!("_restores/{id}.json");
            its && !is_listed(book, reader.ledger.backup.as_str())
        });
        one || of_gone
            || ["_cluster.json", "_sweep.jsonl.zst", "_retention/two.json", "_retention/days.json"]
                .contains(&key)
    }
}

fn is_listed(book: &Book, name: &str) -> bool {
    book.folders.get(name).is_some_and(|folder| folder.listed().is_some())
}

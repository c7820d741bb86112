//! What there is: backups, their lists, and whether every file exists with its size.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::FutureExt;

use super::unread::{Found, Unread, again, found};
use crate::catalog::{self, BackupRecord, Cluster, Readable};
use crate::job::{JobContext, JobResult};
use crate::manifest::{FileId, Placement};
use crate::model::{BackupName, Layout, PolicyName};
use crate::plan::{PartSizes, part_of};
use crate::transfer::Stage;

/// The files of one collection in one place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) placement: Placement,
    collection: i64,
    /// The collection's name, for people.
    subject: String,
    /// The lists, by their names, and which backups have them.
    pub(super) lists: BTreeMap<String, BTreeSet<usize>>,
}

/// A file: the number of its place, and its identity in it.
pub(super) type Whose = (usize, FileId);

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    Missing,
    Size(String),
    Content(String),
}

/// What is wrong with files and documents, as long as nobody has asked whose they are.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) files: BTreeMap<Whose, Wrong>,
    /// Lists that are not as they were written.
    pub(super) lists: BTreeMap<(usize, String), String>,
    /// Backups with documents that are not.
    pub(super) documents: Vec<(usize, String)>,
}

impl Findings {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.lists.is_empty() && self.documents.is_empty()
    }
}

/// Everything that the backups of a policy have.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) cluster: Cluster,
    pub(super) backups: Vec<Readable>,
    pub(super) places: Vec<Place>,
    pub(super) sizes: PartSizes,
    pub(super) findings: Findings,
    pub(super) unread: Unread,
}

impl Survey {
    /// Looks at all of it.
    pub(super) async fn of(
        context: &JobContext,
        cluster: &Cluster,
        policy: &PolicyName,
    ) -> JobResult<Self> {
        context.progress.enter(Stage::Gather, 0);
        let list = || catalog::list_own(cluster, &*context.clock);
        let records = again(context, list).boxed().await?;
        let of_policy = records.into_iter().filter(BackupRecord::is_committed);
        let manifests = of_policy.filter_map(|record| record.manifest);
        let manifests = manifests.filter(|manifest| manifest.policy == policy.as_str());
        let backups: Vec<Readable> =
            manifests.map(|manifest| Readable::new(cluster.clone(), manifest)).collect();
        let mut survey = Self {
            cluster: cluster.clone(),
            places: places(&backups),
            backups,
            sizes: PartSizes::default(),
            findings: Findings::default(),
            unread: Unread::default(),
        };
        for index in 0..survey.backups.len() {
            context.progress.touch();
            survey.documents(context, index).boxed().await?;
        }
        for place in 0..survey.places.len() {
            context.progress.subject(&survey.places[place].subject);
            context.progress.touch();
            survey.look(context, place).boxed().await?;
        }
        Ok(survey)
    }

    /// What a backup has besides its lists.
    async fn documents(&mut self, context: &JobContext, index: usize) -> JobResult<()> {
        let backup = &self.backups[index];
        let mut wrong = Vec::new();
        match found(context, || backup.tree_damage()).boxed().await {
            Found::Whole(damage) => wrong.extend(damage),
            Found::Damaged(why) => wrong.push(why),
            Found::Unread(error) => self.unread.note(error)?,
        }
        match found(context, || backup.rbac()).boxed().await {
            Found::Whole(_) => {}
            Found::Damaged(why) => wrong.push(why),
            Found::Unread(error) => self.unread.note(error)?,
        }
        self.findings.documents.extend(wrong.into_iter().map(|why| (index, why)));
        Ok(())
    }

    /// Compares the lists of a place with what lies there.
    async fn look(&mut self, context: &JobContext, place: usize) -> JobResult<()> {
        let Place { placement, collection, lists, .. } = &self.places[place];
        let list = || catalog::sizes_of(&self.cluster, placement, *collection);
        let present = match again(context, list).boxed().await {
            Ok(present) => Some(present),
            Err(error) => {
                self.unread.note(error)?;
                None
            }
        };
        let mut seen = HashSet::new();
        for (digest, of) in lists {
            let backup = of.first().map(|index| &self.backups[*index]);
            let Some(backup) = backup else { continue };
            let list = match found(context, || backup.list(digest)).boxed().await {
                Found::Whole(list) => list,
                Found::Damaged(why) => {
                    self.findings.lists.insert((place, digest.clone()), why);
                    continue;
                }
                Found::Unread(error) => {
                    self.unread.note(error)?;
                    self.unread.lists.insert((place, digest.clone()));
                    continue;
                }
            };
            self.unread.was_read();
            for (id, entry) in list.files() {
                if !seen.insert(id) {
                    continue;
                }
                self.sizes.add(part_of(&id), entry.size);
                let Some(present) = &present else { continue };
                let wrong = match present.get(&id) {
                    Some(size) if *size == entry.size => continue,
                    Some(size) => {
                        let (found, written) = (size, entry.size);
                        Wrong::Size(format!("it has {found} bytes, {written} were written"))
                    }
                    None => Wrong::Missing,
                };
                self.findings.files.insert((place, id), wrong);
            }
        }
        Ok(())
    }
}

/// The places of all collections of these backups. Those that share files have one for each.
fn places(backups: &[Readable]) -> Vec<Place> {
    let mut places: BTreeMap<(Option<&BackupName>, i64), Place> = BTreeMap::new();
    for (index, backup) in backups.iter().enumerate() {
        let own = match backup.manifest.layout {
            Layout::Standalone => Some(&backup.manifest.name),
            Layout::Incremental => None,
        };
        for (record, content) in backup.manifest.contents() {
            let place = places.entry((own, record.id)).or_insert_with(|| Place {
                placement: backup.placement.clone(),
                collection: record.id,
                subject: record.namespace().to_string(),
                lists: BTreeMap::new(),
            });
            place.lists.entry(content.list.clone()).or_default().insert(index);
        }
    }
    places.into_values().collect()
}

//! Whose damage it is, and whether they are still there.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::elsewhere;
use super::survey::{Survey, Whose, Wrong};
use super::unread::{Found, again, found};
use crate::catalog::{self, Readable};
use crate::job::verify::{VERIFICATION, suspicion};
use crate::job::{JobContext, JobResult, reading};
use crate::manifest::{Doubt, FileId};

/// What is wrong, as far as backups that are still there have it.
#[derive(Debug, Default)]
pub(super) struct Damage {
    pub(super) missing: Vec<String>,
    pub(super) damaged: Vec<String>,
    pub(super) wrong_size: u64,
    pub(super) wrong_content: u64,
    /// The backups.
    pub(super) suspect: Vec<String>,
    /// The files with other bytes.
    pub(super) files: BTreeSet<Whose>,
}

/// What is wrong with one backup.
#[derive(Debug, Default)]
struct Bad {
    files: BTreeSet<Whose>,
    /// Lists and documents.
    others: Vec<String>,
}

/// Makes the backups suspect that have what was found, and tells of nothing else.
pub(super) async fn settle(context: &JobContext, survey: &Survey) -> JobResult<Damage> {
    let mut told = Damage::default();
    if survey.findings.is_empty() {
        return Ok(told);
    }
    let (mut files, mut others) = (BTreeSet::new(), BTreeSet::new());
    for (index, bad) in attribute(context, survey).boxed().await? {
        let backup = &survey.backups[index];
        let first = bad.files.first().map(|whose| text(survey, whose));
        let first = first.or_else(|| bad.others.first().cloned()).unwrap_or_default();
        let count = bad.files.len() + bad.others.len();
        let changed = elsewhere::changed(survey, bad.files.iter());
        if doubt(context, backup, (&suspicion(VERIFICATION, count, &first), changed))
            .boxed()
            .await?
        {
            told.suspect.push(backup.manifest.name.to_string());
            files.extend(bad.files);
            others.extend(bad.others);
        }
    }
    told.suspect.extend(settle_elsewhere(context, survey).boxed().await?);
    told.damaged.extend(others);
    for whose in files {
        let text = text(survey, &whose);
        match &survey.findings.files[&whose] {
            Wrong::Missing => told.missing.push(text),
            Wrong::Size(_) => {
                told.wrong_size += 1;
                told.damaged.push(text);
            }
            Wrong::Content(_) => {
                told.wrong_content += 1;
                told.damaged.push(text);
                told.files.insert(whose);
            }
        }
    }
    Ok(told)
}

/// The same for backups that are none of this policy and share files with it.
async fn settle_elsewhere(context: &JobContext, survey: &Survey) -> JobResult<Vec<String>> {
    let damaged = elsewhere::shared(survey);
    let mut suspect = Vec::new();
    if damaged.is_empty() {
        return Ok(suspect);
    }
    for (backup, found) in elsewhere::sharing(context, survey, &damaged).boxed().await? {
        let first = found.first().map(|whose| text(survey, whose)).unwrap_or_default();
        let changed = elsewhere::changed(survey, found.iter());
        let reason = suspicion(VERIFICATION, found.len(), &first);
        if doubt(context, &backup, (&reason, changed)).boxed().await? {
            suspect.push(backup.manifest.name.to_string());
        }
    }
    Ok(suspect)
}

/// The place of a file, and what is wrong with it.
fn text(survey: &Survey, whose: &Whose) -> String {
    let place = survey.places[whose.0].placement.key(&whose.1);
    match &survey.findings.files[whose] {
        Wrong::Missing => place.to_string(),
        Wrong::Size(why) | Wrong::Content(why) => format!("{place}: {why}"),
    }
}

/// Which backups have what was found, by their numbers.
async fn attribute(context: &JobContext, survey: &Survey) -> JobResult<BTreeMap<usize, Bad>> {
    let mut all: BTreeMap<usize, Bad> = BTreeMap::new();
    for (backup, why) in &survey.findings.documents {
        all.entry(*backup).or_default().others.push(why.clone());
    }
    for ((place, digest), why) in &survey.findings.lists {
        for backup in &survey.places[*place].lists[digest] {
            all.entry(*backup).or_default().others.push(why.clone());
        }
    }
    let places: BTreeSet<usize> = survey.findings.files.keys().map(|(place, _)| *place).collect();
    for index in places {
        for (digest, of) in &survey.places[index].lists {
            let Some(backup) = of.first().map(|backup| &survey.backups[*backup]) else { continue };
            // What it has is not known, and was not looked at.
            if survey.unread.lists.contains(&(index, digest.clone())) {
                continue;
            }
            let list = match found(context, || backup.list(digest)).boxed().await {
                Found::Whole(list) => list,
                Found::Damaged(_) => continue,
                Found::Unread(error) => return Err(error.into()),
            };
            let found = list.files().map(|(id, _)| (index, id));
            let found: Vec<Whose> =
                found.filter(|whose| survey.findings.files.contains_key(whose)).collect();
            for backup in of.iter().filter(|_| !found.is_empty()) {
                all.entry(*backup).or_default().files.extend(found.iter().copied());
            }
        }
    }
    Ok(all)
}

/// Lets a backup count for nothing any more; whether it is still there. Nobody deletes it
/// meanwhile.
async fn doubt(
    context: &JobContext,
    backup: &Readable,
    (reason, files): (&str, Vec<FileId>),
) -> JobResult<bool> {
    let (cluster, name) = (&backup.cluster, &backup.manifest.name);
    let lease = reading::begin(cluster, name).boxed().await;
    let there = again(context, || backup.is_still_there()).boxed().await;
    if let Some(lease) = lease {
        if matches!(there, Ok(true)) {
            let (at, by) = (context.clock.now(), catalog::this_process().host);
            let doubt = Doubt { version: 1, at, by, reason: reason.to_owned(), files: Vec::new() };
            let doubt = doubt.with_files(files);
            let put = catalog::put_doubt(cluster, &lease, (name, &doubt)).boxed().await;
            if let Err(error) = put {
                tracing::warn!(%name, %error, "what the verification found cannot be written down");
            }
        }
        lease.release().await;
    }
    Ok(there?)
}

//! What an agent says of its work must be true.

use milvus_backup_agent::job::{JobError, JobResult, RunOutcome};

use super::book::Folder;
use super::job::{Job, Said, suffix};
use super::milvus::{Keys, keys};
use super::op::Work;
use super::world::World;

impl World {
    /// A job has come to its end.
    pub(super) fn heard(&mut self, job: &Job, said: Said) {
        let wrong = match said {
            Said::Backup(said) => {
                let listed = self.book().jobs[job.id].listed;
                match &said {
                    Ok(_) if listed == 0 => Some("says yes, and was never listed".to_owned()),
                    Ok(_) => self.good(job),
                    Err(error) => unexpected(job, error, self.can_back_up(job)),
                }
            }
            Said::Deleted(Ok(_)) if self.hid_pinned(job) => {
                Some("says yes, and hid a backup that was pinned before".to_owned())
            }
            Said::Pruned(Ok(_)) if self.hid_pinned(job) => {
                Some("ended well, and hid a backup that was pinned before".to_owned())
            }
            Said::Deleted(said) => self.plain(job, said, job.was.listed && !job.was.pinned),
            Said::Pinned(said) => {
                let must =
                    if matches!(job.work, Work::Pin(_)) { job.was.listed } else { job.was.pinned };
                self.plain(job, said, must)
            }
            Said::Undeleted(said) => self.plain(job, said, false),
            Said::Pruned(Ok(report)) => {
                let damaged = self.book().folders.values().any(Folder::is_damaged);
                let odd = report.unswept || !report.errors.is_empty();
                let wrong = (job.calm && odd && !damaged).then(|| format!("says {report:?}"));
                if job.calm && job.work != Work::Preview && !odd {
                    self.pruned = Some((job.agent, job.work, job.began));
                }
                wrong.or_else(|| self.good(job))
            }
            Said::Pruned(Err(error)) => unexpected(job, &error, true),
            Said::Restored(Ok(report)) => {
                let whole = report.outcome == RunOutcome::Complete;
                let wrong = job.calm && job.was.complete && !whole;
                let wrong = wrong.then(|| format!("says {report:?}"));
                self.good(job);
                wrong.or_else(|| if whole || job.calm { self.compare(job) } else { None })
            }
            Said::Restored(Err(error)) | Said::Verified(Err(error)) => {
                unexpected(job, &error, job.was.listed)
            }
            Said::Verified(Ok(report)) => {
                let sound = report.outcome == RunOutcome::Complete;
                let wrong =
                    (job.calm && job.was.listed && !sound).then(|| format!("says {report:?}"));
                wrong.or_else(|| self.good(job))
            }
        };
        if let Some(why) = wrong {
            let what = format!("{:?} of {} by agent {} {why}", job.work, job.name, job.agent);
            self.book().wrong(what);
        }
    }

    fn hid_pinned(&self, job: &Job) -> bool {
        let book = self.book();
        let its = |folder: &&Folder| folder.tombstone.as_ref().is_some_and(|one| one.by == job.id);
        book.folders.values().filter(its).any(Folder::is_hidden_pinned)
    }

    fn good(&mut self, job: &Job) -> Option<String> {
        self.tally.done(job.work);
        None
    }

    fn plain<T>(&mut self, job: &Job, said: JobResult<T>, must: bool) -> Option<String> {
        match said {
            Ok(_) => self.good(job),
            Err(error) => unexpected(job, &error, must),
        }
    }

    fn can_back_up(&self, job: &Job) -> bool {
        let has_some = (0..3).any(|collection| self.milvus.has(collection));
        has_some && matches!(job.work, Work::Backup(_))
    }

    /// A restore brought back what the backup had.
    fn compare(&mut self, job: &Job) -> Option<String> {
        let manifest = {
            let book = self.book();
            let folder = book.folders.get(job.name.as_str())?;
            folder.committed().map(|manifest| (manifest.clone(), book.rows(manifest)))
        };
        let (manifest, mut rows) = manifest?;
        for (record, _) in manifest.contents() {
            let mut made = record.namespace();
            made.collection.push_str(&suffix(job.id));
            let expected: Keys = rows.remove(&record.id).unwrap_or_default();
            let found = keys(self.milvus.api.rows(&made));
            if found != expected {
                return Some(format!("made {made} with {found:?} instead of {expected:?}"));
            }
        }
        None
    }
}

/// What is alone, whole and undisturbed does not fail.
fn unexpected(job: &Job, error: &JobError, must: bool) -> Option<String> {
    let certain = job.calm && must;
    certain.then(|| format!("fails: {}: {}", error.kind().as_str(), error.chain()))
}

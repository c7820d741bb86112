//! The files of the next parts, out of all lists.

use std::collections::{HashMap, HashSet};

use futures::FutureExt;

use super::survey::{Survey, Whose};
use super::unread::{Found, found};
use crate::job::{JobContext, JobResult};
use crate::manifest::FileEntry;
use crate::plan::{PartSizes, part_of};

/// Files that are gathered at once, unless one part alone has more.
pub(super) const AT_ONCE: u64 = 50_000;

/// A file that is to be read.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) whose: Whose,
    pub(super) entry: FileEntry,
}

/// The parts that are gathered next, and those after them.
pub(super) fn next_parts<'p>(parts: &'p [usize], sizes: &PartSizes) -> (&'p [usize], &'p [usize]) {
    let mut files = 0;
    let fits = parts.iter().take_while(|part| {
        files += sizes.files(**part);
        files <= AT_ONCE
    });
    parts.split_at(fits.count().max(1).min(parts.len()))
}

/// The files of these parts, by part, and whether these are all of them. A list that cannot be
/// read is passed over: it is known to be damaged, or has gone with its backups, or the next look
/// finds it.
pub(super) async fn gather(
    context: &JobContext,
    survey: &mut Survey,
    parts: &[usize],
) -> JobResult<(HashMap<usize, Vec<Wanted>>, bool)> {
    let mut gathered: HashMap<usize, Vec<Wanted>> =
        parts.iter().map(|part| (*part, Vec::new())).collect();
    let mut is_whole = true;
    for (index, place) in survey.places.iter().enumerate() {
        let mut seen = HashSet::new();
        for (digest, of) in &place.lists {
            let Some(backup) = of.first().map(|backup| &survey.backups[*backup]) else { continue };
            context.progress.touch();
            if survey.unread.lists.contains(&(index, digest.clone())) {
                continue;
            }
            let list = match found(context, || backup.list(digest)).boxed().await {
                Found::Whole(list) => list,
                Found::Damaged(_) => continue,
                Found::Unread(error) => {
                    survey.unread.note(error)?;
                    is_whole = false;
                    continue;
                }
            };
            survey.unread.was_read();
            for (id, entry) in list.files() {
                let Some(files) = gathered.get_mut(&part_of(&id)) else { continue };
                if seen.insert(id) {
                    files.push(Wanted { whose: (index, id), entry: entry.clone() });
                }
            }
        }
    }
    Ok((gathered, is_whole))
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, next_parts};
    use crate::plan::PartSizes;

    #[test]
    fn a_part_is_gathered_as_a_whole_and_small_ones_together() {
        let mut sizes = PartSizes::default();
        for part in [1, 2, 2, 3] {
            (0..AT_ONCE / 2).for_each(|_| sizes.add(part, 1));
        }
        sizes.add(2, 1);
        for (parts, first, rest) in [
            (&[0, 1, 3, 4][..], &[0, 1, 3, 4][..], &[][..]),
            (&[1, 2, 3], &[1], &[2, 3]),
            (&[2, 3], &[2], &[3]),
            (&[], &[], &[]),
        ] {
            assert_eq!(next_parts(parts, &sizes), (first, rest), "{parts:?}");
        }
    }
}

//! When a tree was made. Most versions of milvus-backup do not tell.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::format::BackupInfo;
use crate::model::BackupName;

/// Smaller numbers are seconds, larger ones milliseconds: as either, it is a day before 1974 or
/// after 5100.
const SECONDS_BELOW: u64 = 100_000_000_000;

/// Bits of a hybrid timestamp below the milliseconds.
const LOGICAL_BITS: u32 = 18;

/// Begin and end of a run of milvus-backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) created_at: Timestamp,
    pub(super) completed_at: Timestamp,
}

/// What the documents tell; else the time in the name; else when the tree was written.
pub(super) fn times(info: &BackupInfo, name: &BackupName, modified: Timestamp) -> Times {
    let collections = || info.collection_backups.iter();
    let flushed = collections().map(|collection| collection.backup_physical_timestamp).max();
    // Old versions put seconds where a hybrid timestamp has milliseconds.
    let boundary =
        collections().map(|collection| collection.backup_timestamp >> LOGICAL_BITS).max();
    let told = [info.start_time, info.backup_timestamp]
        .into_iter()
        .chain(flushed)
        .chain(boundary)
        .find_map(moment);
    let created_at = told.or_else(|| in_name(name.as_str())).unwrap_or(modified);
    let completed_at = moment(info.end_time).unwrap_or(created_at).max(created_at);
    Times { created_at, completed_at }
}

/// Seconds or milliseconds since the epoch; 0 is none.
fn moment(number: u64) -> Option<Timestamp> {
    let number = i64::try_from(number).ok().filter(|number| *number > 0)?;
    if number.unsigned_abs() < SECONDS_BELOW {
        Timestamp::from_second(number).ok()
    } else {
        Timestamp::from_millisecond(number).ok()
    }
}

/// `<anything>_YYYY_MM_DD_HH_MM_SS`, with or without more after it, taken as UTC.
fn in_name(name: &str) -> Option<Timestamp> {
    const LENGTHS: [usize; 6] = [4, 2, 2, 2, 2, 2];
    let parts: Vec<&str> = name.split('_').collect();
    parts.windows(LENGTHS.len()).find_map(|window| {
        let mut numbers = [0_i16; LENGTHS.len()];
        for ((part, length), number) in window.iter().zip(LENGTHS).zip(&mut numbers) {
            *number = part.parse().ok().filter(|_| part.len() == length)?;
        }
        let [year, rest @ ..] = numbers;
        let [month, day, hour, minute, second] = rest.map(|number| i8::try_from(number).ok());
        let moment = DateTime::new(year, month?, day?, hour?, minute?, second?, 0).ok()?;
        moment.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::super::format::{BackupInfo, CollectionInfo};
    use super::{Times, times};
    use crate::model::BackupName;

    #[test]
    fn a_tree_was_made_when_it_says_or_its_name_does_or_it_was_written() {
        let collection = |backup_timestamp, backup_physical_timestamp| BackupInfo {
            collection_backups: vec![CollectionInfo {
                backup_timestamp,
                backup_physical_timestamp,
                ..CollectionInfo::default()
            }],
            ..BackupInfo::default()
        };
        let (seconds, millis) = (1_726_045_472_u64, 1_726_045_472_123_u64);
        let old = BackupInfo {
            start_time: millis,
            end_time: millis + 1000,
            backup_timestamp: millis + 500,
            ..BackupInfo::default()
        };
        let name = "backup_2024_09_11_10_30_00_123456789";
        let written = "2026-01-01T00:00:00Z".parse().unwrap();
        for (info, name, created, completed) in [
            (&old, name, "2024-09-11T09:04:32.123Z", "2024-09-11T09:04:33.123Z"),
            (&collection(0, seconds), name, "2024-09-11T09:04:32Z", "2024-09-11T09:04:32Z"),
            (&collection(seconds << 18, 0), "b", "2024-09-11T09:04:32Z", "2024-09-11T09:04:32Z"),
            (
                &collection((millis << 18) + 7, 0),
                "b",
                "2024-09-11T09:04:32.123Z",
                "2024-09-11T09:04:32.123Z",
            ),
            (&collection(0, 0), name, "2024-09-11T10:30:00Z", "2024-09-11T10:30:00Z"),
            (
                &collection(0, 0),
                "b_2024_13_11_10_30_00",
                "2026-01-01T00:00:00Z",
                "2026-01-01T00:00:00Z",
            ),
            (&BackupInfo::default(), "b", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ] {
            let expected = Times {
                created_at: created.parse().unwrap(),
                completed_at: completed.parse().unwrap(),
            };
            assert_eq!(times(info, &BackupName::new(name).unwrap(), written), expected, "{name}");
        }
    }
}

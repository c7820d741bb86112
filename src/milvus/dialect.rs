//! What a server can be asked beyond what 2.3 can.

use super::{MilvusVersion, ServerLine};

/// What a server understands, by its version; where asking costs nothing, the answer decides
/// and this only says whether to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of a server")]
pub struct Dialect {
    /// Databases have properties.
    pub database_properties: bool,
    /// Imports are jobs of many folders, asked for over REST; else tasks of one folder.
    pub import_jobs: bool,
    /// How many L0 segments one job may import.
    pub deletes_per_job: usize,
    /// There are segments of deletes alone, which imports take by an option of their own.
    pub l0_segments: bool,
    /// The highest `storage_version` of segments that it reads.
    pub storage_version: i64,
    /// It may tell the files of a segment, over REST.
    pub segment_logs: bool,
    /// One flush may be of the whole cluster, and tells where each channel ends.
    pub cluster_flush: bool,
    /// Garbage collection is paused for single collections.
    pub collection_gc: bool,
    /// Functions are tried when a collection is made, unless it is told not to.
    pub function_check: bool,
    /// Fields may be added to a collection.
    pub added_fields: bool,
}

/// The most folders that one import job may have.
pub const FOLDERS_PER_JOB: usize = 256;

impl MilvusVersion {
    /// What it understands.
    pub fn dialect(&self) -> Dialect {
        let line = self.line().unwrap_or(ServerLine::V2_2);
        let since = |version| self.number.is_some_and(|number| number >= version);
        Dialect {
            database_properties: line >= ServerLine::V2_4,
            import_jobs: line >= ServerLine::V2_4,
            deletes_per_job: if since((2, 6, 5)) { FOLDERS_PER_JOB } else { 1 },
            l0_segments: line >= ServerLine::V2_4,
            storage_version: if line >= ServerLine::V2_6 { 2 } else { 0 },
            segment_logs: line >= ServerLine::V2_5,
            cluster_flush: since((2, 6, 11)),
            collection_gc: since((2, 6, 8)),
            function_check: since((2, 6, 8)),
            added_fields: line >= ServerLine::V2_6,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::milvus::{FOLDERS_PER_JOB, MilvusVersion};

    #[test]
    fn each_line_is_asked_what_it_understands() {
        let of = |text| MilvusVersion::parse(text).dialect();
        assert_eq!(of("v2.2.16"), of("v2.3.5"));
        assert!(!of("v2.3.22").import_jobs && !of("v2.3.22").database_properties);
        assert!(of("v2.4.0").import_jobs && of("v2.4.0").l0_segments);
        assert!(!of("v2.4.23").segment_logs && of("v2.5.0").segment_logs);
        assert_eq!((of("v2.5.27").storage_version, of("v2.6.0").storage_version), (0, 2));
        assert_eq!(
            (of("v2.6.4").deletes_per_job, of("v2.6.5").deletes_per_job),
            (1, FOLDERS_PER_JOB)
        );
        assert!(!of("v2.6.7").collection_gc && !of("v2.6.7").function_check);
        assert!(of("v2.6.8").collection_gc && of("v2.6.8").function_check);
        assert!(!of("v2.6.10").cluster_flush && of("v2.6.11").cluster_flush);
        // What is built from the line's branch has all that the line has.
        assert!(of("2.6-20260404-31fb3fc").cluster_flush);
    }
}

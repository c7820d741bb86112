//! What a repository holds, byte for byte.
//!
//! ```text
//! <root>/_repository.json                        format version of the whole
//! <root>/_single_agent.json                      the only machine that may write, if the store keeps no conditions
//! <root>/<cluster>/_cluster.json                 which Milvus this is
//! <root>/<cluster>/_segments/insert_log/C/P/S/<field>/<log>
//! <root>/<cluster>/_segments/delta_log/C/P/S/<log>
//! <root>/<cluster>/_lists/<digest>.jsonl.zst     files of one collection
//! <root>/<cluster>/_leases/<name>/<n>.json       who is at work; n is the fencing token
//! <root>/<cluster>/_restores/<id>.json           what a restore made and has to clean up
//! <root>/<cluster>/_drills/<id>.json             what a drill makes and has to drop
//! <root>/<cluster>/_sweep.jsonl.zst              files seen to be in no backup, since when
//! <root>/<cluster>/_retention/<policy>.json       the rules that the last prune of a policy went by
//! <root>/<cluster>/_requests/<request id>.json    a request that came as a message, and whose it is, for a day
//! <root>/<cluster>/_proofs/<policy>/drill.json    how drills of its backups ended
//! <root>/<cluster>/_proofs/<policy>/verify.json   when each part of its backups' files was last read again
//! <root>/<cluster>/<backup>/attempt.json         reserves the name
//! <root>/<cluster>/<backup>/plan.jsonl.zst       what a run is about to refer to
//! <root>/<cluster>/<backup>/checkpoint.jsonl.zst what a run has copied so far of what backups share
//! <root>/<cluster>/<backup>/checkpoint_own.jsonl.zst the same of a standalone backup's own files
//! <root>/<cluster>/<backup>/rbac.json            users with password hashes, roles and grants, if asked for
//! <root>/<cluster>/<backup>/manifest.json        makes the backup exist
//! <root>/<cluster>/<backup>/doubt.json           a verification or a drill found something wrong with it
//! <root>/<cluster>/<backup>/pin.json             keeps it, whatever the rules say
//! <root>/<cluster>/<backup>/tombstone.json       hides it again
//! <root>/<cluster>/<backup>/meta/*.json          layout standalone only: milvus-backup's documents
//! <root>/<cluster>/<backup>/binlogs/...          layout standalone only: its segment files
//! ```
//!
//! [`ClusterLayout`] builds every key and is the only place with path literals. Segment
//! files are Milvus's own, under Milvus's own path tails (`insert_log/C/P/S/field/log`),
//! so that an import can read them. They are immutable and named by unique ids, therefore
//! shared: a backup is only a [`Manifest`] that names [`FileList`]s that name files.
//!
//! # Compatibility
//!
//! Every JSON document has `version`. Readers ignore keys they do not know and refuse a
//! version above their own, naming both ([`DocumentError`]). A list is named by the digest
//! of its content, so it can never change under a manifest; the digest of `rbac.json` is in
//! its manifest. `tests/fixtures` holds a golden document per version.

mod document;
mod drill;
mod file;
mod layout;
mod list;
mod marks;
mod placement;
mod proofs;
mod rbac;
mod readings;
mod remarks;
mod sightings;
mod tree;

pub use document::{
    Boundary, CollectionContent, CollectionOutcome, CollectionRecord, DeletesComplete, Manifest,
    ManifestOutcome,
};
pub use drill::DrillLedger;
pub use file::{FileEntry, FileId, LogKind};
pub use layout::{BackupLayout, ClusterLayout, REPOSITORY_MARK, SINGLE_AGENT_MARK};
pub use list::{EncodedList, FieldFiles, FileList, SegmentFiles, read_plan};
pub use marks::{
    Attempt, AttemptEnd, ClusterMark, DocumentError, Holder, LeaseRecord, RepositoryMark,
    RequestMark, RestoreItem, RestoreLedger, RestoreStep, SingleAgentMark, Tombstone, decode,
    encode,
};
pub use placement::Placement;
pub use proofs::{DrillEnd, DrillProof};
pub use rbac::{EncodedRbac, RbacRecord, decode_rbac, encode_rbac};
pub use readings::{PARTS, ReadingEnd, ReadingProof};
pub use remarks::{AllowedGuard, Doubt, Pin, RetentionMark, suspicion};
pub use sightings::{Sighting, SightingsWriter, read_sightings};
pub use tree::{Tree, TreeDocument, TreeDocuments, TreeSource, read_tree, tree_documents};

//! Milvus's collection schemas: as the bytes that it sent, and as far as a plan needs them.
//!
//! A schema is kept and sent as Milvus encoded it, so that what newer servers know survives
//! ([`rename_and_strip`] and [`split_added`] change or take out single records of it); only reading goes through messages of our
//! own (`wire`, generated from `proto/milvus`).
//!
//! milvus-backup keeps a schema as JSON instead. `json` turns one into that, `rebuilt` turns it
//! back; what that tool does not know is lost in its trees, never in our own manifests.

mod added;
mod difference;
mod json;
mod rebuilt;
mod summary;
pub(crate) mod wire;

pub use added::split_added;
pub use difference::differences;
pub(crate) use json::{JsonPair, JsonSchema, is_zero};
pub use summary::{FieldSummary, SchemaError, SchemaSummary, minimal_schema, rename_and_strip};

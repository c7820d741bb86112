//! What is not as it should be with a collection.

use crate::schema::rename_and_strip;

use super::collection::{Collection, PartitionState};

/// What a Milvus gets wrong that otherwise answers well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spoil {
    /// An index is not there.
    NoIndex,
    /// An index has no parameters.
    OtherIndex,
    /// The row of this key is not there.
    NoRow(String),
    /// A partition is there that nobody made.
    Partition(String),
    /// The schema is another one, but for its name.
    Schema(Vec<u8>),
    /// No property is there.
    NoProperties,
}

impl Spoil {
    pub(super) fn of(&self, collection: &mut Collection) {
        match self {
            Self::NoIndex => collection.indexes.clear(),
            Self::OtherIndex => {
                collection.indexes.iter_mut().for_each(|index| index.params.clear());
            }
            Self::NoRow(key) => {
                for partition in &mut collection.partitions {
                    for segment in &mut partition.segments {
                        segment.content.rows.retain(|row| row.key != *key);
                    }
                }
            }
            Self::Partition(name) => collection.partitions.push(PartitionState::new(1, name)),
            Self::Schema(schema) => {
                let name = &collection.spec.namespace.collection;
                collection.spec.schema = rename_and_strip(schema, name).expect("a test wrote it");
            }
            Self::NoProperties => collection.spec.properties.clear(),
        }
    }
}

//! What the file holds, in one transaction.

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Failure;

/// A table of documents by number.
pub(super) type Numbered = TableDefinition<'static, u64, &'static [u8]>;
/// A table of documents by name.
pub(super) type Named = TableDefinition<'static, &'static str, &'static [u8]>;

/// Jobs that are over, in the order of acceptance.
pub(super) const ENDED: Numbered = TableDefinition::new("ended");
/// Jobs that are not.
pub(super) const OPEN: Numbered = TableDefinition::new("open");
/// What is remembered of policies, by name.
pub(super) const POLICIES: Named = TableDefinition::new("policies");
/// What became of requests, by their ids.
pub(super) const REQUESTS: Named = TableDefinition::new("requests");
/// Letters that are to leave, in the order in which they were written.
pub(super) const OUTBOX: Numbered = TableDefinition::new("outbox");
/// Numbers: the format, the last job, the last letter and the agent.
pub(super) const NUMBERS: TableDefinition<'static, &'static str, u64> =
    TableDefinition::new("numbers");

/// The first had neither requests nor an outbox.
pub(super) const VERSION: u64 = 2;

/// The tables in one transaction.
pub(super) struct Tables<'t> {
    pub(super) open: redb::Table<'t, u64, &'static [u8]>,
    pub(super) ended: redb::Table<'t, u64, &'static [u8]>,
    pub(super) policies: redb::Table<'t, &'static str, &'static [u8]>,
    pub(super) requests: redb::Table<'t, &'static str, &'static [u8]>,
    pub(super) outbox: redb::Table<'t, u64, &'static [u8]>,
    pub(super) numbers: redb::Table<'t, &'static str, u64>,
}

impl<'t> Tables<'t> {
    /// Opens all, and makes those that are not there.
    pub(super) fn of(transaction: &'t WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            open: transaction.open_table(OPEN)?,
            ended: transaction.open_table(ENDED)?,
            policies: transaction.open_table(POLICIES)?,
            requests: transaction.open_table(REQUESTS)?,
            outbox: transaction.open_table(OUTBOX)?,
            numbers: transaction.open_table(NUMBERS)?,
        })
    }

    /// The format. What is new or older is of this one from now on.
    pub(super) fn version(&mut self) -> Result<u64, Failure> {
        let found = self.number("version")?;
        if found < VERSION {
            self.numbers.insert("version", VERSION)?;
            return Ok(VERSION);
        }
        Ok(found)
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, Failure> {
        Ok(self.numbers.get(name)?.map_or(0, |found| found.value()))
    }

    /// A number that was never given before.
    pub(super) fn next(&mut self, name: &str) -> Result<u64, Failure> {
        let next = self.number(name)? + 1;
        self.numbers.insert(name, next)?;
        Ok(next)
    }
}

/// Reads a document by its name.
pub(super) fn named<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<T>, Failure> {
    let found = table.get(name)?;
    Ok(found.map(|found| serde_json::from_slice(found.value())).transpose()?)
}

/// Writes a document under its name.
pub(super) fn put_named(
    table: &mut redb::Table<'_, &'static str, &'static [u8]>,
    name: &str,
    document: &impl Serialize,
) -> Result<(), Failure> {
    table.insert(name, serde_json::to_vec(document)?.as_slice())?;
    Ok(())
}

/// Takes the oldest away until there are no more than so many; how many went.
pub(super) fn keep_newest(
    table: &mut redb::Table<'_, u64, &'static [u8]>,
    most: u64,
) -> Result<u64, Failure> {
    let mut gone = 0;
    while table.len()? > most {
        table.pop_first()?;
        gone += 1;
    }
    Ok(gone)
}

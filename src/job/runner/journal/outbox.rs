//! Letters that the broker has not taken yet.

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::error::{Failure, JournalResult};
use super::file::Journal;
use super::tables::{OUTBOX, Tables, keep_newest};
use crate::model::Letter;

/// Letters that wait at most. A broker that is away for a year gets those of its end.
const MOST: u64 = 100_000;

/// A letter and its place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its place.
    pub number: u64,
    /// What it says.
    pub letter: Letter,
}

/// What is to leave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outbox {
    /// The oldest letters.
    pub first: Vec<Posted>,
    /// How many there are in all.
    pub waiting: u64,
    /// How many were ever given up, as there were too many.
    pub dropped: u64,
}

impl Journal {
    /// The oldest letters, at most so many.
    pub fn outbox(&self, most: usize) -> JournalResult<Outbox> {
        self.with("read", |database| {
            let transaction = database.begin_read()?;
            let table = transaction.open_table(OUTBOX)?;
            let mut first = Vec::new();
            for entry in table.iter()?.take(most) {
                let (number, body) = entry?;
                let letter = serde_json::from_slice(body.value())?;
                first.push(Posted { number: number.value(), letter });
            }
            let numbers = transaction.open_table(super::tables::NUMBERS)?;
            let dropped = numbers.get(DROPPED)?.map_or(0, |found| found.value());
            Ok(Outbox { first, waiting: table.len()?, dropped })
        })
    }

    /// Adds letters.
    pub fn post(&self, letters: &[Letter]) -> JournalResult<()> {
        self.write(|tables| tables.post(letters))
    }

    /// Takes letters away that the broker has.
    pub fn delivered(&self, numbers: &[u64]) -> JournalResult<()> {
        self.write(|tables| {
            for number in numbers {
                tables.outbox.remove(number)?;
            }
            Ok(())
        })
    }
}

const DROPPED: &str = "dropped_letters";

impl Tables<'_> {
    pub(super) fn post(&mut self, letters: &[Letter]) -> Result<(), Failure> {
        for letter in letters {
            let number = self.next("last_letter")?;
            self.outbox.insert(number, serde_json::to_vec(letter)?.as_slice())?;
        }
        let dropped = keep_newest(&mut self.outbox, MOST)?;
        if dropped > 0 {
            let all = self.number(DROPPED)? + dropped;
            self.numbers.insert(DROPPED, all)?;
        }
        Ok(())
    }
}

//! The payload of an event: a Parquet file of a column or two.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::model::PrimaryKeys;

use super::error::{BinlogError, BinlogResult};

/// Rows that are read at once.
const BATCH: usize = 8192;

/// The most rows of one log that are believed. A segment of Milvus's has a tenth of it.
const MOST_ROWS: usize = 1 << 26;

impl From<ParquetError> for BinlogError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::NYI(what) => Self::Unsupported(what),
            error => Self::damaged(error),
        }
    }
}

/// All columns, in their order. What [`Checked`] lets pass of damage, the crate may still meet
/// with a panic.
pub(super) fn columns(payload: Bytes) -> BinlogResult<Vec<PrimaryKeys>> {
    let read = catch_unwind(AssertUnwindSafe(|| read_columns(payload)));
    read.unwrap_or_else(|_| Err(BinlogError::damaged("its values cannot be told apart")))
}

fn read_columns(payload: Bytes) -> BinlogResult<Vec<PrimaryKeys>> {
    let file = SerializedFileReader::new(payload)?;
    let schema = file.metadata().file_metadata().schema_descr_ptr();
    let mut columns = Vec::new();
    for column in schema.columns() {
        columns.push(match column.physical_type() {
            Type::INT64 => PrimaryKeys::Int64(Vec::new()),
            Type::BYTE_ARRAY => PrimaryKeys::Text(Vec::new()),
            other @ (Type::BOOLEAN
            | Type::INT32
            | Type::INT96
            | Type::FLOAT
            | Type::DOUBLE
            | Type::FIXED_LEN_BYTE_ARRAY) => {
                return Err(BinlogError::Unsupported(format!("keys of type {other}")));
            }
        });
    }
    for at in 0..file.num_row_groups() {
        let group = file.get_row_group(at)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(usize::MAX);
        if group.num_columns() != columns.len() {
            return Err(BinlogError::damaged("its rows have other columns than its schema"));
        }
        for (number, column) in columns.iter_mut().enumerate() {
            if rows.saturating_add(column.len()) > MOST_ROWS {
                return Err(BinlogError::damaged(format!("it says that it has {rows} rows")));
            }
            let pages = group.get_column_page_reader(number)?;
            let texts = matches!(column, PrimaryKeys::Text(_));
            let levels = schema.column(number).max_def_level() > 0;
            let pages = Box::new(Checked { pages, texts, levels });
            read(get_column_reader(schema.column(number), pages), rows, column)?;
        }
    }
    Ok(columns)
}

fn read(reader: ColumnReader, rows: usize, column: &mut PrimaryKeys) -> BinlogResult<()> {
    match (reader, column) {
        (ColumnReader::Int64ColumnReader(reader), PrimaryKeys::Int64(values)) => {
            drain(reader, rows, |value: i64| {
                values.push(value);
                Ok(())
            })
        }
        (ColumnReader::ByteArrayColumnReader(reader), PrimaryKeys::Text(values)) => {
            drain(reader, rows, |value: ByteArray| {
                values.push(value.as_utf8()?.to_owned());
                Ok(())
            })
        }
        _ => Err(BinlogError::damaged("its rows have other columns than its schema")),
    }
}

fn drain<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    mut keep: impl FnMut(T::T) -> BinlogResult<()>,
) -> BinlogResult<()> {
    let (mut left, mut values, mut levels) = (rows, Vec::new(), Vec::new());
    while left > 0 {
        levels.clear();
        let batch = left.min(BATCH);
        let (records, found, _) =
            reader.read_records(batch, Some(&mut levels), None, &mut values)?;
        if records == 0 || records > batch {
            return Err(BinlogError::damaged(format!("{left} of its {rows} rows are missing")));
        }
        if found != records {
            return Err(BinlogError::damaged("it has a row without a value"));
        }
        left -= records;
        values.drain(..).try_for_each(&mut keep)?;
    }
    Ok(())
}

/// Believes no page that it has more values than there are.
struct Checked {
    pages: Box<dyn PageReader>,
    /// Whether its values are texts, else numbers.
    texts: bool,
    /// Whether something lies before the values of a page.
    levels: bool,
}

impl Checked {
    fn holds(&self, values: &[u8], count: u32) -> bool {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if !self.texts {
            return count.saturating_mul(size_of::<i64>()) <= values.len();
        }
        let mut rest = values;
        (0..count).all(|_| {
            let Some((length, after)) = rest.split_first_chunk::<4>() else { return false };
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            rest = after.get(length..).unwrap_or_default();
            length <= after.len()
        })
    }
}

impl PageReader for Checked {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let page = self.pages.get_next_page()?;
        let holds = match &page {
            Some(Page::DictionaryPage { buf, num_values, .. }) => self.holds(buf, *num_values),
            Some(
                Page::DataPage { buf, num_values, encoding: Encoding::PLAIN, .. }
                | Page::DataPageV2 { buf, num_values, encoding: Encoding::PLAIN, .. },
            ) if !self.levels => self.holds(buf, *num_values),
            Some(Page::DataPage { .. } | Page::DataPageV2 { .. }) | None => true,
        };
        if holds {
            return Ok(page);
        }
        Err(ParquetError::General("a page has fewer values than it says".to_owned()))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.pages.skip_next_page()
    }
}

impl Iterator for Checked {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

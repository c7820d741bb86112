//! What a real 2.3.5 and a real 2.2.16 wrote, and what becomes of it when it is damaged.
//!
//! pymilvus inserted keys 0 to 19, then 20 to 29, and flushed; then deleted 0 to 4. In 2.3.5 it
//! upserted 10 to 14, inserted 3 and 4 again, upserted 4 and 5; in 2.2.16, which has no upsert, it
//! inserted 3 and 4 again; and flushed. In collections `text` key 7 is `key-000000007`. The
//! timestamps are those that it was answered.

use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use super::testing::{DeleteForm, delta_log, insert_log, note};
use super::{BinlogError, read_deletes, read_keys, read_timestamps};
use crate::model::{PrimaryKey, PrimaryKeys};

fn fixture(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/binlog");
    std::fs::read(folder.join(name)).expect("the fixture is there").into()
}

fn key(text: bool, number: i64) -> PrimaryKey {
    if text { PrimaryKey::Text(format!("key-{number:09}")) } else { PrimaryKey::Int64(number) }
}

/// A server, whether its keys are texts, the times of both inserts, of the delete and of what came
/// then, from the one that was an upsert or the insert.
type Case = (&'static str, bool, [u64; 2], u64, [u64; 3]);

const CASES: [Case; 4] = [
    (
        "2.3.5/int",
        false,
        [470_731_522_543_976_459, 470_731_522_543_976_465],
        470_731_523_906_600_962,
        [470_731_523_906_600_963, 470_731_523_906_600_965, 470_731_523_906_600_967],
    ),
    (
        "2.3.5/text",
        true,
        [470_731_526_947_209_227, 470_731_526_947_209_233],
        470_731_528_113_750_017,
        [470_731_528_113_750_018, 470_731_528_113_750_020, 470_731_528_113_750_022],
    ),
    (
        "2.2.16/int",
        false,
        [470_731_531_131_813_895, 470_731_531_131_813_901],
        470_731_532_101_746_691,
        [0, 470_731_532_363_628_547, 0],
    ),
    (
        "2.2.16/text",
        true,
        [470_731_536_912_089_096, 470_731_536_912_089_102],
        470_731_537_868_914_689,
        [0, 470_731_538_131_320_835, 0],
    ),
];

/// Keys, and when they were written or deleted.
type Part = (&'static [i64], u64);

const TO_20: &[i64] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
const TO_30: &[i64] = &[20, 21, 22, 23, 24, 25, 26, 27, 28, 29];
const DELETED: &[i64] = &[0, 1, 2, 3, 4];
const UPSERTED: &[i64] = &[10, 11, 12, 13, 14];

#[test]
fn what_milvus_wrote_is_read_as_pymilvus_put_it_in() {
    for (name, text, [first, second], deleted, [upserted, inserted, last]) in CASES {
        let rows = |segment: u8| {
            let keys = read_keys(fixture(&format!("{name}-{segment}-keys"))).unwrap();
            let times = read_timestamps(fixture(&format!("{name}-{segment}-times"))).unwrap();
            assert_eq!(keys.len(), times.len());
            keys.into_iter().zip(times).collect::<Vec<_>>()
        };
        let changes = |parts: &[Part]| {
            let part = |(keys, ts): &Part| {
                keys.iter().map(|number| (key(text, *number), *ts)).collect::<Vec<_>>()
            };
            parts.iter().flat_map(part).collect::<Vec<_>>()
        };
        assert_eq!(rows(1), changes(&[(TO_20, first), (TO_30, second)]), "{name}");
        let deletes = read_deletes(fixture(&format!("{name}-1-deletes"))).unwrap();
        if upserted == 0 {
            assert_eq!(rows(2), changes(&[(&[3, 4], inserted)]), "{name}");
            assert_eq!(deletes, changes(&[(DELETED, deleted)]), "{name}");
            continue;
        }
        // An upsert is a delete and a row of one time.
        let upserts: [Part; 3] = [(UPSERTED, upserted), (&[3, 4], inserted), (&[4, 5], last)];
        assert_eq!(rows(2), changes(&upserts), "{name}");
        let all: [Part; 3] = [(DELETED, deleted), (UPSERTED, upserted), (&[4, 5], last)];
        assert_eq!(deletes, changes(&all), "{name}");
        // A segment has the deletes of keys that it has, whenever they were written.
        let again = read_deletes(fixture(&format!("{name}-2-deletes"))).unwrap();
        let some: [Part; 3] = [(&[3, 4], deleted), (UPSERTED, upserted), (&[4, 5], last)];
        assert_eq!(again, changes(&some), "{name}");
    }
}

#[test]
fn every_form_of_deletes_is_read() {
    let numbers = [(PrimaryKey::Int64(i64::MIN), 7), (PrimaryKey::Int64(3), u64::MAX >> 1)];
    let texts = [(key(true, 1), 7), (PrimaryKey::Text("\"漢,\\".to_owned()), 8)];
    for form in [DeleteForm::Json, DeleteForm::Pairs, DeleteForm::Columns] {
        let log = delta_log([1, 2, 3], &Value::Null, &numbers, form);
        assert_eq!(read_deletes(log).unwrap(), numbers, "{form:?}");
        if form != DeleteForm::Pairs {
            let log = delta_log([1, 2, 3], &Value::Null, &texts, form);
            assert_eq!(read_deletes(log).unwrap(), texts, "{form:?}");
        }
    }
}

#[test]
fn a_log_of_another_kind_is_refused() {
    let keys = PrimaryKeys::Text(vec!["a".to_owned()]);
    let rows = insert_log([1, 2, 3, 100], &"of a test".into(), Some(&keys));
    assert_eq!(read_keys(rows.clone()).unwrap(), keys);
    assert_eq!(note(&rows), Some("of a test".into()));
    let is_damaged = |error| matches!(error, BinlogError::Damaged(_));
    assert!(is_damaged(read_deletes(rows.clone()).unwrap_err()), "rows are no deletes");
    assert!(is_damaged(read_timestamps(rows).unwrap_err()), "texts are no times");
    assert!(is_damaged(read_keys(fixture("2.3.5/int-1-deletes")).unwrap_err()));
    for (bytes, why) in
        [(b"PAR1 and so on".to_vec(), "files of several fields"), (encrypted(), "encrypted logs")]
    {
        match read_keys(bytes.into()).unwrap_err() {
            BinlogError::Unsupported(what) => assert!(what.starts_with(why), "{what}"),
            BinlogError::Damaged(what) => panic!("{what}"),
        }
    }
}

/// A log whose descriptor says that it is encrypted, as 2.6 does.
fn encrypted() -> Vec<u8> {
    let log = fixture("2.3.5/int-1-keys").to_vec();
    let of = br#"{"original_size":"240"}"#;
    let to = br#"{"edek":"c2VjcmV0a2V5"}"#;
    assert_eq!(of.len(), to.len());
    let at = log.windows(of.len()).position(|window| window == of).expect("it is there");
    [&log[..at], to, &log[at + of.len()..]].concat()
}

/// Reading damaged logs ends, and in an error or in no more values than there were.
#[test]
fn damage_is_an_error_and_never_a_panic() {
    let columns = [(key(true, 1), 7), (key(true, 2), 8)];
    let columns = delta_log([1, 2, 3], &Value::Null, &columns, DeleteForm::Columns);
    let mut logs = vec![columns];
    for (name, ..) in CASES {
        logs.extend(
            ["1-keys", "1-times", "1-deletes"].map(|part| fixture(&format!("{name}-{part}"))),
        );
    }
    let read = |log: &Bytes| {
        let keys = read_keys(log.clone()).map_or(0, |keys| keys.len());
        let times = read_timestamps(log.clone()).map_or(0, |times| times.len());
        let deletes = read_deletes(log.clone()).map_or(0, |deletes| deletes.len());
        keys.max(times).max(deletes)
    };
    for log in logs {
        let whole = read(&log);
        assert!(whole > 0);
        for end in 0..log.len() {
            assert_eq!(read(&log.slice(..end)), 0, "cut at {end}");
        }
        for at in 0..log.len() {
            // All bits of all bytes take half a minute.
            let mut bytes = log.to_vec();
            bytes[at] ^= 1 << (at % 8);
            let found = read(&bytes.into());
            assert!(found <= whole, "{found} values with a bit of byte {at} flipped");
        }
    }
}

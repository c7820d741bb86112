//! Which keys a restore has to bring back, and which it must not.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::PrimaryKey;

/// The partition of deletes that are of all partitions.
const EVERY_PARTITION: i64 = -1;

/// How many keys are kept, and how many bytes of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRoom {
    /// Keys, each once for each partition that it is in.
    pub keys: usize,
    /// Bytes of all keys that are texts.
    pub bytes: usize,
}

impl Default for KeyRoom {
    fn default() -> Self {
        Self { keys: 1_000_000, bytes: 64 << 20 }
    }
}

/// When a key was last written and last deleted; 0 is never.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    row: u64,
    delete: u64,
}

/// The rows and deletes of a collection, told in any order, as far as there is room for them.
///
/// Where there are too many, only keys stay whose hash ends in a zero bit, then in two, and so on:
/// half of them each time. The same keys stay whatever the order and the agent.
#[derive(Debug, Default)]
pub struct KeyHistory {
    room: KeyRoom,
    /// Where in time it ends, the moment itself included.
    boundary: Option<u64>,
    /// Rows up to this moment may be gone by themselves; 0 is none.
    expired: u64,
    /// The oldest row.
    oldest: Option<u64>,
    partitions: BTreeMap<i64, HashMap<PrimaryKey, Last>>,
    /// Bits at the end of a hash that have to be 0.
    bits: u32,
    keys: usize,
    bytes: usize,
}

/// What a restore has to bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedKeys {
    /// Each key and whether it is there, sorted.
    pub keys: Vec<(PrimaryKey, bool)>,
    /// Whether these are all, or a sample.
    pub whole: bool,
    /// Whether some rows may be gone by themselves. Of their keys nothing is expected.
    pub expires: bool,
}

impl KeyHistory {
    /// Nothing yet.
    pub fn new(boundary: Option<u64>, room: KeyRoom) -> Self {
        Self { room, boundary, ..Self::default() }
    }

    /// Lets rows go that were written up to this moment, as those do that live for a time.
    #[must_use]
    pub fn expiring(self, until: u64) -> Self {
        Self { expired: until, ..self }
    }

    /// A row of a partition.
    pub fn row(&mut self, partition: i64, key: PrimaryKey, timestamp: u64) {
        self.oldest = Some(self.oldest.map_or(timestamp, |oldest| oldest.min(timestamp)));
        self.note(partition, key, timestamp, |last| &mut last.row);
    }

    /// A delete of a partition, or of all (-1).
    pub fn delete(&mut self, partition: i64, key: PrimaryKey, timestamp: u64) {
        self.note(partition, key, timestamp, |last| &mut last.delete);
    }

    fn note(
        &mut self,
        partition: i64,
        key: PrimaryKey,
        timestamp: u64,
        which: fn(&mut Last) -> &mut u64,
    ) {
        let late = self.boundary.is_some_and(|boundary| timestamp > boundary);
        if late || !is_in(self.bits, &key) {
            return;
        }
        let size = size(&key);
        let known = self.partitions.entry(partition).or_default();
        let before = known.len();
        let at = which(known.entry(key).or_default());
        *at = (*at).max(timestamp);
        if known.len() > before {
            self.keys += 1;
            self.bytes += size;
            while self.keys > self.room.keys || self.bytes > self.room.bytes {
                self.halve();
            }
        }
    }

    fn halve(&mut self) {
        self.bits += 1;
        let bits = self.bits;
        for known in self.partitions.values_mut() {
            known.retain(|key, _| is_in(bits, key));
        }
        let keys = || self.partitions.values().flat_map(HashMap::keys);
        (self.keys, self.bytes) = (keys().count(), keys().map(size).sum());
    }

    /// A key is there if in some partition it was written after it was last deleted there, or at
    /// the same time: an upsert is a delete and a row of one timestamp.
    pub fn expected(mut self) -> ExpectedKeys {
        let of_all = self.partitions.remove(&EVERY_PARTITION).unwrap_or_default();
        let mut there: HashMap<PrimaryKey, bool> = HashMap::new();
        let mut expiring = HashSet::new();
        for known in std::mem::take(&mut self.partitions).into_values() {
            for (key, last) in known {
                let delete = last.delete.max(of_all.get(&key).map_or(0, |all| all.delete));
                let live = last.row > 0 && last.row >= delete;
                if live && last.row <= self.expired {
                    expiring.insert(key);
                    continue;
                }
                *there.entry(key).or_default() |= live;
            }
        }
        for key in of_all.into_keys() {
            there.entry(key).or_default();
        }
        there.retain(|key, live| *live || !expiring.contains(key));
        let mut keys: Vec<(PrimaryKey, bool)> = there.into_iter().collect();
        keys.sort_unstable();
        let expires = self.oldest.is_some_and(|oldest| oldest <= self.expired);
        ExpectedKeys { keys, whole: self.bits == 0, expires }
    }
}

fn size(key: &PrimaryKey) -> usize {
    match key {
        PrimaryKey::Int64(_) => 0,
        PrimaryKey::Text(text) => text.len(),
    }
}

fn is_in(bits: u32, key: &PrimaryKey) -> bool {
    bits == 0 || hash(key).trailing_zeros() >= bits
}

/// The same on every machine and in every version: FNV-1a, mixed as `SplitMix64` does.
fn hash(key: &PrimaryKey) -> u64 {
    let mut hash: u64 = match key {
        PrimaryKey::Int64(key) => key.cast_unsigned(),
        PrimaryKey::Text(text) => text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }),
    };
    hash = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{ExpectedKeys, KeyHistory, KeyRoom, hash};
    use crate::model::PrimaryKey;

    fn key(number: u64) -> PrimaryKey {
        PrimaryKey::Int64(number.cast_signed())
    }

    fn there(expected: &ExpectedKeys) -> Vec<&PrimaryKey> {
        expected.keys.iter().filter(|(_, live)| *live).map(|(key, _)| key).collect()
    }

    #[test]
    fn a_row_of_the_time_of_its_delete_is_there() {
        let mut history = KeyHistory::new(Some(20), KeyRoom::default());
        for (number, row, delete) in
            [(1, 10, None), (2, 10, Some(11)), (3, 11, Some(11)), (4, 20, None), (5, 10, Some(21))]
        {
            history.row(7, key(number), row);
            if let Some(delete) = delete {
                history.delete(7, key(number), delete);
            }
        }
        history.row(7, key(6), 21);
        history.delete(7, key(8), 5);
        let expected = history.expected();
        assert_eq!(there(&expected), [1, 3, 4, 5].map(key).iter().collect::<Vec<_>>());
        // Nobody says of a key that was only written later that it was deleted.
        assert!(expected.whole && expected.keys.len() == 6, "{expected:?}");
    }

    #[test]
    fn nothing_is_expected_of_rows_that_may_have_expired() {
        let mut history = KeyHistory::new(None, KeyRoom::default());
        for (partition, number, row) in [(1, 1, 10), (1, 2, 11), (1, 3, 9), (2, 3, 12), (1, 4, 8)] {
            history.row(partition, key(number), row);
        }
        for number in [4, 5] {
            history.delete(1, key(number), 20);
        }
        let expected = history.expiring(10).expected();
        let keys = [(2, true), (3, true), (4, false), (5, false)].map(|(n, live)| (key(n), live));
        assert_eq!((expected.keys.as_slice(), expected.expires), (&keys[..], true));
        let mut none = KeyHistory::new(None, KeyRoom::default());
        none.row(1, key(1), 11);
        assert!(!none.expiring(10).expected().expires);
    }

    #[test]
    fn deletes_are_of_their_partition_or_of_all() {
        let mut history = KeyHistory::new(None, KeyRoom::default());
        for number in 1..=3 {
            history.row(1, key(number), 10);
            history.row(2, key(number), 12);
        }
        history.delete(1, key(1), 20);
        history.delete(-1, key(2), 20);
        history.delete(-1, key(3), 11);
        history.delete(-1, key(4), 1);
        let expected = history.expected();
        assert_eq!(there(&expected), [&key(1), &key(3)]);
        assert_eq!(expected.keys.len(), 4);
    }

    #[test]
    fn a_hash_is_the_same_for_ever() {
        assert_eq!(hash(&key(1)), 0x910a_2dec_8902_5cc1);
        assert_eq!(hash(&PrimaryKey::Text("key-1".to_owned())), 0xbdff_e965_5ecd_69d9);
    }

    #[test]
    fn a_sample_is_the_same_in_every_order() {
        let room = KeyRoom { keys: 100, bytes: 1 << 20 };
        let sample = |numbers: &mut dyn Iterator<Item = u64>| {
            let mut history = KeyHistory::new(None, room);
            numbers.for_each(|number| history.row(1, key(number), 5));
            history.expected()
        };
        let (forth, back) = (sample(&mut (0..5000)), sample(&mut (0..5000).rev()));
        assert_eq!(forth, back);
        assert!(!forth.whole && (30..=100).contains(&forth.keys.len()), "{}", forth.keys.len());
        assert!(sample(&mut (0..100)).whole);

        let mut texts = KeyHistory::new(None, KeyRoom { keys: 1000, bytes: 100 });
        for number in 0..100 {
            texts.row(1, PrimaryKey::Text(format!("{number:010}")), 5);
        }
        let texts = texts.expected();
        assert!(!texts.whole && texts.keys.len() <= 10, "{}", texts.keys.len());
    }

    /// What Milvus does, told slowly: a row is there unless a delete of its partition comes later.
    #[test]
    fn histories_end_as_those_of_a_simple_milvus_do() {
        let mut state: u64 = 7;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..400 {
            let boundary = (round % 4 > 0).then(|| random(70));
            let mut events: Vec<(u64, bool, i64, u64)> = Vec::new();
            for time in 1..=60 {
                let partition = i64::try_from(random(2)).unwrap();
                let number = random(8);
                match random(4) {
                    0 => events.push((time, false, partition, number)),
                    1 => events.push((time, true, -1, number)),
                    2 => events.push((time, true, partition, number)),
                    _ => {
                        events.push((time, true, partition, number));
                        events.push((time, false, partition, number));
                    }
                }
            }
            let mut rows: BTreeMap<(i64, u64), Vec<u64>> = BTreeMap::new();
            let counted = |time: u64| boundary.is_none_or(|boundary| time <= boundary);
            for (time, delete, partition, number) in &events {
                if !counted(*time) {
                    continue;
                }
                if *delete {
                    for ((of, key), times) in &mut rows {
                        if key == number && (of == partition || *partition == -1) {
                            times.retain(|row| row >= time);
                        }
                    }
                } else {
                    rows.entry((*partition, *number)).or_default().push(*time);
                }
            }
            let alive: BTreeSet<u64> = rows
                .iter()
                .filter(|(_, times)| !times.is_empty())
                .map(|((_, number), _)| *number)
                .collect();

            // Files tell it in any order.
            for at in (1..events.len()).rev() {
                let other = usize::try_from(random(at as u64 + 1)).unwrap();
                events.swap(at, other);
            }
            let mut history = KeyHistory::new(boundary, KeyRoom::default());
            for (time, delete, partition, number) in events {
                if delete {
                    history.delete(partition, key(number), time);
                } else {
                    history.row(partition, key(number), time);
                }
            }
            let expected = history.expected();
            let alive: Vec<PrimaryKey> = alive.into_iter().map(key).collect();
            assert_eq!(there(&expected), alive.iter().collect::<Vec<_>>(), "round {round}");
        }
    }
}

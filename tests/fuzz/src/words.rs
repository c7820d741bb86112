//! Changes of the kind that people make: another word or number in the place of one. Where
//! bits alone are changed, hardly anything is accepted any more.

use std::ops::Range;

/// Numbers at which something may end.
const ENDS: [u64; 18] = [
    0,
    1,
    7,
    12,
    23,
    24,
    31,
    59,
    60,
    100,
    1024,
    10_000,
    65_536,
    1_000_000,
    2_147_483_647,
    4_294_967_295,
    9_223_372_036_854_775_807,
    18_446_744_073_709_551_615,
];

/// Random numbers from a seed (splitmix64), each below what is asked for.
pub fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |limit| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit).expect("it is small");
        usize::try_from((z ^ (z >> 31)) % limit).expect("it is below a usize")
    }
}

/// The words of a dictionary of libFuzzer.
#[derive(Debug)]
pub struct Words(Vec<Vec<u8>>);

impl Words {
    /// Reads one in quotes on each line.
    pub fn of(dictionary: &str) -> Self {
        let lines = dictionary.lines();
        let quoted = lines.filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
        Self(quoted.map(unescaped).collect())
    }

    /// One of them.
    pub fn one(&self, below: &mut impl FnMut(usize) -> usize) -> &[u8] {
        &self.0[below(self.0.len())]
    }

    /// Puts another word or number in the place of one.
    pub fn exchange(&self, input: &mut Vec<u8>, below: &mut impl FnMut(usize) -> usize) {
        let token = around(input, below(input.len() + 1), |byte| {
            byte.is_ascii_alphanumeric() || b"*/@-_.+!".contains(&byte)
        });
        let digit = input[token.clone()].iter().position(u8::is_ascii_digit);
        let (place, new) = match digit.filter(|_| below(2) == 0) {
            Some(digit) => {
                let digits = around(input, token.start + digit, |byte| byte.is_ascii_digit());
                (digits, number(below).into_bytes())
            }
            None => (token, self.one(below).to_vec()),
        };
        drop(input.splice(place, new));
    }
}

fn number(below: &mut impl FnMut(usize) -> usize) -> String {
    if below(2) == 0 {
        return ENDS[below(ENDS.len())].to_string();
    }
    let digits = 1 + below(7);
    (0..digits).map(|_| char::from(b'0' + below(10).to_le_bytes()[0])).collect()
}

/// The bytes of a kind around a place.
fn around(input: &[u8], at: usize, is_part: impl Fn(u8) -> bool) -> Range<usize> {
    let ends = |byte: &u8| !is_part(*byte);
    let start = input[..at].iter().rposition(ends).map_or(0, |end| end + 1);
    let end = input[at..].iter().position(ends).map_or(input.len(), |length| at + length);
    start..end
}

/// A word without its escapes: `\"`, `\\` and `\x0a`.
fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = word.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        plain.push(match escaped {
            Some(b'x') => {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).expect("two digits")
            }
            other => other.unwrap_or(byte),
        });
    }
    plain
}

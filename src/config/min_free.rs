//! How much space must stay free.

use std::str::FromStr;

use super::parse::Invalid;

/// The free space that no backup may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinFree {
    /// The larger of 10 % and 5 GiB.
    #[default]
    Auto,
    /// This many bytes.
    Bytes(u64),
    /// This share of the whole, 0 to 100.
    Percent(u8),
}

/// The share that [`MinFree::Auto`] keeps free.
const AUTO_PERCENT: u8 = 10;

/// What [`MinFree::Auto`] keeps free at least: 5 GiB.
const AUTO_BYTES: u64 = 5 << 30;

/// The units of a size.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl MinFree {
    /// The bytes that must stay free on a file system of `total` bytes.
    pub fn bytes(self, total: u64) -> u64 {
        match self {
            Self::Auto => Self::Percent(AUTO_PERCENT).bytes(total).max(AUTO_BYTES),
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => {
                let share = u128::from(total) * u128::from(percent) / 100;
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        }
    }
}

impl FromStr for MinFree {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::size(text, "a size such as 5GiB or a percentage such as 10%")
    }
}

impl MinFree {
    /// A size or a percentage; `expected` says which in the error.
    pub(super) fn size(text: &str, expected: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::expected(expected, text);
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start();
        let number: u64 = number.parse().map_err(|_| invalid())?;
        if unit == "%" {
            let percent = u8::try_from(number).ok().filter(|percent| *percent <= 100);
            let above = || Invalid::expected("a percentage from 0% to 100%", text);
            return percent.map(Self::Percent).ok_or_else(above);
        }
        if unit.is_empty() && number != 0 {
            return Err(invalid().hint(format!("for bytes, write {number}B")));
        }
        let factor = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name));
        let factor = match factor {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1,
            None => {
                let units = "the units are B, KB, MB, GB, TB, KiB, MiB, GiB, TiB and %";
                return Err(invalid().hint(units));
            }
        };
        number.checked_mul(factor).map(Self::Bytes).ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::MinFree;

    const GIB: u64 = 1 << 30;

    #[test]
    fn sizes_and_percentages_are_read() {
        for (text, expected) in [
            ("5GiB", MinFree::Bytes(5 * GIB)),
            ("5 gib", MinFree::Bytes(5 * GIB)),
            ("10GB", MinFree::Bytes(10_000_000_000)),
            ("1536MiB", MinFree::Bytes(3 * GIB / 2)),
            ("7B", MinFree::Bytes(7)),
            ("0", MinFree::Bytes(0)),
            ("10%", MinFree::Percent(10)),
            ("100 %", MinFree::Percent(100)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "5", "GiB", "-1GiB", "1.5GiB", "5 parsecs", "101%", "99999999999TiB"] {
            assert!(text.parse::<MinFree>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_reserve_depends_on_the_whole() {
        for (min_free, total, expected) in [
            (MinFree::Auto, 20 * GIB, 5 * GIB),
            (MinFree::Auto, 50 * GIB, 5 * GIB),
            (MinFree::Auto, 100 * GIB, 10 * GIB),
            (MinFree::Bytes(7), 100 * GIB, 7),
            (MinFree::Percent(0), 100 * GIB, 0),
            (MinFree::Percent(100), u64::MAX, u64::MAX),
        ] {
            assert_eq!(min_free.bytes(total), expected, "{min_free:?} of {total}");
        }
    }
}

//! Bytes, as people read them.

use std::fmt;

/// A number of bytes; `Display` gives it in its largest binary unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let power = (self.0.max(1).ilog2() / 10) as usize;
        if power == 0 {
            return write!(f, "{} B", self.0);
        }
        let hundredths = (u128::from(self.0) * 100) >> (10 * power);
        write!(f, "{}.{:02} {}", hundredths / 100, hundredths % 100, UNITS[power])
    }
}

#[cfg(test)]
mod tests {
    use super::ByteSize;

    #[test]
    fn every_size_has_its_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (244_103, "238.38 KiB"),
            (5 << 30, "5.00 GiB"),
            (u64::MAX, "15.99 EiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }
}

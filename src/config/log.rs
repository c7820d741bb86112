//! What is logged, and how.

use std::str::FromStr;

use super::parse::{Invalid, word};
use super::table::{LOG_FORMATS, LOG_LEVELS};

/// The least severe event that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// An operator must act.
    Error,
    /// Odd, but handled.
    Warn,
    /// A run or a phase changed.
    Info,
    /// One line per object.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        LOG_LEVELS[self as usize]
    }
}

impl FromStr for LogLevel {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        word(LOG_LEVELS, text).map(|index| Self::ALL[index])
    }
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        LOG_FORMATS[self as usize]
    }
}

impl FromStr for LogFormat {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        word(LOG_FORMATS, text).map(|index| Self::ALL[index])
    }
}

#[cfg(test)]
mod tests {
    use super::{LogFormat, LogLevel};

    #[test]
    fn every_word_stands_for_its_variant() {
        for level in LogLevel::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(format!("{level:?}").to_lowercase(), level.as_str());
        }
        for format in LogFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
            assert_eq!(format!("{format:?}").to_lowercase(), format.as_str());
        }
    }
}

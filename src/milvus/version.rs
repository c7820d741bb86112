//! Server versions, and what differs between them.

use std::fmt;

/// A version as the server reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MilvusVersion {
    /// As reported, for people and manifests.
    pub text: String,
    /// Major, minor and patch, where the text has them.
    pub number: Option<(u32, u32, u32)>,
}

/// The server lines that are asked in ways of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerLine {
    /// 2.2.9 to 2.2.16: before, there were no databases.
    V2_2,
    /// 2.3.
    V2_3,
    /// 2.4.
    V2_4,
    /// 2.5.
    V2_5,
    /// 2.6.
    V2_6,
}

/// Whether this agent works with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Run live in the tests.
    Live,
    /// Checked only against a fake that speaks its API: no such server was ever asked.
    Fake,
    /// Not yet.
    No,
}

impl MilvusVersion {
    /// Parses `v2.3.5`, `2.3.5` and `2.3.5-dev`; keeps anything else as text.
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned(), number: numbers(text) }
    }

    /// Which line it is of.
    pub fn line(&self) -> Option<ServerLine> {
        match self.number? {
            (2, 2, 9..) => Some(ServerLine::V2_2),
            (2, 3, _) => Some(ServerLine::V2_3),
            (2, 4, _) => Some(ServerLine::V2_4),
            (2, 5, _) => Some(ServerLine::V2_5),
            (2, 6, _) => Some(ServerLine::V2_6),
            _ => None,
        }
    }

    /// Whether this agent works with it.
    pub fn support(&self) -> Support {
        match self.line() {
            Some(ServerLine::V2_2 | ServerLine::V2_3) => Support::Live,
            Some(ServerLine::V2_4 | ServerLine::V2_5 | ServerLine::V2_6) => Support::Fake,
            None => Support::No,
        }
    }

    /// What to do about a server that this agent does not work with.
    pub fn remedy(&self) -> &'static str {
        match self.number {
            Some((2, 2, _)) => {
                "this agent backs up and restores Milvus 2.2.9 to 2.6: upgrade this one to 2.2.16 first, which keeps its data"
            }
            Some(_) | None => "this agent backs up and restores Milvus 2.2.9 to 2.6",
        }
    }

    /// Whether deletes of flushed rows reach the storage at some time after a flush, and not
    /// with it.
    pub fn writes_deletes_late(&self) -> bool {
        self.line() == Some(ServerLine::V2_2)
    }

    /// Whether an import takes a deleted row for deleted even if it was written again later
    /// in the same segment.
    pub fn imports_lose_reinserts(&self) -> bool {
        self.line() == Some(ServerLine::V2_2)
    }

    /// Whether imported rows keep the timestamps that they had. 2.2.16 and 2.3.5 give them new
    /// ones (measured); that later ones do not is in their source, and was never tried.
    pub fn imports_keep_times(&self) -> bool {
        self.line().is_some_and(|line| line > ServerLine::V2_3)
    }

    /// Whether it answers `count(*)`.
    pub fn counts_rows(&self) -> bool {
        self.line().is_some_and(|line| line > ServerLine::V2_2)
    }

    /// `end_ts` of an import: 2.2 and 2.3 take physical milliseconds and leave out rows and
    /// deletes after it (measured on 2.2.16 and 2.3.5. A hybrid value is composed twice and
    /// overflows: 2.3.5 silently drops rows, 2.2.16 keeps all); 2.5 and later take the hybrid
    /// value. What 2.4 takes was never tried: there is none, and a restore brings back all that
    /// the files hold.
    pub fn import_end_ts(&self, boundary: u64) -> Option<u64> {
        match self.line()? {
            ServerLine::V2_2 | ServerLine::V2_3 => Some(boundary >> 18),
            ServerLine::V2_4 => None,
            ServerLine::V2_5 | ServerLine::V2_6 => Some(boundary),
        }
    }
}

fn numbers(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.trim_start_matches('v').split(['.', '-', '+']).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
}

impl fmt::Display for MilvusVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_start_matches('v'))
    }
}

#[cfg(test)]
mod tests {
    use super::{MilvusVersion, ServerLine, Support};

    #[test]
    fn versions_are_read_in_every_shape_that_servers_use() {
        for (text, number) in [
            ("v2.3.5", Some((2, 3, 5))),
            ("2.3.5", Some((2, 3, 5))),
            ("2.3.5-dev", Some((2, 3, 5))),
            ("v2.2.16", Some((2, 2, 16))),
            ("master-abc", None),
            ("", None),
        ] {
            assert_eq!(MilvusVersion::parse(text).number, number, "{text}");
        }
        assert_eq!(MilvusVersion::parse("v2.3.5").support(), Support::Live);
        assert_eq!(MilvusVersion::parse("v2.2.16-lite").support(), Support::Live);
        assert_eq!(MilvusVersion::parse("v2.2.8").support(), Support::No);
        for text in ["v2.4.0", "v2.5.8", "v2.6.11", "2.6-20260404-31fb3fc"] {
            assert_eq!(MilvusVersion::parse(text).support(), Support::Fake, "{text}");
        }
        for text in ["v2.7.0", "v3.0.1", "master-20260404-31fb3fc"] {
            assert_eq!(MilvusVersion::parse(text).support(), Support::No, "{text}");
        }
        assert_eq!(MilvusVersion::parse("v2.2.9").line(), Some(ServerLine::V2_2));
        assert_eq!(MilvusVersion::parse("v2.2.8").line(), None);
        assert_eq!(MilvusVersion::parse("v2.6.11").line(), Some(ServerLine::V2_6));
    }

    #[test]
    fn the_boundary_goes_to_each_line_in_its_own_unit() {
        let hybrid = 446_000_000_000_000_123;
        assert_eq!(MilvusVersion::parse("v2.2.16").import_end_ts(hybrid), Some(hybrid >> 18));
        assert_eq!(MilvusVersion::parse("v2.3.5").import_end_ts(hybrid), Some(hybrid >> 18));
        assert_eq!(MilvusVersion::parse("v2.4.1").import_end_ts(hybrid), None);
        assert_eq!(MilvusVersion::parse("v2.5.8").import_end_ts(hybrid), Some(hybrid));
        assert_eq!(MilvusVersion::parse("v2.6.11").import_end_ts(hybrid), Some(hybrid));
    }
}

//! The text of a value → its type.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Component, Path, PathBuf};

use url::Url;

use super::min_free::MinFree;
use super::table::CHECKSUMS;
use crate::model::{ClusterName, KeyPrefix, S3Checksums, SWITCH};
pub(crate) use crate::model::{Invalid, duration, word};

/// The most files copied at once; more only wait for the disk.
const MAX_CONCURRENCY: u32 = 1024;

/// The most tries of one copy after the first; with pauses of up to 20 s that is half an hour.
const MAX_RETRIES: u32 = 100;

/// An address of Milvus.
pub(crate) fn address(text: &str) -> Result<Url, Invalid> {
    let example = "an address such as http://127.0.0.1:19530";
    let with_scheme = || format!("write http://{text}");
    let bare = |invalid: Invalid| {
        if text.contains("://") { invalid } else { invalid.hint(with_scheme()) }
    };
    let url = Url::parse(text).map_err(|_| bare(Invalid::expected(example, text)))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(bare(Invalid::expected(example, text)));
    }
    let bare_host = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare_host {
        return Err(Invalid::expected("only a host and a port after http://", text));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Invalid::new("must not hold a user or a password")
            .hint("set `milvus.username` and `milvus.password`, or `milvus.token`"));
    }
    Ok(url)
}

/// An address of Milvus for questions over HTTP, which it never encrypts there.
pub(crate) fn management(text: &str) -> Result<Url, Invalid> {
    let url = address(text)?;
    if url.scheme() == "https" {
        return Err(Invalid::new("Milvus has no TLS there").hint("write http://"));
    }
    Ok(url)
}

/// The name of a cluster.
pub(crate) fn cluster(text: &str) -> Result<ClusterName, Invalid> {
    ClusterName::new(text).map_err(|error| Invalid::new(error.to_string()))
}

/// An absolute path. `~` and variables are not expanded.
pub(crate) fn path(text: &str) -> Result<PathBuf, Invalid> {
    let path = Path::new(text);
    if text.starts_with('~') {
        let hint = "`~` is not expanded; write the path in full";
        return Err(Invalid::new(format!("must be absolute, found `{text}`")).hint(hint));
    }
    if !path.is_absolute() {
        let hint = "start the path with `/`; the agent has no folder of its own to start from";
        return Err(Invalid::new(format!("must be absolute, found `{text}`")).hint(hint));
    }
    if text.contains('\0') || path.components().any(|part| part == Component::ParentDir) {
        return Err(Invalid::expected("a path without `..`", text));
    }
    Ok(path.components().collect())
}

/// A number of bytes in a second, or none.
pub(crate) fn rate(text: &str) -> Result<Option<NonZeroU64>, Invalid> {
    if text == "unlimited" {
        return Ok(None);
    }
    let expected = "a number of bytes such as 50MiB, or unlimited";
    let bytes = match MinFree::size(text, expected)? {
        MinFree::Bytes(bytes) => NonZeroU64::new(bytes),
        MinFree::Auto | MinFree::Percent(_) => None,
    };
    bytes.map(Some).ok_or_else(|| Invalid::expected(expected, text))
}

/// A part of a whole, in whole percent.
pub(crate) fn percent(text: &str) -> Result<u8, Invalid> {
    let number = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
    let number = number.filter(|number| (1..=100).contains(number));
    number.ok_or_else(|| Invalid::expected("a percentage between 1% and 100%", text))
}

/// How often something is tried again.
pub(crate) fn retries(text: &str) -> Result<u32, Invalid> {
    let number = text.parse().ok().filter(|number| *number <= MAX_RETRIES);
    number.ok_or_else(|| Invalid::expected(&format!("a number between 0 and {MAX_RETRIES}"), text))
}

/// A number of copies at once.
pub(crate) fn concurrency(text: &str) -> Result<NonZeroU32, Invalid> {
    text.parse().ok().filter(|number: &NonZeroU32| number.get() <= MAX_CONCURRENCY).ok_or_else(
        || Invalid::expected(&format!("a number between 1 and {MAX_CONCURRENCY}"), text),
    )
}

/// The address of an S3 server.
pub(crate) fn endpoint(text: &str) -> Result<Url, Invalid> {
    let expected = || Invalid::expected("an address such as https://s3.example.com:9000", text);
    let url = Url::parse(text).map_err(|_| expected())?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(expected());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Invalid::new("must not hold a user or a password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(Invalid::expected("only a host and a port", text)
            .hint("the bucket and the prefix are keys of their own"));
    }
    Ok(url)
}

/// The name of a bucket.
pub(crate) fn bucket(text: &str) -> Result<String, Invalid> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (3..=255).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Invalid::expected("the name of a bucket, without a slash", text)
        .hint("a folder in the bucket is the key `prefix`"))
}

/// A folder in a bucket.
pub(crate) fn prefix(text: &str) -> Result<KeyPrefix, Invalid> {
    KeyPrefix::new(text.trim_matches('/')).map_err(|error| Invalid::new(error.to_string()))
}

/// Any text.
#[expect(clippy::unnecessary_wraps, reason = "every key has a parser that may refuse")]
pub(crate) fn text(text: &str) -> Result<String, Invalid> {
    Ok(text.to_owned())
}

/// Yes or no.
pub(crate) fn switch(text: &str) -> Result<bool, Invalid> {
    word(SWITCH, text).map(|index| index == 0)
}

/// Whether checksums travel with the bytes.
pub(crate) fn checksums(text: &str) -> Result<S3Checksums, Invalid> {
    let all = [S3Checksums::Auto, S3Checksums::WhenSupported, S3Checksums::WhenRequired];
    word(CHECKSUMS, text).map(|index| all[index])
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::{address, concurrency, management, path, rate, retries, word};

    #[test]
    fn addresses() {
        for good in ["http://127.0.0.1:19530", "https://milvus", "http://[::1]:19530/"] {
            assert!(address(good).is_ok(), "{good} was refused");
        }
        assert!(management("http://milvus:9091").is_ok());
        assert_eq!(
            management("https://milvus").unwrap_err().hint.as_deref(),
            Some("write http://")
        );
        for (bad, message, hint) in [
            ("127.0.0.1:19530", "expected an address such as", "write http://127.0.0.1:19530"),
            ("localhost:19530", "expected an address such as", "write http://localhost:19530"),
            ("tcp://a", "expected an address such as", ""),
            ("http://", "expected an address such as", ""),
            ("http://a/b", "expected only a host and a port", ""),
            ("http://a?b", "expected only a host and a port", ""),
            ("http://root:Milvus@a", "must not hold a user or a password", "set `milvus.user"),
        ] {
            let error = address(bad).unwrap_err();
            assert!(error.message.starts_with(message), "{bad}: {error:?}");
            assert!(error.hint.unwrap_or_default().starts_with(hint), "{bad}");
        }
    }

    #[test]
    fn paths() {
        for (good, expected) in [("/a", "/a"), ("/a/./b//c/", "/a/b/c"), ("/a b/ä", "/a b/ä")] {
            assert_eq!(path(good).unwrap().to_str(), Some(expected));
        }
        for (bad, hint) in [
            ("a/b", Some("start the path")),
            ("./a", Some("start the path")),
            ("~/a", Some("`~` is not expanded")),
            ("/a/../b", None),
        ] {
            let error = path(bad).unwrap_err();
            assert_eq!(error.hint.is_some(), hint.is_some(), "{bad}");
            assert!(error.hint.unwrap_or_default().starts_with(hint.unwrap_or_default()), "{bad}");
        }
    }

    #[test]
    fn numbers_and_words() {
        for (text, valid) in [
            ("1", true),
            ("64", true),
            ("1024", true),
            ("0", false),
            ("1025", false),
            ("-1", false),
            ("1.0", false),
            ("many", false),
        ] {
            assert_eq!(concurrency(text).is_ok(), valid, "{text}");
        }
        for (text, expected) in [
            ("unlimited", Some(None)),
            ("50MiB", Some(NonZeroU64::new(50 << 20))),
            ("1 kb", Some(NonZeroU64::new(1000))),
            ("0", None),
            ("0B", None),
            ("10%", None),
            ("50", None),
            ("fast", None),
        ] {
            assert_eq!(rate(text).ok(), expected, "{text}");
        }
        for (text, expected) in [("0", Some(0)), ("100", Some(100)), ("101", None), ("-1", None)] {
            assert_eq!(retries(text).ok(), expected, "{text}");
        }
        assert_eq!(word(&["text", "json"], "json"), Ok(1));
        let error = word(&["text", "json"], "JSON").unwrap_err();
        assert_eq!(error.message, "expected one of text, json, found `JSON`");
        assert_eq!(error.hint.as_deref(), Some("did you mean `json`?"));
    }
}

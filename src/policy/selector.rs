//! Which collections are meant: `database.collection` globs, the last match decides.

use std::fmt;

use wildmatch::WildMatch;

use crate::model::{Namespace, plain};

/// How much is quoted of what is no pattern.
const QUOTED: usize = 200;

/// A pattern that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a collection pattern: write database.collection, `*` and `?` allowed, `!` in front leaves out",
    plain(pattern, QUOTED)
)]
pub struct InvalidPattern {
    pattern: String,
}

#[derive(Debug, Clone)]
struct Rule {
    keep: bool,
    text: String,
    database: WildMatch,
    collection: WildMatch,
}

/// An ordered list of globs.
///
/// ```
/// # use milvus_backup_agent::{model::Namespace, policy::CollectionSelector};
/// let selector = CollectionSelector::parse(["*.*", "!default.tmp_*"])?;
/// assert!(selector.matches(&Namespace::new("default", "films")));
/// assert!(!selector.matches(&Namespace::new("default", "tmp_1")));
/// # Ok::<(), milvus_backup_agent::policy::InvalidPattern>(())
/// ```
#[derive(Debug, Clone)]
pub struct CollectionSelector {
    rules: Vec<Rule>,
}

/// Two that were written alike.
impl PartialEq for CollectionSelector {
    fn eq(&self, other: &Self) -> bool {
        let text = |rule: &Rule| rule.text.clone();
        self.rules.iter().map(text).eq(other.rules.iter().map(text))
    }
}

impl Eq for CollectionSelector {}

impl CollectionSelector {
    /// Every collection of every database.
    pub fn all() -> Self {
        Self::parse(["*.*"]).expect("the pattern is valid")
    }

    /// Parses globs. A list that only leaves out starts from everything.
    pub fn parse(
        patterns: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InvalidPattern> {
        let mut rules = patterns
            .into_iter()
            .map(|pattern| parse_rule(pattern.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        if rules.iter().all(|rule| !rule.keep) {
            rules.splice(0..0, Self::all_rules());
        }
        Ok(Self { rules })
    }

    fn all_rules() -> Option<Rule> {
        parse_rule("*.*").ok()
    }

    /// Whether a collection is meant.
    pub fn matches(&self, namespace: &Namespace) -> bool {
        self.rules
            .iter()
            .rev()
            .find(|rule| {
                rule.database.matches(&namespace.database)
                    && rule.collection.matches(&namespace.collection)
            })
            .is_some_and(|rule| rule.keep)
    }

    /// The globs, as they were written.
    pub fn globs(&self) -> Vec<String> {
        self.rules.iter().map(|rule| rule.text.clone()).collect()
    }

    /// Patterns that ask for something and match nothing in `seen`: most likely a typing error.
    pub fn unmatched<'s>(&'s self, seen: &[Namespace]) -> Vec<&'s str> {
        let matches = |rule: &&Rule| {
            seen.iter().any(|namespace| {
                rule.database.matches(&namespace.database)
                    && rule.collection.matches(&namespace.collection)
            })
        };
        self.rules
            .iter()
            .filter(|rule| rule.keep && !matches(rule))
            .map(|rule| rule.text.as_str())
            .collect()
    }
}

fn parse_rule(pattern: &str) -> Result<Rule, InvalidPattern> {
    let invalid = || InvalidPattern { pattern: pattern.to_owned() };
    let (keep, text) = match pattern.strip_prefix('!') {
        Some(rest) => (false, rest),
        None => (true, pattern),
    };
    let (database, collection) = text.split_once('.').ok_or_else(invalid)?;
    let usable = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || "_$*?".contains(c))
    };
    if !usable(database) || !usable(collection) {
        return Err(invalid());
    }
    Ok(Rule {
        keep,
        text: pattern.to_owned(),
        database: WildMatch::new(database),
        collection: WildMatch::new(collection),
    })
}

impl fmt::Display for CollectionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.rules.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", rule.text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::CollectionSelector;
    use crate::model::Namespace;

    #[test]
    fn the_last_match_decides() {
        for (patterns, name, meant) in [
            (&["*.*"][..], "a.b", true),
            (&["a.*"], "b.b", false),
            (&["*.*", "!a.tmp_*"], "a.tmp_1", false),
            (&["*.*", "!a.tmp_*", "a.tmp_keep"], "a.tmp_keep", true),
            (&["!a.tmp_*"], "a.b", true),
            (&["!a.tmp_*"], "a.tmp_1", false),
            (&["a.b?"], "a.b1", true),
            (&["a.b?"], "a.b", false),
            (&["*.b"], "x.b", true),
        ] {
            let selector = CollectionSelector::parse(patterns).unwrap();
            let namespace: Namespace = name.parse().unwrap();
            assert_eq!(selector.matches(&namespace), meant, "{patterns:?} on {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "films", ".b", "a.", "a/b.c", "a.b.c", "!", "a.b c", "../x.y"] {
            assert!(CollectionSelector::parse([bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_that_names_nothing_is_noticed() {
        let selector = CollectionSelector::parse(["a.films", "a.fil*", "!a.x"]).unwrap();
        assert_eq!(selector.unmatched(&[Namespace::new("a", "files")]), ["a.films"]);
    }
}

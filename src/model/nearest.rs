//! "Did you mean …?"

/// The candidate that `word` most likely stands for, if any is near enough.
///
/// Near enough is at most two changes in five characters, so that `x` suggests nothing.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    // Each change adds or takes one character at most; a long word is not looked at further.
    let changes_least = |candidate: &str| candidate.chars().count().abs_diff(length);
    candidates
        .into_iter()
        .filter(|candidate| changes_least(candidate) * 5 <= limit(candidate, &word))
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(changes, candidate)| changes * 5 <= limit(candidate, &word))
        .min_by_key(|(changes, _)| *changes)
        .map(|(_, candidate)| candidate)
}

/// Five times as many changes as are near enough.
fn limit(candidate: &str, word: &str) -> usize {
    candidate.len().max(word.len()) * 2
}

/// How many characters must be added, removed or replaced (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_are_levenshteins() {
        for (left, right, expected) in
            [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3), ("ä", "a", 1)]
        {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["retention", "repository", "log", "state"];
        for (word, expected) in [
            ("retentoin", Some("retention")),
            ("REPOSITORY", Some("repository")),
            ("lg", Some("log")),
            ("stat", Some("state")),
            ("x", None),
            ("schedule", None),
            ("retent\u{1f389}on", Some("retention")),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        assert_eq!(nearest(&"retention".repeat(1_000_000), known), None);
    }
}

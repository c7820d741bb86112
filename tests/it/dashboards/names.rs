//! The names of metrics and labels, wherever they are written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use milvus_backup_agent::metrics::{FAMILIES, Family};

use super::board::{panels, root, text};

const PREFIX: &str = "milvus_backup_";

/// Labels that Prometheus adds, and those of what an expression makes.
const OTHERS: [&str; 5] = ["instance", "job", "le", "proof", "cluster"];

/// Names of ours that are no metrics: the crate, and what milvus-backup is called in code.
const NO_METRICS: [&str; 2] = ["milvus_backup_agent", "milvus_backup_is_foreign_or_damaged"];

/// Words of letters, digits and underscores, and where they end.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(is_part)?;
        let end = rest[start..].find(|letter| !is_part(letter)).map_or(rest.len(), |at| start + at);
        let word = &rest[start..end];
        rest = &rest[end..];
        Some((word, rest))
    })
}

/// The family of a series, or of all that start with the name.
fn family(name: &str) -> Option<&'static Family> {
    let parts = ["_bucket", "_sum", "_count"];
    let whole = parts.iter().find_map(|part| name.strip_suffix(part));
    FAMILIES.iter().find(|family| {
        let known = family.name();
        let begun = name.ends_with('_') && known.starts_with(name);
        known == name || begun || (family.kind == "histogram" && whole == Some(&known))
    })
}

fn unknown(text: &str) -> BTreeSet<String> {
    let named = words(text).map(|(word, _)| word).filter(|word| word.starts_with(PREFIX));
    let named = named.filter(|word| !NO_METRICS.iter().any(|other| word.starts_with(other)));
    named.filter(|word| *word != PREFIX && family(word).is_none()).map(str::to_owned).collect()
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Wherever a person or a machine reads it.
#[test]
fn every_name_of_a_metric_is_that_of_a_family() {
    let mut written = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["dashboards", "systemd", "policies", "src"] {
        files(&root().join(folder), &mut written);
    }
    let mut named = 0;
    for file in written {
        if file.components().any(|part| part.as_os_str() == "tests") {
            continue; // They look for parts of names, too.
        }
        let text = fs::read_to_string(&file).expect("it is text");
        named += usize::from(text.contains(PREFIX));
        let unknown = unknown(&text);
        assert!(unknown.is_empty(), "{} names {unknown:?}, which are no metrics", file.display());
    }
    assert!(named > 5, "{named} files name metrics");
    let wrong = "rate(milvus_backup_runs_totals[5m]) + milvus_backup_runs_total_bucket";
    assert_eq!(unknown(wrong).len(), 2);
    let right = "milvus_backup_amqp_*, milvus_backup_run_duration_seconds_sum, milvus_backup_agent";
    assert!(unknown(right).is_empty());
}

/// Labels that an expression asks for, and that its metrics do not have.
fn strange_labels(expression: &str) -> BTreeSet<String> {
    let mut strange = BTreeSet::new();
    let mut known: BTreeSet<&str> = OTHERS.into();
    for (word, rest) in words(expression) {
        let Some(family) = family(word) else { continue };
        known.extend(family.labels);
        if let Some(matchers) = rest.strip_prefix('{') {
            let matchers = matchers.split('}').next().unwrap_or_default();
            for matcher in matchers.split(',').filter(|matcher| matcher.contains(['=', '~'])) {
                let label = matcher.split(['=', '!']).next().unwrap_or_default().trim();
                if !family.labels.contains(&label) && !["instance", "job"].contains(&label) {
                    strange.insert(format!("{word}{{{label}}}"));
                }
            }
        }
    }
    for (word, rest) in words(expression) {
        let groups = ["by", "without", "on", "ignoring", "group_left", "group_right"];
        let group = groups.contains(&word).then(|| rest.trim_start().strip_prefix('(')).flatten();
        for label in group
            .and_then(|group| group.split(')').next())
            .into_iter()
            .flat_map(|group| group.split(','))
        {
            let label = label.trim();
            if !label.is_empty() && !known.contains(label) {
                strange.insert(format!("{word} ({label})"));
            }
        }
    }
    strange
}

#[test]
fn every_label_of_the_dashboard_is_one_of_its_metrics() {
    for panel in panels() {
        for query in panel.queries() {
            let expression = text(&query["expr"]);
            let strange = strange_labels(expression);
            assert!(strange.is_empty(), "{}: {strange:?} in {expression}", panel.title);
            for label in text(&query["legendFormat"]).split("{{").skip(1) {
                let label = label.split("}}").next().unwrap_or_default();
                let grouped =
                    words(expression).filter(|(word, _)| *word == "by").any(|(_, rest)| {
                        let group = rest.split(')').next().unwrap_or_default();
                        words(group).any(|(word, _)| word == label)
                    });
                assert!(grouped, "{}: the legend wants {label} of {expression}", panel.title);
            }
        }
    }
    let wrong = "sum by (polity) (milvus_backup_runs_total{kinds=\"backup\", instance=~\"a\"}) \
                 * on (instance, version) milvus_backup_cluster_info";
    let strange = strange_labels(wrong);
    assert_eq!(strange.len(), 3, "{strange:?}");
}

/// What nobody sees might as well not be measured.
#[test]
fn every_family_is_on_the_dashboard() {
    let panels = panels();
    let seen: BTreeSet<&str> = panels
        .iter()
        .flat_map(super::board::Panel::expressions)
        .flat_map(|expression| words(expression).map(|(word, _)| word))
        .collect();
    for known in FAMILIES {
        let name = known.name();
        let found =
            seen.iter().any(|word| family(word).is_some_and(|family| family.name() == name));
        assert!(found, "{name} is on no panel");
    }
}

//! The body of an event, and what keeps it short.

use jiff::Timestamp;
use serde::Serialize;

use super::facts::EventFacts;
use crate::model::{RequestId, RunKind, RunOutcome};

/// Entries of a list that are told.
const MOST: usize = 1000;

/// Characters of a text that are told.
const PAGE: usize = 2000;

/// An event in CloudEvents' own form.
#[derive(Debug, Serialize)]
pub(super) struct Envelope<'e, D> {
    pub(super) specversion: &'static str,
    pub(super) id: &'e str,
    pub(super) source: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<&'e str>,
    pub(super) time: Timestamp,
    pub(super) datacontenttype: &'static str,
    pub(super) data: D,
}

/// What is ours in it.
#[derive(Debug, Serialize)]
pub(super) struct Data<'e> {
    pub(super) kind: RunKind,
    pub(super) policy: &'e str,
    pub(super) cluster: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backup: Option<&'e str>,
    pub(super) trigger: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<&'e str>,
    pub(super) requests_count: usize,
    pub(super) requests: Vec<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) started_at: Option<Timestamp>,
    pub(super) outcome: Option<RunOutcome>,
    #[serde(flatten)]
    pub(super) ended: Option<End<'e>>,
}

/// What the last event of a run has besides.
#[derive(Debug, Serialize)]
pub(super) struct End<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_seconds: Option<f64>,
    pub(super) will_run_again: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_at: Option<Timestamp>,
    #[serde(flatten)]
    pub(super) facts: Option<&'e EventFacts>,
}

#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

/// The first entries of a list; where it is too long, those that matter come first.
pub(super) fn cut<T, U>(all: &[T], matters: impl Fn(&T) -> bool, told: impl Fn(&T) -> U) -> Vec<U> {
    if all.len() <= MOST {
        return all.iter().map(told).collect();
    }
    let first = all.iter().filter(|one| matters(one));
    first.chain(all.iter().filter(|one| !matters(one))).take(MOST).map(told).collect()
}

/// The first of some texts.
pub(super) fn texts(all: &[String]) -> Vec<String> {
    cut(all, |_| true, |text| page(text))
}

/// A text that is not too long.
pub(super) fn page(text: &str) -> String {
    match text.char_indices().nth(PAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, PAGE, cut, page};

    #[test]
    fn what_is_too_long_is_cut_and_what_matters_stays() {
        let all: Vec<usize> = (0..=MOST).collect();
        assert_eq!(cut(&all[1..], |one| *one == MOST, |one| *one), all[1..], "as it is");
        let cut = cut(&all, |one| *one == MOST, |one| *one);
        assert_eq!((cut.len(), cut[0], cut[1], cut[MOST - 1]), (MOST, MOST, 0, MOST - 2));
        let text = "ü".repeat(PAGE);
        assert_eq!(page(&text), text);
        assert_eq!(page(&format!("{text}x")), format!("{text}…"));
    }
}

//! What a server was asked, in words.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

/// Every call, in order: of what it was, and its words.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Vec<(String, String)>>);

/// Calls that a slow machine makes once more.
const REPEATED: [&str; 2] = ["grpc Flush ", "grpc FlushAll"];

impl Record {
    pub(super) fn add(&self, subject: &str, call: impl Into<String>) {
        let mut calls = self.0.lock().unwrap();
        let call = call.into();
        let again = REPEATED.iter().any(|repeated| call.starts_with(repeated));
        let last = calls.iter().rev().find(|(of, _)| of == subject);
        if !(again && last.is_some_and(|(_, last)| *last == call)) {
            calls.push((subject.to_owned(), call));
        }
    }

    /// How many calls begin so.
    pub(super) fn count(&self, beginning: &str) -> usize {
        let calls = self.0.lock().unwrap();
        calls.iter().filter(|(_, call)| call.starts_with(beginning)).count()
    }

    /// As they came.
    pub(super) fn in_order(&self) -> String {
        let calls = self.0.lock().unwrap();
        calls.iter().fold(String::new(), |mut text, (_, call)| {
            writeln!(text, "{call}").unwrap();
            text
        })
    }

    /// By what they were of, since collections are asked about beside each other.
    pub(super) fn by_subject(&self) -> String {
        let calls = self.0.lock().unwrap();
        let mut subjects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (subject, call) in calls.iter() {
            subjects.entry(subject).or_default().push(call);
        }
        let sections =
            subjects.iter().map(|(subject, calls)| format!("== {subject}\n{}\n", calls.join("\n")));
        sections.collect::<Vec<_>>().join("\n")
    }
}

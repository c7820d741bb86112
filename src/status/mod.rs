//! How it all stands, on one screen for a person.
//!
//! [`StatusFacts`] → [`StatusView::of`] → [`text`] for the terminal, [`page`] for a browser, or
//! JSON. The agent collects the facts and keeps the newest view in its memory; without an agent
//! the command `status` collects what repository and policies tell.
//!
//! A view answers four questions: what is protected, since when, what comes next, and what is
//! wrong. Everything that is wrong has what to do about it, as a command where there is one, and
//! a weight, by which it is sorted. What several policies or backups have in common is told once.
//!
//! # Contract
//!
//! - What an alert fires on is a problem here, by the same figures: the limits are those of the
//!   policy, or those of `dashboards/alerts.yml`. A problem does not wait, as an alert does, until
//!   it has lasted for some minutes.
//! - A note needs nobody, and does not count.
//! - A command works where it is pasted: it names the configuration of who tells it.
//! - All words from outside, such as errors and names, are data: `page` escapes them, and `text`
//!   shows no character that a terminal would obey.
//!
//! It reads no clock and does nothing: `now` is one of the facts.

mod doubts;
mod facts;
mod html;
mod judge;
mod judge_policy;
mod problem;
mod running;
mod style;
#[cfg(test)]
mod tests;
mod text;
mod view;
mod words;

pub use facts::{
    BackupFacts, BackupsFacts, BrokerFacts, DoubtfulBackup, DrillRecord, EndFacts, Intent,
    PolicyStatus, PruneEnd, RepositoryFacts, RunningFacts, StatusFacts, Teller, Unanswered,
    Waiting, Wrong,
};
pub use html::page;
pub use problem::{Problem, Severity, Trouble};
pub use running::{ProvingView, RunningView};
pub use text::text;
pub use view::{
    AgentView, BackupView, DrillView, PolicyState, PolicyView, RepositoryView, RunView, StatusView,
};

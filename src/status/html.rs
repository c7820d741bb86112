//! The view as a page that needs nothing else: no script, no second request.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::model::ByteSize;

use super::problem::{Problem, Severity};
use super::style::STYLE;
use super::view::{DrillView, NOBODY, PolicyState, PolicyView, StatusView};
use super::words::{clock, from_now, moment, since, span};

/// After so many seconds a browser asks again.
const AGAIN: u32 = 30;

/// The page.
pub fn page(view: &StatusView) -> String {
    let title = format!("{}: {}", view.cluster, view.headline);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content=(AGAIN);
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(view))
                main {
                    (problems("What needs you", &view.problems))
                    (policies(view))
                    (problems("Worth knowing", &view.notes))
                    (surroundings(view))
                }
            }
        }
    };
    page.into_string()
}

fn head(view: &StatusView) -> Markup {
    let is_early = |state| matches!(state, PolicyState::NoneYet | PolicyState::Unknown);
    let early = view.policies.iter().any(|policy| is_early(policy.state));
    let class = match (view.well, early) {
        (false, _) => "head bad",
        (true, true) => "head early",
        (true, false) => "head",
    };
    html! {
        header class=(class) {
            p.soft { "Backups of " (view.cluster) }
            h1 { (view.headline) }
            p.soft { "As of " time datetime=(view.at) { (moment(view.at)) } }
        }
    }
}

fn problems(title: &str, problems: &[Problem]) -> Markup {
    html! {
        @if !problems.is_empty() {
            section {
                h2 { (title) }
                ol {
                    @for problem in problems {
                        li class={ "problem " (problem.severity) } {
                            p.weight { (problem.severity) }
                            p.what {
                                @if !problem.policies.is_empty() { (problem.whose()) ": " }
                                (problem.message)
                            }
                            p { "To do: " (problem.remedy) }
                            @if let Some(command) = &problem.command { code { (command) } }
                        }
                    }
                }
            }
        }
    }
}

fn policies(view: &StatusView) -> Markup {
    html! {
        section {
            h2 { "Policies" }
            @if view.policies.is_empty() {
                p { "There are none." }
            } @else {
                table role="table" {
                    caption { "Times are UTC." }
                    thead role="rowgroup" {
                        tr role="row" {
                            @for column in COLUMNS {
                                th role="columnheader" scope="col" { (column) }
                            }
                        }
                    }
                    tbody role="rowgroup" {
                        @for policy in &view.policies { (row(policy, view)) }
                    }
                }
            }
        }
    }
}

const COLUMNS: [&str; 6] = ["Policy", "State", "Last good", "Last run", "Next", "Backups"];

fn row(policy: &PolicyView, view: &StatusView) -> Markup {
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                (policy.name)
                small { (policy.collections) }
                @if let Some(schedule) = &policy.schedule { small { (schedule) } }
            }
            td role="cell" data-label=(COLUMNS[1]) class={ "state " (class(policy.state)) } {
                span { (policy.state) }
            }
            td role="cell" data-label=(COLUMNS[2]) { div { (last_good(policy, view)) } }
            td role="cell" data-label=(COLUMNS[3]) { div { (last_run(policy, view)) } }
            td role="cell" data-label=(COLUMNS[4]) { div { (next(policy, view)) } }
            td role="cell" data-label=(COLUMNS[5]) { div { (backups(policy, view)) } }
        }
    }
}

/// The colour beside the word.
fn class(state: PolicyState) -> Markup {
    let severity = match state {
        PolicyState::TooOld | PolicyState::Damaged => Severity::Critical,
        PolicyState::Failed | PolicyState::Partial | PolicyState::Look => Severity::Warning,
        PolicyState::Paused | PolicyState::Unknown | PolicyState::NoneYet => Severity::Note,
        PolicyState::Well => return html! { "good" },
    };
    html! { (severity) }
}

fn last_good(policy: &PolicyView, view: &StatusView) -> Markup {
    html! {
        @match &policy.last_good {
            Some(good) => {
                (from_now(good.at, view.at))
                small { (clock(good.at)) }
                small {
                    // A name that is too long for its line is broken between its parts.
                    @for part in good.name.split_inclusive('_') { (part) wbr; }
                }
                small { (good.rows) " rows, " (ByteSize(good.bytes)) }
            }
            None => "never",
        }
    }
}

fn last_run(policy: &PolicyView, view: &StatusView) -> Markup {
    html! {
        @match &policy.last_run {
            Some(run) => {
                (run.outcome) ", " (from_now(run.at, view.at))
                small { (clock(run.at)) }
            }
            None => "none known",
        }
    }
}

fn next(policy: &PolicyView, view: &StatusView) -> Markup {
    html! {
        @if let Some(run) = &policy.running {
            "running: " (run.stage)
            @if let Some(percent) = run.percent {
                progress max="100" value=(percent) { (percent) " %" }
                small { (percent) " %, " (ByteSize(run.done_bytes)) " of " (ByteSize(run.total_bytes)) }
            }
            small { "begun " (from_now(run.since, view.at)) }
        }
        @if let Some(proof) = &policy.proving { small { (proof.in_words(view.at)) } }
        @match policy.next_run {
            Some(at) => {
                @if policy.running.is_some() { "then " }
                (from_now(at, view.at))
                small { (clock(at)) }
            }
            None if policy.paused => "paused",
            None if policy.waits_in_vain(view) => (NOBODY),
            None if policy.schedule.is_none() => "on request",
            None => "not known",
        }
    }
}

fn backups(policy: &PolicyView, view: &StatusView) -> Markup {
    html! {
        (policy.backups())
        @if let Some(oldest) = policy.oldest {
            small { (span(since(oldest, view.at))) " back, to " (clock(oldest)) }
        }
        @if let Some(at) = policy.read_since { small { "all read since " (clock(at)) } }
        @if let Some(drill) = &policy.drill { small { (drilled(drill, view)) } }
    }
}

fn drilled(drill: &DrillView, view: &StatusView) -> String {
    let text = match (drill.last_success, drill.rto_seconds) {
        (Some(at), Some(rto)) => {
            format!("drill {}: back in {rto:.0} s", from_now(at, view.at))
        }
        (Some(at), None) => format!("drill {}", from_now(at, view.at)),
        (None, _) => "no good drill yet".to_owned(),
    };
    match drill.next_run {
        Some(at) => format!("{text}; next {}", from_now(at, view.at)),
        None => text,
    }
}

fn surroundings(view: &StatusView) -> Markup {
    html! {
        section {
            h2 { "Around it" }
            dl {
                dt { "Repository" }
                dd { (view.repository.in_words(view.at)) }
                @if let Some(broker) = &view.broker {
                    dt { "Broker" }
                    dd { (broker) }
                }
                @if let Some(agent) = &view.agent {
                    dt { "Agent" }
                    dd { "version " (agent.version) ", started " (from_now(agent.started_at, view.at)) }
                }
            }
        }
    }
}

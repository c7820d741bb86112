//! The view in a terminal, without colour.

use crate::model::{ByteSize, plain};

use super::problem::Problem;
use super::view::{NOBODY, PolicyView, StatusView};
use super::words::{from_now, moment, since, span};

/// What a line of a problem is set in by.
const INDENT: usize = 10;

/// So narrow a terminal is written over.
const NARROWEST: usize = 40;

/// Between two columns.
const GAP: usize = 2;

/// The view in lines of at most `width` characters, as far as words can be broken there.
pub fn text(view: &StatusView, width: usize) -> String {
    let width = width.max(NARROWEST);
    let mut lines = vec![view.headline.clone()];
    for problem in view.problems.iter().chain(&view.notes) {
        lines.push(String::new());
        lines.extend(told(problem, width));
    }
    if !view.policies.is_empty() {
        lines.push(String::new());
        lines.extend(table(view, width));
    }
    lines.push(String::new());
    for line in footer(view) {
        lines.extend(wrapped(&plain(&line, usize::MAX), width));
    }
    lines.join("\n")
}

/// A problem, what to do, and the command, in one piece to be copied.
fn told(problem: &Problem, width: usize) -> Vec<String> {
    let whose = problem.whose();
    let whose = if whose.is_empty() { whose } else { format!("{whose}: ") };
    let room = width - INDENT;
    let mut lines = Vec::new();
    for line in format!("{whose}{}", problem.message).lines() {
        lines.extend(wrapped(&plain(line, usize::MAX), room));
    }
    for line in format!("To do: {}", problem.remedy).lines() {
        lines.extend(wrapped(&plain(line, usize::MAX), room));
    }
    lines.extend(problem.command.iter().map(|command| format!("$ {}", plain(command, usize::MAX))));
    let severity = problem.severity.as_str().to_uppercase();
    let line = |(index, line): (usize, String)| {
        let before = if index == 0 { severity.as_str() } else { "" };
        format!("{before:<INDENT$}{line}").trim_end().to_owned()
    };
    lines.into_iter().enumerate().map(line).collect()
}

/// Breaks a line at spaces. A word that is too long for a line has one of its own, and leading
/// spaces stay.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let lead = line.len() - line.trim_start().len();
    let (mut lines, mut current) = (Vec::new(), " ".repeat(lead));
    let mut fresh = true;
    for word in line.split_whitespace() {
        let space = usize::from(!fresh);
        if !fresh && current.chars().count() + space + word.chars().count() > width {
            lines.push(std::mem::take(&mut current));
            fresh = true;
        }
        if !fresh {
            current.push(' ');
        }
        current.push_str(word);
        fresh = false;
    }
    lines.push(current);
    lines
}

/// One column: its head, and what it says of a policy.
type Column = (&'static str, fn(&PolicyView, &StatusView) -> String);

/// What is always there, the name first.
const COLUMNS: [Column; 6] = [
    ("POLICY", |policy, _| policy.name.clone()),
    ("STATE", |policy, _| policy.state.to_string()),
    ("LAST GOOD (UTC)", |policy, view| match &policy.last_good {
        Some(good) => {
            format!("{}, {}", good.at.strftime("%m-%d %H:%M"), from_now(good.at, view.at))
        }
        None => "never".to_owned(),
    }),
    ("NEXT", next),
    ("BACK", |policy, view| {
        policy.oldest.map_or("-".to_owned(), |oldest| span(since(oldest, view.at)))
    }),
    ("GOOD", |policy, _| policy.complete.to_string()),
];

/// What is there as far as there is room.
const MORE: [Column; 5] = [
    ("NEXT (UTC)", |policy, _| {
        policy.next_run.map_or("-".to_owned(), |at| at.strftime("%m-%d %H:%M").to_string())
    }),
    ("ROWS", |policy, _| {
        policy.last_good.as_ref().map_or("-".to_owned(), |good| good.rows.to_string())
    }),
    ("SIZE", |policy, _| {
        policy.last_good.as_ref().map_or("-".to_owned(), |good| ByteSize(good.bytes).to_string())
    }),
    ("SCHEDULE", |policy, _| policy.schedule.clone().unwrap_or("-".to_owned())),
    ("COLLECTIONS", |policy, _| policy.collections.clone()),
];

fn next(policy: &PolicyView, view: &StatusView) -> String {
    match (&policy.running, policy.next_run) {
        (Some(run), _) => match run.percent {
            Some(percent) => format!("now: {percent} %"),
            None => "now".to_owned(),
        },
        (None, Some(at)) => from_now(at, view.at),
        (None, None) if policy.waits_in_vain(view) => NOBODY.to_owned(),
        (None, None) => "-".to_owned(),
    }
}

fn table(view: &StatusView, width: usize) -> Vec<String> {
    let cells = |(head, cell): &Column| {
        let cells = view.policies.iter().map(|policy| plain(&cell(policy, view), usize::MAX));
        std::iter::once((*head).to_owned()).chain(cells).collect::<Vec<_>>()
    };
    let widest =
        |cells: &Vec<String>| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let mut columns: Vec<Vec<String>> = COLUMNS.iter().map(cells).collect();
    let mut widths: Vec<usize> = columns.iter().map(widest).collect();
    let taken = |widths: &[usize]| widths.iter().map(|width| width + GAP).sum::<usize>() - GAP;
    let over = taken(&widths).saturating_sub(width);
    widths[0] = widths[0].saturating_sub(over).max(COLUMNS[0].0.len());
    for column in &MORE {
        let cells = cells(column);
        let more = widest(&cells);
        if taken(&widths) + GAP + more > width {
            break;
        }
        widths.push(more);
        columns.push(cells);
    }
    let row = |index: usize| {
        let cells = columns.iter().zip(&widths).map(|(cells, width)| cut(&cells[index], *width));
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    (0..=view.policies.len()).map(row).collect()
}

/// The text in just so many characters; what was cut off shows.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

fn footer(view: &StatusView) -> Vec<String> {
    let mut lines = Vec::new();
    for policy in &view.policies {
        let name = &policy.name;
        let running = policy.running.iter().map(|run| run.in_words(view.at));
        let proving = policy.proving.iter().map(|proof| proof.in_words(view.at));
        lines.extend(running.chain(proving).map(|words| format!("At work: {name}, {words}")));
    }
    lines.push(format!("Repository: {}", view.repository.in_words(view.at)));
    lines.extend(view.broker.as_ref().map(|state| format!("Broker: {state}")));
    let cluster = &view.cluster;
    lines.push(match &view.agent {
        Some(agent) => {
            let (version, started) = (&agent.version, from_now(agent.started_at, view.at));
            format!("Agent: {version}, cluster {cluster}, started {started}")
        }
        None => format!("Agent: does not answer; cluster {cluster}"),
    });
    lines.push(format!("As of: {}", moment(view.at)));
    lines
}

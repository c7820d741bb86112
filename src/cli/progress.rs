//! How far a run is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{MissedTickBehavior, interval};

use crate::transfer::{Progress, ProgressSnapshot};

use super::output::{size, talk};

/// How often the bar moves.
const REDRAW: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(30);

const BAR: &str =
    "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";

/// Shows a run until the future is dropped.
pub(super) async fn show(progress: Arc<Progress>) {
    if std::io::stderr().is_terminal() {
        bar(&progress).await;
    } else {
        lines(&progress).await;
    }
}

async fn bar(progress: &Progress) {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template(BAR).expect("the template is valid");
    bar.set_style(style.progress_chars("=> "));
    let _clear = ClearOnDrop(bar.clone());
    let mut tick = interval(REDRAW);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let now = progress.snapshot();
        bar.set_length(now.total_bytes);
        bar.set_position(now.done_bytes);
        bar.set_message(format!("{} {}", now.stage.as_str(), now.subject));
    }
}

struct ClearOnDrop(ProgressBar);

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

async fn lines(progress: &Progress) {
    let mut tick = interval(LINE);
    tick.tick().await;
    loop {
        tick.tick().await;
        talk(&line(&progress.snapshot()));
    }
}

fn line(now: &ProgressSnapshot) -> String {
    let mut text = now.stage.as_str().to_owned();
    if !now.subject.is_empty() {
        text = format!("{text} {}", now.subject);
    }
    if now.total_bytes > 0 {
        text = format!("{text}: {} of {}", size(now.done_bytes), size(now.total_bytes));
    }
    text
}

//! Log lines on stderr: for people or programs, and for journald with their severity.

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, format};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Environment, Log, LogFormat};

/// Starts logging. Nothing was logged before.
pub(super) fn to_stderr(log: Log, environment: &Environment) {
    let level = log.level.as_str();
    let filter = EnvFilter::new(format!("warn,milvus_backup_agent={level}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let journald = environment.journal_stream().is_some_and(is_stderr);
    // journald knows when a line was written, and its readers have colours of their own.
    match (log.format, journald) {
        (LogFormat::Json, false) => builder.json().init(),
        (LogFormat::Json, true) => {
            builder.json().event_format(Severe(format().json())).init();
        }
        (LogFormat::Text, false) => builder.with_target(false).with_ansi(false).init(),
        (LogFormat::Text, true) => {
            let line = format().without_time().with_level(false).with_target(false);
            builder.with_ansi(false).event_format(Severe(line.with_ansi(false))).init();
        }
    }
}

/// Whether `$JOURNAL_STREAM`, which names a device and an inode, is stderr. See
/// [systemd.exec(5)](https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html).
fn is_stderr(stream: &str) -> bool {
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let Ok(found) = stderr.and_then(|stderr| stderr.metadata()) else { return false };
    stream == format!("{}:{}", found.dev(), found.ino())
}

/// A line with its severity in front, as
/// [sd-daemon(3)](https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html) has it.
struct Severe<F>(F);

impl<S, N, F> FormatEvent<S, N> for Severe<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let severity = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{severity}>")?;
        self.0.format_event(context, writer, event)
    }
}

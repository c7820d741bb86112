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
    // What lapin logs is in the errors that it returns, and in those without a remedy.
    let filter = EnvFilter::new(format!("warn,lapin=off,milvus_backup_agent={level}"));
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

/// Lines with their severity in front, as
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
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        // journald takes each line of a long error for an entry of its own.
        text.lines().try_for_each(|line| writeln!(writer, "<{severity}>{line}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing_subscriber::fmt::format;

    use super::Severe;

    #[test]
    fn each_line_of_a_long_error_has_its_severity() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = format().without_time().with_level(false).with_target(false).with_ansi(false);
        let subscriber = tracing_subscriber::fmt()
            .with_writer(Arc::new(file.reopen().unwrap()))
            .event_format(Severe(line))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(error = %"unknown key\n --> a.yaml:1:1", "wrong");
            tracing::info!("well");
        });
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, "<3>wrong error=unknown key\n<3> --> a.yaml:1:1\n<6>well\n");
    }
}

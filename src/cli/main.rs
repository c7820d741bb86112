//! From the process's arguments to its exit code.

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, Environment, Loaded};
use crate::job::{JobContext, JobError, JobResult};
use crate::metrics::Metrics;
use crate::model::ErrorKind;
use crate::storage::Access;

use super::args::{
    Arguments, BackupArguments, Command, ConfigCommand, ExportArguments, Format, NameArguments,
    PruneArguments, RestoreArguments,
};
use super::output::{Output, talk};
use super::told::told;
use super::{
    ExitStatus, backup, check, cluster, delete, drill, export, import, list, log, pin, progress,
    prune, restore, run, session, status, unlock, verify,
};

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let wrong = error.use_stderr();
            if wrong && wants_json(std::env::args_os().skip(1)) {
                Output::new(Format::Json).error(&unusable(&error));
            } else {
                drop(error.print());
            }
            let status = if wrong { ErrorKind::Usage.into() } else { ExitStatus::OK };
            return ExitCode::from(status.code());
        }
    };
    let output = Output::new(arguments.output);
    // An import is there to make the first configuration, so it needs none.
    let ended = if let Command::Config(ConfigCommand::Import { file }) = &arguments.command {
        import::run(file, output)
    } else {
        load(&arguments).and_then(|loaded| run(arguments, &loaded, output))
    };
    let status = ended.unwrap_or_else(|error| {
        output.error(&error);
        error.kind().into()
    });
    ExitCode::from(status.code())
}

/// Whether the arguments ask for JSON, told without parsing them: they are wrong.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.collect();
    let apart = arguments.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json");
    apart || arguments.iter().any(|argument| argument == "--output=json")
}

/// What clap says of wrong arguments: the problem, then usage and advice.
fn unusable(error: &clap::Error) -> JobError {
    let text = error.to_string();
    let (problem, advice) = text.split_once("\n\n").unwrap_or((&text, ""));
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let problem = one_line(problem.strip_prefix("error: ").unwrap_or(problem));
    JobError::new(ErrorKind::Usage, problem).hint(one_line(advice))
}

fn load(arguments: &Arguments) -> JobResult<Loaded> {
    let loaded = config::load(arguments.config.as_deref(), &Environment::of_process());
    loaded.map_err(|error| run::unusable(&error))
}

fn run(arguments: Arguments, loaded: &Loaded, output: Output) -> JobResult<ExitStatus> {
    let config = &loaded.config;
    log::to_stderr(config.log, &Environment::of_process());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        JobError::new(ErrorKind::Failed, format!("no threads can be started: {error}"))
    })?;
    let cancel = CancellationToken::new();
    // A service has a log, and nothing else on stderr.
    let serves = matches!(arguments.command, Command::Run);
    let say: fn(&str) = if serves { |words| tracing::info!("{words}") } else { talk };
    let command = dispatch(arguments, loaded, output, cancel.clone());
    let ended = runtime.block_on(until_signalled(command, cancel, say));
    // A read that hangs on a dead mount must not keep the process.
    runtime.shutdown_background();
    ended
}

async fn dispatch(
    arguments: Arguments,
    loaded: &Loaded,
    output: Output,
    cancel: CancellationToken,
) -> JobResult<ExitStatus> {
    let config = &loaded.config;
    let token = cancel.clone();
    let open = |access| session::open(config, access, token.clone());
    match arguments.command {
        Command::Run => run::run(arguments.config, cancel).await,
        Command::Config(command) => super::config::run(&command, loaded, output),
        Command::Policy(command) => super::policy::run(config, &command, output),
        Command::Check(arguments) => check::run(config, &arguments, output, cancel).await,
        Command::Cluster(command) => {
            let context = open(cluster::access(&command)).await?;
            cluster::run(&context, command, output).await
        }
        Command::Status => status::run((config, arguments.config.as_deref()), output, cancel).await,
        Command::List(arguments) => list::run(&open(Access::Read).await?, &arguments, output).await,
        Command::Show(arguments) => {
            list::show(&open(Access::Read).await?, &arguments, output).await
        }
        Command::Verify(arguments) => {
            let run = verify::told(&arguments);
            let work = async move |context: JobContext, metrics: &Metrics| {
                shown(&context, verify::run(&context, &arguments, (output, metrics))).await
            };
            told(config, Some(run), open(Access::WriteIfAllowed).await, work).await
        }
        Command::Drill(arguments) => {
            drilled(config, open(Access::WriteExisting).await, arguments, output).await
        }
        Command::Export(arguments) => {
            exported(&open(Access::WriteExisting).await?, arguments, output).await
        }
        Command::Delete(arguments) => {
            let context = open(delete::access(&arguments)).await?;
            delete::run(&context, &arguments, output).await
        }
        Command::Undelete(arguments) => {
            delete::undo(&open(Access::WriteExisting).await?, &arguments.name, output).await
        }
        Command::Pin(arguments) => {
            pin::run(&open(Access::WriteExisting).await?, &arguments, output).await
        }
        Command::Unpin(arguments) => {
            pin::undo(&open(Access::WriteExisting).await?, &arguments.name, output).await
        }
        Command::Prune(arguments) => {
            let context = open(prune::access(&arguments)).await;
            pruned(config, context, arguments, output).await
        }
        Command::Unlock(arguments) => {
            unlock::run(&open(Access::WriteExisting).await?, &arguments, output).await
        }
        Command::Backup(arguments) => back_up(config, arguments, output, cancel).await,
        Command::Restore(arguments) => {
            let context = open(restore::access(&arguments)).await;
            restored(config, context, arguments, output).await
        }
    }
}

async fn restored(
    config: &Config,
    context: JobResult<JobContext>,
    arguments: RestoreArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let run = restore::told(&arguments);
    let work = async move |context: JobContext, metrics: &Metrics| {
        let work = restore::run(config, &context, arguments, output, metrics);
        shown(&context, Box::pin(work)).await
    };
    told(config, run, context, work).await
}

async fn drilled(
    config: &Config,
    context: JobResult<JobContext>,
    arguments: NameArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let run = drill::told(&arguments);
    let work = async move |context: JobContext, metrics: &Metrics| {
        let work = drill::run(config, &context, arguments, (output, metrics));
        shown(&context, Box::pin(work)).await
    };
    told(config, Some(run), context, work).await
}

async fn pruned(
    config: &Config,
    context: JobResult<JobContext>,
    arguments: PruneArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    let run = prune::told(&arguments);
    let work = async move |context: JobContext, metrics: &Metrics| {
        Box::pin(prune::run(config, &context, &arguments, (output, metrics))).await
    };
    told(config, run, context, work).await
}

async fn exported(
    context: &JobContext,
    arguments: ExportArguments,
    output: Output,
) -> JobResult<ExitStatus> {
    shown(context, Box::pin(export::run(context, arguments, output))).await
}

/// A policy that is wrong is a failure to be told of, like those of the run itself.
async fn back_up(
    config: &Config,
    arguments: BackupArguments,
    output: Output,
    cancel: CancellationToken,
) -> JobResult<ExitStatus> {
    let run = backup::told(&arguments);
    let (context, request) = match backup::request(config, &arguments) {
        Ok(request) => {
            (session::open(config, backup::access(&arguments), cancel).await, Some(request))
        }
        Err(error) => (Err(error), None),
    };
    let work = async move |context: JobContext, _: &Metrics| {
        let request = request.expect("a context was opened for it");
        shown(&context, backup::run(&context, &arguments, request, output)).await
    };
    told(config, run, context, work).await
}

/// Runs a workflow and shows how far it is.
async fn shown<T>(context: &JobContext, work: impl Future<Output = JobResult<T>>) -> JobResult<T> {
    let ended = tokio::select! {
        ended = work => ended,
        () = progress::show(Arc::clone(&context.progress)) => unreachable!("it shows until it is dropped"),
    };
    context.repository.settle().await;
    ended
}

/// The first signal asks the workflow to end, the second does not wait for it.
async fn until_signalled(
    work: impl Future<Output = JobResult<ExitStatus>>,
    cancel: CancellationToken,
    say: fn(&str),
) -> JobResult<ExitStatus> {
    let no_signals =
        |error| JobError::new(ErrorKind::Failed, format!("signals cannot be received: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    tokio::pin!(work);
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if cancel.is_cancelled() {
            return Err(JobError::new(ErrorKind::Cancelled, "stopped at once"));
        }
        say("stopping; once more to stop at once");
        cancel.cancel();
    }
}

//! The real program as a service: `run`, with what it logs and what it tells over HTTP.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Agent;

/// What nothing in these tests takes.
const LONG: Duration = Duration::from_mins(6);

/// An agent at work. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    /// How much of the log is of processes before.
    before: usize,
    address: String,
}

impl Running {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(agent: &Agent) -> Self {
        Self::start_with(agent, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(agent: &Agent, environment: &[(&str, &str)]) -> Self {
        let log = agent.path("run.log");
        let before = fs::read(&log).map_or(0, |log| log.len());
        let file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = agent.command(&["run"]);
        command.envs(environment.iter().copied());
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let mut running = Self { child, log, before, address: String::new() };
        running.until("it is ready", |running| running.log().contains("ready policies="));
        let log = running.log();
        let (_, address) = log.split_once("listening address=").expect("it listens");
        address.split_whitespace().next().expect("an address").clone_into(&mut running.address);
        running
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What this process has logged.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap();
        String::from_utf8_lossy(&log[self.before..]).into_owned()
    }

    /// Waits for something.
    pub(crate) fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the agent ended ({ended:?}) before {what}:\n{}", self.log());
            assert!(begun.elapsed() < LONG, "{what}: not within {LONG:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What a path answers.
    pub(crate) fn ask(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = &self.address;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").expect("an answer with a body").1.to_owned()
    }

    /// Every sample, by its name and labels as they are written, without fractions.
    pub(crate) fn metrics(&self) -> BTreeMap<String, i64> {
        let text = self.ask("/metrics");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            let whole = value.split_once('.').map_or(value, |(whole, _)| whole);
            Some((name.to_owned(), whole.parse().ok()?))
        };
        samples.filter_map(sample).collect()
    }

    /// One sample of `milvus_backup_…`; `None` if it is absent.
    pub(crate) fn metric(&self, name: &str) -> Option<i64> {
        self.metrics().get(&format!("milvus_backup_{name}")).copied()
    }

    /// How many runs of a policy ended so.
    pub(crate) fn runs(&self, policy: &str, outcome: &str) -> u64 {
        let labels = format!("{{kind=\"backup\",outcome=\"{outcome}\",policy=\"{policy}\"}}");
        let runs = self.metric(&format!("runs_total{labels}"));
        u64::try_from(runs.expect("runs are counted from 0")).expect("a count")
    }

    /// Open files and threads of the process.
    pub(crate) fn holds(&self) -> (usize, usize) {
        let count = |what: &str| {
            let folder = format!("/proc/{}/{what}", self.child.id());
            fs::read_dir(folder).unwrap().count()
        };
        (count("fd"), count("task"))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Stops it in good order; what it has logged.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        let log = self.log();
        assert!(status.success(), "{status}\n{log}");
        log
    }

    /// Kills it; what it has logged.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

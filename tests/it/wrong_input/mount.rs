//! Mounts of one's own, which are gone with their holder.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::agent::Agent;

/// A user and mount namespace in which `mount` may be used.
#[derive(Debug)]
pub(super) struct Namespace {
    holder: Child,
}

impl Namespace {
    /// Makes one and runs a shell script in it.
    pub(super) fn new(script: &str) -> Self {
        let mut holder = Command::new("unshare")
            .args(["-Urm", "sh", "-ec", &format!("{script}\necho ready\nexec sleep 600")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is needed (package util-linux)");
        let mut said = String::new();
        let stdout = holder.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut said).expect("it can be read");
        let namespace = Self { holder };
        assert_eq!(said, "ready\n", "this machine must allow `unshare -Urm` and mount: {script}");
        namespace
    }

    /// Runs a shell script in it.
    pub(super) fn shell(&self, script: &str) {
        let [program, rest @ ..] = &self.enter()[..] else { unreachable!("it has a program") };
        let status = Command::new(program).args(rest).args(["sh", "-ec", script]).status();
        assert!(status.expect("nsenter is needed (package util-linux)").success(), "{script}");
    }

    /// The same agent, inside.
    pub(super) fn agent(&self, agent: &Agent) -> Agent {
        agent.under(self.enter())
    }

    fn enter(&self) -> Vec<String> {
        let target = self.holder.id().to_string();
        ["nsenter", "-U", "-m", "--preserve-credentials", "-t", &target].map(str::to_owned).into()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.holder.kill().expect("the holder is our child");
        self.holder.wait().expect("the holder is our child");
    }
}

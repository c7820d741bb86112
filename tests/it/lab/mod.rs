//! A real Milvus, a real RabbitMQ, and the real program working on them. Shared by `it` and
//! `soak`.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

mod agent;
mod bucket;
mod certificates;
mod client;
pub(crate) mod fake;
pub(crate) mod moto;
mod prometheus;
mod proxy;
mod rabbit;
mod running;
mod server;
mod wait;

use std::io::Write;
use std::process::{Command, Stdio};

pub(crate) use agent::{Agent, Ended};
pub(crate) use bucket::Bucket;
pub(crate) use certificates::{Authority, Certificate};
pub(crate) use client::{Client, Message};
pub(crate) use prometheus::{Prometheus, promtool};
pub(crate) use proxy::{Proxy, Way, Weather};
pub(crate) use rabbit::{Rabbit, rabbit};
pub(crate) use running::Running;
pub(crate) use server::{LabServer, assert_equal, lab, lab_with, milvus, milvus_2_2, nowhere};
pub(crate) use wait::{imported, until};

/// Tells a measurement, past the harness, which keeps what passing tests print.
pub(crate) fn say(text: &str) {
    std::io::stderr().write_all(format!("    measured: {text}\n").as_bytes()).unwrap();
}

/// What a script of `setup.sh` prints, which sees to it that it is there.
pub(crate) fn set_up(what: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/setup.sh");
    printed(Command::new(script).arg(what))
}

/// Runs a command and returns what it printed, trimmed; it has to succeed.
fn printed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.expect("the command can be started");
    let text = String::from_utf8(output.stdout).expect("the lab prints text");
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text.trim().to_owned()
}

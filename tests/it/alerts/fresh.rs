//! What a real agent exports when it has just started, as series for promtool.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use milvus_backup_agent::model::{Clock, SystemClock};

use super::cases::{FRESH, cases};
use super::rules::assert_golden;
use crate::lab::{Agent, Running, nowhere};

/// Between these lines of the file is what was scraped.
const BEGIN: &str =
    "      # What an agent exports when it has just started: MBA_GOLDEN_WRITE=1 writes it.\n";
const END: &str = "    alert_rule_test:\n";

/// What comes before every label.
const TARGET: &str = "job=\"milvus-backup-agent\",instance=\"m1:7480\"";

/// Which series of these there are is a matter of moments: the calls of storages that were made
/// until now, bytes that were counted or not.
const PASSING: [&str; 3] = ["storage_requests_total", "repository_bytes", "_bucket"];

/// An agent with a Milvus that has something to back up and policies that are not due, and
/// neither a broker nor drills nor scheduled verifications.
fn scraped() -> Vec<String> {
    let (_data, server) = nowhere();
    let agent = Agent::new(&server, "fresh").with_fake_milvus(Duration::ZERO);
    let hour = (SystemClock.now().as_second() / 3600 + 12) % 24;
    let nightly = format!("schedule: {{cron: \"0 {hour} * * *\"}}\nretention: {{keep_daily: 7}}\n");
    let after_load = "triggers: [api]\nretention: {keep_all: true}\n";
    agent.serve(&[("nightly", &nightly), ("after-load", after_load)]);
    let mut running = Running::start(&agent);
    let looked = "milvus_backup_preflight_ok";
    running.until("it has looked", |running| {
        running.metrics().keys().any(|name| name.starts_with(looked))
    });
    let metrics = running.metrics();
    let ours = metrics.iter().filter(|(name, _)| name.starts_with("milvus_backup_"));
    let lasting = ours.filter(|(name, _)| !PASSING.iter().any(|part| name.contains(part)));
    let lines = lasting.map(|(name, value)| line(name, *value));
    let up = format!("up{{{TARGET}}}");
    [format!("      - {{series: '{up}', values: '1x720'}}\n")].into_iter().chain(lines).collect()
}

/// One series for promtool, whose clock begins at 0.
fn line(sample: &str, value: i64) -> String {
    let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
    let labels = match name {
        "milvus_backup_build_info" => "revision=\"r\",version=\"0\"}",
        _ => labels,
    };
    let comma = if labels == "}" { "" } else { "," };
    let value = match name.trim_start_matches("milvus_backup_") {
        "catalog_refresh_timestamp_seconds" => "0+60".to_owned(),
        "schedule_next_run_timestamp_seconds" => "90000".to_owned(),
        "repository_free_bytes" => "100000000000".to_owned(),
        "repository_min_free_bytes" => "10000000000".to_owned(),
        name if name.ends_with("_timestamp_seconds") && value > 0 => "1".to_owned(),
        _ => value.to_string(),
    };
    format!("      - {{series: '{name}{{{TARGET}{comma}{labels}', values: '{value}x720'}}\n")
}

#[test]
fn the_fresh_agent_of_the_cases_is_a_real_one() {
    let file = std::fs::read_to_string(super::rules::path("alerts_test.yml")).expect("the cases");
    let (head, rest) = file.split_once(BEGIN).expect("a line says where it begins");
    let (there, tail) = rest.split_once(END).expect("it ends with what is expected");
    let made = scraped();
    let mut all = String::new();
    for line in &made {
        write!(all, "{line}").expect("text is written to memory");
    }
    let names = |text: &str| -> BTreeSet<String> {
        text.lines().map(|line| line.split(", values").next().unwrap_or(line).to_owned()).collect()
    };
    let (old, new) = (names(there), names(&all));
    if std::env::var_os("MBA_GOLDEN_WRITE").is_some() {
        assert_golden("alerts_test.yml", &format!("{head}{BEGIN}{all}{END}{tail}"));
        return;
    }
    let differing: Vec<_> = old.symmetric_difference(&new).collect();
    assert!(differing.is_empty(), "the file and an agent differ: {differing:#?}");
    assert_eq!(cases().tests[0].name, FRESH);
}

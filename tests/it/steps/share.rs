//! Two agents with the same policy on one repository: one is killed in the middle of a run, one
//! stands still for longer than its lease lives, and every slot has one backup.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::agent::slot;
use crate::lab::{Agent, Bucket, LabServer, Running, assert_equal, say};

/// Slots come this often. One agent waits for half a minute before it takes the place of one
/// that stands still, and is done before the slot after the next.
const EVERY: u64 = 20;

/// Longer than a lease lives, and than it takes to see that.
const STILL: Duration = Duration::from_secs(40);

/// What no slot takes.
const PATIENCE: Duration = Duration::from_mins(3);

/// What is copied in a slot takes some seconds at this rate.
const SLOW: (&str, &str) = ("MBA__TRANSFER__MAX_BYTES_PER_SECOND", "100KB");

/// So many times a kill and a stop, each of the agent that is making a backup right then.
pub(crate) fn share_slots(server: &LabServer, tag: &str, repository: Bucket, rounds: u32) {
    let collection = format!("default.{tag}");
    let fill = ["--scenario", "segments", "--rows", "500", "--segments", "2"];
    server.data_py("fill", &[fill.as_slice(), &["--collection", &collection]].concat());
    let first = Agent::over(server, tag, repository.under_another_key());
    let agents = [first.beside(server, tag), first];
    let policy = format!(
        "collections: [{collection}]\nschedule: {{every: {EVERY}s, overlap: queue}}\nretention: {{keep_all: true}}\n"
    );
    for agent in &agents {
        agent.serve(&[("often", &policy)]);
    }
    let running = agents.each_ref().map(|agent| Running::start_with(agent, &[SLOW]));
    let mut pair = Pair {
        agents,
        running: running.map(Some),
        before: Default::default(),
        seen: BTreeSet::new(),
    };
    let mut rows = 1000;
    let mut add = || {
        let start = rows.to_string();
        rows += 200;
        server.data_py("add", &["--collection", &collection, "--rows", "200", "--start", &start]);
    };
    for _ in 0..rounds {
        add();
        pair.kill_one();
        add();
        pair.stop_one();
    }
    pair.both_at_once();
    let counts = pair.settle();
    let last = pair.assert_each_slot_once();
    let agent = &pair.agents[0];
    let before = server.dump(&collection, &agent.path("before.json"));
    agent.restore(&last, &["--suffix", "_r"]);
    let restored = format!("{collection}_r");
    let after = server.dump(&restored, &agent.path("after.json"));
    assert_equal(&before, &after, &[&format!("{collection}={restored}")], "");
    say(&format!(
        "two agents, {rounds} kills and {rounds} stops in the middle of a run: {} slots of {EVERY} s, \
         each with one backup, verified; complete, skipped and failed as told by the agents: {counts:?}",
        agent.complete().len()
    ));
}

struct Pair {
    agents: [Agent; 2],
    running: [Option<Running>; 2],
    /// What processes before logged.
    before: [String; 2],
    /// Backups that one agent was seen to wait for.
    seen: BTreeSet<String>,
}

impl Pair {
    fn log(&self, which: usize) -> String {
        self.running[which].as_ref().map(Running::log).unwrap_or_default()
    }

    /// Whether an agent's present process has said how its run for a backup ended.
    fn ended(&self, which: usize, how: &str, backup: &str) -> bool {
        let log = self.log(which);
        ends(&log, how).any(|ended| ended == backup)
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            let late = begun.elapsed() > PATIENCE;
            assert!(!late, "{what} takes too long:\n{}\n\n{}", self.log(0), self.log(1));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an agent waits for the other; the other and the backup that it is making.
    fn maker(&mut self) -> (usize, String) {
        let mut found = None;
        self.until("one waits for the other", |pair| {
            for which in [0, 1] {
                let log = pair.log(which);
                for name in names(&log, " waiting for the run that makes this backup ") {
                    if pair.seen.insert(name.to_owned()) {
                        found = Some((1 - which, name.to_owned()));
                        return true;
                    }
                }
            }
            false
        });
        found.expect("it was found")
    }

    /// Waits until an agent knows what has become of a backup; whether it made it itself.
    fn makes(&mut self, which: usize, backup: &str) -> bool {
        self.until("a backup in the place of the other", |pair| {
            pair.ended(which, "complete", backup) || pair.ended(which, "skipped", backup)
        });
        self.ended(which, "complete", backup)
    }

    /// Kills the agent that is making a backup. The other one makes it, and the job of the
    /// killed one finds it. Too late is tried again.
    fn kill_one(&mut self) {
        loop {
            let (maker, backup) = self.maker();
            let log = self.running[maker].take().expect("it runs").kill();
            self.before[maker] += &log;
            let taken = self.makes(1 - maker, &backup);
            self.running[maker] = Some(Running::start_with(&self.agents[maker], &[SLOW]));
            if taken {
                self.until("its job", |pair| pair.ended(maker, "skipped", &backup));
                let running = self.running[maker].as_ref().expect("it runs");
                assert_eq!(running.runs("often", "failed"), 1, "the killed run is counted");
                return;
            }
        }
    }

    /// Stops the agent that is making a backup. The other one makes it, and the one that
    /// wakes has nothing to do. Too late is tried again.
    fn stop_one(&mut self) {
        loop {
            let (maker, backup) = self.maker();
            self.running[maker].as_ref().expect("it runs").signal("STOP");
            let begun = Instant::now();
            let taken = self.makes(1 - maker, &backup);
            if taken {
                std::thread::sleep(STILL.saturating_sub(begun.elapsed()));
            }
            self.running[maker].as_ref().expect("it runs").signal("CONT");
            if taken {
                self.until("it wakes", |pair| pair.ended(maker, "skipped", &backup));
                return;
            }
        }
    }

    /// A slot with nothing in the way.
    fn both_at_once(&mut self) {
        let (maker, backup) = self.maker();
        self.until("a slot", |pair| {
            pair.ended(maker, "complete", &backup) && pair.ended(1 - maker, "skipped", &backup)
        });
    }

    /// What both tell is what was done and what is there; how many runs ended in each way.
    /// Then both stop.
    fn settle(&mut self) -> Vec<[u64; 3]> {
        self.until("both agents at rest, and in accord", |pair| {
            let all: Vec<_> = pair.running.iter().flatten().collect();
            let backup = "{kind=\"backup\",policy=\"often\"}";
            let at_rest = |running: &&&Running| {
                running.metric(&format!("run_in_progress{backup}")) == Some(0)
            };
            let seen = |running: &&Running| {
                let complete = "backups{policy=\"often\",state=\"complete\"}";
                let success = format!("last_success_timestamp_seconds{backup}");
                (running.metric(complete), running.metric(&success))
            };
            let made = pair.agents[0].complete().len();
            all.iter().filter(at_rest).count() == 2
                && seen(&all[0]) == seen(&all[1])
                && seen(&all[0]).0.and_then(|count| usize::try_from(count).ok()) == Some(made)
        });
        let mut counts = Vec::new();
        for which in [0, 1] {
            let running = self.running[which].take().expect("it runs");
            let told = ["complete", "skipped", "failed"].map(|how| running.runs("often", how));
            let log = running.log();
            let logged = |how| ends(&log, how).count() as u64;
            let again = log.matches("a job of an earlier process goes on").count() as u64;
            assert_eq!(told, [logged("complete"), logged("skipped"), again], "{log}");
            for how in ["partial", "cancelled"] {
                assert_eq!(running.runs("often", how), 0, "{log}");
            }
            counts.push(told);
            self.before[which] += &running.stop();
        }
        counts
    }

    /// Every slot from the first to the last has one backup, which one agent made; the last.
    fn assert_each_slot_once(&self) -> String {
        let complete = self.agents[0].complete();
        for backup in &complete {
            self.agents[0].verify(backup);
        }
        let listed = self.agents[0].ok(&["list"]);
        assert_eq!(listed.as_array().map(Vec::len), Some(complete.len()), "{listed}");
        let slots: BTreeSet<_> = complete.iter().map(|name| slot(name)).collect();
        assert_eq!(slots.len(), complete.len());
        let (first, last) = (slots.first().expect("a slot"), slots.last().expect("a slot"));
        let all = last.duration_since(*first).as_secs() / i64::try_from(EVERY).expect("short") + 1;
        assert_eq!(usize::try_from(all).expect("a few"), complete.len(), "{complete:?}");
        let mut made: BTreeMap<&str, u32> = BTreeMap::new();
        for log in &self.before {
            assert_eq!(ends(log, "failed").count(), 0, "{log}");
            for name in ends(log, "complete") {
                *made.entry(name).or_default() += 1;
            }
        }
        let once: BTreeMap<&str, u32> = complete.iter().map(|name| (name.as_str(), 1)).collect();
        assert_eq!(made, once);
        complete.last().expect("a backup").clone()
    }
}

/// The backups whose runs ended so, as a log has it.
fn ends<'l>(log: &'l str, how: &str) -> impl Iterator<Item = &'l str> + use<'l> {
    names(log, &format!(" backup {how} "))
}

/// The backups that are named in the lines of a log that hold a message.
fn names<'l>(log: &'l str, message: &str) -> impl Iterator<Item = &'l str> + use<'l> {
    let named = |line: &'l str| line.split_once(" backup=")?.1.split_whitespace().next();
    let message = message.to_owned();
    log.lines().filter(move |line| line.contains(&message)).filter_map(named)
}

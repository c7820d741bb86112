//! The fuzz targets without a fuzzer: every seed of `tests/fuzz/corpus`, and changes of them.
//! `make soak` searches for longer, and sees which code it reaches.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[expect(unreachable_pub, reason = "for the fuzzers it is a crate")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use targets::{Words, numbers};

/// Set to try one change alone.
const ONE: &str = "MBA_FUZZ_SEED";

/// What takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// No change is longer.
const LONGEST: usize = 4096;

#[test]
fn any_trigger_message_is_read_or_refused_in_a_few_words() {
    hold("trigger", targets::trigger, 20_000);
}

#[test]
fn any_policy_can_be_used_or_its_problems_are_told() {
    hold("policy", targets::policy, 1500);
}

/// The fuzzers are built apart, for `make soak`, and what they run is what the agent runs.
#[test]
fn the_lock_of_the_fuzzers_is_that_of_the_agent() {
    let text = |file: &str| fs::read_to_string(root().join(file)).expect("the file is there");
    let (agents, fuzzers) = (text("Cargo.lock"), text("tests/fuzz/Cargo.lock"));
    // Name and version.
    let head = |package: &str| package.lines().take(2).collect::<Vec<_>>().join(" ");
    let heads = |lock: &str| lock.split("[[package]]\n").skip(1).map(head).collect::<Vec<_>>();
    let (agents, found) = (heads(&agents), heads(&fuzzers));
    let apart = ["arbitrary", "fuzz", "libfuzzer-sys"].map(|name| format!("name = \"{name}\""));
    let known = |package: &String| {
        agents.contains(package) || apart.iter().any(|name| package.starts_with(name))
    };
    let mut wrong: Vec<String> = found.iter().filter(|package| !known(package)).cloned().collect();
    let manifest = text("Cargo.toml");
    let sections = manifest.split("\n[").filter(|section| {
        section.starts_with("dependencies]") || section.starts_with("build-dependencies]")
    });
    let needed = sections.flat_map(str::lines).filter_map(|line| line.split_once(" = "));
    let missing = |name: &str| !fuzzers.contains(&format!("\nname = \"{name}\"\n"));
    wrong.extend(needed.map(|(name, _)| name.to_owned()).filter(|name| missing(name)));
    assert!(found.len() > 200, "{} packages", found.len());
    let remedy = "cp Cargo.lock tests/fuzz/ && cargo metadata --format-version 1 --manifest-path \
                  tests/fuzz/Cargo.toml >/dev/null";
    assert!(wrong.is_empty(), "not the same: {wrong:?}; {remedy}");
}

/// Gigabytes, and inputs that nobody has looked at.
#[test]
fn what_the_fuzzers_leave_is_not_committed() {
    let ignored = fs::read_to_string(root().join(".gitignore")).expect("the file is there");
    let script = fs::read_to_string(root().join("tests/fuzz/run.sh")).expect("the file is there");
    assert!(ignored.lines().any(|line| line == "/tests/fuzz/target"), "{ignored}");
    for folder in ["--target-dir target", "grown=\"target/", "found=\"target/", "log=\"target/"] {
        assert!(script.contains(folder), "run.sh writes elsewhere than {folder}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The number of the change to try alone, or 0.
#[expect(clippy::disallowed_methods, reason = "it is the test that is configured")]
fn one() -> u64 {
    std::env::var(ONE).map_or(0, |number| number.parse().expect("a number"))
}

/// Tries every seed, and so many changes of them.
fn hold(name: &'static str, target: fn(&[u8]) -> bool, count: u64) {
    let (seeds, words) = (seeds(name), words(name));
    assert!(seeds.len() > 20, "{} seeds of {name}", seeds.len());
    let one = one();
    let which = if one == 0 { 1..=count } else { one..=one };
    let as_they_are = seeds.iter().filter(|_| one == 0);
    let as_they_are = as_they_are.map(|(file, input)| (file.clone(), input.clone()));
    let changed = which.map(|number| (format!("{ONE}={number}"), change(number, &seeds, &words)));
    let worker = Worker::new(target);
    let (mut accepted, mut refused) = (0, 0);
    for (what, input) in as_they_are.chain(changed) {
        match worker.hold(&input) {
            Ok(true) => accepted += 1,
            Ok(false) => refused += 1,
            Err(how) => panic!("{name} {how} with {what}: {}", kept(name, &input)),
        }
    }
    let enough = one > 0 || (accepted > 100 && refused > 500);
    assert!(enough, "{name}: {accepted} accepted and {refused} refused are no test");
}

/// A thread that tries inputs, so that one that hangs is told as well.
struct Worker {
    inputs: mpsc::Sender<Vec<u8>>,
    answers: mpsc::Receiver<Option<bool>>,
}

impl Worker {
    fn new(target: fn(&[u8]) -> bool) -> Self {
        let (inputs, taken) = mpsc::channel::<Vec<u8>>();
        let (answer, answers) = mpsc::channel();
        thread::spawn(move || {
            for input in taken {
                let held = catch_unwind(|| target(&input)).ok();
                if answer.send(held).is_err() {
                    return;
                }
            }
        });
        Self { inputs, answers }
    }

    /// Whether it is accepted, or what is wrong.
    fn hold(&self, input: &[u8]) -> Result<bool, &'static str> {
        self.inputs.send(input.to_vec()).expect("the worker takes inputs");
        match self.answers.recv_timeout(PATIENCE) {
            Ok(held) => held.ok_or("does not hold"),
            Err(_) => Err("hangs"),
        }
    }
}

/// Keeps an input that was found, and says where.
fn kept(name: &str, input: &[u8]) -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-found"));
    fs::write(&file, input).expect("the folder is there");
    let shown = input.escape_ascii();
    format!("{} (mend it and keep it in tests/fuzz/corpus/{name}): {shown}", file.display())
}

// ---- inputs -------------------------------------------------------------------------------------

type Seed = (String, Vec<u8>);

fn seeds(name: &str) -> Vec<Seed> {
    let folder = root().join("tests/fuzz/corpus").join(name);
    let files = fs::read_dir(folder).expect("there is a corpus");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("it is there").path()).collect();
    files.sort();
    let seed = |file: PathBuf| (file.display().to_string(), fs::read(&file).expect("it is there"));
    files.into_iter().map(seed).collect()
}

fn words(name: &str) -> Words {
    let text = fs::read_to_string(root().join(format!("tests/fuzz/{name}.dict")));
    Words::of(&text.expect("there is a dictionary"))
}

/// One of the seeds, changed once or twice.
fn change(number: u64, seeds: &[Seed], words: &Words) -> Vec<u8> {
    let below = &mut numbers(number);
    let mut input = seeds[below(seeds.len())].1.clone();
    for _ in 0..=below(2) {
        let from = below(input.len() + 1);
        let to = (from + below(16)).min(input.len());
        match below(14) {
            0 if from < input.len() => input[from] ^= 1 << below(8),
            1 if from < input.len() => input[from] = below(256).to_le_bytes()[0],
            2 => drop(input.drain(from..to)),
            3 => input.truncate(from),
            4 => {
                let again = input[from..to].repeat(1 + below(40));
                drop(input.splice(from..from, again));
            }
            5 => {
                let other = &seeds[below(seeds.len())].1;
                input.truncate(from);
                input.extend_from_slice(&other[below(other.len() + 1)..]);
            }
            way @ 6..=7 => {
                let end = if way == 6 { from } else { to };
                drop(input.splice(from..end, words.one(below).to_vec()));
            }
            _ => words.exchange(&mut input, below),
        }
        input.truncate(LONGEST);
    }
    input
}

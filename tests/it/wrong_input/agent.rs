//! Runs the program and reads what it says.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longer than any deadline of the agent that these cases meet.
const PATIENCE: Duration = Duration::from_secs(45);

/// The program with its own folders and environment.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    folder: Arc<TempDir>,
    variables: BTreeMap<String, OsString>,
    wrapper: Vec<String>,
    program: PathBuf,
}

impl Agent {
    /// Without a Milvus: nothing listens on port 1.
    pub(super) fn alone() -> Self {
        let folder = Arc::new(TempDir::new().expect("a temporary folder can be made"));
        let agent = Self {
            variables: BTreeMap::new(),
            wrapper: Vec::new(),
            program: env!("CARGO_BIN_EXE_milvus-backup-agent").into(),
            folder,
        };
        fs::create_dir(agent.path("milvus")).expect("the temporary folder is writable");
        agent
            .with("MILVUS__ADDRESS", "http://127.0.0.1:1")
            .with("MILVUS__CLUSTER", "lab")
            .with("MILVUS__STORAGE__LOCAL__PATH", agent.path("milvus"))
            .with("REPOSITORY__LOCAL__PATH", agent.path("repository"))
            .with("REPOSITORY__LOCAL__MIN_FREE", "0B")
            .with("STATE", agent.path("state"))
    }

    /// An agent with the same Milvus and folders of its own.
    pub(super) fn in_new_folder(&self) -> Self {
        let mut agent = Self::alone();
        for key in ["MBA__MILVUS__ADDRESS", "MBA__MILVUS__STORAGE__LOCAL__PATH"] {
            agent.variables.insert(key.to_owned(), self.variables[key].clone());
        }
        agent
    }

    /// A path in the agent's own folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it keeps backups.
    pub(super) fn repository(&self) -> PathBuf {
        self.variables["MBA__REPOSITORY__LOCAL__PATH"].clone().into()
    }

    /// The same agent with another value for a key.
    pub(super) fn with(&self, key: &str, value: impl Into<OsString>) -> Self {
        let mut agent = self.clone();
        agent.variables.insert(format!("MBA__{key}"), value.into());
        agent
    }

    /// The same agent without a key.
    pub(super) fn without(&self, key: &str) -> Self {
        let mut agent = self.clone();
        agent.variables.remove(&format!("MBA__{key}"));
        agent
    }

    /// The same agent, run by another program.
    pub(super) fn under<S: Into<String>>(&self, wrapper: impl IntoIterator<Item = S>) -> Self {
        let wrapper = wrapper.into_iter().map(Into::into).collect();
        Self { wrapper, ..self.clone() }
    }

    /// Another copy of the program, which other users can read.
    pub(super) fn with_program(&self, program: &Path) -> Self {
        Self { program: program.to_owned(), ..self.clone() }
    }

    /// Starts a command.
    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.program),
            Some((wrapper, rest)) => {
                let mut command = Command::new(wrapper);
                command.args(rest).arg(&self.program);
                command
            }
        };
        let child = command
            .args(arguments)
            .current_dir("/")
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        Running { child, arguments: arguments.join(" "), begun: Instant::now() }
    }

    /// Runs a command to its end.
    pub(super) fn run(&self, arguments: &[&str]) -> Said {
        self.start(arguments).end()
    }

    /// Runs a command that must work.
    pub(super) fn works(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{said}");
        said
    }

    /// Runs a command twice, for text and for JSON; both must end with `code` and hold `words`.
    pub(super) fn refuses(&self, arguments: &[&str], code: i32, words: &[&str]) {
        self.run(arguments).fails(code, words);
        self.fails_in_json(arguments, code, words);
    }

    /// Runs a command for JSON, which must end with `code` and hold `words`.
    pub(super) fn fails_in_json(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let said = self.run(&[&["--output", "json"], arguments].concat());
        said.error().check(&said, code, words);
    }

    /// Every listed backup with its state and reasons, after verifying every byte of those
    /// that are said to be whole. No repository is no backup.
    pub(super) fn listed(&self) -> Vec<Listed> {
        let said = self.run(&["--output", "json", "list"]);
        if said.code == Some(10) {
            return Vec::new();
        }
        assert_eq!(said.code, Some(0), "{said}");
        let rows: Vec<Value> = serde_json::from_str(&said.stdout).expect("list prints JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        rows.iter()
            .map(|row| {
                let (name, state) = (text(&row["name"]), text(&row["state"]));
                let cluster = text(&row["cluster"]);
                if ["complete", "partial"].contains(&state.as_str()) {
                    self.works(&["verify", &name, "--cluster", &cluster, "--depth", "content"]);
                }
                let reasons = row["reasons"].as_array().expect("a list").iter().map(text);
                Listed { name, state, reasons: reasons.collect::<Vec<_>>().join("; ") }
            })
            .collect()
    }

    /// The listed state of one backup, and why.
    pub(super) fn state_of(&self, name: &str) -> (String, String) {
        let found = self.listed().into_iter().find(|backup| backup.name == name);
        let found = found.unwrap_or_else(|| panic!("`{name}` is not listed"));
        (found.state, found.reasons)
    }
}

/// One line of `list`.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) reasons: String,
}

/// A command at work.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    arguments: String,
    begun: Instant,
}

impl Running {
    /// Waits until a file exists, which the command is about to write.
    pub(super) fn wait_for(&mut self, file: &Path) {
        while !file.exists() {
            let ended = self.child.try_wait().expect("the child can be asked");
            assert!(ended.is_none(), "{} ended before {}", self.arguments, file.display());
            assert!(self.begun.elapsed() < PATIENCE, "{} never came", file.display());
            sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by its name.
    pub(super) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Closes the end that reads stdout.
    pub(super) fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    /// Its end, which must come.
    pub(super) fn end(mut self) -> Said {
        while self.child.try_wait().expect("the child can be asked").is_none() {
            if self.begun.elapsed() > PATIENCE {
                self.child.kill().expect("the child can be killed");
                panic!("`{}` hangs", self.arguments);
            }
            sleep(Duration::from_millis(5));
        }
        let took = self.begun.elapsed();
        let Output { status, stdout, stderr } =
            self.child.wait_with_output().expect("the output can be read");
        let text = |bytes| String::from_utf8(bytes).expect("the agent prints UTF-8");
        Said {
            arguments: self.arguments,
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
            took,
        }
    }
}

/// Sends a signal to a process.
pub(super) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(sent.expect("kill can be started").success(), "{name} to {process}");
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(super) struct Said {
    arguments: String,
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) took: Duration,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { arguments, code, stdout, stderr, .. } = self;
        write!(f, "`{arguments}` ended with {code:?}\nstdout: {stdout}\nstderr: {stderr}")
    }
}

impl Said {
    /// It must have failed with `code`, said so in text with all `words`, and nothing else.
    pub(super) fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        assert_eq!(self.stdout, "", "{self}");
        assert!(self.stderr.contains("error: "), "{self}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing: {self}");
        }
        assert_is_no_rust(&self.stderr);
    }

    /// The error on stdout.
    fn error(&self) -> JsonError {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self}"));
        let error = &value["error"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let keys: HashSet<&str> =
            error.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, HashSet::from(["kind", "message", "hint", "causes"]), "{self}");
        JsonError {
            kind: text(&error["kind"]).expect("a kind"),
            message: text(&error["message"]).expect("a message"),
            hint: text(&error["hint"]),
            causes: error["causes"].as_array().expect("a list").iter().filter_map(text).collect(),
        }
    }
}

struct JsonError {
    kind: String,
    message: String,
    hint: Option<String>,
    causes: Vec<String>,
}

impl JsonError {
    fn check(&self, said: &Said, code: i32, words: &[&str]) {
        assert_eq!(said.code, Some(code), "{said}");
        assert_eq!(self.kind, kind_of(code), "{said}");
        let causes = self.causes.iter().map(String::as_str);
        let parts: Vec<&str> =
            [self.message.as_str()].into_iter().chain(causes).chain(self.hint.as_deref()).collect();
        let all = parts.join("\n");
        for word in words {
            assert!(all.contains(word), "`{word}` is missing: {said}");
        }
        assert_is_no_rust(&all);
        assert_says_nothing_twice(&parts);
    }
}

fn kind_of(code: i32) -> &'static str {
    match code {
        1 => "failed",
        2 => "usage",
        4 => "nothing_to_do",
        10 => "not_found",
        11 => "locked",
        12 => "not_authorised",
        13 => "milvus_unreachable",
        14 => "damaged",
        15 => "refused",
        130 => "cancelled",
        other => panic!("{other} is no documented exit code of an error"),
    }
}

/// Nothing of `Debug` output, type names or panics.
fn assert_is_no_rust(text: &str) {
    let signs =
        ["Some(", "None", "Err(", "Ok(", "Os {", "kind:", "::", "Error", "panicked", "\\\""];
    for sign in signs {
        assert!(!text.contains(sign), "`{sign}` in: {text}");
    }
}

/// No part may repeat another, and no longer clause may come twice.
fn assert_says_nothing_twice(parts: &[&str]) {
    let clauses = parts.iter().flat_map(|part| part.split([':', ';', '\n'])).map(str::trim);
    let mut seen = HashSet::new();
    let told = |clause: &&str| clause.len() > 20 && !clause.starts_with("-->");
    for clause in clauses.filter(told) {
        assert!(seen.insert(clause), "`{clause}` comes twice in: {parts:?}");
    }
}

//! The program itself leaves its events for the agent: a repository from the fakes, no Milvus.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use milvus_backup_agent::job::Spool;
use milvus_backup_agent::model::{Address, Clock, Letter, ObjectKey, SystemClock};
use milvus_backup_agent::storage::{LocalStore, ObjectStore, PutMode};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Lab, snapshot};

/// A host whose agent takes events up, with a repository that has the backup `first`.
struct Host {
    folder: TempDir,
    milvus: String,
}

impl Host {
    async fn new() -> Self {
        let lab = Lab::new();
        lab.fill("films", 0..5).await;
        lab.backup("first").await;
        let folder = TempDir::new().expect("a folder");
        let store = LocalStore::open(&folder.path().join("repository")).await.expect("a store");
        for (key, content) in snapshot(&lab.repository).await {
            let key = ObjectKey::new(key).expect("a key");
            store.put(&key, content, PutMode::IfAbsent).await.expect("it is written");
        }
        for name in ["state/outbox", "milvus", "policies"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        let host = Self { folder, milvus: "http://127.0.0.1:1".to_owned() };
        host.run(&["cluster", "adopt", "c1", "--reason", "a test"]);
        host
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let place = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(cargo_bin!("milvus-backup-agent"));
        command
            .args(["--output", "json"])
            .args(arguments)
            .current_dir("/")
            .env("MBA__MILVUS__ADDRESS", &self.milvus)
            .env("MBA__MILVUS__CLUSTER", "c1")
            .env("MBA__MILVUS__STORAGE__LOCAL__PATH", place("milvus"))
            .env("MBA__REPOSITORY__LOCAL__PATH", place("repository"))
            .env("MBA__POLICIES", place("policies"))
            .env("MBA__STATE", self.state())
            .env("MBA__AMQP__URL", "amqp://127.0.0.1:1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// Runs the program; its exit code and the events that it left.
    fn told(&self, arguments: &[&str]) -> (i32, Vec<Event>) {
        let output = self.run(arguments);
        (output.status.code().expect("an exit code"), self.events())
    }

    /// What the agent finds, and takes away.
    fn events(&self) -> Vec<Event> {
        let found = Spool::of(&self.state()).collect(SystemClock.now()).expect("it is read");
        let read = |letter: &Letter| {
            let Address::Topic { key } = &letter.to else { panic!("{letter:?} is an answer") };
            Event {
                key: key.clone(),
                body: serde_json::from_str(&letter.body).expect("a body of JSON"),
            }
        };
        let events = found.letters.iter().map(read).collect();
        found.done();
        events
    }

    /// The program, once it has left word that it is at work.
    fn start(&self, arguments: &[&str]) -> (Child, Vec<Event>) {
        let mut child = self.command(arguments).spawn().expect("the program runs");
        let begun = Instant::now();
        loop {
            let events = self.events();
            if !events.is_empty() {
                return (child, events);
            }
            let ended = child.try_wait().expect("it is looked at");
            assert!(ended.is_none(), "it ended: {ended:?}");
            assert!(begun.elapsed() < Duration::from_mins(1), "it does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[derive(Debug)]
struct Event {
    key: String,
    body: Value,
}

impl Event {
    fn data(&self, name: &str) -> &Value {
        self.body["data"].get(name).unwrap_or(&Value::Null)
    }
}

fn keys(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.key.as_str()).collect()
}

/// A start and an end of one run.
#[track_caller]
fn pair<'e>(events: &'e [Event], kind: &str, word: &str) -> &'e Event {
    assert_eq!(keys(events), [format!("{kind}.started"), format!("{kind}.{word}")], "{events:?}");
    let [started, ended] = events else { unreachable!("there are two") };
    for same in ["run", "started_at", "policy", "cluster", "trigger", "kind"] {
        assert_eq!(started.data(same), ended.data(same), "{same}: {events:?}");
    }
    assert_eq!(ended.data("trigger"), "cli");
    assert!(started.data("outcome").is_null() && ended.data("ended_at").is_string());
    assert!(ended.body["source"].as_str().is_some_and(|it| it.starts_with("/clusters/c1/hosts/")));
    ended
}

#[tokio::test]
async fn a_command_leaves_word_of_its_start_and_of_its_end() {
    let host = Host::new().await;
    assert_eq!(host.events().len(), 0, "an adoption is no run");

    let (code, events) = host.told(&["verify", "first", "--depth", "content"]);
    let ended = pair(&events, "verify", "succeeded");
    assert_eq!((code, ended.data("depth").as_str()), (0, Some("content")), "{ended:?}");
    assert_eq!((ended.data("backup").as_str(), ended.data("error")), (Some("first"), &Value::Null));

    let (code, events) = host.told(&["prune", "--apply"]);
    let ended = pair(&events, "prune", "succeeded");
    assert_eq!((code, ended.data("files_deleted").as_u64()), (0, Some(0)), "{ended:?}");

    let (code, events) = host.told(&["restore", "first", "--suffix", "_2"]);
    let ended = pair(&events, "restore", "failed");
    assert_eq!((code, &ended.data("error")["kind"]), (13, &"milvus_unreachable".into()));
    assert!(ended.data("error")["hint"].as_str().is_some_and(|hint| hint.contains("Milvus runs")));
    assert_eq!(ended.body["subject"], "first");

    let (code, events) = host.told(&["backup", "--name", "second"]);
    let ended = pair(&events, "backup", "failed");
    assert_eq!((code, ended.data("backup").as_str()), (13, Some("second")));

    // What is wrong before it comes to work is told, too.
    let (code, events) = host.told(&["backup", "--policy", "none"]);
    let ended = pair(&events, "backup", "failed");
    assert_eq!((code, ended.data("policy").as_str()), (2, Some("none")), "{ended:?}");

    let list = host.folder.path().join("repository/c1/_lists");
    for entry in fs::read_dir(list).expect("lists") {
        fs::remove_file(entry.expect("a list").path()).expect("it is removed");
    }
    let (code, events) = host.told(&["verify", "first"]);
    let ended = pair(&events, "verify", "failed");
    assert_eq!((code, &ended.data("error")["kind"]), (14, &"damaged".into()), "{ended:?}");
    assert_eq!(ended.data("damaged_count"), 1, "{ended:?}");
    let (code, events) = host.told(&["prune", "--apply"]);
    let ended = pair(&events, "prune", "partial");
    assert_eq!((code, &ended.data("error")["kind"]), (15, &"refused".into()), "{ended:?}");
    assert!(ended.data("refused").is_string());
}

#[tokio::test]
async fn a_look_leaves_no_word() {
    let host = Host::new().await;
    let plans = [
        &["prune"][..],
        &["backup", "--plan"],
        &["restore", "first", "--plan"],
        &["list"],
        &["show", "first"],
        &["pin", "first", "--reason", "x"],
    ];
    for plan in plans {
        assert_eq!(keys(&host.told(plan).1), [""; 0], "{plan:?}");
    }
    let host = Host::new().await;
    fs::remove_dir(host.state().join("outbox")).expect("it is empty");
    let mut without_broker = host.command(&["verify", "first"]);
    let output = without_broker.env_remove("MBA__AMQP__URL").output().expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    assert!(!host.state().join("outbox").exists(), "there is nobody to tell");
}

#[tokio::test]
async fn a_killed_command_leaves_word_of_its_death_and_a_stopped_one_of_its_end() {
    // Someone who says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut host = Host::new().await;
    host.milvus = format!("http://{}", silent.local_addr().expect("an address"));
    let arguments = ["backup", "--name", "second"];

    let (mut child, started) = host.start(&arguments);
    assert_eq!(keys(&started), ["backup.started"]);
    assert_eq!(host.events().len(), 0, "it lives");
    child.kill().expect("it is killed");
    child.wait().expect("it is over");
    let ended = host.events();
    assert_eq!(keys(&ended), ["backup.failed"]);
    assert_eq!(ended[0].data("run"), started[0].data("run"));
    assert_eq!(ended[0].data("detail"), "it was killed while it was at work");
    assert!(ended[0].data("ended_at").is_null(), "{ended:?}");

    let (child, mut events) = host.start(&arguments);
    let pid = i32::try_from(child.id()).expect("a process id");
    signal_interrupt(pid);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    events.extend(host.events());
    assert!(pair(&events, "backup", "cancelled").data("error").is_null(), "{events:?}");
    assert_eq!(files(&host.state().join("outbox")), 0);
}

fn signal_interrupt(pid: i32) {
    let sent = Command::new("kill").args(["-INT", &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

/// What the program said of the only thing that went wrong.
#[track_caller]
fn warned(output: &Output) {
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    let told = talk.matches("events of this run cannot be left").count();
    assert_eq!(told, 1, "{talk}");
    assert!(talk.contains("as root") && talk.contains("state/outbox"), "{talk}");
}

#[tokio::test]
async fn events_that_cannot_be_left_are_a_warning_and_no_failure() {
    let host = Host::new().await;
    let outbox = host.state().join("outbox");
    fs::remove_dir(&outbox).expect("it is empty");
    fs::write(&outbox, "").expect("a file is in its place");
    warned(&host.run(&["verify", "first"]));

    // A disk that is full, and one that is read-only: real ones, of this command alone.
    let host = Host::new().await;
    let state = host.state().display().to_string();
    let full = format!(
        "mount -t tmpfs -o size=64k tmpfs {state}; mkdir {state}/outbox; \
         cat /dev/zero >{state}/ballast || true"
    );
    let read_only =
        format!("mount --bind {state} {state}; mount -o remount,ro,bind {state} {state}");
    for disk in [full, read_only] {
        let verify = host.command(&["verify", "first"]);
        let script = format!("{disk}; exec \"$0\" \"$@\"");
        let mut inside = Command::new("unshare");
        inside.args(["-Urm", "sh", "-ec", &script]).arg(verify.get_program());
        inside.args(verify.get_args());
        inside.envs(verify.get_envs().filter_map(|(name, value)| Some((name, value?))));
        warned(&inside.output().expect("unshare runs"));
    }
}

/// Root, who runs a command by hand; the agent is another user.
#[tokio::test]
async fn the_agent_can_take_up_what_root_has_left() {
    const AGENT: u32 = 65_534;
    let host = Host::new().await;
    let outbox = host.state().join("outbox");
    for folder in [host.folder.path(), &host.state(), &outbox] {
        chown(folder, Some(AGENT), Some(AGENT)).expect("this is root");
    }
    let verify = host.command(&["verify", "first"]);
    // As strict as a shell can be told to be.
    let strict = Command::new("sh")
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(verify.get_program())
        .args(verify.get_args())
        .envs(verify.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output();
    assert!(strict.expect("a shell").status.success());
    assert_eq!(files(&outbox), 2);
    let takes_up =
        "for file in \"$0\"/*.json; do flock -n \"$file\" cat \"$file\"; rm \"$file\"; done";
    let taken = Command::new("setpriv")
        .args([format!("--reuid={AGENT}"), format!("--regid={AGENT}")])
        .args(["--clear-groups", "sh", "-ec", takes_up])
        .arg(&outbox)
        .output()
        .expect("setpriv runs");
    let read = String::from_utf8_lossy(&taken.stdout);
    assert!(read.contains("verify.started") && read.contains("verify.succeeded"), "{taken:?}");
    assert_eq!(files(&outbox), 0);
}

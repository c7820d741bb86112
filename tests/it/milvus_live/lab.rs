//! Starting and feeding a real Milvus.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use milvus_backup_agent::milvus::{GrpcMilvus, ImportState, ImportTask, MilvusApi};

/// A running Milvus of `tests/lab`. It is killed when this process is gone.
#[derive(Debug, Clone)]
pub(crate) struct LabServer {
    pub(crate) address: String,
    /// Its local storage.
    pub(crate) data: PathBuf,
}

/// The server that all tests here share; each works on collections of its own.
pub(super) fn milvus() -> LabServer {
    static SERVER: OnceLock<LabServer> = OnceLock::new();
    SERVER.get_or_init(|| LabServer::start("live", &[])).clone()
}

impl LabServer {
    pub(crate) fn start(name: &str, settings: &[&str]) -> Self {
        let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", *setting]).collect();
        Self::start_with(name, &settings)
    }

    /// With any arguments of `milvus.py start`.
    pub(crate) fn start_with(name: &str, options: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("milvus-{name}"));
        let folder = folder.to_str().expect("the target folder has a plain name");
        let watch = std::process::id().to_string();
        lab("milvus.py", &["stop", "--dir", folder]);
        if std::fs::exists(folder).expect("the target folder is readable") {
            std::fs::remove_dir_all(folder).expect("the folder of the last run can go");
        }
        let mut arguments = vec!["start", "--dir", folder, "--watch", &watch];
        arguments.extend(options);
        let answer: serde_json::Value =
            serde_json::from_str(&lab("milvus.py", &arguments)).expect("start prints JSON");
        let text = |key: &str| answer[key].as_str().expect("start prints texts").to_owned();
        Self { address: text("address"), data: text("data").into() }
    }

    pub(super) fn client(&self) -> GrpcMilvus {
        GrpcMilvus::new(&self.address.parse().unwrap()).unwrap()
    }

    pub(crate) fn data_py(&self, command: &str, arguments: &[&str]) -> String {
        let mut all = vec![command, "--address", &self.address];
        all.extend(arguments);
        lab("data.py", &all)
    }

    pub(super) fn folder(&self, log: &str, ids: &[i64]) -> Option<String> {
        let ids: PathBuf = ids.iter().map(ToString::to_string).collect();
        let folder = self.data.join(log).join(ids);
        folder.is_dir().then(|| format!("{}/", folder.display()))
    }
}

/// Runs a script of the lab and returns what it printed.
pub(crate) fn lab(script: &str, arguments: &[&str]) -> String {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let run = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.expect("the lab's script can be started");
        assert!(output.status.success(), "{command:?} failed");
        String::from_utf8(output.stdout).expect("the lab prints text").trim().to_owned()
    };
    let python = PYTHON.get_or_init(|| run(&mut Command::new(folder.join("setup.sh"))));
    run(Command::new(python).arg(folder.join(script)).args(arguments))
}

pub(super) async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what} takes too long");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(super) async fn imported(client: &GrpcMilvus, task: ImportTask) -> i64 {
    let begun = Instant::now();
    loop {
        match client.import_state(task).await.unwrap() {
            ImportState::Completed { rows } => return rows,
            ImportState::Failed { reason } => panic!("{reason}"),
            ImportState::Running { percent } => {
                assert!(begun.elapsed() < Duration::from_mins(2), "stuck at {percent} %");
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

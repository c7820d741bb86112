//! Starting and feeding a real Milvus.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use milvus_backup_agent::config::MilvusAccess;
use milvus_backup_agent::milvus::GrpcMilvus;
use tempfile::TempDir;

use super::{Bucket, printed};

/// A running Milvus of `tests/lab`. It is killed when this process is gone.
#[derive(Debug, Clone)]
pub(crate) struct LabServer {
    pub(crate) address: String,
    /// Where it answers HTTP.
    pub(crate) management: String,
    /// Its local storage.
    pub(crate) data: PathBuf,
    /// Where its files are instead, if they are on S3.
    pub(crate) bucket: Option<Bucket>,
    /// What `tests/lab/channel.py` reads, if it wants to know who asks.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// The server that the tests share; each works on collections of its own. It compacts
/// nothing, so that files stay where they are.
pub(crate) fn milvus() -> LabServer {
    static SERVER: OnceLock<LabServer> = OnceLock::new();
    SERVER.get_or_init(|| LabServer::start("shared", &["dataCoord.enableCompaction=false"])).clone()
}

/// The 2.2.16 that the tests share: it writes deletes down after 5 s instead of 10 minutes.
pub(crate) fn milvus_2_2() -> LabServer {
    static SERVER: OnceLock<LabServer> = OnceLock::new();
    let settings = ["dataNode.segment.syncPeriod=5", "dataCoord.enableCompaction=false"];
    let settings = settings.into_iter().flat_map(|setting| ["--set", setting]);
    let options: Vec<&str> = ["--version", "2.2.16"].into_iter().chain(settings).collect();
    SERVER.get_or_init(|| LabServer::start_with("shared-2.2", &options)).clone()
}

/// A Milvus that nobody started, with a storage folder that is there.
pub(crate) fn nowhere() -> (TempDir, LabServer) {
    let data = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let server = LabServer {
        address: "http://127.0.0.1:9".to_owned(),
        management: "http://127.0.0.1:9".to_owned(),
        data: data.path().to_owned(),
        bucket: None,
        environment: Vec::new(),
    };
    (data, server)
}

impl LabServer {
    pub(crate) fn start(name: &str, settings: &[&str]) -> Self {
        let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", *setting]).collect();
        Self::start_with(name, &settings)
    }

    /// One that keeps its files in a bucket, and compacts nothing.
    pub(crate) fn on(bucket: Bucket, name: &str, more: &[&str]) -> Self {
        let settings = bucket.milvus();
        let mut settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        settings.extend(more);
        settings.push("dataCoord.enableCompaction=false");
        Self { bucket: Some(bucket), ..Self::start(name, &settings) }
    }

    /// Where its files are, as a value of the agent's configuration.
    pub(crate) fn storage(&self) -> String {
        match &self.bucket {
            Some(bucket) => format!("{{s3: {}}}", bucket.yaml()),
            None => format!("{{local: {{path: {}}}}}", self.data.display()),
        }
    }

    /// With any arguments of `milvus.py start`.
    pub(crate) fn start_with(name: &str, options: &[&str]) -> Self {
        Self::launch(Vec::new(), name, options)
    }

    /// One that wants to know who asks.
    pub(crate) fn start_in(
        environment: Vec<(&'static str, String)>,
        name: &str,
        settings: &[String],
    ) -> Self {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        Self::launch(environment, name, &settings.collect::<Vec<_>>())
    }

    fn launch(environment: Vec<(&'static str, String)>, name: &str, options: &[&str]) -> Self {
        let name = format!("milvus-{}-{name}", env!("CARGO_CRATE_NAME"));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let folder = folder.to_str().expect("the target folder has a plain name");
        let watch = std::process::id().to_string();
        lab("milvus.py", &["stop", "--dir", folder]);
        if std::fs::exists(folder).expect("the target folder is readable") {
            std::fs::remove_dir_all(folder).expect("the folder of the last run can go");
        }
        let mut arguments = vec!["start", "--dir", folder, "--watch", &watch];
        arguments.extend(options);
        let answer: serde_json::Value =
            serde_json::from_str(&lab_with(&environment, "milvus.py", &arguments))
                .expect("start prints JSON");
        let text = |key: &str| answer[key].as_str().expect("start prints texts").to_owned();
        let (address, management) = (text("address"), text("management"));
        Self { address, management, data: text("data").into(), bucket: None, environment }
    }

    /// Kills it as it is.
    pub(crate) fn kill(&self) {
        lab("milvus.py", &["stop", "--dir", self.folder_of_it()]);
    }

    /// Starts it again, on its data and its ports.
    pub(crate) fn start_again(&self, settings: &[&str]) {
        let watch = std::process::id().to_string();
        let mut arguments = vec!["start", "--dir", self.folder_of_it(), "--watch", &watch];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
        lab_with(&self.environment, "milvus.py", &arguments);
    }

    fn folder_of_it(&self) -> &str {
        self.data.parent().and_then(Path::to_str).expect("its data lie in its folder")
    }

    /// Its own milvus.yaml.
    pub(crate) fn yaml(&self) -> PathBuf {
        Path::new(self.folder_of_it()).join("configs/milvus.yaml")
    }

    pub(crate) fn client(&self) -> GrpcMilvus {
        GrpcMilvus::new(&self.address.parse().unwrap(), &MilvusAccess::default()).unwrap()
    }

    pub(crate) fn data_py(&self, command: &str, arguments: &[&str]) -> String {
        let mut all = vec![command, "--address", &self.address];
        all.extend(arguments);
        lab_with(&self.environment, "data.py", &all)
    }

    /// Starts a command of `data.py` that goes on until it is told to stop.
    pub(crate) fn start_data_py(&self, command: &str, arguments: &[&str]) -> Child {
        let mut all = vec![command, "--address", &self.address];
        all.extend(arguments);
        let mut command = lab_command("data.py", &all);
        command.envs(self.environment.iter().cloned()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// The full state of some collections, as a file.
    pub(crate) fn dump(&self, collections: &str, to: &Path) -> PathBuf {
        self.data_py("dump", &["--collections", collections, "--out", to.to_str().unwrap()]);
        to.to_owned()
    }

    pub(crate) fn folder(&self, log: &str, ids: &[i64]) -> Option<String> {
        let ids: PathBuf = ids.iter().map(ToString::to_string).collect();
        let folder = self.data.join(log).join(ids);
        folder.is_dir().then(|| format!("{}/", folder.display()))
    }
}

/// Two dumps are equal but for what `options` of `data.py compare` say. Which databases
/// there are is the business of all tests on a server.
pub(crate) fn assert_equal(before: &Path, after: &Path, renames: &[&str], ignored: &str) {
    let ignored = format!("databases,{ignored}");
    let mut arguments = vec!["compare", before.to_str().unwrap(), after.to_str().unwrap()];
    arguments.extend(["--ignore", ignored.trim_end_matches(',')]);
    arguments.extend(renames.iter().flat_map(|rename| ["--rename", rename]));
    let said = lab("data.py", &arguments);
    assert!(said.starts_with("equal"), "{said}");
}

/// Runs a script of the lab and returns what it printed.
pub(crate) fn lab(script: &str, arguments: &[&str]) -> String {
    printed(&mut lab_command(script, arguments))
}

/// The same with variables for `channel.py`.
pub(crate) fn lab_with(
    environment: &[(&'static str, String)],
    script: &str,
    arguments: &[&str],
) -> String {
    printed(lab_command(script, arguments).envs(environment.iter().cloned()))
}

fn lab_command(script: &str, arguments: &[&str]) -> Command {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let python = PYTHON.get_or_init(|| printed(&mut Command::new(folder.join("setup.sh"))));
    let mut command = Command::new(python);
    command.arg(folder.join(script)).args(arguments).stdin(Stdio::null());
    command
}

//! The real program, with a configuration and a repository of its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Bucket, LabServer};

/// An installation of the program: its configuration, state and repository.
#[derive(Debug)]
pub(crate) struct Agent {
    folder: TempDir,
    repository: Place,
    cluster: String,
    config: String,
    /// How long a flush of the fake Milvus takes that is behind it, if one is.
    fake: Option<Duration>,
}

/// Where backups go.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) talk: String,
}

impl Agent {
    /// One that has never run, with an empty repository.
    pub(crate) fn new(server: &LabServer, cluster: &str) -> Self {
        let folder = folder();
        let repository = Place::Folder(folder.path().join("repository"));
        Self::install(server, cluster, folder, repository)
    }

    /// One that has never run, with its repository in a bucket.
    pub(crate) fn over(server: &LabServer, cluster: &str, repository: Bucket) -> Self {
        Self::install(server, cluster, folder(), Place::Bucket(repository))
    }

    /// One that has never run, on the repository of another.
    pub(crate) fn beside(&self, server: &LabServer, cluster: &str) -> Self {
        Self::install(server, cluster, folder(), self.repository.clone())
    }

    fn install(server: &LabServer, cluster: &str, folder: TempDir, repository: Place) -> Self {
        let place = match &repository {
            Place::Folder(path) => {
                format!("  local:\n    path: {}\n    min_free: 64MiB\n", path.display())
            }
            // Only a Milvus with local storage asks where.
            Place::Bucket(bucket) => format!(
                "  s3: {}\n  staging: {}\n",
                bucket.yaml(),
                folder.path().join("staging").display()
            ),
        };
        let config = format!(
            "milvus:\n  address: {}\n  management_address: {}\n  cluster: {cluster}\n  storage: {}\n\
             repository:\n{place}state: {}\n",
            server.address,
            server.management,
            server.storage(),
            folder.path().join("state").display(),
        );
        fs::write(folder.path().join("config.yaml"), &config).unwrap();
        Self { folder, repository, cluster: cluster.to_owned(), config, fake: None }
    }

    /// Tells it where its Milvus's own milvus.yaml is.
    pub(crate) fn with_milvus_yaml(mut self, server: &LabServer) -> Self {
        let line = format!("milvus:\n  config_file: {}\n", server.yaml().display());
        self.config = self.config.replacen("milvus:\n", &line, 1);
        self.configure("");
        self
    }

    /// Lets `run` have a Milvus of its own, in its memory, whose flushes take so long: see
    /// [`super::fake`]. Every other command is as ever.
    pub(crate) fn with_fake_milvus(self, flush_takes: Duration) -> Self {
        Self { fake: Some(flush_takes), ..self }
    }

    /// Adds to the configuration, in the place of what was added before.
    pub(crate) fn configure(&self, more: &str) {
        fs::write(self.path("config.yaml"), format!("{}{more}", self.config)).unwrap();
    }

    /// Makes it one that can `run`: on a free port, with these policies.
    pub(crate) fn serve(&self, policies: &[(&str, &str)]) {
        self.serve_with(policies, "");
    }

    /// The same with more in its configuration.
    pub(crate) fn serve_with(&self, policies: &[(&str, &str)], more: &str) {
        let folder = self.path("policies");
        fs::create_dir_all(&folder).unwrap();
        for (name, policy) in policies {
            fs::write(folder.join(format!("{name}.yaml")), policy).unwrap();
        }
        let folder = folder.display();
        let api = "api: {listen: \"127.0.0.1:0\"}";
        self.configure(&format!("policies: {folder}\n{api}\n{more}"));
    }

    /// The names of the backups that are complete.
    pub(crate) fn complete(&self) -> Vec<String> {
        let ended = self.run(&["list"]);
        if ended.code == 10 {
            return Vec::new();
        }
        assert_eq!(ended.code, 0, "{ended:?}");
        let rows = ended.json.as_array().unwrap().iter();
        let complete = rows.filter(|row| row["state"] == "complete");
        complete.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The segment files in the repository: size, and what tells that it was written anew.
    pub(crate) fn segment_files(&self) -> BTreeMap<PathBuf, (u64, String)> {
        let Place::Bucket(bucket) = &self.repository else { return self.files_on_disk() };
        let folder = format!("{}/_segments/", self.cluster);
        let objects = bucket.below().into_iter().filter(|(key, _)| key.starts_with(&folder));
        objects.map(|(key, meta)| (key.into(), (meta.size, meta.modified.to_string()))).collect()
    }

    fn files_on_disk(&self) -> BTreeMap<PathBuf, (u64, String)> {
        let files = files(&self.folder_of_cluster().join("_segments"));
        let facts = files.into_iter().map(|file| {
            let meta = fs::metadata(&file).unwrap();
            let anew = format!("{} {:?}", meta.ino(), meta.modified().unwrap());
            (file, (meta.len(), anew))
        });
        facts.filter(|(file, _)| !file.file_name().unwrap().as_bytes().starts_with(b".")).collect()
    }

    /// Where this cluster's backups are, in a folder.
    fn folder_of_cluster(&self) -> PathBuf {
        match &self.repository {
            Place::Folder(path) => path.join(&self.cluster),
            Place::Bucket(bucket) => panic!("{bucket:?} is no folder"),
        }
    }

    /// Whether an attempt has left a checkpoint.
    pub(crate) fn has_checkpoint(&self, name: &str) -> bool {
        let file = format!("{name}/checkpoint.jsonl.zst");
        match &self.repository {
            Place::Folder(_) => self.folder_of_cluster().join(file).exists(),
            Place::Bucket(bucket) => {
                bucket.below().contains_key(&format!("{}/{file}", self.cluster))
            }
        }
    }

    /// A file beside the configuration, gone with the agent.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        if let (Some(flush_takes), ["run"]) = (self.fake, arguments) {
            let mut command = super::fake::command(&self.path("config.yaml"), flush_takes);
            command.current_dir(self.folder.path()).stdin(Stdio::null());
            return command;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-backup-agent"));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.args(["--config", "config.yaml", "--output", "json"]).args(arguments);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(&[], arguments)
    }

    /// Runs a command with more in its environment.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let json = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{arguments:?} printed no JSON: {error}: {said}{talk}"));
        Ended { code: output.status.code().unwrap(), json, talk }
    }

    /// Runs a command that has to succeed; its result.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Value {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}\n{}", ended.json, ended.talk);
        ended.json
    }

    /// Starts a command and does not wait for it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Starts a command and kills it. `false` if it had ended by itself before.
    pub(crate) fn kill_after(&self, moment: Duration, arguments: &[&str]) -> bool {
        let mut child = self.start(arguments);
        std::thread::sleep(moment);
        let at_work = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        at_work
    }

    /// Backs up what the globs select, and verifies it to the last byte.
    pub(crate) fn backup(&self, name: &str, globs: &str) -> Value {
        let report = self.ok(&["backup", "--name", name, "--collections", globs]);
        assert_eq!(report["outcome"], "complete", "{report}");
        self.verify(name);
        report
    }

    pub(crate) fn verify(&self, name: &str) {
        let report = self.ok(&["verify", name, "--depth", "content"]);
        assert_eq!(report["outcome"], "complete", "{report}");
        assert_eq!(report["unchecked"], 0, "{report}");
    }

    /// Restores everything that is selected.
    pub(crate) fn restore(&self, name: &str, options: &[&str]) -> Value {
        let report = self.ok(&[&["restore", name], options].concat());
        assert_eq!(report["outcome"], "complete", "{report}");
        report
    }

    /// How a backup is listed; `absent` if it is not.
    pub(crate) fn state_of(&self, name: &str) -> String {
        let list = self.ok(&["list"]);
        let row = list.as_array().unwrap().iter().find(|row| row["name"] == name);
        row.map_or("absent", |row| row["state"].as_str().unwrap()).to_owned()
    }

    /// What interrupted work left in the repository: `_staging`, ledgers, leases.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let places = ["_staging", "_restores", "_drills", "_leases"];
        match &self.repository {
            Place::Folder(_) => {
                let places = places.map(|place| self.folder_of_cluster().join(place));
                places.iter().flat_map(|place| files(place)).collect()
            }
            Place::Bucket(bucket) => {
                let places = places.map(|place| format!("{}/{place}/", self.cluster));
                let keys = bucket.below().into_keys();
                let left = keys.filter(|key| places.iter().any(|place| key.starts_with(place)));
                left.map(PathBuf::from).chain(files(&self.path("staging"))).collect()
            }
        }
    }

    /// The only ledger of a restore, if there is one that can be read.
    pub(crate) fn ledger(&self) -> Option<Value> {
        let ledgers = files(&self.folder_of_cluster().join("_restores"));
        serde_json::from_slice(&fs::read(ledgers.first()?).ok()?).ok()
    }
}

fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

//! The rules of the whole, through [`load_from`] and real files.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::environment::Environment;
use super::load::{Loaded, Presence, load_from};
use super::{LogFormat, LogLevel, MinFree, load};
use crate::model::ErrorKind;

/// A folder with a `config.yaml`.
struct Fixture {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Fixture {
    fn new(config: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.yaml"), config).unwrap();
        Self {
            folder,
            variables: Vec::new(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The configuration, or the rendered problems with the folder's name taken out.
    fn load(&self) -> Result<Loaded, String> {
        let file = self.folder.path().join("config.yaml");
        let environment: Environment = self.variables.clone().into_iter().collect();
        load_from(&file, Presence::Required, &environment).map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::Usage);
            self.anonymous(&error.to_string())
        })
    }

    fn anonymous(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "/etc")
    }

    fn problems(&self) -> String {
        self.load().unwrap_err()
    }

    fn row(&self, path: &str) -> (Option<String>, String) {
        let rows = self.load().unwrap().rows();
        let row = rows.into_iter().find(|row| row.key.path == path).unwrap();
        (row.value, self.anonymous(&row.origin.to_string()))
    }
}

fn row(value: &str, origin: &str) -> (Option<String>, String) {
    (Some(value.to_owned()), origin.to_owned())
}

#[test]
fn nothing_written_means_the_defaults() {
    for text in [
        "",
        "# only comments\n",
        "milvus:\n  storage:\n    # local: {}\n",
    ] {
        let config = Fixture::new(text).load().unwrap().config;
        assert_eq!(config.milvus.address.as_str(), "http://127.0.0.1:19530/");
        assert_eq!(config.milvus.cluster, None);
        assert_eq!(config.milvus.config_file, None);
        assert_eq!(config.milvus.storage, None);
        assert_eq!(
            config.repository.path,
            Path::new("/var/lib/milvus-backup-agent/repository")
        );
        assert_eq!(config.repository.min_free, MinFree::Auto);
        assert_eq!(config.repository.staging, None);
        assert_eq!(config.state, Path::new("/var/lib/milvus-backup-agent"));
        assert_eq!(config.transfer.concurrency.get(), 64);
        assert_eq!(
            (config.log.level, config.log.format),
            (LogLevel::Info, LogFormat::Text)
        );
    }
}

#[test]
fn every_key_can_be_written() {
    let fixture = Fixture::new(
        "\
milvus:
  address: http://milvus:1953
  cluster: prod
  storage: {local: {path: /data, milvus_path: /var/lib/milvus}}
repository:
  local:
    path: /backup
    min_free: 7%
  staging: /staging
state: /state
transfer: {concurrency: 8}
log: {level: debug, format: json}
",
    );
    let config = fixture.load().unwrap().config;
    let storage = config.milvus.storage.unwrap();
    assert_eq!(config.milvus.cluster.unwrap().as_str(), "prod");
    assert_eq!(storage.path, Path::new("/data"));
    assert_eq!(storage.milvus_path, Path::new("/var/lib/milvus"));
    assert_eq!(config.repository.path, Path::new("/backup"));
    assert_eq!(config.repository.min_free, MinFree::Percent(7));
    assert_eq!(config.repository.staging.unwrap(), Path::new("/staging"));
    assert_eq!(config.state, Path::new("/state"));
    assert_eq!(config.transfer.concurrency.get(), 8);
    assert_eq!(
        (config.log.level, config.log.format),
        (LogLevel::Debug, LogFormat::Json)
    );
}

#[test]
fn each_value_knows_its_layer() {
    let fixture = Fixture::new("state: /a\nlog:\n  level: debug\n  format: json\n")
        .variable("MBA__LOG__LEVEL", "warn")
        .variable("MBA__REPOSITORY__LOCAL__PATH", "/0123")
        .variable("PATH", "/bin")
        .variable("MBA_OTHER", "x");
    assert_eq!(
        fixture.row("milvus.address"),
        row("http://127.0.0.1:19530", "default")
    );
    assert_eq!(fixture.row("milvus.cluster"), (None, "default".to_owned()));
    assert_eq!(fixture.row("state"), row("/a", "/etc/config.yaml:1:8"));
    assert_eq!(
        fixture.row("log.format"),
        row("json", "/etc/config.yaml:4:11")
    );
    assert_eq!(
        fixture.row("log.level"),
        row("warn", "environment MBA__LOG__LEVEL")
    );
    let variable = "environment MBA__REPOSITORY__LOCAL__PATH";
    assert_eq!(fixture.row("repository.local.path"), row("/0123", variable));
}

#[test]
fn rows_follow_the_table() {
    let paths: Vec<_> = Fixture::new("")
        .load()
        .unwrap()
        .rows()
        .iter()
        .map(|row| row.key.path)
        .collect();
    let table: Vec<_> = super::KEYS.iter().map(|key| key.path).collect();
    assert_eq!(paths, table);
}

#[test]
fn values_stay_as_written() {
    let fixture = Fixture::new("milvus: {cluster: 1.10}\nstate: \"/0123\"\n");
    assert_eq!(
        fixture.row("milvus.cluster"),
        row("1.10", "/etc/config.yaml:1:19")
    );
    assert_eq!(
        fixture
            .load()
            .unwrap()
            .config
            .milvus
            .cluster
            .unwrap()
            .as_str(),
        "1.10"
    );
}

#[test]
fn milvus_yaml_says_where_the_files_are() {
    let fixture = Fixture::new("");
    let text = "# big\ncommon:\n  storageType: local\nlocalStorage:\n  path: /milvus/data/\n";
    let milvus_yaml = fixture.file("milvus.yaml", text);
    let fixture = fixture.variable("MBA__MILVUS__CONFIG_FILE", milvus_yaml.to_str().unwrap());
    for key in [
        "milvus.storage.local.path",
        "milvus.storage.local.milvus_path",
    ] {
        assert_eq!(
            fixture.row(key),
            row("/milvus/data/", "milvus.yaml /etc/milvus.yaml")
        );
    }
    let fixture = fixture.variable("MBA__MILVUS__STORAGE__LOCAL__PATH", "/mnt");
    let storage = fixture.load().unwrap().config.milvus.storage.unwrap();
    assert_eq!(
        (storage.path, storage.milvus_path),
        ("/mnt".into(), "/milvus/data".into())
    );

    let relative = text.replace("/milvus/data/", "data");
    fixture.file("milvus.yaml", &relative);
    assert!(
        fixture.problems().contains("--> /etc/milvus.yaml:5:9"),
        "{}",
        fixture.problems()
    );
}

#[test]
fn a_path_of_its_own_outdoes_object_storage_in_milvus_yaml() {
    let fixture = Fixture::new("");
    let milvus_yaml = fixture.file("milvus.yaml", "common:\n  storageType: minio\n");
    let fixture = fixture.variable("MBA__MILVUS__CONFIG_FILE", milvus_yaml.to_str().unwrap());
    let expected = "\
error: this Milvus keeps its files in object storage
 --> /etc/milvus.yaml:2:16
  |
2 |   storageType: minio
  |                ^ `common.storageType` is `minio`
  = hint: object storage arrives with a later version; set `milvus.storage.local.path` only if \
this Milvus does use local storage, such as with COMMON_STORAGETYPE=local in its environment";
    assert_eq!(fixture.problems(), expected);

    let fixture = fixture.variable("MBA__MILVUS__STORAGE__LOCAL__PATH", "/data");
    let storage = fixture.load().unwrap().config.milvus.storage.unwrap();
    assert_eq!(
        (storage.path, storage.milvus_path),
        ("/data".into(), "/data".into())
    );
}

#[test]
fn a_milvus_yaml_that_is_not_there_is_named_with_its_key() {
    let expected = "\
error: `milvus.config_file` cannot be read: /nowhere/milvus.yaml: No such file or directory \
(os error 2)
 --> /etc/config.yaml:1:23
  |
1 | milvus: {config_file: /nowhere/milvus.yaml}
  |                       ^";
    let fixture = Fixture::new("milvus: {config_file: /nowhere/milvus.yaml}\n");
    assert_eq!(fixture.problems(), expected);
}

#[test]
fn all_problems_are_shown_at_once_in_the_order_of_lines() {
    let fixture = Fixture::new(
        "\
milvus:
  adress: http://a
  address: https://milvus:19530
  storage: local
repository:
  local: {path: backup, min_free: 5 parsecs}
transfer:
  concurrency: many
state: ~/agent
state: /b
log:
  level: [info]
  format:
retention: {}
",
    )
    .variable("MBA__TRANSFER__CONCURENCY", "3")
    .variable("MBA__MILVUS__CLUSTER", "");
    let expected = "\
error: unknown key `milvus.adress`
 --> /etc/config.yaml:2:3
  |
2 |   adress: http://a
  |   ^ did you mean `address`?

error: `milvus.address`: TLS to Milvus is not supported yet
 --> /etc/config.yaml:3:12
  |
3 |   address: https://milvus:19530
  |            ^
  = hint: use http:// over a network that you trust

error: `milvus.storage`: expected a section of keys
 --> /etc/config.yaml:4:12
  |
4 |   storage: local
  |            ^ found `local`

error: `repository.local.path`: must be absolute, found `backup`
 --> /etc/config.yaml:6:17
  |
6 |   local: {path: backup, min_free: 5 parsecs}
  |                 ^
  = hint: start the path with `/`; the agent has no folder of its own to start from

error: `repository.local.min_free`: expected a size such as 5GiB or a percentage such as 10%, \
found `5 parsecs`
 --> /etc/config.yaml:6:35
  |
6 |   local: {path: backup, min_free: 5 parsecs}
  |                                   ^
  = hint: the units are B, KB, MB, GB, TB, KiB, MiB, GiB, TiB and %

error: `transfer.concurrency`: expected a number between 1 and 1024, found `many`
 --> /etc/config.yaml:8:16
  |
8 |   concurrency: many
  |                ^

error: `state`: must be absolute, found `~/agent`
 --> /etc/config.yaml:9:8
  |
9 | state: ~/agent
  |        ^
  = hint: `~` is not expanded; write the path in full

error: key `state` appears twice
  --> /etc/config.yaml:10:1
   |
10 | state: /b
   | ^ first on line 9

error: `log.level`: expected one value
  --> /etc/config.yaml:12:10
   |
12 |   level: [info]
   |          ^ found a list

error: `log.format`: the value is empty
  --> /etc/config.yaml:13:3
   |
13 |   format:
   |   ^
   = hint: to use the default, remove it

error: unknown key `retention`
  --> /etc/config.yaml:14:1
   |
14 | retention: {}
   | ^
   = hint: `config show` lists every key

error: unknown variable `MBA__TRANSFER__CONCURENCY`
 --> environment MBA__TRANSFER__CONCURENCY
  = hint: did you mean `MBA__TRANSFER__CONCURRENCY`?

error: `milvus.cluster`: the value is empty
 --> environment MBA__MILVUS__CLUSTER
  = hint: to use the default, remove it";
    pretty_assert(&fixture.problems(), expected);
}

fn pretty_assert(found: &str, expected: &str) {
    assert!(
        found == expected,
        "found:\n{found}\n\nexpected:\n{expected}"
    );
}

#[test]
fn what_is_no_section_of_keys_is_refused() {
    for (text, start) in [
        (
            "- a\n",
            "error: the file must be a section of keys\n --> /etc/config.yaml:1:1",
        ),
        (
            "text\n",
            "error: the file must be a section of keys\n --> /etc/config.yaml:1:1",
        ),
        (
            "state: {a: b}\n",
            "error: `state`: expected one value\n --> /etc/config.yaml:1:8",
        ),
        (
            "state: ''\n",
            "error: `state`: the value is empty\n --> /etc/config.yaml:1:8",
        ),
        (
            "log:\n\tlevel: info\n",
            "error: not valid YAML: tabs disallowed",
        ),
        (
            "1: 2\n",
            "error: unknown key `1`\n --> /etc/config.yaml:1:1",
        ),
    ] {
        let problems = Fixture::new(text).problems();
        assert!(problems.starts_with(start), "{text:?}:\n{problems}");
    }
    let problems = Fixture::new(b"state: /\xff\n").problems();
    assert!(problems.starts_with("error: the file is not UTF-8\n --> /etc/config.yaml:1:9"));
}

#[test]
fn milvus_path_alone_is_refused_where_nothing_else_is_wrong() {
    let fixture = Fixture::new("milvus: {storage: {local: {milvus_path: /a}}}\n");
    let start = "error: `milvus.storage.local.milvus_path` means nothing without";
    assert!(
        fixture.problems().starts_with(start),
        "{}",
        fixture.problems()
    );
}

#[test]
fn only_the_default_file_may_be_missing() {
    let missing = Path::new("/nowhere/config.yaml");
    let none = Environment::default();
    assert!(load_from(missing, Presence::Optional, &none).is_ok());
    let expected = "\
error: cannot read the configuration file: No such file or directory (os error 2)
 --> /nowhere/config.yaml";
    assert_eq!(
        load(Some(missing), &none).unwrap_err().to_string(),
        expected
    );
}

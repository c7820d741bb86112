//! Values, their layers and their types.

use std::path::Path;

use super::fixture::Fixture;
use crate::config::{KEYS, LocalStorage, LogFormat, LogLevel, MinFree, Place, Storage};

fn local(storage: Option<Storage>) -> LocalStorage {
    let Some(Storage::Local(folder)) = storage else { panic!("{storage:?}") };
    folder
}

fn row(value: &str, origin: &str) -> (Option<String>, String) {
    (Some(value.to_owned()), origin.to_owned())
}

#[test]
fn nothing_written_means_the_defaults() {
    for text in ["", "# only comments\n", "milvus:\n  storage:\n    # local: {}\n"] {
        let config = Fixture::new(text).load().unwrap().config;
        assert_eq!(config.milvus.address.as_str(), "http://127.0.0.1:19530/");
        assert_eq!(config.milvus.cluster, None);
        assert_eq!(config.milvus.config_file, None);
        assert_eq!(config.milvus.storage, None);
        let default = "/var/lib/milvus-backup-agent/repository";
        assert_eq!(config.repository.place, Place::Folder(default.into()));
        assert_eq!(config.transfer.retries, 5);
        assert_eq!(config.repository.min_free, MinFree::Auto);
        assert_eq!(config.repository.staging, None);
        assert_eq!(config.policies, Path::new("/etc/milvus-backup-agent/policies"));
        assert_eq!(config.state, Path::new("/var/lib/milvus-backup-agent"));
        assert_eq!(config.transfer.concurrency.get(), 64);
        assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));
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
policies: /policies
state: /state
transfer: {concurrency: 8}
retention: {delete_grace: 7d, orphan_grace: 36h, failed_ttl: 1w, max_delete: 20%}
log: {level: debug, format: json}
",
    );
    let config = fixture.load().unwrap().config;
    let storage = local(config.milvus.storage);
    assert_eq!(config.milvus.cluster.unwrap().as_str(), "prod");
    assert_eq!(storage.path, Path::new("/data"));
    assert_eq!(storage.milvus_path, Path::new("/var/lib/milvus"));
    assert_eq!(config.repository.place, Place::Folder("/backup".into()));
    assert_eq!(config.repository.min_free, MinFree::Percent(7));
    assert_eq!(config.repository.staging.unwrap(), Path::new("/staging"));
    assert_eq!(config.policies, Path::new("/policies"));
    assert_eq!(config.state, Path::new("/state"));
    assert_eq!(config.transfer.concurrency.get(), 8);
    let graces = config.retention;
    assert_eq!(graces.max_delete_percent, 20);
    let graces = [graces.delete_grace, graces.orphan_grace, graces.failed_ttl];
    assert_eq!(graces.map(|grace| grace.as_hours()), [168, 36, 168]);
    assert_eq!((config.log.level, config.log.format), (LogLevel::Debug, LogFormat::Json));
}

#[test]
fn each_value_knows_its_layer() {
    let fixture = Fixture::new("state: /a\nlog:\n  level: debug\n  format: json\n")
        .variable("MBA__LOG__LEVEL", "warn")
        .variable("MBA__REPOSITORY__LOCAL__PATH", "/0123")
        .variable("PATH", "/bin")
        .variable("MBA_OTHER", "x");
    assert_eq!(fixture.row("milvus.address"), row("http://127.0.0.1:19530", "default"));
    assert_eq!(fixture.row("milvus.cluster"), (None, "default".to_owned()));
    assert_eq!(fixture.row("state"), row("/a", "/etc/config.yaml:1:8"));
    assert_eq!(fixture.row("log.format"), row("json", "/etc/config.yaml:4:11"));
    assert_eq!(fixture.row("log.level"), row("warn", "environment MBA__LOG__LEVEL"));
    let variable = "environment MBA__REPOSITORY__LOCAL__PATH";
    assert_eq!(fixture.row("repository.local.path"), row("/0123", variable));
}

#[test]
fn rows_follow_the_table() {
    let paths: Vec<_> =
        Fixture::new("").load().unwrap().rows().iter().map(|row| row.key.path).collect();
    let table: Vec<_> = KEYS.iter().map(|key| key.path).collect();
    assert_eq!(paths, table);
}

#[test]
fn values_stay_as_written() {
    let fixture = Fixture::new("milvus: {cluster: 1.10}\nstate: \"/0123\"\n");
    assert_eq!(fixture.row("milvus.cluster"), row("1.10", "/etc/config.yaml:1:19"));
    assert_eq!(fixture.load().unwrap().config.milvus.cluster.unwrap().as_str(), "1.10");
}

#[test]
fn milvus_yaml_says_where_the_files_are() {
    let fixture = Fixture::new("");
    let text = "# big\ncommon:\n  storageType: local\nlocalStorage:\n  path: /milvus/data/\n";
    let milvus_yaml = fixture.file("milvus.yaml", text);
    let fixture = fixture.variable("MBA__MILVUS__CONFIG_FILE", milvus_yaml.to_str().unwrap());
    for key in ["milvus.storage.local.path", "milvus.storage.local.milvus_path"] {
        assert_eq!(fixture.row(key), row("/milvus/data/", "milvus.yaml /etc/milvus.yaml"));
    }
    let fixture = fixture.variable("MBA__MILVUS__STORAGE__LOCAL__PATH", "/mnt");
    let storage = local(fixture.load().unwrap().config.milvus.storage);
    assert_eq!((storage.path, storage.milvus_path), ("/mnt".into(), "/milvus/data".into()));
}

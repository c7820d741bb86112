//! Both versions of milvus-backup's file, key by key.

use std::path::Path;

use super::meaning::Peer;
use super::{Fate, Imported, import, v1, v2};
use crate::config::load::{Loaded, Presence, load_from};
use crate::config::{Environment, MilvusLogin, Place, Storage};

fn imported(text: &str) -> Imported {
    import(Path::new("/etc/backup.yaml"), text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    import(Path::new("/etc/backup.yaml"), text.as_bytes()).unwrap_err().to_string()
}

/// Loads what came out, with the files of its secrets in a folder of ours.
fn loaded(imported: &Imported) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    for key in crate::config::KEYS {
        std::fs::write(secrets.join(key.path), "hunter2").unwrap();
    }
    let here = imported.yaml.replace("/etc/milvus-backup-agent/secrets", secrets.to_str().unwrap());
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, &here).unwrap();
    let nothing = Environment::default();
    load_from(&file, Presence::Required, &nothing).unwrap_or_else(|error| panic!("{error}\n{here}"))
}

fn fate<'i>(imported: &'i Imported, key: &str) -> &'i Fate {
    let note = imported.keys.iter().find(|note| note.key == key);
    &note.unwrap_or_else(|| panic!("{key} has no note")).fate
}

#[track_caller]
fn assert_taken(imported: &Imported, key: &str, ours: &str) {
    assert_eq!(fate(imported, key), &Fate::Taken(ours.to_owned()), "{key}\n{}", imported.yaml);
}

#[track_caller]
fn assert_decides(imported: &Imported, key: &str, words: &str) {
    let fate = fate(imported, key);
    assert!(matches!(fate, Fate::Decide(what) if what.contains(words)), "{key}: {fate:?}");
}

/// The shape of the sample of version 2, with values of our own.
const V2: &str = include_str!("../../../tests/fixtures/import/v2.yaml");

/// The same of version 1.
const V1: &str = include_str!("../../../tests/fixtures/import/v1.yaml");

#[test]
fn a_file_of_version_2_becomes_ours() {
    let imported = imported(V2);
    let config = loaded(&imported).config;
    assert_eq!(config.milvus.address.as_str(), "https://milvus.prod:19530/");
    assert_eq!(config.milvus.management_address.as_str(), "http://milvus.prod:9091/");
    let access = &config.milvus.access;
    assert_eq!(access.ca_file.as_deref(), Some(Path::new("/certs/ca.pem")));
    assert_eq!(access.server_name.as_deref(), Some("milvus.lab"));
    assert_eq!(access.certificate.as_ref().unwrap().key_file, Path::new("/certs/agent.key"));
    let Some(MilvusLogin::Password { username, .. }) = &access.login else { panic!("{access:?}") };
    assert_eq!(username, "keeper");
    let Some(Storage::S3(bucket)) = &config.milvus.storage else { panic!("no bucket") };
    assert_eq!(bucket.place.place(), "s3://milvus-data/cluster-a");
    assert_eq!(bucket.place.endpoint.as_ref().unwrap().as_str(), "http://minio.prod:9010/");
    assert_eq!(bucket.milvus_endpoint.as_ref().unwrap().as_str(), "http://minio.inner:9010/");
    let Place::S3(repository) = &config.repository.place else { panic!("no bucket") };
    assert_eq!(repository.place(), "s3://milvus-backups/prod");
    assert_eq!(repository.endpoint, bucket.place.endpoint, "it takes over Milvus's");
    assert_eq!(config.milvus.cluster.as_ref().unwrap().as_str(), "nightly");
    assert_eq!(config.transfer.concurrency.get(), 96);
    for secret in ["s3cret-pw", "s3cret-id", "s3cret-key", "s3cret-cloud"] {
        assert!(V2.contains(secret) && !imported.yaml.contains(secret), "{}", imported.yaml);
        assert!(!format!("{:?}", imported.keys).contains(secret), "{:?}", imported.keys);
    }
    assert_taken(&imported, "backup.storage.rootPath", "repository.s3.prefix, milvus.cluster");
    assert_decides(&imported, "milvus.password", "secrets/milvus.password");
    assert_eq!(imported.keys.len(), v2::KEYS.len(), "the fixture has every key");
    assert!(imported.variables.contains(&"MILVUS_STORAGE_AUTH_ACCESS_KEY_ID"));
}

#[test]
fn a_file_of_version_1_becomes_ours() {
    let imported = imported(V1);
    let config = loaded(&imported).config;
    assert_eq!(config.milvus.address.as_str(), "http://milvus.old:19531/");
    assert_eq!(config.milvus.access.login, None, "no user, no password");
    let Some(Storage::S3(bucket)) = &config.milvus.storage else { panic!("no bucket") };
    assert_eq!(bucket.place.place(), "s3://old-bucket/data");
    let Place::S3(repository) = &config.repository.place else { panic!("no bucket") };
    assert_eq!(repository.place(), "s3://old-backups");
    assert_eq!(repository.endpoint.as_ref().unwrap().as_str(), "https://s3.backup.example/");
    assert_eq!(config.milvus.cluster.as_ref().unwrap().as_str(), "backup");
    assert_decides(&imported, "minio.crossStorage", "copies are not always streamed");
    assert_decides(&imported, "backup.gcPause.enable", "pauses garbage collection in every");
    assert_decides(&imported, "minio.token", "AWS_SESSION_TOKEN");
    assert_eq!(imported.keys.len(), v1::KEYS.len(), "the fixture has every key");
    assert!(imported.variables.contains(&"MINIO_ACCESS_KEY"));
}

/// Each key alone, with any value, has a fate of its own, and what comes of it loads.
#[test]
fn every_key_of_both_versions_has_a_fate() {
    for (table, head) in [(v1::KEYS, ""), (v2::KEYS, "configVersion: v2, ")] {
        assert!(table.len() > 55, "{}", table.len());
        for Peer { path, .. } in table.iter().filter(|peer| peer.path != "configVersion") {
            for value in ["\"\"", "nonsense", "/a/b", "12", "true", "false", "azure", "local", "2"]
            {
                let closed = "}".repeat(path.split('.').count());
                let text = format!("{{{head}{}: {value}{closed}\n", path.replace('.', ": {"));
                let imported = imported(&text);
                assert_ne!(fate(&imported, path), &Fate::Unknown, "{text}");
                loaded(&imported);
            }
        }
    }
}

#[test]
fn what_means_nothing_and_what_nobody_knows_is_told() {
    let imported = imported(
        "milvus: {address: m, etcd: {rootPath: x}}\nlog: {file: {maxDays: 3}}\nminio: {buckt: x}\n",
    );
    let nothing = |key| matches!(fate(&imported, key), Fate::Nothing(_));
    assert!(nothing("milvus.etcd.rootPath") && nothing("log.file.maxDays"));
    assert_eq!(fate(&imported, "minio.buckt"), &Fate::Unknown);
    assert_eq!(imported.keys.iter().map(|note| note.line).collect::<Vec<_>>(), [1, 1, 2, 3]);
}

#[test]
fn storages_that_we_do_not_know_are_left_to_people() {
    for provider in ["azure", "gcpnative", "tape"] {
        let both = imported(&format!(
            "configVersion: v2\nmilvus: {{storage: {{provider: {provider}, bucketName: bbb}}}}\n"
        ));
        assert_decides(&both, "milvus.storage.provider", provider);
        assert_decides(&both, "milvus.storage.bucketName", provider);
        assert!(!both.yaml.contains("s3:"), "the backups' storage is the same: {}", both.yaml);
        assert_eq!(both.open.len(), 2, "{:?}", both.open);
        assert!(both.yaml.contains("# DECISION: the agent knows folders and S3"), "{}", both.yaml);
    }
    let like = imported("minio: {cloudProvider: aliyun, address: oss.example, bucketName: bbb}\n");
    assert!(like.yaml.contains("endpoint: http://oss.example:9000"), "{}", like.yaml);
    assert!(like.open.iter().any(|open| open.contains("`aliyun` speaks S3")), "{:?}", like.open);
    let aws = imported(
        "minio: {cloudProvider: aws, address: s3.amazonaws.com, useIAM: true, region: eu-west-1}\n",
    );
    assert!(!aws.yaml.contains("endpoint") && !aws.yaml.contains("secret"), "{}", aws.yaml);
    assert_eq!(loaded(&aws).config.milvus.address.as_str(), "http://127.0.0.1:19530/");
}

#[test]
fn folders_become_folders_and_their_last_part_a_cluster() {
    let imported = imported(
        "configVersion: v2\nmilvus: {storage: {provider: local, localPath: /var/lib/milvus/data}}\n\
         backup: {storage: {rootPath: /backup/milvus/prod/}}\n",
    );
    let config = loaded(&imported).config;
    let Some(Storage::Local(folder)) = &config.milvus.storage else { panic!("no folder") };
    assert_eq!(folder.path, Path::new("/var/lib/milvus/data"));
    assert_eq!(config.repository.place, Place::Folder("/backup/milvus".into()));
    assert_eq!(config.milvus.cluster.as_ref().unwrap().as_str(), "prod");
    let relative = import(
        Path::new("b"),
        b"storage: {storageType: local}\nminio: {rootPath: data, backupRootPath: backup}\n",
    )
    .unwrap();
    assert_decides(&relative, "minio.rootPath", "absolute path");
    assert_decides(&relative, "minio.backupRootPath", "absolute path");
}

/// Version 1 puts backups there if nobody says where.
#[test]
fn backups_inside_milvus_s_own_folder_are_not_taken_over() {
    let inside = imported("minio: {rootPath: files, bucketName: bbb}\n");
    assert!(inside.yaml.contains("prefix: milvus-backup-agent"), "{}", inside.yaml);
    assert!(inside.open.iter().any(|open| open.contains("inside Milvus's own")), "{inside:?}");
    let beside = imported("configVersion: v2\nmilvus: {storage: {rootPath: files}}\n");
    assert!(beside.yaml.contains("cluster: backup"), "{}", beside.yaml);
    assert!(!beside.open.iter().any(|open| open.contains("inside")), "{beside:?}");
}

#[test]
fn what_is_no_backup_yaml_is_refused_with_its_place() {
    for (text, said, place) in [
        ("- a\n", "the file: expected a section of keys", "backup.yaml:1:1"),
        ("a: 1\n", "this is no backup.yaml", "backup.yaml:1:1"),
        ("", "this is no backup.yaml", "backup.yaml:1:1"),
        ("a: [\n", "not valid YAML", "backup.yaml:1:4"),
        ("configVersion: v3\n", "`configVersion`: expected v2, found `v3`", "backup.yaml:1:16"),
        ("milvus: 7\n", "`milvus`: expected a section", "backup.yaml:1:9"),
        ("milvus: {port: [1]}\n", "`milvus.port`: expected one value", "backup.yaml:1:16"),
    ] {
        let problem = refused(text);
        assert!(problem.contains(said) && problem.contains(place), "{problem}");
    }
    let secret = refused("milvus: {password: s3cret, port: [1]}\n");
    assert!(!secret.contains("s3cret"), "{secret}");
}

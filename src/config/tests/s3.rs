//! Buckets, and the secrets of their keys.

use std::path::Path;

use super::fixture::Fixture;
use crate::config::{Place, Storage};
use crate::model::{KeyPrefix, S3Checksums, S3Settings};

fn repository(fixture: &Fixture) -> S3Settings {
    match fixture.load().unwrap().config.repository.place {
        Place::S3(settings) => *settings,
        Place::Folder(path) => panic!("{}", path.display()),
    }
}

fn keys(settings: &S3Settings) -> (&str, &str) {
    let keys = settings.keys.as_ref().expect("there are keys");
    (keys.access_key_id.reveal(), keys.secret_access_key.reveal())
}

const WHOLE: &str = "\
repository:
  s3:
    endpoint: https://minio:9000
    region: eu-1
    bucket: backups
    prefix: /prod/
    access_key_id: id
    secret_access_key: hunter2
    path_style: false
    ca_file: /ca.pem
    checksums: when_supported
transfer: {retries: 0}
";

#[test]
fn a_bucket_is_spelled_out() {
    let fixture = Fixture::new(WHOLE);
    let settings = repository(&fixture);
    assert_eq!(settings.endpoint.as_ref().unwrap().as_str(), "https://minio:9000/");
    assert_eq!(settings.region.as_deref(), Some("eu-1"));
    assert_eq!(settings.place(), "s3://backups/prod");
    assert_eq!(keys(&settings), ("id", "hunter2"));
    assert!(!settings.path_style);
    assert_eq!(settings.ca_file.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!(settings.checksums, S3Checksums::WhenSupported);
    assert_eq!(fixture.load().unwrap().config.transfer.retries, 0);

    let aws = repository(&Fixture::new("repository: {s3: {bucket: backups}}\n"));
    assert_eq!(aws, S3Settings::new("backups"));
    let text = "repository: {s3: {bucket: backups, endpoint: \"http://minio\"}}\n";
    assert!(repository(&Fixture::new(text)).path_style, "other servers have one name");
}

#[test]
fn milvus_yaml_says_which_bucket_and_keys_outdo_it_one_by_one() {
    let fixture = Fixture::new("");
    let text = "common: {storageType: minio}\nminio: {accessKeyID: a, secretAccessKey: b}\n";
    let milvus_yaml = fixture.file("milvus.yaml", text);
    let fixture = fixture
        .variable("MBA__MILVUS__CONFIG_FILE", milvus_yaml.to_str().unwrap())
        .variable("MBA__MILVUS__STORAGE__S3__ENDPOINT", "http://127.0.0.1:1")
        .variable("MBA__MILVUS__STORAGE__S3__MILVUS_ENDPOINT", "http://minio:9000");
    let storage = fixture.load().unwrap().config.milvus.storage.unwrap();
    let Storage::S3(bucket) = storage else { panic!("{storage:?}") };
    assert_eq!(bucket.place.bucket, "a-bucket");
    assert_eq!(bucket.place.prefix, KeyPrefix::new("files").unwrap());
    assert_eq!(bucket.place.endpoint.as_ref().unwrap().port(), Some(1));
    assert_eq!(bucket.milvus_endpoint.unwrap().host_str(), Some("minio"));
    assert_eq!(keys(&bucket.place), ("a", "b"));

    let fixture = fixture.variable("MBA__MILVUS__STORAGE__S3__BUCKET", "other");
    let storage = fixture.load().unwrap().config.milvus.storage.unwrap();
    assert!(matches!(storage, Storage::S3(bucket) if bucket.place.bucket == "other"));
    let fixture = Fixture::new("")
        .variable("MBA__MILVUS__CONFIG_FILE", milvus_yaml.to_str().unwrap())
        .variable("MBA__MILVUS__STORAGE__LOCAL__PATH", "/data");
    let storage = fixture.load().unwrap().config.milvus.storage.unwrap();
    assert!(matches!(storage, Storage::Local(folder) if folder.milvus_path == Path::new("/data")));
}

#[test]
fn a_secret_may_lie_in_a_file() {
    let config = "repository: {s3: {bucket: backups, access_key_id: id}}\n";
    let fixture = Fixture::new(config);
    let one = fixture.file("one", "from the file\n");
    fixture.file("repository.s3.secret_access_key", "from systemd\n");
    let folder = one.parent().unwrap().to_str().unwrap().to_owned();
    let fixture = fixture.variable("CREDENTIALS_DIRECTORY", &folder);
    assert_eq!(keys(&repository(&fixture)), ("id", "from systemd"));
    let variable = "MBA__REPOSITORY__S3__SECRET_ACCESS_KEY_FILE";
    let fixture = fixture.variable(variable, one.to_str().unwrap());
    assert_eq!(keys(&repository(&fixture)), ("id", "from the file"));
    let fixture = fixture.variable("MBA__REPOSITORY__S3__SECRET_ACCESS_KEY", "direct");
    let problem = fixture.problems();
    assert!(problem.contains("are both set"), "{problem}");
    assert!(!problem.contains("direct"), "{problem}");

    let missing = Fixture::new(config).variable(variable, "/nowhere/secret").problems();
    assert!(missing.contains("cannot be read: /nowhere/secret"), "{missing}");
}

#[test]
fn a_secret_is_never_shown() {
    let fixture = Fixture::new(WHOLE);
    let loaded = fixture.load().unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
    assert!(!format!("{:?}", loaded.rows()).contains("hunter2"));
    let shown = fixture.row("repository.s3.secret_access_key").0;
    assert_eq!(shown.as_deref(), Some("(set)"));
    let text = "repository: {s3: {bukket: x, secret_access_key: hunter2, prefix: \"a//b\"}}\n";
    let problems = Fixture::new(text).problems();
    assert!(problems.contains("unknown key `repository.s3.bukket`"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

#[test]
fn what_makes_no_bucket_is_refused() {
    for (text, start) in [
        ("{s3: {bucket: b}}", "error: `repository.s3.bucket`: expected the name of a bucket"),
        ("{s3: {bucket: b/c}}", "error: `repository.s3.bucket`: expected the name of a bucket"),
        ("{s3: {region: r}}", "error: `repository.s3.region` means nothing without"),
        ("{s3: {bucket: abc, prefix: a//b}}", "error: `repository.s3.prefix`: `a//b` is not"),
        ("{s3: {bucket: abc, endpoint: minio}}", "error: `repository.s3.endpoint`: expected an"),
        ("{s3: {bucket: abc, endpoint: \"http://a/b\"}}", "error: `repository.s3.endpoint`: expec"),
        ("{s3: {bucket: abc, access_key_id: x}}", "error: `repository.s3.access_key_id` means"),
        ("{s3: {bucket: abc}, local: {path: /a}}", "error: `repository.s3.bucket` and `reposit"),
        ("{s3: {bucket: abc, path_style: maybe}}", "error: `repository.s3.path_style`: expected"),
        ("{s3: {bucket: abc, checksums: none}}", "error: `repository.s3.checksums`: expected"),
    ] {
        let problems = Fixture::new(format!("repository: {text}\n")).problems();
        assert!(problems.starts_with(start), "{text}:\n{problems}");
        assert_eq!(problems.matches("error: ").count(), 1, "{text}:\n{problems}");
    }
}

#[test]
fn files_are_staged_beside_milvus_s_own_and_never_among_them() {
    let bucket = "milvus:\n  storage: {s3: {bucket: a-bucket, prefix: files}}\n";
    let staged = |more: &str| {
        let storage = Fixture::new(format!("{bucket}{more}")).load().unwrap().config.milvus.storage;
        match storage {
            Some(Storage::S3(bucket)) => bucket.staging.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(staged(""), "files/_mba_staging/");
    assert_eq!(staged("  staging_prefix: elsewhere\n"), "elsewhere/");
    for wrong in ["files", "files/insert_log", "files/delta_log/x", "files/index_files/"] {
        let text = format!("{bucket}  staging_prefix: {wrong}\n");
        let problems = Fixture::new(text.as_str()).problems();
        assert!(problems.contains("where Milvus keeps its own files"), "{wrong}: {problems}");
    }
    let text = "milvus:\n  staging_prefix: x\n  storage: {local: {path: /data}}\n";
    let problems = Fixture::new(text).problems();
    assert!(problems.contains("`repository.staging`"), "{problems}");
}

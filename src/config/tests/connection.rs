//! Whom we trust at Milvus and who we are there, and what must go with it.

use std::path::Path;

use super::fixture::Fixture;
use crate::config::{MilvusAccess, MilvusLogin};
use crate::model::Secret;

fn access(keys: &str) -> MilvusAccess {
    let text = format!("milvus: {{address: \"https://m:19530\", {keys}}}\n");
    Fixture::new(text).load().unwrap().config.milvus.access
}

#[test]
fn without_keys_the_system_trusts_and_nobody_logs_in() {
    let config = Fixture::new("").load().unwrap().config;
    assert_eq!(config.milvus.access, MilvusAccess::default());
    let text = "milvus: {address: \"https://m:19530\"}\n";
    let milvus = Fixture::new(text).load().unwrap().config.milvus;
    assert_eq!(milvus.access, MilvusAccess::default());
    assert_eq!(milvus.management_address.as_str(), "http://m:9091/", "which has no TLS");
}

#[test]
fn certificates_and_the_name_are_read() {
    let access = access("ca_file: /ca, cert_file: /c, key_file: /k, server_name: milvus.lab");
    assert_eq!(access.ca_file.as_deref(), Some(Path::new("/ca")));
    let certificate = access.certificate.unwrap();
    assert_eq!((&*certificate.cert_file, &*certificate.key_file), ("/c".as_ref(), "/k".as_ref()));
    assert_eq!(access.server_name.as_deref(), Some("milvus.lab"));
}

#[test]
fn a_password_and_a_token_are_secrets() {
    let fixture = Fixture::new("");
    let file = fixture.file("milvus.password", "hunter2\n");
    fixture.file("milvus.token", "key:hunter2\n");
    let folder = file.parent().unwrap().to_str().unwrap().to_owned();
    let password = MilvusLogin::Password {
        username: "backup".to_owned(),
        password: Secret::new("hunter2".to_owned()),
    };
    let token = MilvusLogin::Token(Secret::new("key:hunter2".to_owned()));
    assert_eq!(password.token().reveal(), "backup:hunter2");
    let yaml = |keys: String| Fixture::new(format!("milvus: {{{keys}}}\n"));
    for (fixture, login, key) in [
        (yaml("username: backup, password: hunter2".to_owned()), &password, "milvus.password"),
        (
            yaml(format!("username: backup, password_file: {}", file.display())),
            &password,
            "milvus.password",
        ),
        (yaml(format!("token_file: {folder}/milvus.token")), &token, "milvus.token"),
    ] {
        let config = fixture.load().unwrap().config;
        assert_eq!(config.milvus.access.login.as_ref(), Some(login));
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        assert_eq!(fixture.row(key).0.as_deref(), Some("(set)"));
    }
    std::fs::remove_file(&file).unwrap();
    let by_credential = Fixture::new("").variable("CREDENTIALS_DIRECTORY", &folder);
    assert_eq!(by_credential.load().unwrap().config.milvus.access.login, Some(token));
}

#[test]
fn what_does_not_go_together_is_named_with_the_remedy() {
    let (http, https) = ("http://m", "https://m");
    for (address, keys, start, hint) in [
        (http, "ca_file: /a", "`milvus.ca_file` means nothing without `https://`", "begin `milv"),
        (http, "server_name: m", "`milvus.server_name` means nothing without", "begin `milvus.a"),
        (http, "cert_file: /a, key_file: /b", "`milvus.cert_file` means nothing", "begin `milvu"),
        (https, "cert_file: /a", "`milvus.cert_file` means nothing without `milvus.key_", "set bo"),
        (https, "key_file: /a", "`milvus.key_file` means nothing without `milvus.cert_f", "set bo"),
        (https, "ca_file: a", "`milvus.ca_file`: must be absolute", "start the path"),
        (https, "server_name: \"https://m\"", "`milvus.server_name`: expected a host", ""),
        (http, "username: u", "`milvus.username` means nothing without `milvus.pass", "set `milvu"),
        (http, "password: p", "`milvus.password` means nothing without `milvus.user", "set `milvu"),
        (
            http,
            "username: u, password: p, token: t",
            "`milvus.token` and `milvus.username` are both set",
            "remove one of them",
        ),
        (
            http,
            "username: \"u:p\", password: p",
            "`milvus.username`: must not hold",
            "the password",
        ),
        (http, "token: t, token_file: /t", "`milvus.token` and `milvus.token_file` are", "remove"),
        (http, "management_address: \"https://m\"", "`milvus.management_address`: Milv", "write"),
    ] {
        let text = format!("milvus: {{address: \"{address}\", {keys}}}\n");
        let problems = Fixture::new(text).problems();
        assert!(problems.starts_with(&format!("error: {start}")), "{problems}");
        assert_eq!(problems.matches("error: ").count(), 1, "{problems}");
        assert!(problems.contains("config.yaml:1:"), "{problems}");
        assert!(problems.contains(&format!("hint: {hint}")) || hint.is_empty(), "{problems}");
        assert!(!problems.contains("password: p,"), "{problems}");
    }
}

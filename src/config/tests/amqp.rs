//! The broker, and what must go with it.

use std::path::Path;

use super::fixture::Fixture;
use crate::config::Amqp;
use crate::model::ClusterName;

fn amqp(text: &str) -> Option<Amqp> {
    Fixture::new(text).load().unwrap().config.amqp
}

#[test]
fn without_a_url_there_is_no_broker() {
    assert_eq!(amqp(""), None);
    let expected = "\
error: `amqp.declare` means nothing without `amqp.url`
 --> /etc/config.yaml:1:17
  |
1 | amqp: {declare: false}
  |                 ^
  = hint: set `amqp.url_file`, or remove the section; where a unit of systemd loads the \
credential `amqp.url`, a command at a shell needs CREDENTIALS_DIRECTORY, too";
    let problems = Fixture::new("amqp: {declare: false}\n").problems();
    assert_eq!(problems, expected);
}

#[test]
fn names_follow_from_others() {
    let broker = amqp("amqp: {url: \"amqp://h\"}\n").unwrap();
    assert_eq!(broker.queue(&ClusterName::new("prod").unwrap()), "milvus-backup.prod");
    assert_eq!(
        (&*broker.exchange, broker.declare, broker.prefetch.get()),
        ("milvus-backup", false, 4)
    );
    assert_eq!(broker.dead_letter_exchange, "milvus-backup.dead");
    assert_eq!((broker.ca_file, broker.certificate), (None, None));
    let broker =
        amqp("amqp: {url: \"amqp://h\", exchange: e, queue: q, prefetch: 1000}\n").unwrap();
    assert_eq!(broker.queue(&ClusterName::new("prod").unwrap()), "q");
    assert_eq!((&*broker.dead_letter_exchange, broker.prefetch.get()), ("e.dead", 1000));
    let broker = amqp(
        "amqp: {url: \"amqps://h\", dead_letter_exchange: d, declare: true, ca_file: /ca, \
         cert_file: /c, key_file: /k}\n",
    )
    .unwrap();
    assert_eq!((&*broker.dead_letter_exchange, broker.declare), ("d", true));
    assert_eq!(broker.ca_file.as_deref(), Some(Path::new("/ca")));
    let certificate = broker.certificate.unwrap();
    assert_eq!(certificate.cert_file, Path::new("/c"));
    assert_eq!(certificate.key_file, Path::new("/k"));
}

#[test]
fn the_url_is_a_secret() {
    let fixture = Fixture::new("");
    let file = fixture.file("amqp.url", "amqp://a:hunter2@h\n");
    let folder = file.parent().unwrap().to_str().unwrap().to_owned();
    let by_file = Fixture::new(format!("amqp: {{url_file: {}}}\n", file.display()));
    let by_credential = Fixture::new("").variable("CREDENTIALS_DIRECTORY", &folder);
    for fixture in [by_file, by_credential] {
        let config = fixture.load().unwrap().config;
        assert_eq!(config.amqp.as_ref().unwrap().url.user.as_ref().unwrap().name, "a");
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        assert_eq!(fixture.row("amqp.url").0.as_deref(), Some("(set)"));
    }
    let problems = Fixture::new("amqp:\n  url: http://a:hunter2@h\n").problems();
    let start =
        "error: `amqp.url`: expected an address such as amqps://user:password@host:5671/vhost\n";
    assert!(problems.starts_with(start), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
    assert_eq!(problems.matches("error: ").count(), 1, "{problems}");
}

#[test]
fn what_does_not_go_together_is_named() {
    for (keys, start) in [
        ("ca_file: /a", "`amqp.ca_file` means nothing without `amqps://`"),
        ("cert_file: /a, key_file: /b", "`amqp.cert_file` means nothing without `amqps://`"),
        ("cert_file: /a", "`amqp.cert_file` means nothing without `amqp.key_file`"),
        ("key_file: /a", "`amqp.key_file` means nothing without `amqp.cert_file`"),
        ("key_file: a", "`amqp.key_file`: must be absolute"),
        ("prefetch: 0", "`amqp.prefetch`: expected a number between 1 and 1000, found `0`"),
        ("prefetch: 1001", "`amqp.prefetch`: expected a number between 1 and 1000"),
        ("queue: \"a\\nb\"", "`amqp.queue`: expected a name"),
        (&format!("exchange: {}", "x".repeat(251)), "`amqp.exchange`: expected a name"),
        (
            "exchange: e, dead_letter_exchange: e",
            "`amqp.dead_letter_exchange` and `amqp.exchange` are both `e`",
        ),
    ] {
        let problems = Fixture::new(format!("amqp: {{url: \"amqp://h\", {keys}}}\n")).problems();
        assert!(problems.starts_with(&format!("error: {start}")), "{problems}");
        assert_eq!(problems.matches("error: ").count(), 1, "{problems}");
        assert!(problems.contains("config.yaml:1:"), "{problems}");
    }
}

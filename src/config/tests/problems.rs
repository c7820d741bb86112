//! What is refused, and in which words.

use std::path::Path;

use super::fixture::Fixture;
use crate::config::load::{Presence, load_from};
use crate::config::{Environment, load};

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

/// A file with one problem of each kind.
const WRONG: &str = "\
milvus:
  adress: http://a
  address: tcp://milvus:19530
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
triggers: {}
";

/// What is said about [`WRONG`] and two wrong variables.
const PROBLEMS: &str = "\
error: unknown key `milvus.adress`
 --> /etc/config.yaml:2:3
  |
2 |   adress: http://a
  |   ^ did you mean `address`?

error: `milvus.address`: expected an address such as http://127.0.0.1:19530, found \
`tcp://milvus:19530`
 --> /etc/config.yaml:3:12
  |
3 |   address: tcp://milvus:19530
  |            ^

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

error: unknown key `triggers`
  --> /etc/config.yaml:14:1
   |
14 | triggers: {}
   | ^
   = hint: `config show` lists every key

error: unknown variable `MBA__TRANSFER__CONCURENCY`
 --> environment MBA__TRANSFER__CONCURENCY
  = hint: did you mean `MBA__TRANSFER__CONCURRENCY`?

error: `milvus.cluster`: the value is empty
 --> environment MBA__MILVUS__CLUSTER
  = hint: to use the default, remove it";

#[test]
fn all_problems_are_shown_at_once_in_the_order_of_lines() {
    let found = Fixture::new(WRONG)
        .variable("MBA__TRANSFER__CONCURENCY", "3")
        .variable("MBA__MILVUS__CLUSTER", "")
        .problems();
    assert!(found == PROBLEMS, "found:\n{found}\n\nexpected:\n{PROBLEMS}");
}

#[test]
fn what_is_no_section_of_keys_is_refused() {
    for (text, start) in [
        ("- a\n", "error: the file must be a section of keys\n --> /etc/config.yaml:1:1"),
        ("text\n", "error: the file must be a section of keys\n --> /etc/config.yaml:1:1"),
        ("state: {a: b}\n", "error: `state`: expected one value\n --> /etc/config.yaml:1:8"),
        ("state: ''\n", "error: `state`: the value is empty\n --> /etc/config.yaml:1:8"),
        ("log:\n\tlevel: info\n", "error: not valid YAML: tabs disallowed"),
        ("1: 2\n", "error: unknown key `1`\n --> /etc/config.yaml:1:1"),
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
    assert!(fixture.problems().starts_with(start), "{}", fixture.problems());
}

#[test]
fn only_the_default_file_may_be_missing() {
    let missing = Path::new("/nowhere/config.yaml");
    let none = Environment::default();
    assert!(load_from(missing, Presence::Optional, &none).is_ok());
    let expected = "\
error: cannot read the configuration file: No such file or directory (os error 2)
 --> /nowhere/config.yaml";
    assert_eq!(load(Some(missing), &none).unwrap_err().to_string(), expected);
}

#[test]
fn a_wrong_folder_of_milvus_is_reported_once() {
    let fixture = Fixture::new("milvus: {storage: {local: {path: data}}}\n");
    assert_eq!(fixture.problems().matches("error: ").count(), 1, "{}", fixture.problems());

    let fixture = Fixture::new("");
    let text = "common: {storageType: local}\nlocalStorage:\n  path: data\n";
    let milvus_yaml = fixture.file("milvus.yaml", text);
    let fixture = fixture.variable("MBA__MILVUS__CONFIG_FILE", milvus_yaml.to_str().unwrap());
    let expected = "\
error: `localStorage.path`: must be absolute, found `data`
 --> /etc/milvus.yaml:3:9
  |
3 |   path: data
  |         ^
  = hint: start the path with `/`; the agent has no folder of its own to start from";
    assert_eq!(fixture.problems(), expected);
}

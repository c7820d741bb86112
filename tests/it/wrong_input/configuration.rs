//! What is written wrongly in the configuration or on the command line.

use std::fs;

use super::agent::Agent;

#[test]
fn the_file_is_wrong_at_a_line_and_a_column() {
    let agent = Agent::alone();
    let file = agent.path("config.yaml");
    let shown = file.to_str().expect("a plain name");
    for (text, words) in [
        (
            &b"milvus:\n  adress: http://a\n"[..],
            &["unknown key `milvus.adress`", "config.yaml:2:3", "did you mean `address`?"][..],
        ),
        (b"wholly_unknown: 1\n", &["config.yaml:1:1", "`config show` lists every key"]),
        (b"milvus: [\n", &["config.yaml:1:9", "unclosed bracket"]),
        (b"repository: 3\n", &["config.yaml:1:13", "expected a section of keys", "found `3`"]),
        (
            b"log: {level: warn}\nlog: {level: info}\n",
            &["config.yaml:2:1", "key `log` appears twice", "first on line 1"],
        ),
        (b"log:\n  level: loud\n", &["config.yaml:2:10", "one of error, warn, info"]),
        (b"\xff\xfe", &["config.yaml:1:1", "save the file as UTF-8"]),
    ] {
        fs::write(&file, text).expect("the folder is writable");
        agent.refuses(&["--config", shown, "list"], 2, &[&[shown], words].concat());
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let agent = Agent::alone().with("MILVUS__CLUSTER", "a/b");
    let file = agent.path("config.yaml");
    let text = "milvus:\n  adress: x\ntransfer:\n  concurrency: 0\nlog: {format: xml}\n";
    fs::write(&file, text).expect("the folder is writable");
    let file = file.to_str().expect("a plain name");
    let words = [
        "config.yaml:2:3",
        "config.yaml:4:16",
        "between 1 and 1024",
        "config.yaml:5:15",
        "one of text, json",
        "environment MBA__MILVUS__CLUSTER",
    ];
    agent.refuses(&["--config", file, "config", "check"], 2, &words);
}

#[test]
fn a_file_that_was_named_must_exist() {
    let agent = Agent::alone();
    for (name, why) in [("none.yaml", "No such file"), ("milvus", "Is a directory")] {
        let file = agent.path(name);
        let file = file.to_str().expect("a plain name");
        agent.refuses(&["--config", file, "list"], 2, &[file, why]);
    }
}

/// The first configuration is made without one, or in the place of one that is wrong.
#[test]
fn what_is_imported_loads_and_what_is_no_backup_yaml_is_told_with_its_place() {
    let agent = Agent::alone().with("LOG__LEVEL", "loud");
    let file = agent.path("backup.yaml");
    let shown = file.to_str().expect("a plain name");
    for (text, words) in [
        ("a: 1\n", ["this is no backup.yaml", "backup.yaml:1:1"]),
        ("milvus: {port: [1]}\n", ["`milvus.port`: expected one value", "backup.yaml:1:16"]),
    ] {
        fs::write(&file, text).expect("the folder is writable");
        agent.refuses(&["config", "import", shown], 2, &words);
    }
    let text = "minio: {address: m, useIAM: true, backupRootPath: x/backup}\nmilvus: {user: u}\n";
    fs::write(&file, text).expect("the folder is writable");
    let said = agent.run(&["config", "import", shown]);
    assert_eq!(said.code, Some(0), "{said}");
    for words in ["line 1", "repository.s3.prefix, milvus.cluster", "MINIO_ADDRESS", "keep_daily"] {
        assert!(said.stderr.contains(words), "{words}: {said}");
    }
    let config = agent.path("imported.yaml");
    fs::write(&config, &said.stdout).expect("the folder is writable");
    let config = config.to_str().expect("a plain name");
    let secret = "/etc/milvus-backup-agent/secrets/milvus.password";
    let agent = Agent::alone().without("MILVUS__STORAGE__LOCAL__PATH");
    let agent = agent.without("REPOSITORY__LOCAL__PATH").without("MILVUS__CLUSTER");
    agent.refuses(&["--config", config, "config", "check"], 2, &[secret, "DECISION"]);
    let agent = agent.with("MILVUS__PASSWORD", "p");
    let listed = agent.run(&["--config", config, "config", "show"]);
    assert_eq!(listed.code, Some(0), "{listed}");
    assert!(listed.stdout.contains("backup"), "{listed}");
}

#[test]
fn a_variable_is_wrong() {
    for (key, value, words) in [
        (
            "MILVUS__ADRESS",
            "x",
            &["MBA__MILVUS__ADRESS", "did you mean `MBA__MILVUS__ADDRESS`?"][..],
        ),
        ("MILVUS__ADDRESS", "localhost:19530", &["write http://localhost:19530"]),
        ("MILVUS__ADDRESS", "https://milvus/x", &["only a host and a port"]),
        ("MILVUS__CA_FILE", "/ca.pem", &["means nothing without `https://`", "begin `milvus.addr"]),
        (
            "MILVUS__USERNAME",
            "root",
            &["means nothing without `milvus.password`", "`milvus.token`"],
        ),
        ("MILVUS__CLUSTER", "../x", &["`milvus.cluster`", "use 1 to 63 letters"]),
        ("MILVUS__CONFIG_FILE", "/none.yaml", &["`milvus.config_file`", "/none.yaml", "No such"]),
        ("REPOSITORY__LOCAL__PATH", "", &["is empty", "to use the default, remove it"]),
        ("REPOSITORY__LOCAL__PATH", "relative", &["must be absolute", "start the path with `/`"]),
        ("REPOSITORY__LOCAL__MIN_FREE", "-1", &["a size such as 5GiB", "found `-1`"]),
        ("TRANSFER__CONCURRENCY", "many", &["between 1 and 1024", "found `many`"]),
    ] {
        let variable = format!("environment MBA__{key}");
        let words = [&[variable.as_str()], words].concat();
        Agent::alone().with(key, value).refuses(&["list"], 2, &words);
    }
}

#[test]
fn the_command_line_is_wrong() {
    let agent = Agent::alone();
    for (arguments, words) in [
        (&["restor"][..], &["restor", "--help"][..]),
        (&["backup", "--nmae", "x"], &["--nmae", "--name"]),
        (&["backup", "x"], &["unexpected argument 'x'", "--help"]),
        (&["show"], &["<NAME>", "--help"]),
        (&["verify", "x", "--depth", "deep"], &["deep", "manifest, size, content"]),
        (&["cluster", "adopt", "lab"], &["--reason"]),
        (&["restore", "x", "--rename", "a:b"], &["a:b", "database.collection:database"]),
    ] {
        agent.refuses(arguments, 2, words);
    }
    agent.run(&["--output", "xml", "list"]).fails(2, &["xml", "table, json"]);
}

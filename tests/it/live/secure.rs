//! A Milvus with authorization and TLS, and users that may do too little.

use std::net::TcpListener;
use std::path::Path;

use milvus_backup_agent::config::{ClientCertificate, MilvusAccess, MilvusLogin};
use milvus_backup_agent::milvus::{GrpcMilvus, MilvusApi, MilvusError, MilvusErrorKind};
use milvus_backup_agent::model::Secret;
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Agent, Authority, Certificate, Ended, LabServer, assert_equal, lab_with};

/// The name in Milvus's certificate.
const NAME: &str = "milvus.lab";
const PASSWORD: &str = "Passw0rd";
/// Of every type, with partitions, indexes, an alias, deletes.
const TYPES: &str = "db2.types";

/// What README says that a backup needs.
const BACKUP: &[(&str, &str)] = &[
    ("Global", "ListDatabases"),
    ("Global", "ShowCollections"),
    ("Global", "DescribeCollection"),
    ("Collection", "ShowPartitions"),
    ("Collection", "IndexDetail"),
    ("Collection", "Load"),
    ("Collection", "Flush"),
    ("Collection", "GetFlushState"),
];

/// What it says that a restore needs besides.
const RESTORE: &[(&str, &str)] = &[
    ("Global", "CreateDatabase"),
    ("Global", "CreateCollection"),
    ("Global", "DropCollection"),
    ("Global", "RenameCollection"),
    ("Global", "CreateAlias"),
    ("Collection", "CreatePartition"),
    ("Collection", "CreateIndex"),
    ("Collection", "Import"),
];

/// What it says that a drill needs besides, and what it does not need.
const DRILL: &[(&str, &str)] = &[("Global", "DropDatabase"), ("Collection", "Query")];
const NO_DRILL: &[&str] = &["Flush", "GetFlushState", "RenameCollection", "CreateAlias"];

/// A server that asks who one is, and an agent that has yet to be told.
struct Site {
    folder: TempDir,
    server: LabServer,
    agent: Agent,
    ours: Certificate,
    /// Where it answers REST.
    rest: String,
}

#[tokio::test]
async fn the_documented_privileges_are_enough_and_each_missing_one_is_named() {
    let site = Site::new();
    site.rest_is_answered_on_a_port_of_its_own().await;
    site.make_users();
    site.server.data_py("fill", &["--scenario", "types", "--rows", "100"]);
    let dumps = [site.agent.path("before"), site.agent.path("after")];
    let before = site.server.dump(TYPES, &dumps[0]);

    // Milvus's proxy hears of grants a moment later.
    for (user, arguments) in [("both", ["check", "--restore"].as_slice()), ("backup", &["check"])] {
        for _ in 0..60 {
            if site.runs_as(user, arguments).code == 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    }
    for (user, arguments) in [
        ("backup", ["check"].as_slice()),
        ("backup", &["backup", "--name", "b1"]),
        ("both", &["check", "--restore"]),
        ("both", &["restore", "b1", "--collections", TYPES, "--drop-existing"]),
        ("drill", &["drill", "b1"]),
    ] {
        let ended = site.runs_as(user, arguments);
        assert_eq!(ended.code, 0, "{user} {arguments:?}: {}\n{}", ended.json, ended.talk);
    }
    let after = site.server.dump(TYPES, &dumps[1]);
    assert_equal(&before, &after, &[], "");

    for &(object, privilege) in BACKUP {
        let user = format!("no_{privilege}");
        is_told(&site.runs_as(&user, &["check"]), &user, (object, privilege));
    }
    for &(object, privilege) in RESTORE {
        let user = format!("no_{privilege}");
        is_told(&site.runs_as(&user, &["check", "--restore"]), &user, (object, privilege));
    }
    // What was asked for is what is needed: of each, one that is met late.
    for (object, privilege) in [("Global", "ShowCollections"), ("Collection", "GetFlushState")] {
        let user = format!("no_{privilege}");
        let ended = site.runs_as(&user, &["backup", "--name", &user]);
        is_told(&ended, &user, (object, privilege));
        assert_ne!(site.state_of(&user), "complete", "{user}");
    }
    for (object, privilege) in [("Collection", "Import"), ("Global", "RenameCollection")] {
        let user = format!("no_{privilege}");
        let ended =
            site.runs_as(&user, &["restore", "b1", "--collections", TYPES, "--suffix", "_again"]);
        is_told(&ended, &user, (object, privilege));
    }
    // A drill asks for rows when it has made a collection, which is dropped all the same.
    is_told(&site.runs_as("no_Query", &["drill", "b1"]), "no_Query", ("Collection", "Query"));
    let left = site.agent.leftovers().into_iter().map(|file| file.display().to_string());
    // The restore that could not rename has its ledger still.
    let left: Vec<String> = left.filter(|file| !file.contains("/_restores/")).collect();
    assert_eq!(left, [""; 0]);
    let left = site.server.dump("", &site.agent.path("left"));
    assert!(!std::fs::read_to_string(left).unwrap().contains("__drill_"));
    let nobody = site.runs_as("nothing", &["check", "--restore"]);
    // Whether a name is taken is asked before it is given to a new collection.
    let asked = |(_, privilege): &&(&str, &str)| *privilege != "CreateCollection";
    for (object, privilege) in BACKUP.iter().chain(RESTORE).filter(asked) {
        is_told(&nobody, "nothing", (object, privilege));
    }
    site.strangers_are_told_what_to_set();
    site.a_certificate_of_ours_is_not_always_asked_for();
}

impl Site {
    fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let authority = Authority::new(folder.path(), "authority");
        let (theirs, ours) = (authority.signs(NAME), authority.signs("agent.lab"));
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let environment = vec![
            ("LAB_MILVUS_CA", path(&authority.file())),
            ("LAB_MILVUS_CERT", path(&ours.file)),
            ("LAB_MILVUS_KEY", path(&ours.key)),
            ("LAB_MILVUS_NAME", NAME.to_owned()),
            ("LAB_MILVUS_USER", "root:Milvus".to_owned()),
        ];
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let port = free.port();
        let settings = [
            "common.security.authorizationEnabled=true".to_owned(),
            "common.security.tlsMode=2".to_owned(),
            format!("tls.serverPemPath={}", theirs.file.display()),
            format!("tls.serverKeyPath={}", theirs.key.display()),
            format!("tls.caPemPath={}", authority.file().display()),
            format!("proxy.http.port={port}"),
            "proxy.maxRoleNum=100".to_owned(),
            "dataCoord.enableCompaction=false".to_owned(),
        ];
        let server = LabServer::start_in(environment, "secure", &settings);
        let agent = Agent::new(&server, "secure");
        Self { folder, server, agent, ours, rest: format!("https://{free}") }
    }

    /// `backup`, `both` and `drill` have what is documented, `nothing` has nothing, and each of the
    /// others has all but the privilege in its name.
    fn make_users(&self) {
        let all: Vec<_> = BACKUP.iter().chain(RESTORE).copied().collect();
        let mut users = serde_json::json!({"backup": BACKUP, "both": all, "nothing": []});
        let of_drill = all.iter().filter(|(_, privilege)| !NO_DRILL.contains(privilege));
        let of_drill: Vec<_> = of_drill.chain(DRILL).collect();
        let blind = of_drill.iter().filter(|(_, privilege)| *privilege != "Query");
        users["no_Query"] = serde_json::json!(blind.collect::<Vec<_>>());
        users["drill"] = serde_json::json!(of_drill);
        for (_, privilege) in &all {
            let rest: Vec<_> = all.iter().filter(|(_, other)| other != privilege).collect();
            users[format!("no_{privilege}")] = serde_json::json!(rest);
        }
        let arguments = [&*self.server.address, PASSWORD, &users.to_string()];
        lab_with(&self.server.environment, "users.py", &arguments);
    }

    fn authority(&self) -> String {
        self.folder.path().join("authority.pem").display().to_string()
    }

    /// Runs a command with all that the connection needs, but for what `changes` says.
    fn runs(&self, changes: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let (ca, cert) = (self.authority(), self.ours.file.display().to_string());
        let key = self.ours.key.display().to_string();
        let mut variables = vec![
            ("MBA__MILVUS__CA_FILE", &*ca),
            ("MBA__MILVUS__CERT_FILE", &cert),
            ("MBA__MILVUS__KEY_FILE", &key),
            ("MBA__MILVUS__SERVER_NAME", NAME),
            ("MBA__MILVUS__USERNAME", "both"),
            ("MBA__MILVUS__PASSWORD", PASSWORD),
        ];
        variables.retain(|(name, _)| !changes.iter().any(|(other, _)| other == name));
        variables.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.agent.run_with(&variables, arguments)
    }

    fn runs_as(&self, user: &str, arguments: &[&str]) -> Ended {
        self.runs(&[("MBA__MILVUS__USERNAME", user)], arguments)
    }

    fn state_of(&self, name: &str) -> String {
        let list = self.runs(&[], &["list"]).json;
        let rows = list.as_array().unwrap().iter();
        let found: Vec<&Value> = rows.filter(|row| row["name"] == name).collect();
        found.first().map_or("absent", |row| row["state"].as_str().unwrap()).to_owned()
    }

    /// 2.3.5 has none of the calls that are made over REST since 2.4, and says so over TLS; where
    /// it answers gRPC it does not.
    async fn rest_is_answered_on_a_port_of_its_own(&self) {
        let mute = self.asks_over_rest(None, "Milvus").await;
        assert_eq!(mute.hint().map(|hint| hint.contains("milvus.rest_address")), Some(true));
        let answered = self.asks_over_rest(Some(&self.rest), "Milvus").await;
        assert_eq!(answered.kind(), MilvusErrorKind::Unimplemented, "{answered}");
        let stranger = self.asks_over_rest(Some(&self.rest), "wrong").await;
        assert_eq!(stranger.kind(), MilvusErrorKind::NotAuthorised, "{stranger}");
    }

    /// Why a call over REST fails, as `root` with some password.
    async fn asks_over_rest(&self, rest: Option<&str>, password: &str) -> MilvusError {
        let access = MilvusAccess {
            ca_file: Some(self.authority().into()),
            certificate: Some(ClientCertificate {
                cert_file: self.ours.file.clone(),
                key_file: self.ours.key.clone(),
            }),
            server_name: Some(NAME.to_owned()),
            rest_address: rest.map(|address| address.parse().unwrap()),
            login: Some(MilvusLogin::Password {
                username: "root".to_owned(),
                password: Secret::new(password.to_owned()),
            }),
        };
        let client = GrpcMilvus::new(&self.server.address.parse().unwrap(), &access).unwrap();
        client.segment_logs("default", 1, &[1]).await.unwrap_err()
    }

    /// Whom Milvus does not know, or we do not.
    fn strangers_are_told_what_to_set(&self) {
        let stranger = Authority::new(self.folder.path(), "stranger").signs("agent.lab");
        let (cert, key) = (stranger.file.display().to_string(), stranger.key.display().to_string());
        let (user, password) = ("MBA__MILVUS__USERNAME", "MBA__MILVUS__PASSWORD");
        let token = "MBA__MILVUS__TOKEN";
        let (cert_file, key_file) = ("MBA__MILVUS__CERT_FILE", "MBA__MILVUS__KEY_FILE");
        let ours = "set `milvus.cert_file` and `milvus.key_file` to a certificate that";
        let plain = self.server.address.replace("https://", "http://");
        for (changes, code, said, hint) in [
            ([(password, "wrong"), ("", "")], 12, "auth check failure", "correct `milvus.usern"),
            ([(user, "stranger"), ("", "")], 12, "auth check failure", "correct `milvus.usern"),
            ([(user, ""), (password, "")], 12, "missing authorization", "or `milvus.token`"),
            ([("MBA__MILVUS__CA_FILE", ""), ("", "")], 2, "UnknownIssuer", "set `milvus.ca_file`"),
            (
                [("MBA__MILVUS__SERVER_NAME", ""), ("", "")],
                2,
                "not valid for name",
                "set `milvus.server_name`",
            ),
            ([(cert_file, ""), (key_file, "")], 12, "TLS failed: received fatal alert", ours),
            ([(cert_file, &cert), (key_file, &key)], 12, "TLS failed: received fatal", ours),
        ] {
            let ended = self.runs(&changes, &["check"]);
            is_refused(&ended, code, (said, hint), &format!("{changes:?}"));
        }
        let none = [(user, ""), (password, ""), (token, "stranger:wrong")];
        let hint = "correct `milvus.token`";
        is_refused(&self.runs(&none, &["check"]), 12, ("auth check failure", hint), "a token");
        let plain = [
            ("MBA__MILVUS__ADDRESS", &*plain),
            ("MBA__MILVUS__CA_FILE", ""),
            ("MBA__MILVUS__SERVER_NAME", ""),
            (cert_file, ""),
            (key_file, ""),
        ];
        let said = ("connect: http://127.0.0.1", "for a Milvus with TLS begin it with https://");
        is_refused(&self.runs(&plain, &["check"]), 13, said, "no TLS");
        let token = [(user, ""), (password, ""), (token, &*format!("both:{PASSWORD}"))];
        assert_eq!(self.runs(&token, &["check"]).code, 0, "a token is as good");
    }

    /// With `tlsMode: 1` Milvus shows a certificate and asks for none.
    fn a_certificate_of_ours_is_not_always_asked_for(&self) {
        self.server.kill();
        let theirs = self.folder.path().join(format!("authority-{NAME}2"));
        let settings = [
            "common.security.authorizationEnabled=true".to_owned(),
            "common.security.tlsMode=1".to_owned(),
            format!("tls.serverPemPath={}.pem", theirs.display()),
            format!("tls.serverKeyPath={}.key", theirs.display()),
        ];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        self.server.start_again(&settings);
        let none = [("MBA__MILVUS__CERT_FILE", ""), ("MBA__MILVUS__KEY_FILE", "")];
        let ended = self.runs(&none, &["check"]);
        assert_eq!(ended.code, 0, "{}", ended.json);
    }
}

fn is_refused(ended: &Ended, code: i32, (said, hint): (&str, &str), what: &str) {
    assert_eq!(ended.code, code, "{what}: {}", ended.json);
    let line = &ended.json["checks"][0];
    assert_eq!((&line["check"], &line["ok"]), (&"milvus".into(), &false.into()), "{what}");
    let (detail, told) = (line["detail"].to_string(), line["hint"].to_string());
    assert!(detail.contains(said), "{what}: {detail}");
    assert!(told.contains(hint), "{what}: {told}");
    assert!(!ended.json.to_string().contains(PASSWORD), "{what}: {}", ended.json);
}

/// Exit 12, which privilege is missing, on what, for whom, and how it is granted.
fn is_told(ended: &Ended, user: &str, (object, privilege): (&str, &str)) {
    assert_eq!(ended.code, 12, "{user}: {}\n{}", ended.json, ended.talk);
    let said = format!("{} {}", ended.json, ended.talk);
    let missing = format!("`{privilege}` on `{object}` in database");
    let grant = format!("grant(\\\"{object}\\\", \\\"*\\\", \\\"{privilege}\\\"");
    for part in [&*missing, &format!("user `{user}` lacks the privilege `"), &grant] {
        assert!(said.contains(part), "{user} is not told {part}: {said}");
    }
    assert!(!said.contains(PASSWORD), "{said}");
}

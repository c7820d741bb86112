//! Users and roles of servers that were never run, and of the whole program before one.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use assert_cmd::cargo::cargo_bin_cmd;
use milvus_backup_agent::job::{BackupRequest, RestoreOptions, RunOutcome, Wanted, run_backup};
use milvus_backup_agent::model::ErrorKind;
use milvus_backup_agent::policy::CollectionSelector;
use prost::Message;
use tempfile::TempDir;
use tokio::task::JoinSet;
use url::Url;

use super::cluster::{V2_4, V2_5, V2_6, Version};
use super::golden::{assert_golden, stable};
use super::grpc::{ok, refused};
use super::sample;
use super::server::serve;
use super::wire::milvus::{
    BackupRbacMetaResponse, GrantEntity, GrantorEntity, ObjectEntity, PrivilegeEntity,
    PrivilegeGroupInfo, RbacMeta, RestoreRbacMetaRequest, RoleEntity, UserEntity, UserInfo,
};
use super::world::{Fake, Script, World, decode};
use crate::support::{request, restore_of};

const HASH: &str = "$2a$10$AnnsHashThatNobodySees";

fn role(name: &str) -> RoleEntity {
    RoleEntity { name: name.to_owned(), description: String::new() }
}

fn privilege(name: &str) -> PrivilegeEntity {
    PrivilegeEntity { name: name.to_owned() }
}

fn grant(role_name: &str, object: &str, privilege_name: &str, database: &str) -> GrantEntity {
    let grantor = GrantorEntity {
        user: Some(UserEntity { name: "root".to_owned() }),
        privilege: Some(privilege(privilege_name)),
    };
    GrantEntity {
        role: Some(role(role_name)),
        object: Some(ObjectEntity { name: object.to_owned() }),
        object_name: "*".to_owned(),
        grantor: Some(grantor),
        db_name: database.to_owned(),
    }
}

/// In an order that no one would choose, as servers answer.
fn users_and_roles() -> RbacMeta {
    let user = |name: &str, hash: &str, roles: &[&str]| UserInfo {
        user: name.to_owned(),
        password: hash.to_owned(),
        roles: roles.iter().map(|name| role(name)).collect(),
    };
    RbacMeta {
        users: vec![user("bob", "$2a$10$BobsHash", &[]), user("ann", HASH, &["public", "films"])],
        roles: vec![role("films"), role("backup")],
        grants: vec![
            grant("films", "Collection", "look", "shop"),
            grant("backup", "Global", "BackupRBAC", "*"),
        ],
        privilege_groups: vec![PrivilegeGroupInfo {
            group_name: "look".to_owned(),
            privileges: vec![privilege("Search"), privilege("Query")],
        }],
    }
}

impl Fake {
    pub(super) fn tell_rbac(&self) -> Option<Vec<u8>> {
        let rbac_meta = self.cluster().rbac.clone();
        let there = if rbac_meta.is_some() { "" } else { " is not there" };
        self.record.add(" cluster", format!("grpc BackupRBAC{there}"));
        let answer = BackupRbacMetaResponse { status: Some(ok()), rbac_meta };
        answer.rbac_meta.is_some().then(|| answer.encode_to_vec())
    }

    /// Takes all of it, if nothing of it is there.
    pub(super) fn take_rbac(&self, body: &[u8]) -> Option<Vec<u8>> {
        let asked: RestoreRbacMetaRequest = decode(body);
        let more = asked.rbac_meta.unwrap();
        let names = |roles: &[RoleEntity]| -> Vec<String> {
            roles.iter().map(|role| role.name.clone()).collect()
        };
        let users = more.users.iter().map(|user| {
            let (name, hash, roles) = (&user.user, &user.password, names(&user.roles));
            format!("user {name} password={hash} roles={roles:?}")
        });
        let roles = more.roles.iter().map(|role| format!("role {}", role.name));
        let grants = more.grants.iter().map(|grant| format!("grant {}", words(grant)));
        let groups = more.privilege_groups.iter().map(|group| {
            let names: Vec<&str> = group.privileges.iter().map(|one| one.name.as_str()).collect();
            format!("privilege group {} {names:?}", group.group_name)
        });
        let lines: Vec<String> = users.chain(roles).chain(grants).chain(groups).collect();
        self.record.add(" cluster", format!("grpc RestoreRBAC\n    {}", lines.join("\n    ")));
        let mut cluster = self.cluster();
        let there = cluster.rbac.as_mut()?;
        let taken = there.users.iter().any(|user| more.users.iter().any(|m| m.user == user.user));
        if taken {
            return Some(refused(65_535, "user already exists").encode_to_vec());
        }
        there.users.extend(more.users);
        there.roles.extend(more.roles);
        there.grants.extend(more.grants);
        there.privilege_groups.extend(more.privilege_groups);
        Some(ok().encode_to_vec())
    }
}

fn words(grant: &GrantEntity) -> String {
    let GrantEntity { role, object, object_name, grantor, db_name } = grant;
    let (role, object) = (role.as_ref().unwrap(), object.as_ref().unwrap());
    let grantor = grantor.as_ref().unwrap();
    let (user, privilege) = (grantor.user.as_ref().unwrap(), grantor.privilege.as_ref().unwrap());
    format!(
        "role={} object={} object_name={object_name} privilege={} grantor={} db_name={db_name}",
        role.name, object.name, privilege.name, user.name
    )
}

fn with_rbac() -> BackupRequest {
    BackupRequest { rbac: true, ..request("b") }
}

async fn golden(name: &str, version: Version) {
    let world = World::new(version, Script::default()).await;
    world.source.cluster().rbac = Some(users_and_roles());
    let (report, manifest) = world.back_up(with_rbac()).await;
    assert_eq!(report.rbac.map(|rbac| (rbac.users, rbac.grants)), Some((2, 2)));
    let asked = world.source.record.in_order();
    let (rbac, flush) = (asked.find("grpc BackupRBAC"), asked.find("grpc Flush"));
    assert!(rbac.unwrap() < flush.unwrap(), "{asked}");
    let by_subject = world.source.record.by_subject();
    let of_cluster = by_subject.split("\n\n").next().unwrap();

    let target = world.target(version, Script::default());
    target.cluster().rbac = Some(RbacMeta { roles: vec![role("films")], ..RbacMeta::default() });
    let mut alone = RestoreOptions { rbac: Wanted::Yes, ..restore_of("b") };
    alone.request.selector = CollectionSelector::parse(["!*.*"]).unwrap();
    let report = world.put_back(&target, &alone).await;
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert_eq!(report.rbac.map(|rbac| (rbac.copied.roles, rbac.present.roles)), Some((1, 1)));
    let all = RestoreOptions { rbac: Wanted::Yes, ..restore_of("b") };
    let all = world.put_back(&target, &all).await;
    assert_eq!(all.rbac.map(|rbac| rbac.copied.users), Some(0), "all are there");
    let restored = target.record.in_order();
    let restored = restored.split("grpc Connect").nth(1).unwrap();
    let text =
        format!("{of_cluster}\n\n== restore of users and roles alone\ngrpc Connect{restored}");
    assert_golden(name, &stable(&text, &manifest));
}

#[tokio::test]
async fn users_and_roles_of_2_5_are_asked_for_once_and_what_is_missing_is_sent_once() {
    golden("2.5-rbac", V2_5).await;
}

#[tokio::test]
async fn users_and_roles_of_2_6_are_asked_for_and_sent_as_those_of_2_5() {
    golden("2.6-rbac", V2_6).await;
}

#[tokio::test]
async fn a_server_without_them_is_refused_before_a_flush() {
    let world = World::new(V2_4, Script::default()).await;
    let mut tasks = JoinSet::new();
    let context = world.context(&world.source, &mut tasks).await;
    let error = run_backup(&context, with_rbac()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{}", error.chain());
    assert_eq!(world.source.record.count("grpc Flush"), 0);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all
}

/// The program before a server, with folders of its own.
struct Program {
    address: String,
    storage: TempDir,
    repository: TempDir,
    state: TempDir,
}

impl Program {
    fn before(address: &Url) -> Self {
        let [storage, repository, state] = [(); 3].map(|()| TempDir::new().unwrap());
        for file in sample::cluster(V2_5, false).1 {
            let path = storage.path().join(&file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &file).unwrap();
        }
        Self { address: address.to_string(), storage, repository, state }
    }

    /// Runs a command that ends with this code; what it prints and logs shows no hash.
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let output = cargo_bin_cmd!("milvus-backup-agent")
            .args(arguments)
            .current_dir("/")
            .env("MBA__MILVUS__ADDRESS", &self.address)
            .env("MBA__MILVUS__MANAGEMENT_ADDRESS", &self.address)
            .env("MBA__MILVUS__CLUSTER", "c1")
            .env("MBA__MILVUS__STORAGE__LOCAL__PATH", self.storage.path())
            .env("MBA__REPOSITORY__LOCAL__PATH", self.repository.path())
            .env("MBA__REPOSITORY__LOCAL__MIN_FREE", "1MiB")
            .env("MBA__STATE", self.state.path())
            .env("MBA__POLICIES", self.state.path())
            .env("MBA__AMQP__URL", "amqp://127.0.0.1:1")
            .env("MBA__METRICS__TEXTFILE", self.state.path().join("m.prom"))
            .env("MBA__LOG__LEVEL", "trace")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text:?}");
        for text in &text {
            assert!(!text.contains("Hash"), "{arguments:?}: {text}");
        }
        text.concat()
    }
}

/// The program itself, with all that it prints, logs, spools and leaves.
#[tokio::test(flavor = "multi_thread")]
async fn no_command_shows_a_hash_and_one_file_of_a_backup_holds_it() {
    let world = World::new(V2_5, Script::default()).await;
    world.source.cluster().rbac = Some(users_and_roles());
    let mut tasks = JoinSet::new();
    let address = serve(Arc::<Fake>::clone(&world.source) as Arc<_>, &mut tasks).await;
    let program = Program::before(&address);
    let run = |arguments: &[&str], code| program.run(arguments, code);
    let counts = "2 users, 2 roles, 2 grants, 1 privilege groups";
    assert!(run(&["backup", "--rbac", "--plan"], 0).contains(counts));
    assert!(run(&["backup", "--rbac", "--name", "b"], 0).contains(counts));
    run(&["--output", "json", "backup", "--rbac", "--name", "c"], 0);
    assert!(run(&["show", "b"], 0).contains(counts));
    for output in ["table", "json"] {
        for command in [&["show", "b"][..], &["list", "--sizes"], &["verify", "b"]] {
            run(&[&["--output", output], command].concat(), 0);
        }
        run(&["--output", output, "restore", "b", "--rbac", "--collections", "!*.*", "--plan"], 0);
    }
    world.source.cluster().rbac = Some(RbacMeta::default());
    let alone = ["restore", "b", "--rbac", "--collections", "!*.*"];
    assert!(run(&alone, 0).contains(counts));
    assert!(run(&alone, 0).contains("there already: 2 users"));
    let document = program.repository.path().join("c1/b/rbac.json");
    let body = fs::read_to_string(&document).unwrap();
    fs::write(&document, body.replace("bob", "Bob")).unwrap();
    run(&alone, 14);
    run(&["verify", "b"], 14);
    run(&["--output", "json", "verify", "b"], 14);

    let all = [files(program.repository.path()), files(program.state.path())].concat();
    let holds = |body: &[u8]| body.windows(HASH.len()).any(|part| part == HASH.as_bytes());
    let mut held: Vec<&str> =
        all.iter().filter(|(_, body)| holds(body)).map(|(name, _)| name.as_str()).collect();
    held.sort_unstable();
    let place = |name| program.repository.path().join(format!("c1/{name}/rbac.json"));
    let expected = ["b", "c"].map(place);
    assert_eq!(held, expected.each_ref().map(|path| path.to_str().unwrap()));
    assert!(all.iter().any(|(name, _)| name.contains("outbox")), "no event was left: {held:?}");
}

//! Users, roles, grants and privilege groups: into a backup, and back.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use milvus_backup_agent::catalog::{self, BackupState};
use milvus_backup_agent::job::{
    BackupRequest, ExportOptions, JobError, RestoreOptions, RunOutcome, Sizes, Wanted, make_once,
    plan_only, plan_restore_only, run_backup, run_check, run_export, run_list, run_restore,
    run_verify,
};
use milvus_backup_agent::milvus::testing::MilvusCall;
use milvus_backup_agent::milvus::{MilvusApi, MilvusErrorKind};
use milvus_backup_agent::model::{
    ErrorKind, Grant, Layout, ObjectKey, PolicyName, PrivilegeGroup, Rbac, RbacCounts, Role,
    Secret, User,
};
use milvus_backup_agent::plan::VerifyDepth;
use milvus_backup_agent::policy::CollectionSelector;
use milvus_backup_agent::storage::testing::FaultyStore;
use milvus_backup_agent::storage::{ObjectStore, ObjectStoreExt, PutMode, StoreErrorKind, StoreOp};
use serde::Serialize;

use crate::support::{
    Lab, Log, assert_sound, backup_name, collections, keys, leases, ledgers, request,
    restore_beside, restore_of, snapshot, state,
};

/// What no output may hold.
const HASH: &str = "$2a$10$AnnsHashThatNobodySees";

const DOCUMENT: &str = "c1/b/rbac.json";

fn user(name: &str, hash: &str, roles: &[&str]) -> User {
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    User { name: name.to_owned(), password_hash: Secret::new(hash.to_owned()), roles }
}

fn role(name: &str) -> Role {
    Role { name: name.to_owned(), description: String::new() }
}

fn grant(role: &str, object_name: &str, privilege: &str, grantor: &str) -> Grant {
    Grant {
        role: role.to_owned(),
        database: "default".to_owned(),
        object: "Collection".to_owned(),
        object_name: object_name.to_owned(),
        privilege: privilege.to_owned(),
        grantor: grantor.to_owned(),
    }
}

pub(crate) fn users_and_roles() -> Rbac {
    Rbac {
        users: vec![user("ann", HASH, &["films", "public"]), user("bob", "$2a$10$BobsHash", &[])],
        roles: vec![role("books"), Role { description: "reads films".to_owned(), ..role("films") }],
        grants: vec![
            grant("books", "*", "look", "root"),
            grant("films", "films", "Insert", "root"),
            grant("films", "films", "Search", "root"),
        ],
        privilege_groups: vec![PrivilegeGroup {
            name: "look".to_owned(),
            privileges: vec!["Query".to_owned(), "Search".to_owned()],
        }],
    }
    .sorted()
}

const ALL: RbacCounts = RbacCounts { users: 2, roles: 2, grants: 3, privilege_groups: 1 };
const NOTHING: RbacCounts = RbacCounts { users: 0, roles: 0, grants: 0, privilege_groups: 0 };

/// A Milvus with two collections, and users.
async fn lab() -> Lab {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    lab.fill("books", 0..4).await;
    lab.milvus.set_rbac(users_and_roles());
    lab
}

fn with_rbac(name: &str) -> BackupRequest {
    BackupRequest { rbac: true, ..request(name) }
}

async fn backup(lab: &Lab) {
    let report = run_backup(&lab.context(), with_rbac("b")).await.unwrap();
    assert_eq!((report.outcome, report.rbac), (RunOutcome::Complete, Some(ALL)));
    lab.later();
}

fn restore_all(name: &str) -> RestoreOptions {
    RestoreOptions { rbac: Wanted::Yes, ..restore_beside(name) }
}

/// Users and roles without any collection.
fn restore_alone(name: &str) -> RestoreOptions {
    let mut options = RestoreOptions { rbac: Wanted::Yes, ..restore_of(name) };
    options.request.selector = CollectionSelector::parse(["!*.*"]).unwrap();
    options
}

fn hint(error: &JobError) -> &str {
    error.remedy().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_backup_holds_users_and_roles_if_it_was_asked_for_them() {
    let lab = lab().await;
    let without = lab.backup("a").await;
    assert_eq!((without.rbac, lab.milvus.calls(MilvusCall::Rbac)), (None, 0));
    backup(&lab).await;
    assert_eq!(lab.milvus.calls(MilvusCall::Rbac), 1);
    let all = keys(&lab.repository).await;
    let held: Vec<&String> = all.iter().filter(|key| key.ends_with("rbac.json")).collect();
    assert_eq!(held, [DOCUMENT]);
    let manifest = lab.repository.get_bytes(&ObjectKey::new("c1/b/manifest.json").unwrap()).await;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.unwrap()).unwrap();
    assert_eq!(manifest["rbac"]["grants"], 3);
    assert_sound(&lab).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_target_gets_all_of_it() {
    let mut lab = lab().await;
    backup(&lab).await;
    lab.lose_milvus();
    lab.milvus.set_rbac(Rbac::default());
    let options = RestoreOptions { rbac: Wanted::Yes, ..restore_of("b") };
    let plan = plan_restore_only(&lab.context(), &options).await.unwrap().rbac.unwrap();
    assert_eq!((plan.copied, plan.present), (ALL, NOTHING));
    assert_eq!(lab.milvus.rbac().await.unwrap(), Rbac::default(), "a plan made something");
    let report = lab.restore(&options).await.unwrap();
    assert_eq!((report.outcome, report.rbac), (RunOutcome::Complete, Some(plan)));
    assert_eq!(lab.milvus.rbac().await.unwrap(), users_and_roles());
    assert_eq!(collections(&lab).await, ["default.books", "default.films"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_target_has_stays_as_it_is() {
    let lab = lab().await;
    backup(&lab).await;
    let there = Rbac {
        users: vec![user("ann", "another hash", &["admin"]), user("zoe", "hers", &[])],
        roles: vec![role("films"), role("zoes")],
        grants: vec![grant("films", "films", "Search", "zoe"), grant("zoes", "*", "Query", "zoe")],
        privilege_groups: vec![PrivilegeGroup { name: "look".to_owned(), privileges: Vec::new() }],
    };
    lab.milvus.set_rbac(there.clone());
    let report = lab.restore(&restore_all("b")).await.unwrap();
    let rbac = report.rbac.unwrap();
    let counts = |users, roles, grants, privilege_groups| RbacCounts {
        users,
        roles,
        grants,
        privilege_groups,
    };
    assert_eq!((rbac.copied, rbac.present), (counts(1, 1, 2, 0), counts(1, 1, 1, 1)));
    let mut expected = there;
    expected.users.push(user("bob", "$2a$10$BobsHash", &[]));
    expected.roles.push(role("books"));
    expected.grants.push(grant("books", "*", "look", "root"));
    expected.grants.push(grant("films", "films", "Insert", "root"));
    assert_eq!(lab.milvus.rbac().await.unwrap(), expected.sorted());

    let again = lab.restore(&restore_alone("b")).await.unwrap().rbac.unwrap();
    assert_eq!((again.copied, again.present), (NOTHING, ALL));
    assert_eq!(lab.milvus.calls(MilvusCall::RestoreRbac), 1, "there was nothing to send");
}

#[tokio::test(start_paused = true)]
async fn users_and_roles_come_back_alone_where_no_collection_is_selected() {
    let lab = lab().await;
    backup(&lab).await;
    lab.milvus.set_rbac(Rbac::default());
    let mut without = restore_alone("b");
    without.rbac = Wanted::No;
    let nothing = lab.restore(&without).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::NothingToDo, "{nothing}");
    let report = lab.restore(&restore_alone("b")).await.unwrap();
    assert_eq!((report.outcome, report.collections.len()), (RunOutcome::Complete, 0));
    assert_eq!(lab.milvus.rbac().await.unwrap(), users_and_roles());
    assert_eq!(lab.milvus.calls(MilvusCall::Import), 0);
    assert!(ledgers(&lab).await.is_empty() && leases(&lab).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_milvus_that_cannot_tell_is_refused_before_anything_is_copied() {
    let mut lab = Lab::new();
    lab.fill("films", 0..5).await;
    let flushes = lab.milvus.calls(MilvusCall::Flush);
    for error in [
        run_backup(&lab.context(), with_rbac("b")).await.unwrap_err(),
        plan_only(&lab.context(), with_rbac("b")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("cannot tell its users and roles"), "{error}");
        assert!(hint(&error).contains("since 2.5; leave --rbac out"), "{}", hint(&error));
    }
    let all = keys(&lab.repository).await;
    assert!(!all.iter().any(|key| key.starts_with("c1/b/")), "{all:?}");
    assert_eq!(lab.milvus.calls(MilvusCall::Flush), flushes);

    lab.milvus.set_rbac(users_and_roles());
    backup(&lab).await;
    lab.lose_milvus();
    for error in [
        lab.restore(&restore_all("b")).await.unwrap_err(),
        plan_restore_only(&lab.context(), &restore_all("b")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
    assert!(collections(&lab).await.is_empty() && ledgers(&lab).await.is_empty());
    assert_eq!(lab.restore(&restore_of("b")).await.unwrap().rbac, None);
}

#[tokio::test(start_paused = true)]
async fn a_backup_without_them_has_none_to_restore() {
    let lab = lab().await;
    lab.backup("b").await;
    for error in [
        lab.restore(&restore_all("b")).await.unwrap_err(),
        plan_restore_only(&lab.context(), &restore_all("b")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("backup `b` has no users and roles"), "{error}");
        assert!(hint(&error).contains("made without --rbac"), "{}", hint(&error));
    }
    assert_eq!(collections(&lab).await, ["default.books", "default.films"]);
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_is_named() {
    let lab = lab().await;
    lab.milvus.fail(MilvusCall::Rbac, 1, MilvusErrorKind::NotAuthorised);
    let error = run_backup(&lab.context(), with_rbac("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAuthorised);
    assert!(hint(&error).contains("`BackupRBAC`"), "{}", hint(&error));
    backup(&lab).await;
    lab.milvus.set_rbac(Rbac::default());
    lab.milvus.fail(MilvusCall::RestoreRbac, 1, MilvusErrorKind::NotAuthorised);
    let error = lab.restore(&restore_all("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAuthorised);
    assert!(hint(&error).contains("`RestoreRBAC`"), "{}", hint(&error));
    assert_eq!(collections(&lab).await, ["default.books", "default.films"], "they come later");
    assert!(ledgers(&lab).await.is_empty() && leases(&lab).await.is_empty());

    lab.milvus.fail(MilvusCall::RestoreRbac, 1, MilvusErrorKind::Other);
    let error = lab.restore(&restore_all("b")).await.unwrap_err();
    assert!(hint(&error).starts_with("nothing was restored; run again"), "{}", hint(&error));
    assert_eq!(lab.restore(&restore_all("b")).await.unwrap().outcome, RunOutcome::Complete);
    assert_eq!(lab.milvus.rbac().await.unwrap(), users_and_roles());
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_damaged_or_gone_is_noticed_and_never_sent() {
    for gone in [false, true] {
        let lab = lab().await;
        backup(&lab).await;
        let key = ObjectKey::new(DOCUMENT).unwrap();
        if gone {
            lab.repository.delete(&[key]).await.unwrap();
        } else {
            let body = lab.repository.get_bytes(&key).await.unwrap();
            let other = String::from_utf8(body.to_vec()).unwrap().replace("Insert", "Delete");
            lab.repository.put(&key, Bytes::from(other), PutMode::Overwrite).await.unwrap();
        }
        for depth in [VerifyDepth::Manifest, VerifyDepth::Content] {
            let name = backup_name("b");
            let report = run_verify(&lab.context(), None, &name, depth).await.unwrap();
            assert_eq!(report.outcome, RunOutcome::Failed);
            assert_eq!(report.damaged.len(), 1, "{report:?}");
            assert!(report.damaged[0].contains(DOCUMENT), "{report:?}");
        }
        lab.milvus.set_rbac(Rbac::default());
        let error = lab.restore(&restore_all("b")).await.unwrap_err();
        let kind = if gone { ErrorKind::NotFound } else { ErrorKind::Damaged };
        assert_eq!(error.kind(), kind, "{}", error.chain());
        assert!(error.chain().contains(DOCUMENT), "{}", error.chain());
        assert_eq!(lab.milvus.calls(MilvusCall::RestoreRbac), 0);
        let (backup, to) = (backup_name("b"), backup_name("copy"));
        let export = ExportOptions { backup, cluster: None, to };
        let error = run_export(&lab.context(), &export).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{}", error.chain());
        let report = lab.restore(&restore_beside("b")).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "the collections are whole");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_may_stop_after_any_of_its_writes() {
    let writes = {
        let lab = lab().await;
        let store = lab.faulty();
        let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
        run_backup(&context, with_rbac("b")).await.unwrap();
        store.writes()
    };
    for allowed in 0..=writes {
        let lab = lab().await;
        let store = lab.faulty();
        store.stop_after_writes(allowed);
        let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
        run_backup(&context, with_rbac("b")).await.map(drop).unwrap_or_default();
        store.lose_unsynced().await.unwrap();
        lab.later();
        assert_sound(&lab).await;
        let listed = state(&lab, "b").await == Some(BackupState::Complete);
        let held = keys(&lab.repository).await.contains(&DOCUMENT.to_owned());
        assert!(held || !listed, "{allowed}: a manifest without its document");
        if !listed {
            backup(&lab).await;
        }
        lab.milvus.set_rbac(Rbac::default());
        let report = lab.restore(&restore_alone("b")).await.unwrap();
        assert_eq!(report.rbac.unwrap().copied, ALL, "{allowed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_between_the_document_and_the_manifest_leaves_no_hash_to_the_next() {
    for wanted in [false, true] {
        let lab = lab().await;
        let store = lab.faulty();
        store.fail(StoreOp::Put, "/manifest.json", StoreErrorKind::Other, 1);
        let context = lab.context_over(Arc::<FaultyStore>::clone(&store));
        run_backup(&context, with_rbac("b")).await.unwrap_err();
        assert!(keys(&lab.repository).await.contains(&DOCUMENT.to_owned()));
        assert_eq!(state(&lab, "b").await, Some(BackupState::Failed));
        lab.milvus.set_rbac(Rbac { grants: Vec::new(), ..users_and_roles() });
        let next = BackupRequest { rbac: wanted, ..request("b") };
        let report = run_backup(&lab.context(), next).await.unwrap();
        assert_eq!(report.rbac.map(|rbac| rbac.grants), wanted.then_some(0));
        assert_eq!(keys(&lab.repository).await.contains(&DOCUMENT.to_owned()), wanted);
        assert_sound(&lab).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_another_agent_made_without_them_is_not_this_one() {
    let lab = lab().await;
    let (context, slot) = (lab.context(), backup_name("nightly_1"));
    let policy = Some(PolicyName::new("nightly").unwrap());
    let make = async |rbac, job: &str| {
        let (policy, job) = (policy.clone(), Some(job.to_owned()));
        let request = BackupRequest { rbac, policy, job, ..request("any") };
        Box::pin(make_once(&context, &slot, request)).await
    };
    make(false, "one/1").await.unwrap();
    let error = make(true, "two/1").await.unwrap_err();
    assert!(error.to_string().contains("without `rbac`"), "{error}");
    assert!(hint(&error).contains("the same on both"), "{}", hint(&error));
    make(false, "two/1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_tree_and_an_export_have_them_and_milvus_backup_s_own_are_read() {
    let lab = lab().await;
    backup(&lab).await;
    let tree = BackupRequest { layout: Layout::Standalone, ..with_rbac("tree") };
    run_backup(&lab.context(), tree).await.unwrap();
    let (backup, cluster, to) = (backup_name("b"), None, backup_name("copy"));
    run_export(&lab.context(), &ExportOptions { backup, cluster, to }).await.unwrap();
    lab.later();
    assert_sound(&lab).await;
    let all = snapshot(&lab.repository).await;
    assert_eq!(all["c1/copy/rbac.json"], all[DOCUMENT]);
    for name in ["tree", "copy"] {
        let holds = |document: &str| {
            let body = &all[&format!("c1/{name}/meta/{document}.json")];
            String::from_utf8_lossy(body).contains(HASH)
        };
        assert!(holds("full_meta"), "{name}");
        for document in ["backup_meta", "collection_meta", "partition_meta", "segment_meta"] {
            assert!(!holds(document), "{name} {document}");
        }
        // First as a backup of ours, then as one of milvus-backup.
        for left in [BackupState::Complete, BackupState::Foreign] {
            if left == BackupState::Foreign {
                let ours = ["attempt.json", "manifest.json", "rbac.json"];
                let ours = ours.map(|ours| ObjectKey::new(format!("c1/{name}/{ours}")).unwrap());
                assert!(lab.repository.delete(&ours).await.unwrap().failed.is_empty());
            }
            assert_eq!(state(&lab, name).await, Some(left), "{name}");
            lab.milvus.set_rbac(Rbac::default());
            let report = lab.restore(&restore_alone(name)).await.unwrap();
            assert_eq!(report.rbac.unwrap().copied, ALL, "{name} {left:?}");
            assert_eq!(lab.milvus.rbac().await.unwrap(), users_and_roles());
        }
    }
}

/// Everything that was said, in every form in which it is said.
#[derive(Debug, Default)]
struct Said(Vec<String>);

impl Said {
    fn hear(&mut self, said: &(impl Debug + Serialize)) {
        self.0.push(format!("{said:?}"));
        self.0.push(serde_json::to_string(said).unwrap());
    }

    fn hear_error(&mut self, error: &JobError) {
        self.0.push(format!("{error:?} {} {:?}", error.chain(), error.remedy()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hash_is_in_one_file_and_in_no_output() {
    let (log, listening) = Log::listen();
    let (lab, mut said) = (lab().await, Said::default());
    said.hear(&plan_only(&lab.context(), with_rbac("b")).await.unwrap());
    said.hear(&run_backup(&lab.context(), with_rbac("b")).await.unwrap());
    lab.later();
    said.hear(&run_list(&lab.context(), Sizes::Unique).await.unwrap());
    let repository = catalog::Repository::open(Arc::new(lab.repository.clone())).await.unwrap();
    let (cluster, record) =
        catalog::find(&repository, None, &backup_name("b"), &*lab.clock).await.unwrap();
    said.hear(record.manifest.as_ref().unwrap());
    let backup = catalog::Readable::new(cluster, record.manifest.unwrap());
    said.0.push(format!("{:?}", backup.rbac().await.unwrap().unwrap()));
    let name = backup_name("b");
    said.hear(&run_verify(&lab.context(), None, &name, VerifyDepth::Content).await.unwrap());

    lab.milvus.set_rbac(Rbac::default());
    said.hear(&plan_restore_only(&lab.context(), &restore_all("b")).await.unwrap());
    lab.milvus.fail(MilvusCall::RestoreRbac, 1, MilvusErrorKind::Other);
    said.hear_error(&lab.restore(&restore_all("b")).await.unwrap_err());
    let (context, staging) = (lab.context(), lab.staging());
    said.hear(&run_restore(&context, &staging, &restore_all("b")).await.unwrap());
    let key = ObjectKey::new(DOCUMENT).unwrap();
    let body = lab.repository.get_bytes(&key).await.unwrap();
    let cut = body.slice(..body.len() - 1);
    lab.repository.put(&key, cut, PutMode::Overwrite).await.unwrap();
    said.hear_error(&lab.restore(&restore_alone("b")).await.unwrap_err());
    said.hear(&run_verify(&lab.context(), None, &name, VerifyDepth::Content).await.unwrap());
    said.hear(&run_list(&lab.context(), Sizes::Known).await.unwrap());
    drop(listening);

    said.0.push(log.text());
    assert!(said.0.last().unwrap().contains("the log is heard"));
    for text in &said.0 {
        assert!(!text.contains("AnnsHash") && !text.contains("BobsHash"), "{text}");
    }
    for store in [&lab.repository, &lab.staging] {
        for (key, body) in snapshot(store).await {
            let holds = body.windows(HASH.len()).any(|part| part == HASH.as_bytes());
            assert_eq!(holds, key == DOCUMENT, "{key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_says_whether_milvus_tells_users_and_roles_where_policies_want_them() {
    let lab = Lab::new();
    lab.fill("films", 0..5).await;
    let context = lab.context();
    let line = async |policies: &[&str]| {
        let report = run_check(&context, None, policies).await;
        let line = report.checks.iter().find(|line| line.check == "rbac").cloned();
        line.map(|line| (line, report.failure))
    };
    assert_eq!(line(&[]).await, None, "nobody wants them");
    let (refused, failure) = line(&["nightly", "weekly"]).await.unwrap();
    assert_eq!((refused.ok, failure), (false, Some(ErrorKind::Refused)), "as the backup itself");
    for words in ["cannot tell its users and roles", "`rbac: true` of `nightly`, `weekly`"] {
        assert!(refused.detail.contains(words), "{}", refused.detail);
    }
    assert!(refused.hint.unwrap().contains("Milvus can since 2.5"));
    lab.milvus.set_rbac(users_and_roles());
    let (told, _) = line(&["nightly"]).await.unwrap();
    assert!(told.ok && told.detail.starts_with("2 users, "), "{told:?}");
    assert!(!told.detail.contains(HASH));
}

//! Where aliases point after a restore, whenever it was interrupted.

use std::time::{Duration, Instant};

use milvus_backup_agent::milvus::{GrpcMilvus, MilvusApi, MilvusErrorKind};
use milvus_backup_agent::model::Namespace;

use crate::lab::{Agent, LabServer, assert_equal, milvus, say};

/// A backed up collection that an alias points to.
struct Aliased {
    server: LabServer,
    client: GrpcMilvus,
    agent: Agent,
    name: Namespace,
    alias: Namespace,
    before: std::path::PathBuf,
}

#[tokio::test]
async fn an_alias_follows_the_collection_that_replaces_its_own() {
    let aliased = Aliased::new("aliased").await;
    let old = aliased.owner().await.unwrap();

    let beside = aliased.agent.restore("b1", &["--suffix", "_beside"]);
    let notes = beside["collections"][0]["notes"].to_string();
    assert!(notes.contains("alias_of_aliased still points to aliased"), "{beside}");
    assert_eq!(aliased.owner().await, Some(old.clone()), "a live collection keeps its alias");

    aliased.agent.restore("b1", &["--drop-existing"]);
    let new = aliased.owner().await.unwrap();
    assert_eq!(new.0, "aliased");
    assert_ne!(new.1, old.1, "the restored one is another collection");
    aliased.assert_whole();
}

#[tokio::test]
async fn an_alias_survives_a_kill_between_drop_and_rename() {
    let aliased = Aliased::new("torn").await;
    let mut tries = 1;
    while !aliased.killed_in_between().await {
        assert!(tries < 20, "the moment between drop and rename was never hit");
        tries += 1;
    }
    assert_eq!(aliased.owner().await, None, "the alias dangles");
    let ledger = aliased.agent.ledger().expect("the ledger knows what has begun");
    assert_eq!(ledger["items"][0]["step"], "swapping", "{ledger}");

    let begun = Instant::now();
    let rerun = aliased.agent.restore("b1", &["--drop-existing"]);
    let took = begun.elapsed();
    let notes = rerun["collections"][0]["notes"].to_string();
    assert!(notes.contains("interrupted"), "it is finished, not made again: {rerun}");
    assert_eq!(aliased.owner().await.unwrap().0, "torn");
    aliased.assert_whole();
    say(&format!(
        "killed between drop and rename at try {tries}; the rerun finished in {:.1} s",
        took.as_secs_f64()
    ));
}

impl Aliased {
    async fn new(name: &str) -> Self {
        let (server, agent) = (milvus(), Agent::new(&milvus(), name));
        let collection = Namespace::new("default", name);
        let (full, alias) = (collection.to_string(), format!("alias_of_{name}"));
        let scenario = ["--scenario", "upsert", "--collection", &full, "--rows", "300"];
        server.data_py("fill", &scenario);
        let client = server.client();
        client.set_alias(&collection, &alias).await.unwrap();
        let before = server.dump(&full, &agent.path("before.json"));
        agent.backup("b1", &full);
        let alias = Namespace::new("default", alias);
        Self { server, client, agent, name: collection, alias, before }
    }

    /// The collection that the alias points to, name and id.
    async fn owner(&self) -> Option<(String, i64)> {
        self.find(&self.alias).await
    }

    async fn find(&self, name: &Namespace) -> Option<(String, i64)> {
        match self.client.describe(name).await {
            Ok(found) => Some((found.name, found.id)),
            Err(error) if error.kind() == MilvusErrorKind::NotFound => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Kills a restore as soon as the old collection is gone. Whether the new one has its
    /// name already, because the server had been asked for it, shows a moment later.
    async fn killed_in_between(&self) -> bool {
        let mut restore = self.agent.start(&["restore", "b1", "--drop-existing"]);
        while self.step().as_deref() != Some("swapping") {
            if restore.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        while self.find(&self.name).await.is_some() {
            if restore.try_wait().unwrap().is_some() {
                return false;
            }
        }
        restore.kill().unwrap();
        restore.wait().unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if self.find(&self.name).await.is_none() {
            return true;
        }
        self.agent.restore("b1", &["--drop-existing"]);
        false
    }

    fn step(&self) -> Option<String> {
        Some(self.agent.ledger()?["items"][0]["step"].as_str()?.to_owned())
    }

    fn assert_whole(&self) {
        let after = self.agent.path("after.json");
        let after = self.server.dump(&self.name.to_string(), &after);
        assert_equal(&self.before, &after, &[], "");
        assert_eq!(self.agent.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}

//! Whether Milvus lets this user do what a backup and a restore ask, without doing it.
//!
//! Milvus looks at the user first, so it is asked for what is harmless or impossible: to
//! read, to change a collection that does not exist, to make what there is already. A Milvus
//! without authorization refuses nothing.

use uuid::Uuid;

use crate::milvus::{
    CollectionSpec, MilvusApi, MilvusError, MilvusErrorKind, MilvusResult, MilvusVersion,
    MissingPrivilege, ServerLine,
};
use crate::model::{ErrorKind, FlushAnswer, IndexDescription, LoadState, Namespace};
use crate::plan;

use super::{JobError, JobResult};

/// Collections that are asked for by name in one look. Most roles name none.
const MOST_COLLECTIONS: usize = 50;

/// The database that every Milvus has.
const DEFAULT_DATABASE: &str = "default";

/// What is missing in several databases is best granted in all.
const EVERY_DATABASE: &str = "*";

/// What was refused.
#[derive(Debug, Default)]
struct Refusals {
    missing: Vec<MissingPrivilege>,
    /// Without the name of a privilege.
    others: Vec<MilvusError>,
}

impl Refusals {
    /// Keeps a refusal; any other failure is not about rights, and told by who meets it.
    fn note<T>(&mut self, answer: MilvusResult<T>) -> JobResult<Option<T>> {
        let error = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        match (error.kind(), error.missing()) {
            (MilvusErrorKind::Unreachable, _) => return Err(error.into()),
            (_, Some(missing)) if !self.missing.contains(missing) => {
                self.missing.push(missing.clone());
            }
            (MilvusErrorKind::NotAuthorised, None) => self.others.push(error),
            _ => {}
        }
        Ok(None)
    }

    fn verdict(self) -> JobResult<()> {
        if let Some(other) = self.others.into_iter().next() {
            return Err(other.into());
        }
        let Some(first) = self.missing.first() else { return Ok(()) };
        let user = first.user.clone();
        let mut merged: Vec<MissingPrivilege> = Vec::new();
        for missing in self.missing {
            let same = |other: &&mut MissingPrivilege| other.privilege == missing.privilege;
            match merged.iter_mut().find(same) {
                Some(other) => EVERY_DATABASE.clone_into(&mut other.database),
                None => merged.push(missing),
            }
        }
        let list: Vec<String> = merged.iter().map(ToString::to_string).collect();
        let grants: Vec<String> = merged.iter().map(MissingPrivilege::grant).collect();
        let message = format!("user `{user}` lacks the privilege {}", list.join(", "));
        let hint = format!("grant to a role of the user's: {}", grants.join("; "));
        Err(JobError::new(ErrorKind::NotAuthorised, message).hint(hint))
    }
}

/// Names every privilege that a backup would miss, and with `restore` also a restore. Only
/// a line of servers of which it is known that none of it changes anything is asked.
pub(super) async fn look(
    (milvus, version): (&dyn MilvusApi, &MilvusVersion),
    restore: bool,
) -> JobResult<String> {
    match version.line() {
        Some(ServerLine::V2_3) => {}
        Some(ServerLine::V2_2 | ServerLine::V2_4 | ServerLine::V2_5 | ServerLine::V2_6) | None => {
            return Ok(format!("not looked at: what is harmless to ask of {version} is not known"));
        }
    }
    let mut refused = Refusals::default();
    let databases = refused.note(milvus.databases().await)?;
    let databases = databases.unwrap_or_else(|| vec![DEFAULT_DATABASE.to_owned()]);
    let mut asked = 0;
    for database in &databases {
        let absent =
            Namespace::new(database, plan::check_name(&Uuid::new_v4().simple().to_string()));
        let mut collections = refused.note(milvus.collections(database).await)?.unwrap_or_default();
        collections.truncate(MOST_COLLECTIONS.saturating_sub(asked));
        asked += collections.len();
        let seen = collections.into_iter().map(|name| Namespace::new(database, name));
        let seen: Vec<Namespace> = seen.collect();
        for namespace in if seen.is_empty() { std::slice::from_ref(&absent) } else { &seen } {
            of_backup(milvus, namespace, &mut refused).await?;
        }
        if restore {
            of_restore(milvus, &absent, &mut refused).await?;
        }
    }
    refused.verdict()?;
    let whom = if restore { "a backup and a restore need" } else { "a backup needs" };
    Ok(format!("Milvus refuses nothing that {whom} ({asked} collections asked for)"))
}

async fn of_backup(
    milvus: &dyn MilvusApi,
    namespace: &Namespace,
    refused: &mut Refusals,
) -> JobResult<()> {
    let none =
        FlushAnswer { flush_ts: Some(1), seal_time: 1, sealed: Vec::new(), flushed: Vec::new() };
    refused.note(milvus.describe(namespace).await)?;
    refused.note(milvus.partitions(namespace).await)?;
    refused.note(milvus.indexes(namespace).await)?;
    refused.note(milvus.load_state(namespace, &[]).await)?;
    refused.note(milvus.may_flush(namespace).await)?;
    refused.note(milvus.is_flushed(namespace, &none).await)?;
    Ok(())
}

async fn of_restore(
    milvus: &dyn MilvusApi,
    absent: &Namespace,
    refused: &mut Refusals,
) -> JobResult<()> {
    // Without a field it cannot be made.
    let spec = CollectionSpec {
        namespace: absent.clone(),
        schema: Vec::new(),
        shards: 1,
        consistency_level: 0,
        num_partitions: None,
        properties: Vec::new(),
    };
    let index = IndexDescription {
        field: "none".to_owned(),
        name: "none".to_owned(),
        params: Vec::new(),
        id: 0,
    };
    let all = LoadState::Loaded { replicas: 1 };
    refused.note(milvus.create_database(DEFAULT_DATABASE, &[]).await)?;
    refused.note(milvus.create_collection(&spec).await)?;
    refused.note(milvus.drop_collection(absent).await)?;
    refused.note(milvus.create_partition(absent, "none").await)?;
    refused.note(milvus.create_index(absent, &index).await)?;
    refused.note(milvus.may_import(absent).await)?;
    refused.note(milvus.load(absent, &all).await)?;
    refused.note(milvus.load_percent(absent, &all).await)?;
    refused.note(milvus.rename_collection(absent, &format!("{}_", absent.collection)).await)?;
    refused.note(milvus.set_alias(absent, &format!("{}_", absent.collection)).await)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Refusals;
    use crate::milvus::{MilvusError, MilvusErrorKind, MissingPrivilege};
    use crate::model::ErrorKind;

    fn lacks(privilege: &str, database: &str) -> Result<(), MilvusError> {
        let missing = MissingPrivilege {
            user: "backup".to_owned(),
            privilege: privilege.to_owned(),
            object: "Collection",
            database: database.to_owned(),
        };
        let error = MilvusError::new("flush", MilvusErrorKind::NotAuthorised, "no");
        Err(error.with_missing(Some(missing)))
    }

    fn fails(kind: MilvusErrorKind) -> Result<(), MilvusError> {
        Err(MilvusError::new("describe", kind, "no"))
    }

    #[test]
    fn every_missing_privilege_is_named_once_and_granted_where_it_is_missing() {
        let mut refused = Refusals::default();
        for answer in [lacks("Flush", "db2"), lacks("Load", "db2"), lacks("Flush", "default")] {
            refused.note(answer).unwrap();
        }
        refused.note(lacks("Flush", "db2")).unwrap();
        refused.note(fails(MilvusErrorKind::NotFound)).unwrap();
        let error = refused.verdict().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAuthorised);
        assert_eq!(
            error.chain(),
            "user `backup` lacks the privilege `Flush` on `Collection` in database `*`, `Load` on \
             `Collection` in database `db2`"
        );
        let hint = "grant to a role of the user's: role.grant(\"Collection\", \"*\", \"Flush\", \
                    \"*\"); role.grant(\"Collection\", \"*\", \"Load\", \"*\")";
        assert_eq!(error.remedy(), Some(hint));
    }

    #[test]
    fn other_failures_are_not_about_rights_but_a_lost_connection_ends_the_look() {
        let mut refused = Refusals::default();
        refused.note(fails(MilvusErrorKind::Transient)).unwrap();
        let error = refused.note(fails(MilvusErrorKind::Unreachable)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        refused.verdict().unwrap();
        let mut refused = Refusals::default();
        refused.note(fails(MilvusErrorKind::NotAuthorised)).unwrap();
        assert_eq!(refused.verdict().unwrap_err().kind(), ErrorKind::NotAuthorised);
    }
}

//! Users, roles, grants and privilege groups, all in one call.

use std::fmt;

use crate::milvus::MilvusResult;
use crate::model::{Grant, PrivilegeGroup, Rbac, Role, Secret, User};

use super::api::DEFAULT_DATABASE;
use super::call::{Ask, Kind, rpc};
use super::client::GrpcMilvus;
use super::proto::{common, milvus};

impl GrpcMilvus {
    pub(super) async fn back_up_rbac(&self) -> MilvusResult<Rbac> {
        let ask = Ask {
            kind: Kind::Read,
            operation: "ask for users, roles and grants".to_owned(),
            database: DEFAULT_DATABASE,
            message: milvus::BackupRbacMetaRequest {},
        };
        let answer: milvus::BackupRbacMetaResponse = self.call(ask, rpc!(backup_rbac)).await?;
        Ok(read(answer.rbac_meta.unwrap_or_default()))
    }

    pub(super) async fn put_rbac_back(&self, rbac: &Rbac) -> MilvusResult<()> {
        let ask = Ask {
            kind: Kind::Once,
            operation: "restore users, roles and grants".to_owned(),
            database: DEFAULT_DATABASE,
            message: milvus::RestoreRbacMetaRequest { rbac_meta: Some(write(rbac)) },
        };
        let done: common::Status = self.call(ask, rpc!(restore_rbac)).await?;
        drop(done);
        Ok(())
    }
}

/// Generated but for this: the hash is not shown.
impl fmt::Debug for milvus::UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, password: _, roles } = self;
        f.debug_struct("UserInfo").field("user", user).field("roles", roles).finish_non_exhaustive()
    }
}

fn read(meta: milvus::RbacMeta) -> Rbac {
    let user = |user: milvus::UserInfo| User {
        name: user.user,
        password_hash: Secret::new(user.password),
        roles: user.roles.into_iter().map(|role| role.name).collect(),
    };
    let role = |role: milvus::RoleEntity| Role { name: role.name, description: role.description };
    let group = |group: milvus::PrivilegeGroupInfo| PrivilegeGroup {
        name: group.group_name,
        privileges: group.privileges.into_iter().map(|privilege| privilege.name).collect(),
    };
    Rbac {
        users: meta.users.into_iter().map(user).collect(),
        roles: meta.roles.into_iter().map(role).collect(),
        grants: meta.grants.into_iter().map(read_grant).collect(),
        privilege_groups: meta.privilege_groups.into_iter().map(group).collect(),
    }
    .sorted()
}

fn read_grant(grant: milvus::GrantEntity) -> Grant {
    let grantor = grant.grantor.unwrap_or_default();
    Grant {
        role: grant.role.unwrap_or_default().name,
        database: grant.db_name,
        object: grant.object.unwrap_or_default().name,
        object_name: grant.object_name,
        privilege: grantor.privilege.unwrap_or_default().name,
        grantor: grantor.user.unwrap_or_default().name,
    }
}

fn write(rbac: &Rbac) -> milvus::RbacMeta {
    let user = |user: &User| milvus::UserInfo {
        user: user.name.clone(),
        password: user.password_hash.reveal().clone(),
        roles: user.roles.iter().map(role_called).collect(),
    };
    let role = |role: &Role| milvus::RoleEntity {
        name: role.name.clone(),
        description: role.description.clone(),
    };
    let group = |group: &PrivilegeGroup| milvus::PrivilegeGroupInfo {
        group_name: group.name.clone(),
        privileges: group.privileges.iter().map(privilege).collect(),
    };
    milvus::RbacMeta {
        users: rbac.users.iter().map(user).collect(),
        roles: rbac.roles.iter().map(role).collect(),
        grants: rbac.grants.iter().map(write_grant).collect(),
        privilege_groups: rbac.privilege_groups.iter().map(group).collect(),
    }
}

fn write_grant(grant: &Grant) -> milvus::GrantEntity {
    let grantor = milvus::GrantorEntity {
        user: Some(milvus::UserEntity { name: grant.grantor.clone() }),
        privilege: Some(privilege(&grant.privilege)),
    };
    milvus::GrantEntity {
        role: Some(role_called(&grant.role)),
        object: Some(milvus::ObjectEntity { name: grant.object.clone() }),
        object_name: grant.object_name.clone(),
        grantor: Some(grantor),
        db_name: grant.database.clone(),
    }
}

fn role_called(name: impl Into<String>) -> milvus::RoleEntity {
    milvus::RoleEntity { name: name.into(), description: String::new() }
}

fn privilege(name: impl Into<String>) -> milvus::PrivilegeEntity {
    milvus::PrivilegeEntity { name: name.into() }
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::model::{Grant, PrivilegeGroup, Rbac, Role, Secret, User};

    #[test]
    fn everything_goes_there_and_back_and_no_hash_is_shown() {
        let rbac = Rbac {
            users: vec![User {
                name: "reader".to_owned(),
                password_hash: Secret::new("$2a$10$hash".to_owned()),
                roles: vec!["films".to_owned(), "public".to_owned()],
            }],
            roles: vec![Role { name: "films".to_owned(), description: "reads".to_owned() }],
            grants: vec![Grant {
                role: "films".to_owned(),
                database: "shop".to_owned(),
                object: "Collection".to_owned(),
                object_name: "films".to_owned(),
                privilege: "Search".to_owned(),
                grantor: "root".to_owned(),
            }],
            privilege_groups: vec![PrivilegeGroup {
                name: "look".to_owned(),
                privileges: vec!["Query".to_owned(), "Search".to_owned()],
            }],
        };
        let message = write(&rbac);
        let shown = format!("{message:?}");
        assert!(shown.contains("reader") && shown.contains("films"), "{shown}");
        assert!(!shown.contains("hash"), "{shown}");
        assert_eq!(message.users[0].password, "$2a$10$hash");
        assert_eq!(read(message), rbac);
    }
}

//! Users and roles, as servers since 2.5 give them out and take them back.

use crate::milvus::{MilvusError, MilvusErrorKind, MilvusResult};
use crate::model::Rbac;

use super::fake::FakeMilvus;

impl FakeMilvus {
    /// From now on it has these users and roles, and answers for them.
    pub fn set_rbac(&self, rbac: Rbac) {
        self.cluster().rbac = Some(rbac.sorted());
    }

    pub(super) fn tell_rbac(&self) -> MilvusResult<Rbac> {
        self.cluster().rbac.clone().ok_or_else(unknown)
    }

    /// All of it or nothing: one name that is there already, one privilege that its role has
    /// already, whoever granted it, and nothing is taken.
    pub(super) fn take_rbac(&self, more: &Rbac) -> MilvusResult<()> {
        let mut cluster = self.cluster();
        let rbac = cluster.rbac.as_mut().ok_or_else(unknown)?;
        let there = |kind: &str, name: &str| Err(exists(format!("{kind} [{name}] already exists")));
        for role in &more.roles {
            let built_in = ["admin", "public"].contains(&role.name.as_str());
            if built_in || rbac.roles.iter().any(|found| found.name == role.name) {
                return there("role", &role.name);
            }
        }
        for group in &more.privilege_groups {
            if rbac.privilege_groups.iter().any(|found| found.name == group.name) {
                return there("privilege group", &group.name);
            }
        }
        for user in &more.users {
            if user.name == "root" || rbac.users.iter().any(|found| found.name == user.name) {
                return there("user", &user.name);
            }
        }
        let mut all = rbac.clone();
        for grant in &more.grants {
            let same = all.grants.iter().any(|found| {
                let mut found = found.clone();
                found.grantor.clone_from(&grant.grantor);
                found == *grant
            });
            if same {
                let privilege = &grant.privilege;
                return Err(exists(format!("the privilege[{privilege}] has been granted")));
            }
            all.grants.push(grant.clone());
        }
        all.users.extend(more.users.iter().cloned());
        all.roles.extend(more.roles.iter().cloned());
        all.privilege_groups.extend(more.privilege_groups.iter().cloned());
        *rbac = all.sorted();
        Ok(())
    }
}

fn unknown() -> MilvusError {
    let message = "unknown method BackupRBAC for service milvus.proto.milvus.MilvusService";
    MilvusError::new("ask for users and roles", MilvusErrorKind::Unimplemented, message)
}

fn exists(message: String) -> MilvusError {
    MilvusError::new("restore users and roles", MilvusErrorKind::Other, message)
}

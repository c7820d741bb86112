//! Users and roles of a backup and of the target → what a restore makes.

use std::collections::HashSet;

use crate::model::{Grant, Rbac, RbacCounts};

/// The user that every Milvus has.
const ROOT: &str = "root";

/// The roles that every Milvus has.
const BUILT_IN: [&str; 2] = ["admin", "public"];

/// What a restore does about users and roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RbacPlan {
    /// What the target does not have.
    pub missing: Rbac,
    /// What it has, which stays as it is.
    pub present: RbacCounts,
}

/// Leaves out what the target has: Milvus takes all of what it is sent or nothing.
///
/// Users, roles and groups are the same if they have one name, grants if they allow the same,
/// whoever granted it. A user who is there keeps password and roles, a role that is there gets
/// the grants that it lacks.
pub fn plan_rbac(backup: &Rbac, target: &Rbac) -> RbacPlan {
    let mut users: HashSet<&str> = target.users.iter().map(|user| user.name.as_str()).collect();
    users.insert(ROOT);
    let mut roles: HashSet<&str> = target.roles.iter().map(|role| role.name.as_str()).collect();
    roles.extend(BUILT_IN);
    let mut groups: HashSet<&str> =
        target.privilege_groups.iter().map(|group| group.name.as_str()).collect();
    let mut grants: HashSet<_> = target.grants.iter().map(allows).collect();
    let built_in = |grant: &Grant| BUILT_IN.contains(&grant.role.as_str());
    // What is new is remembered, too: Milvus would refuse the same twice.
    let missing = Rbac {
        users: backup.users.iter().filter(|user| users.insert(&user.name)).cloned().collect(),
        roles: backup.roles.iter().filter(|role| roles.insert(&role.name)).cloned().collect(),
        grants: backup
            .grants
            .iter()
            .filter(|grant| !built_in(grant) && grants.insert(allows(grant)))
            .cloned()
            .collect(),
        privilege_groups: backup
            .privilege_groups
            .iter()
            .filter(|group| groups.insert(&group.name))
            .cloned()
            .collect(),
    };
    let (all, new) = (backup.counts(), missing.counts());
    let present = RbacCounts {
        users: all.users - new.users,
        roles: all.roles - new.roles,
        grants: all.grants - new.grants,
        privilege_groups: all.privilege_groups - new.privilege_groups,
    };
    RbacPlan { missing, present }
}

/// What a grant allows to whom.
fn allows(grant: &Grant) -> [&str; 5] {
    let Grant { role, database, object, object_name, privilege, grantor: _ } = grant;
    [role, database, object, object_name, privilege]
}

#[cfg(test)]
mod tests {
    use super::plan_rbac;
    use crate::model::{Grant, PrivilegeGroup, Rbac, RbacCounts, Role, Secret, User};

    fn user(name: &str, hash: &str) -> User {
        let (name, password_hash) = (name.to_owned(), Secret::new(hash.to_owned()));
        User { name, password_hash, roles: vec!["films".to_owned()] }
    }

    fn role(name: &str) -> Role {
        Role { name: name.to_owned(), description: String::new() }
    }

    fn grant(role: &str, privilege: &str, grantor: &str) -> Grant {
        Grant {
            role: role.to_owned(),
            database: "*".to_owned(),
            object: "Collection".to_owned(),
            object_name: "films".to_owned(),
            privilege: privilege.to_owned(),
            grantor: grantor.to_owned(),
        }
    }

    fn group(name: &str, privileges: &[&str]) -> PrivilegeGroup {
        let privileges = privileges.iter().map(|&privilege| privilege.to_owned()).collect();
        PrivilegeGroup { name: name.to_owned(), privileges }
    }

    fn backup() -> Rbac {
        Rbac {
            users: vec![user("ann", "h1"), user("bob", "h2"), user("root", "h3")],
            roles: vec![role("admin"), role("books"), role("films"), role("public")],
            grants: vec![
                grant("films", "Query", "root"),
                grant("films", "Search", "root"),
                grant("public", "Search", "root"),
            ],
            privilege_groups: vec![group("look", &["Query"])],
        }
    }

    #[test]
    fn an_empty_target_gets_everything_but_what_every_milvus_has() {
        let plan = plan_rbac(&backup(), &Rbac::default());
        let named: Vec<&str> = plan.missing.users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(named, ["ann", "bob"]);
        assert_eq!(plan.missing.roles, [role("books"), role("films")]);
        assert_eq!(plan.missing.grants, backup().grants[..2]);
        assert_eq!(plan.missing.privilege_groups, backup().privilege_groups);
        let present = RbacCounts { users: 1, roles: 2, grants: 1, privilege_groups: 0 };
        assert_eq!(plan.present, present);
    }

    #[test]
    fn what_is_there_stays_whatever_else_it_holds() {
        let target = Rbac {
            users: vec![user("bob", "another")],
            roles: vec![role("films")],
            grants: vec![grant("films", "Search", "someone")],
            privilege_groups: vec![group("look", &["Insert"])],
        };
        let plan = plan_rbac(&backup(), &target);
        assert_eq!(plan.missing.users, [user("ann", "h1")]);
        assert_eq!(plan.missing.roles, [role("books")]);
        assert_eq!(plan.missing.grants, [grant("films", "Query", "root")]);
        assert!(plan.missing.privilege_groups.is_empty());
        assert!(plan_rbac(&target, &target).missing.counts().is_nothing());
    }

    #[test]
    fn nothing_is_sent_twice() {
        let (mut twice, once) = (backup(), backup());
        twice.users.extend(once.users.clone());
        twice.roles.extend(once.roles.clone());
        twice.grants.push(grant("films", "Search", "someone"));
        twice.privilege_groups.extend(once.privilege_groups.clone());
        let (of_twice, of_once) =
            (plan_rbac(&twice, &Rbac::default()), plan_rbac(&once, &Rbac::default()));
        assert_eq!(of_twice.missing, of_once.missing);
    }
}

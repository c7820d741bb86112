//! Who may do what: users, roles, grants and privilege groups.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Secret;

/// All users of a Milvus and what they may do. Nothing that is shown is made of it but its
/// numbers: the one form that holds the hashes is the document beside a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rbac {
    /// Users, by name; `root` is never among them.
    pub users: Vec<User>,
    /// Roles, by name; `admin` and `public` are never among them.
    pub roles: Vec<Role>,
    /// What roles may do.
    pub grants: Vec<Grant>,
    /// Privileges that are granted together, by name.
    pub privilege_groups: Vec<PrivilegeGroup>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// The hash of the password.
    pub password_hash: Secret<String>,
    /// The roles that the user has.
    pub roles: Vec<String>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it is for; empty on servers that do not ask.
    pub description: String,
}

/// One thing that a role may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The role.
    pub role: String,
    /// The database; `*` for all.
    pub database: String,
    /// What kind of object: `Collection`, `Global`, `User`.
    pub object: String,
    /// Which of them; `*` for all.
    pub object_name: String,
    /// A privilege or a privilege group.
    pub privilege: String,
    /// The user who granted it.
    pub grantor: String,
}

/// Privileges under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivilegeGroup {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub privileges: Vec<String>,
}

impl Rbac {
    /// The same in an order of its own: servers answer in any.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.users.sort_by(|a, b| a.name.cmp(&b.name));
        self.users.iter_mut().for_each(|user| user.roles.sort());
        self.roles.sort_by(|a, b| a.name.cmp(&b.name));
        self.grants.sort();
        self.privilege_groups.sort_by(|a, b| a.name.cmp(&b.name));
        self.privilege_groups.iter_mut().for_each(|group| group.privileges.sort());
        self
    }

    /// How much there is.
    pub fn counts(&self) -> RbacCounts {
        RbacCounts {
            users: self.users.len(),
            roles: self.roles.len(),
            grants: self.grants.len(),
            privilege_groups: self.privilege_groups.len(),
        }
    }
}

/// What may be shown of [`Rbac`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RbacCounts {
    /// Users.
    pub users: usize,
    /// Roles.
    pub roles: usize,
    /// Grants.
    pub grants: usize,
    /// Privilege groups.
    pub privilege_groups: usize,
}

impl RbacCounts {
    /// Whether there is anything.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for RbacCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, roles, grants, privilege_groups } = self;
        write!(f, "{users} users, {roles} roles, {grants} grants, ")?;
        write!(f, "{privilege_groups} privilege groups")
    }
}

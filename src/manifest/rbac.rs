//! `rbac.json`: users with the hashes of their passwords, roles, grants, privilege groups.
//!
//! It has the shape in which milvus-backup keeps the same, and a version. The manifest has its
//! digest, so that a reader knows whether it is what was written.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Grant, PrivilegeGroup, Rbac, RbacCounts, Role, Secret, User};

use super::{DocumentError, decode, encode};

const WHAT: &str = "list of users and roles";

/// What a manifest says of its `rbac.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RbacRecord {
    /// How much there is.
    #[serde(flatten)]
    pub counts: RbacCounts,
    /// BLAKE3 of the document.
    pub digest: String,
}

/// A document to be written.
#[derive(Debug, Clone)]
pub struct EncodedRbac {
    /// Its bytes.
    pub bytes: Secret<Vec<u8>>,
    /// What the manifest is to say of it.
    pub record: RbacRecord,
}

/// Makes the document.
pub fn encode_rbac(rbac: &Rbac) -> EncodedRbac {
    let bytes = encode(&Document { version: 1, rbac: StoredRbac::of(rbac) });
    let digest = blake3::hash(&bytes).to_hex().to_string();
    EncodedRbac { bytes: Secret::new(bytes), record: RbacRecord { counts: rbac.counts(), digest } }
}

/// Reads the document, if it is the one that the manifest means.
pub fn decode_rbac(bytes: &[u8], record: &RbacRecord) -> Result<Rbac, DocumentError> {
    let found = blake3::hash(bytes).to_hex();
    if found.as_str() != record.digest {
        let why = format!("its digest is {found}, {} was written", record.digest);
        return Err(DocumentError::damaged(WHAT, why));
    }
    decode::<Document>(WHAT, bytes).map(|document| document.rbac.into())
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    #[serde(flatten)]
    rbac: StoredRbac,
}

/// `RBACMeta`, in milvus-backup's keys and order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::manifest) struct StoredRbac {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<StoredUser>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<StoredRole>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grants: Vec<StoredGrant>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    privilege_groups: Vec<StoredGroup>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct StoredUser {
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(skip_serializing_if = "Hash::is_empty")]
    password: Hash,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Named>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct StoredRole {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct StoredGrant {
    role: Named,
    object: Named,
    #[serde(skip_serializing_if = "String::is_empty")]
    object_name: String,
    grantor: Grantor,
    #[serde(skip_serializing_if = "String::is_empty")]
    db_name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Grantor {
    user: Named,
    privilege: Named,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct StoredGroup {
    #[serde(skip_serializing_if = "String::is_empty")]
    group_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    privileges: Vec<Named>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

/// The hash of a password, as text where it is stored and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hash(Secret<String>);

impl Hash {
    fn is_empty(&self) -> bool {
        self.0.reveal().is_empty()
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self(Secret::new(String::new()))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.reveal())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|hash| Self(Secret::new(hash)))
    }
}

fn named(name: impl Into<String>) -> Named {
    Named { name: name.into() }
}

fn names(named: Vec<Named>) -> Vec<String> {
    named.into_iter().map(|named| named.name).collect()
}

impl StoredRbac {
    pub(in crate::manifest) fn of(rbac: &Rbac) -> Self {
        let user = |user: &User| StoredUser {
            user: user.name.clone(),
            password: Hash(user.password_hash.clone()),
            roles: user.roles.iter().map(named).collect(),
        };
        let role = |role: &Role| StoredRole {
            name: role.name.clone(),
            description: role.description.clone(),
        };
        let grant = |grant: &Grant| StoredGrant {
            role: named(&grant.role),
            object: named(&grant.object),
            object_name: grant.object_name.clone(),
            grantor: Grantor { user: named(&grant.grantor), privilege: named(&grant.privilege) },
            db_name: grant.database.clone(),
        };
        let group = |group: &PrivilegeGroup| StoredGroup {
            group_name: group.name.clone(),
            privileges: group.privileges.iter().map(named).collect(),
        };
        Self {
            users: rbac.users.iter().map(user).collect(),
            roles: rbac.roles.iter().map(role).collect(),
            grants: rbac.grants.iter().map(grant).collect(),
            privilege_groups: rbac.privilege_groups.iter().map(group).collect(),
        }
    }
}

impl From<StoredRbac> for Rbac {
    fn from(stored: StoredRbac) -> Self {
        let user = |user: StoredUser| User {
            name: user.user,
            password_hash: user.password.0,
            roles: names(user.roles),
        };
        let role = |role: StoredRole| Role { name: role.name, description: role.description };
        let grant = |grant: StoredGrant| Grant {
            role: grant.role.name,
            database: grant.db_name,
            object: grant.object.name,
            object_name: grant.object_name,
            privilege: grant.grantor.privilege.name,
            grantor: grant.grantor.user.name,
        };
        let group = |group: StoredGroup| PrivilegeGroup {
            name: group.group_name,
            privileges: names(group.privileges),
        };
        Self {
            users: stored.users.into_iter().map(user).collect(),
            roles: stored.roles.into_iter().map(role).collect(),
            grants: stored.grants.into_iter().map(grant).collect(),
            privilege_groups: stored.privilege_groups.into_iter().map(group).collect(),
        }
    }
}

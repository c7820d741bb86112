//! A right that a user of Milvus's lacks.

use std::fmt;

/// A privilege that was not granted, as Milvus's roles name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPrivilege {
    /// Who lacks it.
    pub user: String,
    /// Such as `Flush`.
    pub privilege: String,
    /// The kind of what it is on: `Global` or `Collection`.
    pub object: &'static str,
    /// In which database it was needed.
    pub database: String,
}

impl MissingPrivilege {
    /// How it is granted, in every database: the next run may meet another.
    pub fn grant(&self) -> String {
        let Self { privilege, object, .. } = self;
        format!("role.grant(\"{object}\", \"*\", \"{privilege}\", \"*\")")
    }
}

impl fmt::Display for MissingPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on `{}` in database `{}`", self.privilege, self.object, self.database)
    }
}

//! A refusal of Milvus's → which privilege is missing, on what, and how it is granted.

use tonic::{Code, Status};

use crate::milvus::{MilvusErrorKind, MissingPrivilege};

use super::login::{Configured, Login};
use super::status::Failure;

/// Privileges on everything of a database. All others are on a collection, whose name may be
/// `*`.
const GLOBAL: &[&str] = &[
    "CreateAlias",
    "CreateCollection",
    "CreateDatabase",
    "DescribeAlias",
    "DescribeCollection",
    "DescribeDatabase",
    "DropAlias",
    "DropCollection",
    "DropDatabase",
    "FlushAll",
    "ListAliases",
    "ListDatabases",
    "RenameCollection",
    "ShowCollections",
];

/// What Milvus's interceptors say in the place of an answer; none for any other failure.
pub(super) fn refused(status: &Status, login: Option<&Login>, database: &str) -> Option<Failure> {
    match status.code() {
        Code::PermissionDenied => missing(status.message(), database),
        Code::Unauthenticated => Some(unknown(status.message(), login)),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => None,
    }
}

/// `PrivilegeFlush: permission deny to backup`, in 2.3 and later.
fn missing(said: &str, database: &str) -> Option<Failure> {
    let (privilege, user) = said.strip_prefix("Privilege")?.split_once(": permission deny to ")?;
    let object = if GLOBAL.contains(&privilege) { "Global" } else { "Collection" };
    // A user's names end where the sentence goes on.
    let user = user.split([' ', ',']).next().unwrap_or(user);
    let missing = MissingPrivilege {
        user: user.to_owned(),
        privilege: privilege.to_owned(),
        object,
        database: database.to_owned(),
    };
    let said = format!("user `{user}` lacks the privilege {missing}");
    let hint = format!(
        "grant it to a role of the user's, such as {}; README lists all that is needed",
        missing.grant()
    );
    let failure = Failure::new(MilvusErrorKind::NotAuthorised, said).hint(hint);
    Some(Failure { missing: Some(missing), ..failure })
}

fn unknown(said: &str, login: Option<&Login>) -> Failure {
    let hint = match login.map(Login::configured) {
        None => "set `milvus.username` and `milvus.password`, or `milvus.token`",
        Some(Configured::Password) => "correct `milvus.username` or `milvus.password`",
        Some(Configured::Token) => "correct `milvus.token`",
    };
    Failure::new(MilvusErrorKind::NotAuthorised, said).hint(hint)
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::refused;
    use crate::milvus::MilvusErrorKind;

    /// Milvus's words as 2.3.5 says them.
    #[test]
    fn a_missing_privilege_is_named_with_its_object_its_user_and_its_remedy() {
        for (said, object) in [
            ("PrivilegeFlush: permission deny to backup", "Collection"),
            ("PrivilegeListDatabases: permission deny to backup", "Global"),
        ] {
            let privilege = said.strip_prefix("Privilege").unwrap().split_once(':').unwrap().0;
            let failure = refused(&Status::permission_denied(said), None, "db2").unwrap();
            assert_eq!(failure.kind, MilvusErrorKind::NotAuthorised);
            let expected = format!(
                "user `backup` lacks the privilege `{privilege}` on `{object}` in database `db2`"
            );
            assert_eq!(failure.said, expected);
            let grant = format!("grant(\"{object}\", \"*\", \"{privilege}\", \"*\")");
            assert!(failure.hint.unwrap().contains(&grant));
        }
        assert_eq!(refused(&Status::permission_denied("no"), None, "db2"), None);
        assert_eq!(refused(&Status::unavailable("PrivilegeFlush"), None, "db2"), None);
    }

    #[test]
    fn who_says_nothing_is_told_what_to_set() {
        let said = "missing authorization in header";
        let failure = refused(&Status::unauthenticated(said), None, "default").unwrap();
        assert_eq!((failure.kind, &*failure.said), (MilvusErrorKind::NotAuthorised, said));
        assert!(failure.hint.unwrap().contains("or `milvus.token`"));
    }
}

//! Who we are to a Milvus with authorization.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use crate::config::MilvusLogin;

/// The key under which every call says who we are.
const AUTHORIZATION: &str = "authorization";

/// What every call shows; none of it is ever printed.
#[derive(Clone)]
pub(super) struct Login {
    shown: MetadataValue<Ascii>,
    configured: Configured,
}

/// Which keys of the configuration say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Configured {
    /// `milvus.username` and `milvus.password`.
    Password,
    /// `milvus.token`.
    Token,
}

impl Login {
    /// Milvus takes a token, and a user with a password, in one form.
    pub(super) fn new(login: &MilvusLogin) -> Self {
        let encoded = STANDARD.encode(login.token().reveal());
        let mut shown: MetadataValue<Ascii> = encoded.parse().expect("base64 is plain ASCII");
        shown.set_sensitive(true);
        let configured = match login {
            MilvusLogin::Password { .. } => Configured::Password,
            MilvusLogin::Token(_) => Configured::Token,
        };
        Self { shown, configured }
    }

    /// Puts it into the metadata of a call.
    pub(super) fn sign(&self, metadata: &mut MetadataMap) {
        metadata.insert(AUTHORIZATION, self.shown.clone());
    }

    pub(super) fn configured(&self) -> Configured {
        self.configured
    }
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataMap;

    use super::Login;
    use crate::config::MilvusLogin;
    use crate::model::Secret;

    #[test]
    fn a_user_and_a_token_are_shown_as_milvus_wants_them() {
        let password = Secret::new("Mil:vus".to_owned());
        let user = MilvusLogin::Password { username: "root".to_owned(), password };
        for (login, shown) in [
            (user, "cm9vdDpNaWw6dnVz"),
            (MilvusLogin::Token(Secret::new("key-1".to_owned())), "a2V5LTE="),
        ] {
            let mut metadata = MetadataMap::new();
            Login::new(&login).sign(&mut metadata);
            assert_eq!(metadata.get("authorization").unwrap(), shown);
            let debug = format!("{metadata:?} {login:?}");
            assert!(!debug.contains(shown) && !debug.contains("key-1"), "{debug}");
        }
    }
}

//! How Milvus is reached: whom we trust there, and who we are.

use std::path::PathBuf;

use url::{Host, Url};

use super::certificate::{self, ClientCertificate};
use super::keys::{Fallback, Key, Kind};
use super::parse::{self, Invalid};
use super::reader::Reader;
use crate::model::Secret;

const CA_FILE: &str = "milvus.ca_file";
const CERT_FILE: &str = "milvus.cert_file";
const KEY_FILE: &str = "milvus.key_file";
const SERVER_NAME: &str = "milvus.server_name";
const REST_ADDRESS: &str = "milvus.rest_address";
const USERNAME: &str = "milvus.username";
const PASSWORD: &str = "milvus.password";
const TOKEN: &str = "milvus.token";

/// The keys of this part.
pub(crate) const KEYS: &[Key] = &[
    Key {
        path: "milvus.address",
        kind: Kind::Url,
        help: "where Milvus answers gRPC; `https://` for one with TLS",
        fallback: Fallback::Value("http://127.0.0.1:19530"),
    },
    Key {
        path: CA_FILE,
        kind: Kind::Path,
        help: "certificates in PEM to trust beside the system's",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: CERT_FILE,
        kind: Kind::Path,
        help: "the agent's own certificate in PEM, for a Milvus with `tlsMode: 2`",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: KEY_FILE,
        kind: Kind::Path,
        help: "its key in PEM, without a password",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: SERVER_NAME,
        kind: Kind::Text,
        help: "the name in Milvus's certificate",
        fallback: Fallback::Described("the host of milvus.address"),
    },
    Key {
        path: REST_ADDRESS,
        kind: Kind::Url,
        help: "where Milvus since 2.4 answers REST; with TLS that is another port, its `proxy.http.port`",
        fallback: Fallback::Described("milvus.address"),
    },
    Key {
        path: USERNAME,
        kind: Kind::Text,
        help: "the user, for a Milvus with authorization",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: PASSWORD,
        kind: Kind::Secret,
        help: "the user's password",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "milvus.password_file",
        kind: Kind::Path,
        help: "a file that holds the password",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: TOKEN,
        kind: Kind::Secret,
        help: "`user:password` or an API key, in the place of user and password",
        fallback: Fallback::Described("none"),
    },
    Key {
        path: "milvus.token_file",
        kind: Kind::Path,
        help: "a file that holds the token",
        fallback: Fallback::Described("none"),
    },
];

/// What a connection to Milvus shows and wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MilvusAccess {
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// What shows who we are.
    pub certificate: Option<ClientCertificate>,
    /// The name in Milvus's certificate, if it is not the host of the address.
    pub server_name: Option<String>,
    /// Where it answers REST, if that is not where it answers gRPC.
    pub rest_address: Option<Url>,
    /// Who we are to a Milvus with authorization.
    pub login: Option<MilvusLogin>,
}

/// Who we are to a Milvus with authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MilvusLogin {
    /// A user of Milvus's own.
    Password {
        /// Its name.
        username: String,
        /// Its password.
        password: Secret<String>,
    },
    /// `user:password`, or an API key.
    Token(Secret<String>),
}

impl MilvusLogin {
    /// What Milvus takes for a token: `user:password`, or the API key.
    pub fn token(&self) -> Secret<String> {
        match self {
            Self::Password { username, password } => {
                Secret::new(format!("{username}:{}", password.reveal()))
            }
            Self::Token(token) => token.clone(),
        }
    }
}

/// These keys of the section `milvus`. Without an address, which is then wrong, none of them
/// is compared with it.
pub(crate) fn read(reader: &mut Reader<'_>, address: Option<&Url>) -> MilvusAccess {
    let ca_file = reader.get(CA_FILE, parse::path);
    let hint = "set both, or neither for a Milvus that wants no certificate of ours";
    let certificate = certificate::read(reader, (CERT_FILE, KEY_FILE), hint);
    let server_name = reader.get(SERVER_NAME, name);
    if address.is_some_and(|address| address.scheme() == "http") {
        for path in [CA_FILE, CERT_FILE, KEY_FILE, SERVER_NAME] {
            let hint = format!("begin `milvus.address` with https://, or remove `{path}`");
            reader.needs(path, "https://", &hint);
        }
    }
    let rest_address = reader.get(REST_ADDRESS, parse::address);
    MilvusAccess { ca_file, certificate, server_name, rest_address, login: login(reader) }
}

fn login(reader: &mut Reader<'_>) -> Option<MilvusLogin> {
    for file in ["milvus.password_file", "milvus.token_file"] {
        reader.get(file, parse::path);
    }
    let username = reader.get(USERNAME, user);
    let password = reader.get(PASSWORD, parse::text);
    let token = reader.get(TOKEN, parse::text);
    let hint = "set `milvus.username` and `milvus.password`, or `milvus.token` alone; what is a \
                credential of the service is not seen at a shell without its CREDENTIALS_DIRECTORY";
    match (&username, &password) {
        (Some(_), None) => reader.needs(USERNAME, PASSWORD, hint),
        (None, Some(_)) => reader.needs(PASSWORD, USERNAME, hint),
        (Some(_), Some(_)) if token.is_some() => {
            let hint = "remove one of them: a token stands for user and password";
            reader.excludes(TOKEN, USERNAME, hint);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    let password = username.zip(password).map(|(username, password)| MilvusLogin::Password {
        username,
        password: Secret::new(password),
    });
    password.or(token.map(|token| MilvusLogin::Token(Secret::new(token))))
}

/// The name of a user, which ends where the password begins.
fn user(text: &str) -> Result<String, Invalid> {
    if text.contains(':') {
        return Err(Invalid::new("must not hold a `:`")
            .hint("the password is a key of its own, `milvus.password`"));
    }
    Ok(text.to_owned())
}

/// The name of a host, as certificates have it.
pub(crate) fn name(text: &str) -> Result<String, Invalid> {
    let invalid = |_| Invalid::expected("a host such as milvus.example.com, alone", text);
    Host::parse(text).map(|_| text.to_owned()).map_err(invalid)
}

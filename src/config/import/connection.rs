//! How Milvus is reached.

use url::Url;

use super::draft::Draft;
use super::meaning::Meaning::{
    self, CaFile, CertFile, Host, KeyFile, Management, Password, Port, Rest, ServerName, TlsMode,
    User,
};
use crate::config::{connection, parse};
use crate::model::Invalid;

const ADDRESS: &str = "milvus.address";

/// Decides all keys about Milvus itself.
pub(super) fn convert(draft: &mut Draft) {
    let mode = draft.text(TlsMode).unwrap_or_else(|| "0".to_owned());
    let (tls, mutual) = match mode.as_str() {
        "0" | "disabled" => (false, false),
        "1" | "server" => (true, false),
        "2" | "mutual" => (true, true),
        other => {
            let known = if draft.is_v2 { "disabled, server and mutual" } else { "0, 1 and 2" };
            let what = format!("`{other}` is no mode; milvus-backup knows {known}");
            draft.decide(TlsMode, what);
            (false, false)
        }
    };
    address(draft, tls);
    certificates(draft, tls, mutual);
    login(draft);
    other(draft, (Management, "milvus.management_address"), parse::management);
    other(draft, (Rest, "milvus.rest_address"), parse::address);
}

/// An address beside Milvus's own.
fn other(
    draft: &mut Draft,
    (meaning, key): (Meaning, &'static str),
    read: fn(&str) -> Result<Url, Invalid>,
) {
    let Some(text) = draft.text(meaning) else { return };
    match read(&text) {
        Ok(_) => {
            draft.set(key, text);
            draft.taken(meaning, key);
        }
        Err(invalid) => draft.decide(meaning, format!("set `{key}`: {}", invalid.message)),
    }
}

fn address(draft: &mut Draft, tls: bool) {
    let keys = [Host, Port, TlsMode];
    if keys.iter().all(|key| draft.text(*key).is_none()) {
        return;
    }
    let host = draft.text(Host).unwrap_or_else(|| "localhost".to_owned());
    let port = draft.text(Port).unwrap_or_else(|| "19530".to_owned());
    let address = format!("{}://{host}:{port}", if tls { "https" } else { "http" });
    match parse::address(&address) {
        Ok(_) => {
            draft.set(ADDRESS, address);
            draft.taken_all(&keys, ADDRESS);
        }
        Err(invalid) => {
            let what = format!("set `{ADDRESS}`: {}", invalid.message);
            draft.decide_all(&keys, &what);
        }
    }
}

fn certificates(draft: &mut Draft, tls: bool, mutual: bool) {
    if !tls {
        for key in [CaFile, ServerName, CertFile, KeyFile] {
            draft.nothing(key, "there is no TLS");
        }
        return;
    }
    file(draft, CaFile, "milvus.ca_file");
    if let Some(name) = draft.text(ServerName) {
        match connection::name(&name) {
            Ok(_) => {
                draft.set("milvus.server_name", name);
                draft.taken(ServerName, "milvus.server_name");
            }
            Err(invalid) => {
                draft.decide(ServerName, format!("set `milvus.server_name`: {}", invalid.message));
            }
        }
    }
    if !mutual {
        for key in [CertFile, KeyFile] {
            draft.nothing(key, "Milvus asks for no certificate with this tlsMode");
        }
        return;
    }
    let both = [CertFile, KeyFile]
        .iter()
        .all(|key| draft.text(*key).is_some_and(|text| parse::path(&text).is_ok()));
    if both {
        file(draft, CertFile, "milvus.cert_file");
        file(draft, KeyFile, "milvus.key_file");
        return;
    }
    let what = "set `milvus.cert_file` and `milvus.key_file`, both as absolute paths";
    draft.decide(CertFile, what);
    draft.decide(KeyFile, what);
    draft.open.push(format!("`tlsMode` wants a certificate of the agent's: {what}"));
}

fn file(draft: &mut Draft, meaning: Meaning, path: &str) {
    let Some(text) = draft.text(meaning) else { return };
    match parse::path(&text) {
        Ok(_) => {
            draft.set(path, text);
            draft.taken(meaning, path);
        }
        Err(invalid) => draft.decide(meaning, format!("set `{path}`: {}", invalid.message)),
    }
}

fn login(draft: &mut Draft) {
    let Some(user) = draft.text(User) else {
        draft.nothing(Password, "there is no user");
        return;
    };
    if user.contains(':') {
        draft.decide(User, "no user of Milvus has a `:` in its name; set `milvus.username`");
        draft.decide(Password, "set `milvus.password_file`");
        return;
    }
    draft.set("milvus.username", user);
    let from = "milvus.password of backup.yaml (or MILVUS_PASSWORD)";
    let file = draft.set_secret("milvus.password", from);
    draft.taken(User, "milvus.username");
    let what = format!("a secret: write it to {file}, which `milvus.password_file` names");
    draft.decide(Password, what);
}

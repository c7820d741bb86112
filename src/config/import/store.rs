//! Where Milvus keeps its files, and where backups go.

use super::draft::Draft;
use super::meaning::Meaning::Storage;
use super::meaning::{Meaning, Part, Side};
use crate::config::parse;

const CLUSTER: &str = "milvus.cluster";

/// What a storage is, in our eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Folder,
    S3,
    /// Speaks S3, and was never tried.
    Like,
    /// We cannot.
    Other,
}

/// The keys of one storage that all its kinds have to answer for.
const ALL: &[Part] = &[
    Part::Provider,
    Part::Address,
    Part::Port,
    Part::Region,
    Part::UseSsl,
    Part::Bucket,
    Part::RootPath,
    Part::LocalPath,
    Part::SeenAddress,
    Part::SeenPort,
    Part::AuthType,
    Part::UseIam,
    Part::IamEndpoint,
    Part::AccessKeyId,
    Part::SecretAccessKey,
    Part::SessionToken,
    Part::Foreign,
];

/// Decides all keys about storages.
pub(super) fn convert(draft: &mut Draft) {
    for side in [Side::Milvus, Side::Backup] {
        let provider = get(draft, side, Part::Provider).unwrap_or_else(|| "minio".to_owned());
        match family(&provider) {
            Family::Folder => folder(draft, side),
            Family::S3 => bucket(draft, side),
            Family::Like => {
                bucket(draft, side);
                let place = section(side);
                draft.open.push(format!(
                    "`{provider}` speaks S3, and the agent was never run on it: look at `{place}` \
                     (endpoint, region, path_style), and run `check --restore`"
                ));
            }
            Family::Other => other(draft, side, &provider),
        }
    }
}

fn family(provider: &str) -> Family {
    match provider.to_lowercase().as_str() {
        "local" => Family::Folder,
        "minio" | "s3" | "aws" => Family::S3,
        "gcp" | "aliyun" | "ali" | "alibaba" | "alicloud" | "tencent" | "hwc" => Family::Like,
        _ => Family::Other,
    }
}

fn section(side: Side) -> &'static str {
    match side {
        Side::Milvus => "milvus.storage.s3",
        Side::Backup => "repository.s3",
    }
}

/// A backup's storage takes over what Milvus's says, but for its folder.
fn get(draft: &Draft, side: Side, part: Part) -> Option<String> {
    let own = draft.of(side, part);
    match (side, part) {
        (Side::Milvus, _)
        | (Side::Backup, Part::LocalPath | Part::SeenAddress | Part::SeenPort | Part::RootPath) => {
            own
        }
        (Side::Backup, _) => own.or_else(|| draft.of(Side::Milvus, part)),
    }
}

fn other(draft: &mut Draft, side: Side, provider: &str) {
    let place = match side {
        Side::Milvus => "`milvus.storage`",
        Side::Backup => "`repository`",
    };
    let what =
        format!("the agent knows folders and S3, not `{provider}`: set {place} to one of them");
    draft.open.push(what.clone());
    for part in ALL {
        draft.decide(Storage(side, *part), what.clone());
    }
}

fn folder(draft: &mut Draft, side: Side) {
    let (own, part) = match draft.of(side, Part::LocalPath) {
        Some(path) => (Some(path), Part::LocalPath),
        None => (draft.of(side, Part::RootPath), Part::RootPath),
    };
    let path = own.as_deref().filter(|path| parse::path(path).is_ok());
    let meaning = Storage(side, part);
    match (side, path) {
        (Side::Milvus, Some(path)) => {
            draft.set("milvus.storage.local.path", path);
            draft.taken(meaning, "milvus.storage.local.path");
        }
        (Side::Backup, Some(path)) => split(draft, path, "repository.local.path", meaning),
        (Side::Milvus, None) => {
            let what = "set `milvus.storage.local.path` to the folder of Milvus's files, as an \
                        absolute path";
            draft.decide(meaning, what);
            draft.open.push(what.to_owned());
        }
        (Side::Backup, None) => {
            let what = "set `repository.local.path` to the folder above that of the backups, as \
                        an absolute path, and `milvus.cluster` to its last part";
            draft.decide(meaning, what);
            draft.open.push(what.to_owned());
        }
    }
    draft.taken(Storage(side, Part::Provider), "a section `local`");
    for part in ALL {
        draft.nothing(Storage(side, *part), "the storage is a folder");
    }
}

/// Our clusters are folders of the repository, so the last part of the path is one.
fn split(draft: &mut Draft, path: &str, key: &str, meaning: Meaning) {
    let trimmed = path.trim_end_matches('/');
    let (above, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
    let nowhere = above.is_empty() && key == "repository.local.path";
    if parse::cluster(name).is_err() || parse::prefix(above).is_err() || nowhere {
        let what = format!("`{path}` cannot be a cluster of a repository: choose a place for ours");
        draft.decide(meaning, what.clone());
        draft.open.push(what);
        return;
    }
    draft.set(CLUSTER, name);
    if !above.is_empty() {
        draft.set(key, above);
    }
    draft.taken(meaning, &format!("{key}, {CLUSTER}"));
}

fn bucket(draft: &mut Draft, side: Side) {
    let place = section(side);
    let at = |word: &str| format!("{place}.{word}");
    let bucket = get(draft, side, Part::Bucket).unwrap_or_else(|| "a-bucket".to_owned());
    if let Err(invalid) = parse::bucket(&bucket) {
        let what = format!("set `{}` and the keys beside it: {}", at("bucket"), invalid.message);
        draft.open.push(what.clone());
        for part in ALL {
            draft.decide(Storage(side, *part), what.clone());
        }
        return;
    }
    endpoint(draft, side);
    draft.set(&at("bucket"), bucket);
    draft.taken(Storage(side, Part::Bucket), &at("bucket"));
    if let Some(region) = get(draft, side, Part::Region) {
        draft.set(&at("region"), region);
        draft.taken(Storage(side, Part::Region), &at("region"));
    }
    root(draft, side);
    keys(draft, side);
    seen(draft, side);
    draft.taken(Storage(side, Part::Provider), &format!("the section `{place}`"));
    draft.nothing(Storage(side, Part::LocalPath), "the storage is a bucket");
    draft.nothing(Storage(side, Part::Foreign), "it is for Azure or Google's own API");
}

/// None for AWS itself, which we know.
fn endpoint(draft: &mut Draft, side: Side) {
    let host = get(draft, side, Part::Address).unwrap_or_else(|| "localhost".to_owned());
    let port = get(draft, side, Part::Port).unwrap_or_else(|| "9000".to_owned());
    let tls = get(draft, side, Part::UseSsl).as_deref() == Some("true");
    let parts = [Part::Address, Part::Port, Part::UseSsl].map(|part| Storage(side, part));
    let key = format!("{}.endpoint", section(side));
    if host.ends_with("amazonaws.com") {
        draft.taken_all(&parts, "AWS, without an endpoint");
        if get(draft, side, Part::Region).is_none() {
            let section = section(side);
            draft.open.push(format!("set `{section}.region`, or AWS_REGION in the environment"));
        }
        return;
    }
    let address = url(&host, &port, tls);
    match parse::endpoint(&address) {
        Ok(_) => {
            draft.set(&key, address);
            draft.taken_all(&parts, &key);
        }
        Err(invalid) => {
            let what = format!("set `{key}`: {}", invalid.message);
            draft.decide_all(&parts, &what);
            draft.open.push(what);
        }
    }
}

fn url(host: &str, port: &str, tls: bool) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let scheme = if tls { "https" } else { "http" };
    if has_port { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") }
}

fn root(draft: &mut Draft, side: Side) {
    let meaning = Storage(side, Part::RootPath);
    let milvus = draft.of(Side::Milvus, Part::RootPath).unwrap_or_else(|| "files".to_owned());
    let milvus = milvus.trim_matches('/').to_owned();
    if side == Side::Milvus {
        let key = "milvus.storage.s3.prefix";
        if let Err(invalid) = parse::prefix(&milvus) {
            let what = format!("set `{key}`: {}", invalid.message);
            draft.decide(meaning, what.clone());
            draft.open.push(what);
            return;
        }
        if !milvus.is_empty() {
            draft.set(key, milvus);
        }
        draft.taken(meaning, key);
        return;
    }
    let default = if draft.is_v2 { "backup" } else { milvus.as_str() };
    let own = draft.of(side, Part::RootPath).unwrap_or_else(|| default.to_owned());
    let own = own.trim_matches('/');
    let shared = [Part::Bucket, Part::Address, Part::Port]
        .iter()
        .all(|part| get(draft, Side::Backup, *part) == draft.of(Side::Milvus, *part));
    let inside = own == milvus || own.starts_with(&format!("{milvus}/"));
    if !(shared && inside) {
        split(draft, own, "repository.s3.prefix", meaning);
        return;
    }
    draft.set("repository.s3.prefix", "milvus-backup-agent");
    let what = format!(
        "milvus-backup keeps backups in `{own}`, inside Milvus's own folder `{milvus}`; the agent \
         takes `milvus-backup-agent` and does not list the old ones, until they are moved out"
    );
    draft.decide(meaning, what.clone());
    draft.open.push(what);
}

/// Static keys are secrets; any others are found around the process.
fn keys(draft: &mut Draft, side: Side) {
    let place = section(side);
    let kind = get(draft, side, Part::AuthType);
    let iam = get(draft, side, Part::UseIam).as_deref() == Some("true");
    let (kind_key, iam_key) = (Storage(side, Part::AuthType), Storage(side, Part::UseIam));
    let fixed = match kind.as_deref() {
        _ if iam => false,
        None | Some("static") => true,
        Some("iam" | "default") => false,
        Some(other) => {
            let what = format!("the agent has no `{other}` for S3: set `{place}.access_key_id`");
            draft.decide(kind_key, what.clone());
            draft.open.push(what);
            true
        }
    };
    let around = "no keys: environment, profile, web identity or the machine's role";
    draft.taken(kind_key, if fixed { "static keys" } else { around });
    draft.taken(iam_key, if fixed { "static keys" } else { around });
    for (part, word, name) in [
        (Part::AccessKeyId, "access_key_id", "the access key"),
        (Part::SecretAccessKey, "secret_access_key", "its secret"),
    ] {
        let meaning = Storage(side, part);
        if !fixed {
            draft.nothing(meaning, "the storage is reached by a role");
            continue;
        }
        let path = format!("{place}.{word}");
        let from = format!("{name} of backup.yaml (or of milvus-backup's environment)");
        let file = draft.set_secret(&path, &from);
        let what = format!("a secret: write it to {file}, which `{path}_file` names");
        draft.decide(meaning, what);
    }
    let token = "the agent has no key for it: give temporary credentials as AWS_ACCESS_KEY_ID, \
                 AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and none in the configuration";
    draft.decide(Storage(side, Part::SessionToken), token);
    let endpoint = "the agent has no key for it: set AWS_ENDPOINT_URL_STS or \
                    AWS_EC2_METADATA_SERVICE_ENDPOINT in its environment";
    draft.decide(Storage(side, Part::IamEndpoint), endpoint);
}

/// How Milvus sees its own storage.
fn seen(draft: &mut Draft, side: Side) {
    let key = "milvus.storage.s3.milvus_endpoint";
    let parts = [Part::SeenAddress, Part::SeenPort].map(|part| Storage(side, part));
    let tls = draft.of(side, Part::UseSsl).as_deref() == Some("true");
    let port = draft.of(side, Part::SeenPort).filter(|port| port != "0");
    let host = draft.of(side, Part::SeenAddress);
    let Some(host) = host else {
        draft.nothing_all(&parts, "there is no `milvusAddress`");
        return;
    };
    let port = port.or_else(|| draft.of(side, Part::Port)).unwrap_or_else(|| "9000".to_owned());
    let address = url(&host, &port, tls);
    if parse::endpoint(&address).is_ok() {
        draft.set(key, address);
        draft.taken_all(&parts, key);
    } else {
        draft.decide_all(&parts, &format!("set `{key}`"));
    }
}

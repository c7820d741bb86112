//! A section about a bucket → [`S3Settings`].

use super::keys::{Key, Kind};
use super::parse;
use super::reader::Reader;
use super::table::KEYS;
use crate::model::{Diagnostic, KeyPrefix, S3Keys, S3Settings, Secret};

/// The default folder of staged files, below Milvus's prefix.
const STAGING: &str = "_mba_staging";

/// What Milvus keeps below its prefix.
const MILVUS_FOLDERS: [&str; 4] = ["insert_log", "delta_log", "stats_log", "index_files"];

/// The bucket of the section `section`; none if no bucket is set.
pub(crate) fn read(reader: &mut Reader<'_>, section: &str) -> Option<S3Settings> {
    let path = |word: &str| format!("{section}.{word}");
    let bucket = reader.get(&path("bucket"), parse::bucket);
    let endpoint = reader.get(&path("endpoint"), parse::endpoint);
    let region = reader.get(&path("region"), parse::text);
    let prefix = reader.get(&path("prefix"), parse::prefix);
    let path_style = reader.get(&path("path_style"), parse::switch);
    let ca_file = reader.get(&path("ca_file"), parse::path);
    let checksums = reader.get(&path("checksums"), parse::checksums);
    for file in ["access_key_id_file", "secret_access_key_file"] {
        reader.get(&path(file), parse::path);
    }
    let keys = keys(reader, section);
    let Some(bucket) = bucket else {
        needless(reader, section);
        return None;
    };
    let mut settings = S3Settings {
        endpoint,
        region,
        prefix: prefix.unwrap_or_else(KeyPrefix::root),
        keys,
        ca_file,
        checksums: checksums.unwrap_or_default(),
        ..S3Settings::new(bucket)
    };
    settings.path_style = path_style.unwrap_or(!settings.is_aws());
    Some(settings)
}

/// Where a restore stages files in Milvus's bucket: never among Milvus's own, which it lists
/// and cleans up itself.
pub(crate) fn staging(reader: &mut Reader<'_>, bucket: Option<&S3Settings>) -> Option<KeyPrefix> {
    const PATH: &str = "milvus.staging_prefix";
    let written = reader.get(PATH, parse::prefix);
    let Some(bucket) = bucket else {
        let hint = "it is for a Milvus on S3; the folder of any other is `repository.staging`";
        reader.needs(PATH, "milvus.storage.s3.bucket", hint);
        return None;
    };
    let staging = written.unwrap_or_else(|| bucket.prefix.join(STAGING));
    let own = MILVUS_FOLDERS.map(|folder| bucket.prefix.join(folder));
    let taken = own.iter().find(|own| staging.as_str().starts_with(own.as_str()));
    let holds_all = bucket.prefix.as_str().starts_with(staging.as_str());
    if taken.is_none() && !holds_all {
        return Some(staging);
    }
    let origin = &reader.values.get(PATH)?.origin;
    let problem = format!("`{PATH}` is `{staging}`, where Milvus keeps its own files");
    let hint = format!("use a folder of its own, such as `{}`", bucket.prefix.join(STAGING));
    reader.problems.push(origin.place(Diagnostic::new(problem).hint(hint)));
    None
}

/// Both keys or none: half a pair would silently mean the environment.
fn keys(reader: &mut Reader<'_>, section: &str) -> Option<S3Keys> {
    let path = |word: &str| format!("{section}.{word}");
    let (id_path, secret_path) = (path("access_key_id"), path("secret_access_key"));
    let id = reader.get(&id_path, parse::text);
    let secret = reader.get(&secret_path, parse::text);
    let (alone, missing) = match (&id, &secret) {
        (Some(_), None) => (&id_path, &secret_path),
        (None, Some(_)) => (&secret_path, &id_path),
        (Some(_), Some(_)) | (None, None) => {
            let (id, secret) = id.zip(secret)?;
            let (access_key_id, secret_access_key) = (Secret::new(id), Secret::new(secret));
            return Some(S3Keys { access_key_id, secret_access_key });
        }
    };
    reader.needs(alone, missing, "set both, or neither for environment, profile or role");
    None
}

/// Reports keys that were written for a bucket that was not.
fn needless(reader: &mut Reader<'_>, section: &str) {
    let bucket = format!("{section}.bucket");
    if reader.values.get(&bucket).is_some() {
        return; // It is wrong, and said to be.
    }
    let in_section = |key: &&Key| {
        let word = key.path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
        // Credentials may lie there for another day.
        word.is_some() && key.kind != Kind::Secret
    };
    let first = KEYS.iter().filter(in_section).find_map(|key| {
        reader.values.written(key.path).map(|written| (key, written.origin.clone()))
    });
    if let Some((key, origin)) = first {
        let problem = format!("`{}` means nothing without `{bucket}`", key.path);
        reader.problems.push(origin.place(Diagnostic::new(problem)));
    }
}

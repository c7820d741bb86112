//! Text from several places → [`Config`], or every problem at once.
//!
//! ```text
//!  defaults < milvus.yaml < credentials < file < environment   (`layers`, by `config`)
//!     │            │            │          │         │
//!  `table`   `milvus_yaml`  `secrets`    `file`  `environment`   each: key → text, [`Origin`]
//!                               ↓
//!                          `settings`, `s3`                      text → types, by `parse`
//! ```
//!
//! One table, [`KEYS`], names every key. What it does not name is an error, wherever it is
//! written. Every value stays the text that was written until [`Config`] gives it its type,
//! so `1.10` and `0123` are never taken for numbers.
//!
//! # Contract
//!
//! - [`load`] reports all problems of all places in one [`ConfigError`], each with the line
//!   it stands on. A value that a higher layer replaces is not checked beyond its shape.
//! - A [`Config`] cannot be wrong in itself: its fields are types. Whether paths exist and
//!   Milvus answers is for those who use them.
//! - Each value knows where it came from: [`Loaded::rows`].
//!
//! [`import`] turns milvus-backup's file into ours; its essay is in its folder.
//!
//! # What it does not do
//!
//! It does not expand `~` or variables, watch the file, or read anything but the file, the
//! environment it is given, the milvus.yaml and the files of secrets that they name.
//!
//! # Secrets
//!
//! A secret is a value, a file that `<key>_file` names, or a file of the key's name in
//! `$CREDENTIALS_DIRECTORY`. None is shown: not by [`Loaded::rows`], not in the line under a
//! problem, not by `Debug`.

mod amqp;
mod amqp_url;
mod api;
mod certificate;
mod connection;
mod environment;
mod error;
mod file;
mod import;
mod keys;
mod layers;
mod load;
mod log;
mod milvus_yaml;
mod min_free;
mod minio;
mod origin;
mod parse;
mod policies;
mod reader;
mod retention;
mod s3;
mod secrets;
mod settings;
mod settle;
mod table;
#[cfg(test)]
mod tests;

pub use amqp::Amqp;
pub use amqp_url::{AmqpUrl, AmqpUser};
pub use api::{Api, MetricsOutput};
pub use certificate::ClientCertificate;
pub use connection::{MilvusAccess, MilvusLogin};
pub use environment::Environment;
pub use error::ConfigError;
pub use import::{Fate, Imported, KeyNote, import};
pub use keys::{Key, Kind};
pub use load::{DEFAULT_FILE, Loaded, Row, load};
pub use log::{LogFormat, LogLevel};
pub use min_free::MinFree;
pub use origin::{Origin, Origins};
pub use policies::{policy_files, read_policy_files};
pub use retention::Retention;
pub use settings::{
    Config, LocalStorage, Log, Milvus, Place, Repository, S3Storage, Storage, Transfer,
};
pub use settle::Settle;
pub use table::KEYS;

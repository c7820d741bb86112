//! A Milvus in memory that writes real files, so that backup and restore run without a server.
//!
//! [`FakeMilvus`] keeps the layout of Milvus (`insert_log/C/P/S/<field>/<log>`,
//! `delta_log/C/P/S/<log>`) in any store. A file is JSON: row keys with their timestamps,
//! the same rows in every field's log, deletes in delta logs. What a restore brings back can
//! so be compared by key, and a log that is missing, cut or of another segment is noticed.
//!
//! It behaves as 2.3.5 was seen to:
//!
//! - a flush seals what grows and writes it; deletes of flushed rows become delta logs
//! - an import walks its folders, takes segment and field from the end of each path, drops
//!   what is after `end_ts` (physical milliseconds; a hybrid value overflows and loses rows),
//!   and answers rows after deletes; an absent folder, or one outside of every mount, imports
//!   0 rows and completes
//! - dropping a collection leaves its aliases dangling; such a name cannot be renamed to
//! - an index, partition or load that is asked for twice is fine
//!
//! Users and roles it has only where a test gives it some ([`FakeMilvus::set_rbac`]), as servers
//! since 2.5 do; it then takes back what is not there yet, or nothing at all.
//!
//! With the version of a 2.2 it behaves as 2.2.16 was seen to: a flush has no timestamp but a
//! second, deletes of flushed rows become delta logs 600 s after their segment was last written
//! (once somebody lists segments), and an import drops every row of a deleted key.
//!
//! It is stricter in one thing: a segment whose fields differ from the schema, in number of
//! logs or in rows, fails its import.
//!
//! What goes wrong is scripted: [`FakeMilvus::fail`], [`FakeMilvus::cut`],
//! [`FakeMilvus::script_import`], [`FakeMilvus::compact_before_listings`].

mod api;
mod cluster;
mod collection;
mod fake;
mod logs;
mod rbac;
mod schema;
mod script;
mod spoil;

pub use fake::FakeMilvus;
pub use schema::SchemaDraft;
pub use script::{ImportScript, MilvusCall};
pub use spoil::Spoil;

//! The real program on a real Milvus 2.3.5, from its command line to its JSON.
//!
//! Most tests share one server, on collections of their own. What goes on for longer is
//! in `tests/soak`, made of the same steps.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

mod agent;
mod alerts;
mod alias;
mod drill;
mod foreign;
mod incremental;
mod keys;
mod kill;
mod many;
mod messages;
mod resume;
mod retention;
mod s3;
mod secure;
mod speed;
mod upserts;
mod v2_2;
mod whole;

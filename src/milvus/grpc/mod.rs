//! Milvus over gRPC.
//!
//! One lazily connected channel for each address. [`call`] gives every call a deadline and
//! decides what is repeated, [`status`] turns answers into errors, [`convert`] is the
//! bridge between generated messages and our types. Generated code stays in this folder and in
//! [`crate::schema`].
//!
//! # Time
//!
//! A server that refuses connections is reported after 1 s, one that swallows them after 5 s
//! (10 s when the first try failed in another way). One that accepts and never answers is
//! found by the keepalive after 20 s, and whatever the keepalive cannot see ends at the
//! call's deadline. Nothing waits for ever.
//!
//! # Trust
//!
//! With `https://` a connection is [`tls`]'s, which reads the files of certificates anew each
//! time. [`login`] puts the user or the token into every call. What is refused is told by
//! [`fault`] and [`privilege`] in the words of our configuration and of Milvus's roles.
//!
//! # Repeating
//!
//! Reads, flushes, loads, and drops may be repeated: the second time changes nothing. A
//! create, rename or import whose answer was lost is reported, never sent again.

mod alias;
mod api;
mod call;
mod client;
mod convert;
mod database;
mod fault;
mod later;
mod load;
mod login;
mod privilege;
mod proto;
mod rbac;
mod status;
mod tls;

pub use client::GrpcMilvus;
pub(super) use fault::Fault;
pub(super) use status::meaning;
pub(super) use tls::{Secured, Speaks};

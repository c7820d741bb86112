//! Backups and restores of Milvus 2.4, 2.5 and 2.6, none of which was ever run: servers that
//! speak their API answer from a small cluster and write down every call.
//!
//! The calls are compared with `fixtures/dialects/*.txt`, each line of which was checked against
//! the reference; `MBA_GOLDEN_WRITE=1` writes them anew, to be checked again.

mod backups;
mod cluster;
mod golden;
mod grpc;
mod rbac;
mod record;
mod rest;
mod restores;
mod sample;
mod server;
mod target;
mod wire;
mod world;

//! Keeps Milvus backed up without anyone looking, and proves that the backups restore.
//!
//! ```text
//!  main → cli → daemon → { api, trigger → broker } → job → { transfer, catalog, milvus } → storage → metrics → model
//!                                                       └→ plan → { policy, manifest → schema, config } ──────────┘
//! ```
//!
//! Imports go one way, down; `tests/it/architecture.rs` proves it. What decides is
//! pure and synchronous ([`plan`]); what acts takes a plan and makes no choices
//! ([`job`], [`transfer`]); everything outside the process is a narrow trait with an
//! adapter and a fake ([`storage::ObjectStore`], [`milvus::MilvusApi`], [`model::Clock`]).
//!
//! A backup run: name reserved → Milvus asked → [`plan::BackupPlan`] saved → files
//! copied → lists written → everything listed again → manifest, which makes the backup
//! exist. The essays of [`catalog`] and [`job`] say what a crash leaves at each step.

// 0 vocabulary
pub mod metrics;
pub mod model;
pub mod schema;
// 1 intent and format, pure
pub mod binlog;
pub mod config;
pub mod manifest;
pub mod policy;
// 2 decisions, pure
pub mod plan;
// 3 the outside world
pub mod broker;
pub mod catalog;
pub mod milvus;
pub mod storage;
// 4 work
pub mod job;
pub mod transfer;
// 5 edges
pub mod api;
pub mod cli;
pub mod daemon;
pub mod trigger;

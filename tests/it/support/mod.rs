//! What the tests of whole workflows share.
//!
//! A [`Lab`] is a Milvus, its storage, a repository and a staging folder, all in memory, and
//! a clock that moves only when told to. Every [`Lab::context`] is a fresh process over the
//! same repository; [`Process`] makes one that is killed at any of its calls.

mod clean;
mod jobs;
mod lab;
mod log;
mod look;
mod mortal;
mod trees;

pub(crate) use clean::assert_ends_clean;
pub(crate) use jobs::{Deed, Jobs, Service, job_request};
pub(crate) use lab::{
    Lab, PARTITION, backup_name, namespace, request, restore_beside, restore_of, staging_over,
    standalone,
};
pub(crate) use log::Log;
pub(crate) use look::{
    assert_sound, assert_verifies, collections, keys, leases, ledgers, snapshot, state, states,
};
pub(crate) use mortal::{Process, Stop};
pub(crate) use trees::assert_trees_whole;

//! `GrpcMilvus` against the real 2.3.5, and against servers that do not answer.
//!
//! One server is started for all tests of the run; each works on collections of its own.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

mod certificates;
mod collections;
mod failures;
mod keys;
mod restore;

//! What people and machines do wrong, and what the agent says to it.
//!
//! Every case runs the real program and looks at its exit code, at what it says (what, where,
//! what to do), and at the repository: nothing that is listed as whole may fail its
//! verification. The errors are read as JSON and as text, and none of them may show Rust or
//! say anything twice; [`agent`] checks that for every case.
//!
//! The cases that need a Milvus share one real server ([`server`]); the only test that stops
//! it has it alone meanwhile. Full and read-only disks are real ones, mounted in a namespace
//! of their own ([`mount`]). A machine without `unshare`, `nsenter` or `setpriv`, or a user
//! other than root, fails these tests; they are never skipped.

mod agent;
mod configuration;
mod damage;
mod disk;
mod mount;
mod names;
mod paths;
mod permissions;
mod s3;
mod server;
mod signals;
mod unreachable;

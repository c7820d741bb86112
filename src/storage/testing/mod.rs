//! What holds a store to its contract, and what makes one fail.
//!
//! [`conformance`] runs every clause of the contract in [`crate::storage`] against a store;
//! each adapter and each decorator has a test that calls it. [`FaultyStore`] wraps a store
//! and fails on a script, so that every failure a caller must survive can be had at will:
//! a denied call, a stream that breaks off, a process that dies after any of its writes.

mod conformance;
mod faulty;
mod script;

pub use conformance::{conformance, conformance_without};
pub use faulty::FaultyStore;
pub use script::Cut;

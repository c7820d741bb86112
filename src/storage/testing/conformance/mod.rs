//! One suite for every store: each clause of the contract, each in a folder of its own.
//!
//! The functions are sentences of the contract in [`crate::storage`]. A clause knows the
//! store by the trait only and leaves its objects behind.

mod case;
mod lists;
mod objects;
mod streams;
mod suite;
mod writes;

pub use suite::{conformance, conformance_without};

//! Tests of what is told, and of how it gets to the agent.

mod bodies;
mod drill;
mod spool;

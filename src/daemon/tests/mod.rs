//! What the agent does besides backups, in time that a test moves.

mod lab;
mod proving;
mod pruning;
mod seen;

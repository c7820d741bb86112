//! Random histories of agents that share a repository, and what must be true after each step.

mod book;
mod campaign;
mod check;
mod clock;
mod ending;
mod gate;
mod gated;
mod heard;
mod histories;
mod history;
mod job;
mod milvus;
mod op;
mod policies;
mod random;
mod rules;
mod scenes;
mod seeds;
mod tally;
mod truth;
mod world;

pub(crate) use histories::play_histories;

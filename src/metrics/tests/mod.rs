//! The whole life of policies, runs and processes, as a scrape sees it.

mod families;
mod life;
mod look;
mod policies;
mod proofs;
mod repository;

//! The dashboard for Grafana: it is what its generator makes, Grafana's own models take it, its
//! panels are in form, its expressions find what they ask for on agents that tell what agents
//! tell, and every name of a metric that is written anywhere is one that is recorded.

mod board;
mod data;
mod form;
mod generated;
mod names;
mod recorded;

//! Messages: each request becomes one job or joins one, whatever dies in between.

mod agent;
mod joining;
mod kills;
mod outbox;
mod requests;

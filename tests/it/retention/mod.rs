//! Which backups stay: the rules, the guards, a year of them.

mod guards;
mod jobs;
mod random;
mod remarks;
mod rules;
mod world;
mod year;

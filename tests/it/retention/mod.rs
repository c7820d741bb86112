//! Which backups stay: the rules, the guards, a year of them.

mod guards;
mod random;
mod rules;
mod world;
mod year;

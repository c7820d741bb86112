//! The S3 store against two servers that are not ours: `s3s-fs` in this process, with faults
//! where a test wants them, and moto in another.

mod backups;
mod conformance;
mod copies;
mod encrypted;
mod faults;
pub(crate) mod faulty_server;
mod limits;
mod many;
mod storm;
mod stormy;
mod unfinished;
mod uploads;

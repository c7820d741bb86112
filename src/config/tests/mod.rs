//! The rules of the whole, through real files.

mod api;
mod fixture;
mod problems;
mod s3;
mod values;

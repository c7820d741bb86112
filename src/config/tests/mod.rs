//! The rules of the whole, through real files.

mod amqp;
mod api;
mod connection;
mod fixture;
mod problems;
mod s3;
mod values;

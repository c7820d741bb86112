//! Objects in a bucket of an S3 server.
//!
//! The only tree that names the AWS SDK. [`S3Store`] keeps the contract of
//! [`crate::storage`] as far as the server lets it; [`S3Limits`] says how hard it works.
//!
//! # Writing
//!
//! Bytes are sent only after they are held, so the SDK can send them again: what a stream
//! brings is collected into whole objects or parts, and a budget that all writes of the store
//! share bounds the memory. A put is conditional (`If-None-Match: *`), and so is the end of
//! a multipart upload where the server takes that; else the key is looked up first. No
//! server checks the destination of a copy reliably, so a copy looks first too. Whether
//! conditions are kept at all is for [`crate::storage::probe_conditional_put`] to find out.
//!
//! A put whose answer was lost is sent again by the SDK and then meets its own object:
//! [`AlreadyExists`] may mean that this call wrote it. Callers compare before they give up.
//!
//! # Retries
//!
//! The SDK's own (standard mode, jitter, a token bucket for each store) cover every request,
//! and they know of the errors in answers with status 200, so there is no retrying decorator.
//! A body that breaks off while it is read is the caller's to fetch again.
//!
//! # What a crash or a dropped call leaves
//!
//! Nothing visible. Parts of an upload that fails or is dropped are aborted on a task of the
//! store's own, for which [`settle`] waits. A killed process leaves them on the server, where
//! [`unfinished`] finds them for a prune, or a lifecycle rule for incomplete uploads removes them.
//!
//! # What it does not do
//!
//! It makes no bucket, reads no versions, and leaves alone what has no key here: names with
//! empty segments such as the folder markers of a web console.
//!
//! [`AlreadyExists`]: super::StoreErrorKind::AlreadyExists
//! [`unfinished`]: super::ObjectStore::unfinished
//! [`settle`]: super::ObjectStore::settle

mod bucket;
mod client;
mod copying;
mod deleting;
mod errors;
mod filling;
mod limits;
mod listing;
mod reading;
mod server_date;
mod store;
mod unfinished;
mod upload;
mod writing;

pub use limits::S3Limits;
pub use store::S3Store;

//! A folder as an object store.
//!
//! A key is a path under the root. Objects are whole files from the moment they can be
//! seen: bytes go to `<root>/.tmp/<uuid>/`, are flushed to the disk, and get their name by
//! `link` (which fails if the name is taken) or by `rename` (which replaces).
//!
//! # What a crash leaves
//!
//! | killed                     | a reader sees         | who cleans up                     |
//! | -------------------------- | --------------------- | --------------------------------- |
//! | while a temp file grows    | nothing               | the next store that may write     |
//! | between `link` and unlink  | the whole object      | the same                          |
//! | before [`ObjectStore::sync`] | the object, or nothing after a power cut | nobody needs to |
//! | between unlink and `rmdir` | nothing               | the next delete in that folder    |
//!
//! The temp folder of a store holds a lock file for as long as the store lives, so a store
//! removes only the folders whose owner is dead. Nothing is written before the first write
//! of an object: a repository on a read-only mount can be listed and verified.
//!
//! # Folders
//!
//! The store makes and removes folders as keys need them; a folder without an object is not
//! there for [`ObjectStore::list_folders`]. A file system cannot hold both `a` and `a/b`:
//! the second of them is refused. A delete may remove the folder that a put has just made;
//! the put makes it again.
//!
//! # What it does not do
//!
//! It follows no symbolic link to a folder but the root's own, never changes the mode of
//! anything, and leaves alone what has no key: names that are not UTF-8, sockets, pipes.
//!
//! [`ObjectStore::sync`]: super::ObjectStore::sync
//! [`ObjectStore::list_folders`]: super::ObjectStore::list_folders

mod blocking;
mod copying;
mod deleting;
mod durable;
mod errors;
mod listing;
mod reading;
mod root;
mod store;
mod temp;
#[cfg(test)]
mod tests;
mod writing;

pub use store::LocalStore;

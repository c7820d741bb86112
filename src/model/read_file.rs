//! A file that was read, for those who may not read files.

use std::io;
use std::path::PathBuf;

/// A policy has a few lines; what is longer is something else, and is not read to its end.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// A file, and what is in it, or why that cannot be told.
pub type ReadFile = (PathBuf, io::Result<Vec<u8>>);

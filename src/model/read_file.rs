//! A file that was read, for those who may not read files.

use std::io;
use std::path::PathBuf;

/// A file, and what is in it, or why that cannot be told.
pub type ReadFile = (PathBuf, io::Result<Vec<u8>>);

//! What a drill compares.

mod keys;

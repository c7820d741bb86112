//! What must hold for any bytes: a function for each input that comes from outside, which
//! panics where it does not. `targets/` searches for such bytes with libFuzzer, for
//! `make soak`; `tests/it/fuzz.rs` tries the seeds in `corpus/` and some thousand changes of
//! them, for `make test`.

mod oracle;
mod policy;
mod text;
mod trigger;
mod words;

pub use policy::policy;
pub use trigger::trigger;
pub use words::{Words, numbers};

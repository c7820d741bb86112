//! A broker in memory, for tests of what is above: [`FakeBroker`].

mod fake;
#[cfg(test)]
mod tests;

pub use fake::{DeadLetter, FakeBroker};

//! What an operator intends. So far: which collections are meant.

mod selector;

pub use selector::{CollectionSelector, InvalidPattern};

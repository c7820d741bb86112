//! The message broker: one narrow trait, RabbitMQ behind it and a fake.
//!
//! [`Broker::connect`] opens a [`Link`] or says why it cannot. A link is used until anything on
//! it fails, and is then dropped for a new one: nothing is repaired in place. Who connects
//! again, and how soon, is not a matter of this module.
//!
//! What is delivered stays the broker's until it is accepted, refused or given back. Whatever
//! is lost with a link is delivered again, and so is what is given back: a broker may count how
//! often, and put a message aside that came too often ([`RabbitBroker`] lets it come 20 times).
//! So whoever cannot accept for now holds a message, or rests, rather than give it back in turns.
//!
//! `testing::FakeBroker` keeps to the same in memory and fails as it is told to.

mod api;
mod error;
mod rabbit;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use api::{Broker, Delivery, Incoming, Link, Published, Refusal};
pub use error::{BrokerError, BrokerFault, BrokerResult};
pub use rabbit::RabbitBroker;

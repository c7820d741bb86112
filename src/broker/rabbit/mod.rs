//! RabbitMQ, by lapin, which no other tree names.
//!
//! ```text
//!  RabbitBroker ─ connect → RabbitLink ─┬─ consuming connection ─ Inbox ─ next → RabbitDelivery
//!    (Setup)                 (Fate)     └─ publishing connection ┬ Outbox ─ publish   │ refuse
//!                                                                └ DeadLetters ←──────┘
//! ```
//!
//! A link is two connections. A broker that is short of memory or disk stops reading from those
//! that publish, and what is accepted must still be told to it. The first thing that fails on
//! either decides the fate of the link: `Fate` keeps it, and every call that waits hears of
//! it. lapin's own recovery is off: it repairs some failures, waits for ever on others, and
//! hides both.
//!
//! # How a connection ends
//!
//! lapin runs each connection in a thread of its own, which no future of ours reaches: a
//! connection that is dropped while the broker says nothing would stay. So `Socket` keeps
//! the other end of the thread's socket and shuts it down.
//!
//! # What we found out about lapin 4.12
//!
//! - A message that comes back is handed out with the next confirmation, whichever that is. So
//!   what came back is told by what it says, never by the confirmation that brought it.
//! - A confirmation whose future was dropped takes a returned message with it. So what is
//!   published is waited for to the end, on a task of the link's own.
//! - `connection_timeout` and addresses of IPv6 in its URL are not heeded, and an acknowledgement on
//!   a dead channel is `Ok(false)`.
//!
//! # What it does not do
//!
//! It cannot bound the size of a message: AMQP 0-9-1 delivers it whole. It cannot refuse a message
//! whose properties are not UTF-8: lapin ends the connection each time that it comes, until the
//! delivery limit of the queue puts it aside. From the first such message on, one is fetched at a
//! time, so that none goes with it.

mod broker;
mod connection;
mod dead_letters;
mod delivery;
mod fate;
mod faults;
mod inbox;
mod link;
mod outbox;
mod patience;
mod setup;
mod socket;
mod tls;
mod topology;

pub use broker::RabbitBroker;

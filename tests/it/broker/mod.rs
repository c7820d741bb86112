//! The adapter of RabbitMQ against a real one. Most tests share a node and have vhosts of their
//! own; those that disturb a node, or want TLS, take turns on another.

mod consuming;
mod losing;
mod publishing;
mod reaching;
mod refusing;
mod site;
mod tls;
mod topology;

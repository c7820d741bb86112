//! The agent and a real RabbitMQ, with a fake Milvus behind the agent: see `lab::fake`.

mod check;
mod requests;
mod troubles;

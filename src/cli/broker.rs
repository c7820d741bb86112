//! The broker, as commands see it.

use crate::broker::{Broker, BrokerError, BrokerFault, RabbitBroker};
use crate::config::Amqp;
use crate::job::{JobError, JobResult};
use crate::model::{ClusterName, ErrorKind};

/// Whether the agent would find all that it needs there; in words.
pub(super) async fn check(amqp: &Amqp, cluster: &ClusterName) -> JobResult<String> {
    let broker = RabbitBroker::new(amqp, cluster, "check");
    let link = broker.connect().await.map_err(error)?;
    let blocked = link.blocked();
    link.close().await;
    let (address, queue) = (broker.address(), amqp.queue(cluster));
    let found = format!("{address}: connected, messages come by the queue `{queue}`");
    Ok(match blocked {
        Some(reason) => format!("{found}; it takes no events now: {reason}"),
        None => found,
    })
}

fn error(error: BrokerError) -> JobError {
    let kind = match error.fault {
        BrokerFault::Unauthorised => ErrorKind::NotAuthorised,
        BrokerFault::Unreachable
        | BrokerFault::Topology
        | BrokerFault::Full
        | BrokerFault::Protocol => ErrorKind::Failed,
    };
    let found = JobError::new(kind, error.message);
    match error.hint {
        Some(hint) => found.hint(hint),
        None => found,
    }
}

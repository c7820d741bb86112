//! Whose a request is that came as a message.

use std::sync::Arc;

use super::{JobContext, JobResult};
use crate::catalog::{self, Cluster, Repository, Reserved};
use crate::manifest::RequestMark;
use crate::model::RequestId;

/// Takes a request of a policy for an agent, unless another agent on this repository has it.
pub async fn reserve_request(
    context: &JobContext,
    (request_id, policy): (&RequestId, &str),
    agent: &str,
) -> JobResult<Reserved> {
    let cluster = own(context).await?;
    let mark = RequestMark {
        version: 1,
        request_id: request_id.clone(),
        policy: policy.to_owned(),
        agent: agent.to_owned(),
        host: catalog::this_process().host,
        received_at: context.clock.now(),
    };
    Ok(catalog::reserve(&cluster, &mark).await?)
}

/// Whether requests can be taken now: the repository is there, and it is this Milvus's.
pub async fn can_reserve(context: &JobContext) -> JobResult<()> {
    own(context).await.map(drop)
}

async fn own(context: &JobContext) -> JobResult<Cluster> {
    let clock = &*context.clock;
    let repository = Repository::open_or_create(Arc::clone(&context.repository), clock).await?;
    catalog::admit(&repository).await?;
    let cluster = repository.cluster(&context.cluster);
    catalog::claim(&cluster, &context.identity, clock).await?;
    Ok(cluster)
}

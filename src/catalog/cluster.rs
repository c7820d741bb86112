//! Which Milvus a cluster's folder belongs to.

use uuid::Uuid;

use crate::manifest::ClusterMark;
use crate::model::{Clock, ClusterName};
use crate::storage::{PutMode, StoreErrorKind};

use super::{CatalogError, CatalogResult, Cluster, Repository, machine_id};

/// What tells one Milvus from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// Milvus's address.
    pub address: String,
    /// Where Milvus keeps its files.
    pub storage: String,
}

impl ClusterIdentity {
    /// A loopback address or a local folder means something only on its machine, so that a
    /// cloned host is another cluster.
    fn machine(&self) -> Option<String> {
        (self.is_loopback() || self.storage.starts_with('/')).then(machine_id)
    }

    fn is_loopback(&self) -> bool {
        let url = url::Url::parse(&self.address).ok();
        match url.as_ref().and_then(url::Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The server alone, as a restore's ledger names it: the same text is the same Milvus.
    pub fn server(&self) -> String {
        if self.is_loopback() {
            format!("{} on {}", self.address, machine_id())
        } else {
            self.address.clone()
        }
    }
}

/// The cluster's id, if its folder exists and is this Milvus's.
pub async fn recognise(
    cluster: &Cluster,
    identity: &ClusterIdentity,
) -> CatalogResult<Option<String>> {
    let key = cluster.layout.mark();
    let mark = cluster.repository.read::<ClusterMark>("cluster mark", &key).await?;
    mark.map(|mark| check(&cluster.name, mark, identity)).transpose()
}

/// The cluster's id, after checking that the folder is this Milvus's; makes it at the first run.
pub async fn claim(
    cluster: &Cluster,
    identity: &ClusterIdentity,
    clock: &dyn Clock,
) -> CatalogResult<String> {
    if let Some(id) = recognise(cluster, identity).await? {
        return Ok(id);
    }
    let key = cluster.layout.mark();
    let mark = ClusterMark {
        version: 1,
        id: Uuid::new_v4().to_string(),
        name: cluster.name.clone(),
        address: identity.address.clone(),
        storage: identity.storage.clone(),
        machine: identity.machine(),
        created_at: clock.now(),
        adopted: Vec::new(),
    };
    match cluster.repository.write(&key, &mark, PutMode::IfAbsent).await {
        Ok(()) => Ok(mark.id),
        Err(error) if error.kind() == StoreErrorKind::AlreadyExists => {
            let won = cluster.repository.read::<ClusterMark>("cluster mark", &key).await?;
            won.map_or_else(|| Err(error.into()), |won| check(&cluster.name, won, identity))
        }
        Err(error) => Err(error.into()),
    }
}

fn check(
    name: &ClusterName,
    mark: ClusterMark,
    identity: &ClusterIdentity,
) -> CatalogResult<String> {
    let machine = identity.machine();
    let sides = [
        ("address", Some(&mark.address), Some(&identity.address)),
        ("storage", Some(&mark.storage), Some(&identity.storage)),
        ("machine", mark.machine.as_ref(), machine.as_ref()),
    ];
    let shown = |side: Option<&String>| side.cloned().unwrap_or_else(|| "any".to_owned());
    let differences: Vec<String> = sides
        .into_iter()
        .filter(|(_, recorded, found)| recorded != found)
        .map(|(what, recorded, found)| {
            format!("its {what} is {}, here it is {}", shown(recorded), shown(found))
        })
        .collect();
    if differences.is_empty() {
        return Ok(mark.id);
    }
    Err(CatalogError::OtherCluster {
        cluster: name.to_string(),
        differences: differences.join("; "),
    })
}

/// Records that a cluster is this Milvus from now on, and why.
pub async fn adopt(
    repository: &Repository,
    name: &ClusterName,
    identity: &ClusterIdentity,
    (clock, reason): (&dyn Clock, &str),
) -> CatalogResult<ClusterMark> {
    let cluster = repository.cluster(name);
    let key = cluster.layout.mark();
    let Some(mut mark) = repository.read::<ClusterMark>("cluster mark", &key).await? else {
        let place = repository.store().to_string();
        return Err(CatalogError::NoCluster { cluster: name.to_string(), place });
    };
    mark.adopted.push(format!("{}: from {} {}: {reason}", clock.now(), mark.address, mark.storage));
    mark.address.clone_from(&identity.address);
    mark.storage.clone_from(&identity.storage);
    mark.machine = identity.machine();
    repository.write(&key, &mark, PutMode::Overwrite).await?;
    Ok(mark)
}

//! The one Milvus of these tests.

use std::fs;
use std::path::PathBuf;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::lab::{LabServer, lab};

use super::agent::{Agent, signal};

static IN_USE: RwLock<()> = RwLock::new(());

/// The server, up for as long as this lives.
pub(super) struct Server {
    pub(super) agent: Agent,
    /// Where it listens.
    pub(super) address: &'static str,
    _up: RwLockReadGuard<'static, ()>,
}

/// An agent of its own on the running server, which has:
///
/// | collection | what |
/// | --- | --- |
/// | `default.films` | 6000 rows in 3 segments |
/// | `db2.books` | 10 rows |
/// | `default.nothing` | no row |
pub(super) fn server() -> Server {
    let up = IN_USE.read().unwrap_or_else(PoisonError::into_inner);
    let server = filled();
    Server { agent: agent_on(server), address: &server.address, _up: up }
}

/// The server for one who is going to stop it.
pub(super) struct StoppableServer {
    pub(super) agent: Agent,
    folder: PathBuf,
    _alone: RwLockWriteGuard<'static, ()>,
}

/// Waits until nobody else uses the server.
pub(super) fn server_alone() -> StoppableServer {
    let alone = IN_USE.write().unwrap_or_else(PoisonError::into_inner);
    let server = filled();
    let folder = server.data.parent().expect("data lies in the server's folder").to_owned();
    StoppableServer { agent: agent_on(server), folder, _alone: alone }
}

impl StoppableServer {
    /// Sends a signal to Milvus.
    pub(super) fn signal(&self, name: &str) {
        let file = self.folder.join("milvus.pid");
        let process = fs::read_to_string(file).expect("the lab keeps the process id");
        signal(process.trim().parse().expect("a number"), name);
    }

    /// Ends what is left of Milvus and starts it on its data.
    pub(super) fn restart(&self) {
        let folder = self.folder.to_str().expect("the target folder has a plain name");
        lab("milvus.py", &["stop", "--dir", folder]);
        let watch = std::process::id().to_string();
        lab("milvus.py", &["start", "--dir", folder, "--watch", &watch]);
    }
}

fn agent_on(server: &LabServer) -> Agent {
    Agent::alone()
        .with("MILVUS__ADDRESS", &server.address)
        .with("MILVUS__STORAGE__LOCAL__PATH", &server.data)
}

fn filled() -> &'static LabServer {
    static SERVER: OnceLock<LabServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let off = "dataCoord.enableCompaction=false";
        // Ports that no other server takes while this one is down.
        let base = (22_000 + std::process::id() % 400 * 20).to_string();
        let server = LabServer::start_with("wrong-input", &["--set", off, "--port-base", &base]);
        a_cluster_without_collections_is_nothing_to_do(&server);
        let segments = ["--scenario", "segments", "--segments"];
        for (count, rows, collection) in [
            ("3", "2000", "default.films"),
            ("1", "10", "db2.books"),
            ("0", "1", "default.nothing"),
        ] {
            let what = [count, "--rows", rows, "--collection", collection];
            server.data_py("fill", &[&segments[..], &what[..]].concat());
        }
        server
    })
}

/// Only a new server is empty, so this is asked while it is one.
fn a_cluster_without_collections_is_nothing_to_do(server: &LabServer) {
    let agent = agent_on(server);
    let words = [server.address.as_str(), "has no collection", "milvus.address"];
    agent.refuses(&["backup"], 4, &words);
    agent.refuses(&["backup", "--plan"], 4, &words);
    assert!(agent.listed().is_empty(), "no name was reserved");
}

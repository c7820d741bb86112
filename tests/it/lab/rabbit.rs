//! Real nodes of RabbitMQ.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::printed;

/// A node of `tests/lab`, whether it runs or not. It is killed with the last of its clones, or
/// when this process is gone. What takes seconds here blocks its thread.
#[derive(Debug, Clone)]
pub(crate) struct Rabbit(Arc<Node>);

/// What `rabbitmq.py` says of a node.
#[derive(Debug, Deserialize)]
struct Node {
    dir: PathBuf,
    port: u16,
    tls_port: Option<u16>,
    tls: Option<Certificates>,
    dist_port: u16,
    cookie: String,
    #[serde(skip)]
    vhosts: AtomicUsize,
}

/// Files for whoever connects with TLS. The certificate is of the user `agent`, who has no
/// password.
#[derive(Debug, Deserialize)]
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The node that the tests share; each works in vhosts of its own, and leaves the node alone.
pub(crate) fn rabbit() -> Rabbit {
    static RABBIT: OnceLock<Rabbit> = OnceLock::new();
    RABBIT.get_or_init(|| Rabbit::start(&[])).clone()
}

impl Rabbit {
    /// One of its own, with lines for its `rabbitmq.conf`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", *setting]).collect();
        Self::start_with(&settings)
    }

    /// With any options of `rabbitmq.py start`.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("rabbitmq-{}-{number}", env!("CARGO_CRATE_NAME"));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        rabbitmq("kill", &folder, &[]);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("the folder of the last run can go");
        }
        let watch = std::process::id().to_string();
        let said = rabbitmq("start", &folder, &[&["--watch", &watch], options].concat());
        Self(Arc::new(serde_json::from_str(&said).expect("start prints JSON")))
    }

    /// The default vhost, as nobody should use it where others are.
    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// The URL of a vhost that nobody else has, to which all users have all rights.
    pub(crate) fn vhost(&self) -> String {
        let name = format!("v{}", self.0.vhosts.fetch_add(1, Ordering::Relaxed) + 1);
        self.eval(&format!(
            "V = <<\"{name}\">>, All = <<\".*\">>, ok = rabbit_vhost:add(V, <<\"lab\">>), \
             [ok = rabbit_auth_backend_internal:set_permissions(proplists:get_value(user, User), \
             V, All, All, All, <<\"lab\">>) || User <- rabbit_auth_backend_internal:list_users()]."
        ));
        format!("{}/{name}", self.url())
    }

    /// Where a node that was started with `--tls` lets in whoever has its certificate, without
    /// a password.
    pub(crate) fn tls_url(&self, url: &str) -> String {
        let port = self.0.tls_port.expect("the node was started with --tls");
        let vhost = vhost_of(url);
        format!("amqps://localhost:{port}/{vhost}?auth_mechanism=external")
    }

    /// The certificates of a node that was started with `--tls`.
    pub(crate) fn tls(&self) -> &Certificates {
        self.0.tls.as_ref().expect("the node was started with --tls")
    }

    /// Runs a command of `rabbitmqctl`; what it printed.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        rabbitmq("ctl", &self.0.dir, &[&["--"], arguments].concat())
    }

    /// Ends it in good order.
    pub(crate) fn stop(&self) {
        rabbitmq("stop", &self.0.dir, &[]);
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        rabbitmq("kill", &self.0.dir, &[]);
    }

    /// Stops it, if it runs, and starts it as before, on its data and its ports.
    pub(crate) fn restart(&self) {
        rabbitmq("restart", &self.0.dir, &[]);
    }

    /// How many messages a queue has: those that are ready, and those that someone holds.
    /// `None` while the node, or the queue after a start, does not answer yet.
    pub(crate) fn depth(&self, url: &str, queue: &str) -> Option<u64> {
        let vhost = vhost_of(url);
        // What rabbitmqctl lists of a quorum queue is up to 5 s old.
        let depth = self.try_eval(&format!(
            "case rabbit_amqqueue:lookup(rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"{queue}\">>)) of \
             {{ok, Q}} -> case amqqueue:get_type(Q) of \
             rabbit_quorum_queue -> {{ok, Depth, _}} = ra:consistent_query(amqqueue:get_pid(Q), \
             fun rabbit_fifo:query_messages_total/1), Depth; \
             _ -> proplists:get_value(messages, rabbit_amqqueue:info(Q, [messages])) end; \
             {{error, not_found}} -> no_such_queue end."
        ));
        depth.ok().map(|depth| depth.parse().unwrap_or_else(|_| panic!("{queue}: {depth}")))
    }

    /// Evaluates a term in the node, in milliseconds where [`Self::ctl`] takes a second.
    pub(crate) fn eval(&self, expression: &str) -> String {
        self.try_eval(expression).unwrap_or_else(|said| panic!("{expression}: {said}"))
    }

    /// As `rabbitmqctl eval`, in milliseconds.
    fn try_eval(&self, expression: &str) -> Result<String, String> {
        // Two of one name are not let in at once.
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let Node { dist_port, cookie, .. } = &*self.0;
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        let name = format!("call{}x{number}", std::process::id());
        let address = format!("127.0.0.1:{dist_port}");
        let mut call = Command::new("erl_call")
            .args(["-address", &address, "-h", &name, "-c", cookie, "-e"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("erl_call comes with RabbitMQ");
        let mut input = call.stdin.take().expect("its input is ours");
        // It may have given up before it reads.
        drop(writeln!(input, "{expression}"));
        drop(input);
        let output = call.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match said.strip_prefix("{ok, ").and_then(|rest| rest.strip_suffix('}')) {
            Some(value) => Ok(value.to_owned()),
            None => Err(said + &String::from_utf8_lossy(&output.stderr)),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        rabbitmq("kill", &self.dir, &[]);
    }
}

/// The vhost of a URL.
fn vhost_of(url: &str) -> &str {
    url.rsplit_once('/').expect("a URL with a vhost").1
}

fn rabbitmq(command: &str, folder: &Path, arguments: &[&str]) -> String {
    static PYTHON: OnceLock<String> = OnceLock::new();
    let lab = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let setup = || printed(Command::new(lab.join("setup.sh")).arg("rabbitmq"));
    let python = PYTHON.get_or_init(setup);
    let script = lab.join("rabbitmq.py");
    printed(Command::new(python).arg(script).arg(command).arg("--dir").arg(folder).args(arguments))
}

//! A real Prometheus, and its checker.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::set_up;

/// What nothing in these tests takes.
const LONG: Duration = Duration::from_mins(3);

/// Runs promtool; what it printed. It has to be content.
pub(crate) fn promtool(arguments: &[&str]) -> String {
    let output = Command::new(set_up("promtool")).args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("promtool starts");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
    said.into_owned()
}

/// A server that scrapes one agent every second, and as often looks at its rules. It is killed
/// when this is dropped, or the thread ends that started it.
#[derive(Debug)]
pub(crate) struct Prometheus {
    child: Child,
    log: PathBuf,
    address: String,
}

impl Prometheus {
    /// Starts it in a folder of its own, with these rules, and waits until it has scraped.
    pub(crate) fn start(folder: &Path, target: &str, rules: &str) -> Self {
        fs::create_dir_all(folder).expect("a folder is made");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
        let address = port.expect("a port is free").to_string();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n  - job_name: milvus-backup-agent\n    static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        fs::write(folder.join("prometheus.yml"), config).expect("it is written");
        fs::write(folder.join("rules.yml"), rules).expect("it is written");
        let log = folder.join("prometheus.log");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", &set_up("prometheus")])
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("Prometheus starts");
        let mut server = Self { child, log, address };
        server.until("it has scraped", |server| !server.query("up == 1").is_empty());
        server
    }

    /// Waits for something.
    pub(crate) fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            let ended = self.child.try_wait().expect("it is a child");
            let log = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "Prometheus ended ({ended:?}):\n{}", log());
            let firing = self.firing();
            assert!(begun.elapsed() < LONG, "{what}: not within {LONG:?}; firing: {firing:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What an expression gives now: each series with its value. It has to be without an error.
    pub(crate) fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let expression = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let Some(result) = self.get(&format!("/api/v1/query?query={expression}")) else {
            return Vec::new();
        };
        let samples = result["result"].as_array().expect("a vector").iter();
        let value = |sample: &Value| sample["value"][1].as_str().and_then(|text| text.parse().ok());
        let sample = |sample: &Value| (sample["metric"].clone(), value(sample).expect("a number"));
        samples.map(sample).collect()
    }

    /// The alerts that fire now, each once.
    pub(crate) fn firing(&self) -> Vec<String> {
        let found = self.query("group by (alertname) (ALERTS{alertstate=\"firing\"})");
        found.iter().filter_map(|(of, _)| Some(of["alertname"].as_str()?.to_owned())).collect()
    }

    /// The data that a path of its API answers; nothing before it listens.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        // In HTTP/1.0, so that the answer comes as it is.
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        if head.contains(" 503 ") {
            return None; // it is not ready
        }
        let answer: Value = serde_json::from_str(body).expect("it answers in JSON");
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        Some(answer["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

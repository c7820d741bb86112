//! Pages as headless Chromium shows them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// One look at a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shot {
    /// The picture's name in `target/screenshots`.
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// `light` or `dark`.
    pub(crate) scheme: &'static str,
    /// `top`, `bottom` or `full`.
    pub(crate) at: &'static str,
}

/// What Chromium measured in each look, and the addresses that the page asked for.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) shots: Vec<Value>,
    pub(crate) requests: Vec<String>,
}

/// Loads a page once for each look.
pub(crate) fn show(url: &str, shots: &[Shot]) -> Shown {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let mut setup = Command::new(lab.join("setup.sh"));
    let found = setup.arg("chromium").stderr(Stdio::inherit()).output();
    let found = found.expect("the lab is set up");
    assert!(found.status.success(), "chromium cannot be had");
    let program = String::from_utf8(found.stdout).expect("a path").trim().to_owned();
    let asked = shots.iter().map(|shot| {
        json!({
            "file": picture(shot.name), "width": shot.width, "height": shot.height,
            "scheme": shot.scheme, "at": shot.at,
        })
    });
    let asked = json!({"url": url, "shots": asked.collect::<Vec<_>>()});
    let mut browser = Command::new("python3")
        .arg(lab.join("chromium.py"))
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = browser.stdin.take().expect("its input is ours");
    input.write_all(asked.to_string().as_bytes()).expect("it reads");
    drop(input);
    let output = browser.wait_with_output().expect("it ends");
    assert!(output.status.success(), "chromium.py: {}", output.status);
    let mut told: Value = serde_json::from_slice(&output.stdout).expect("it tells JSON");
    let requests = told["requests"].as_array().expect("requests").iter();
    let requests = requests.map(|url| url.as_str().expect("an address").to_owned()).collect();
    let Value::Array(shots) = told["shots"].take() else { panic!("{told}") };
    Shown { shots, requests }
}

/// Where a picture goes, for people.
fn picture(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target");
    target.join("screenshots").join(format!("{name}.png"))
}

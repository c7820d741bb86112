//! Who may import whom, which crate stays where, and what files may hold.
//!
//! A new edge is a line in one of these tables, in a commit that says why.

use crate::source::{Source, is_ident, sources};

/// A folder of `src` and the modules it may name besides itself. The longest folder counts.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("metrics", &["model"]),
    ("binlog", &["model"]),
    ("config", &["model"]),
    ("policy", &["model"]),
    ("schema", &["model"]),
    ("manifest", &["model", "schema"]),
    ("plan", &["model", "policy", "manifest", "config"]),
    ("storage", &["model", "metrics", "config"]),
    ("broker", &["model", "config"]),
    ("milvus", &["model", "metrics", "config", "schema"]),
    ("milvus/testing", &["model", "binlog", "config", "schema", "storage"]),
    ("catalog", &["model", "manifest", "plan", "storage"]),
    ("transfer", &["model", "manifest", "config", "plan", "storage"]),
    (
        "job",
        &[
            "model", "metrics", "binlog", "config", "policy", "schema", "manifest", "plan",
            "storage", "milvus", "catalog", "transfer",
        ],
    ),
    ("api", &["model", "metrics"]),
    ("trigger", &["model", "metrics", "policy", "broker", "job"]),
    (
        "daemon",
        &[
            "model", "metrics", "config", "policy", "manifest", "plan", "storage", "transfer",
            "broker", "job", "api", "trigger",
        ],
    ),
    (
        "cli",
        &[
            "model", "metrics", "config", "policy", "manifest", "plan", "storage", "milvus",
            "broker", "catalog", "transfer", "job", "daemon",
        ],
    ),
];

/// Crates and the only places under `src` that may name them.
const CONFINED: &[(&[&str], &[&str])] = &[
    (&["tonic", "tonic_prost", "prost"], &["milvus/", "schema/"]),
    (&["hyper", "http_body_util"], &["milvus/http.rs", "milvus/management.rs", "milvus/rest.rs"]),
    (
        &["hyper_util"],
        &["milvus/http.rs", "milvus/management.rs", "milvus/rest.rs", "milvus/grpc/tls.rs"],
    ),
    (&["tokio_rustls"], &["milvus/grpc/"]),
    (&["rustls_native_certs"], &["milvus/grpc/", "broker/rabbit/"]),
    (&["tower"], &["milvus/grpc/client.rs"]),
    (&["rustix"], &["storage/local/", "storage/suspended.rs", "catalog/holder.rs"]),
    (&["parquet"], &["binlog/"]),
    (&["prometheus"], &["metrics/"]),
    (&["axum"], &["api/"]),
    (&["clap", "indicatif", "comfy_table", "tracing_subscriber"], &["cli/"]),
    (&["config"], &["config/layers.rs"]),
    (&["serde_saphyr"], &["model/yaml.rs"]),
    (&["croner"], &["policy/schedule/cron.rs"]),
    (&["zstd"], &["manifest/list.rs", "manifest/sightings.rs"]),
    (
        &["blake3"],
        &[
            "manifest/list.rs",
            "manifest/rbac.rs",
            "manifest/sightings.rs",
            "policy/schedule/jitter.rs",
        ],
    ),
    (&["crc_fast"], &["transfer/checksum.rs", "storage/memory.rs"]),
    (&["md5"], &["transfer/checksum.rs"]),
    (&["redb"], &["job/runner/journal/"]),
    (&["tokio_cron_scheduler"], &["trigger/clock.rs"]),
    (&["lapin", "rustls_connector"], &["broker/rabbit/"]),
    (&["sd_notify"], &["daemon/systemd.rs"]),
    (
        &["tokio", "tokio_util", "futures", "async_trait"],
        &[
            "storage/",
            "broker/",
            "milvus/",
            "catalog/",
            "transfer/",
            "job/",
            "api/",
            "trigger/",
            "daemon/",
            "cli/",
        ],
    ),
];

/// What is pure and synchronous: no `async`, and the time is an argument.
const PURE: &[&str] =
    &["model/", "metrics/", "binlog/", "policy/", "schema/", "manifest/", "plan/", "config/"];
const PURE_EXCEPT: &[&str] = &["model/clock.rs"];

const MAX_LINES: usize = 400;

#[test]
fn imports_go_down() {
    assert_none(imports);
}

#[test]
fn crates_stay_where_they_belong() {
    assert_none(crates);
}

#[test]
fn what_decides_is_pure() {
    assert_none(impurities);
}

#[test]
fn files_stay_readable() {
    assert_none(form);
}

/// The rules are rules: each finds what it forbids and nothing else.
#[test]
fn a_violation_is_found() {
    let cases: &[(Rule, &str, &str, &str)] = &[
        (
            imports,
            "plan/x.rs",
            "use crate::storage::ObjectStore;",
            "plan/x.rs names crate::storage",
        ),
        (
            imports,
            "plan/x.rs",
            "use crate::{model::Key, job::{a, b}};",
            "plan/x.rs names crate::job",
        ),
        (imports, "plan/x.rs", "fn f() { crate :: cli::main() }", "plan/x.rs names crate::cli"),
        (imports, "plan/x.rs", "use super::super::job;", "plan/x.rs leaves plan by super::"),
        (imports, "plan/a/x.rs", "use super::super::b::c;", ""),
        (imports, "plan/x.rs", "// crate::job\nconst A: &str = \"crate::job\";", ""),
        (imports, "plan/x.rs", "#[cfg(test)]\nmod tests { use crate::job::X; }", ""),
        (imports, "plan/x.rs", "const A: char = '{'; use crate::plan::Known;", ""),
        (imports, "milvus/api.rs", "use crate::storage::X;", "milvus/api.rs names crate::storage"),
        (imports, "milvus/testing/api.rs", "use crate::storage::X;", ""),
        (imports, "news/x.rs", "", "news has no row in IMPORTS"),
        (crates, "job/x.rs", "fn f(s: tonic::Status) {}", "job/x.rs names the crate tonic"),
        (crates, "job/x.rs", "use prometheus::Opts;", "job/x.rs names the crate prometheus"),
        (crates, "job/x.rs", "use zstd as z;", "job/x.rs names the crate zstd"),
        (crates, "config/file.rs", "use config::Map;", "config/file.rs names the crate config"),
        (crates, "cli/x.rs", "fn f() { ::config::g() }", "cli/x.rs names the crate config"),
        (
            crates,
            "cli/x.rs",
            "use crate::config::{self, A}; fn f() { config::load(super::config::B) }",
            "",
        ),
        (crates, "plan/x.rs", "#[tokio::main] fn main() {}", "plan/x.rs names the crate tokio"),
        (crates, "storage/local/x.rs", "use rustix::fs;", ""),
        (impurities, "plan/x.rs", "async fn f() {}", "plan/x.rs holds `async`"),
        (impurities, "model/x.rs", "fn f() { Timestamp::now() }", "model/x.rs holds `now()`"),
        (impurities, "model/clock.rs", "fn f() { Timestamp::now() }", ""),
        (impurities, "plan/x.rs", "fn f(now: u8) { unknown() } // async", ""),
        (form, "job/mod.rs", "//! Essay.\n#[cfg(test)]\nmod a;\npub use a::{B, C};", ""),
        (form, "job/mod.rs", "mod a;\nconst A: u8 = 1;", "job/mod.rs holds `const A: u8 = 1`"),
        (form, "job/mod.rs", "mod a { }", "job/mod.rs holds `mod a { }`"),
        (form, "job/mod.rs", "pub fn a() {}", "job/mod.rs holds `pub fn a() {}`"),
    ];
    for (rule, path, text, expected) in cases {
        let found = rule(&Source::new(path, text)).join("; ");
        assert_eq!(found, *expected, "{path}: {text}");
    }
    let long = "\n".repeat(MAX_LINES + 1);
    assert_eq!(form(&Source::new("job/x.rs", &long)), ["job/x.rs has 401 lines"]);
}

/// `Cargo.lock` is checked without a tool: builds need gcc and make alone.
#[test]
fn no_second_tls_stack() {
    let lock = include_str!("../../Cargo.lock");
    for banned in ["aws-lc-sys", "aws-lc-rs", "openssl-sys", "native-tls"] {
        assert!(!lock.contains(&format!("name = \"{banned}\"")), "{banned} came in");
    }
}

// ---- the rules ----------------------------------------------------------------------------------

type Rule = fn(&Source) -> Vec<String>;

fn assert_none(rule: Rule) {
    let sources = sources();
    assert!(sources.len() > 50, "the files of src were not found");
    let found: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn imports(source: &Source) -> Vec<String> {
    let Some((top, _)) = source.path.split_once('/') else { return Vec::new() };
    let row = IMPORTS.iter().filter(|(folder, _)| source.path.starts_with(&format!("{folder}/")));
    let Some((_, allowed)) = row.max_by_key(|(folder, _)| folder.len()) else {
        return vec![format!("{top} has no row in IMPORTS")];
    };
    let named = source.named_after("crate");
    let mut found: Vec<String> = named
        .iter()
        .filter(|name| *name != top && !allowed.contains(&name.as_str()))
        .map(|name| format!("{} names crate::{name}", source.path))
        .collect();
    // `x/mod.rs` and `x/y.rs` are this many `super`s away from the root of the crate.
    let depth = source.path.matches('/').count() + usize::from(!source.path.ends_with("/mod.rs"));
    if source.code.replace(' ', "").contains(&"super::".repeat(depth)) {
        found.push(format!("{} leaves {top} by super::", source.path));
    }
    found
}

fn crates(source: &Source) -> Vec<String> {
    let outside = CONFINED
        .iter()
        .filter(|(_, places)| !places.iter().any(|place| source.path.starts_with(place)));
    let named = outside.flat_map(|(names, _)| *names).filter(|name| source.names_crate(name));
    named.map(|name| format!("{} names the crate {name}", source.path)).collect()
}

fn impurities(source: &Source) -> Vec<String> {
    let pure = PURE.iter().any(|folder| source.path.starts_with(folder));
    if !pure || PURE_EXCEPT.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let told = |what: &str| format!("{} holds `{what}`", source.path);
    let mut found = Vec::new();
    if source.words().any(|(_, word)| word == "async" || word == "await") {
        found.push(told("async"));
    }
    if source.words().any(|(at, word)| word == "now" && source.code[at + 3..].starts_with("()")) {
        found.push(told("now()"));
    }
    found
}

fn form(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if source.lines > MAX_LINES {
        found.push(format!("{} has {} lines", source.path, source.lines));
    }
    if source.path.ends_with("mod.rs") || source.path == "lib.rs" {
        let items = source.unfiltered.split(';').map(|item| {
            let plain = item.lines().filter(|line| !line.trim_start().starts_with("#[cfg("));
            plain.collect::<Vec<_>>().join(" ").trim().to_owned()
        });
        for item in items.filter(|item| !item.is_empty()) {
            let bare = item.strip_prefix("pub").unwrap_or(&item).trim_start();
            let bare =
                bare.strip_prefix("(super)").or(bare.strip_prefix("(crate)")).unwrap_or(bare);
            let harmless = match bare.trim_start().split_once(' ') {
                Some(("mod", name)) => name.chars().all(is_ident),
                Some(("use", _)) => true,
                _ => false,
            };
            if !harmless {
                found.push(format!("{} holds `{item}`", source.path));
            }
        }
    }
    found
}

//! The units, as systemd itself judges them. Nothing is started: a test host may have no systemd
//! at work.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

const AGENT: &str = "milvus-backup-agent.service";
const ONESHOT: &str = "milvus-backup-agent-oneshot@nightly.service";
const TIMER: &str = "milvus-backup-agent-oneshot@nightly.timer";

/// Of 100: the aim is 2.0 of 10.
const MOST_EXPOSED: &str = "--threshold=20";

/// Where README.md installs the program; `verify` wants it to be there.
const PROGRAM: &str = "/usr/local/bin/milvus-backup-agent";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(shipped(name)).expect("the unit is shipped")
}

/// All units as they would be installed, with a program that is there.
fn installed(drop_in: Option<&str>) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (unit, name) in [
        (AGENT, AGENT),
        (ONESHOT, "milvus-backup-agent-oneshot@.service"),
        (TIMER, "milvus-backup-agent-oneshot@.timer"),
    ] {
        let unit = folder.path().join(unit);
        fs::write(&unit, text(name).replace(PROGRAM, "/bin/true")).expect("it is written");
        let is_service = unit.extension().is_some_and(|extension| extension == "service");
        if let Some(name) = drop_in.filter(|_| is_service) {
            let beside = format!("{}.d", unit.display());
            fs::create_dir(&beside).expect("a folder is made");
            fs::write(Path::new(&beside).join(name), text(name)).expect("it is written");
        }
    }
    folder
}

/// systemd's programs, installed if they are missing.
fn systemd_analyze() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/setup.sh");
        let found = Command::new(setup).arg("systemd-analyze").stderr(Stdio::inherit()).output();
        let found = found.expect("the lab's script runs");
        assert!(found.status.success(), "systemd-analyze cannot be had");
        String::from_utf8(found.stdout).expect("a path is text").trim().into()
    })
}

fn analyze(folder: &TempDir, arguments: &[&str], unit: &str) -> Output {
    let mut command = Command::new(systemd_analyze());
    command.args(arguments).arg(folder.path().join(unit)).output().expect("systemd-analyze runs")
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    for drop_in in [None, Some("local-storage.conf")] {
        let folder = installed(drop_in);
        for unit in [AGENT, ONESHOT, TIMER] {
            let verified = analyze(&folder, &["verify", "--man=no"], unit);
            let said = said(&verified);
            assert!(verified.status.success() && said.is_empty(), "{unit} {drop_in:?}:\n{said}");
        }
    }
    let broken = installed(None);
    let wrong = text(AGENT).replace("ExecStart=/usr", "ExecStrat=/usr");
    fs::write(broken.path().join(AGENT), wrong).unwrap();
    let found = said(&analyze(&broken, &["verify", "--man=no"], AGENT));
    assert!(found.contains("ExecStrat"), "a wrong unit is not found out: {found}");
}

#[test]
fn the_units_are_hardly_exposed() {
    for drop_in in [None, Some("local-storage.conf")] {
        let folder = installed(drop_in);
        for unit in [AGENT, ONESHOT] {
            let judged = analyze(&folder, &["security", "--offline=yes", MOST_EXPOSED], unit);
            assert!(judged.status.success(), "{unit} {drop_in:?}:\n{}", said(&judged));
            let sees = said(&judged).contains("✗ CapabilityBoundingSet=~CAP_DAC_")
                || said(&judged).contains("✗ AmbientCapabilities=");
            assert_eq!(sees, drop_in.is_some(), "the drop-in was not read:\n{}", said(&judged));
        }
    }
}

/// The oneshot differs from the agent in how it is started, and in nothing of its sandbox.
#[test]
fn both_services_are_held_in_the_same_sandbox() {
    let sandbox = |name: &str| {
        let text = text(name);
        let from = text.find("User=milvus-backup\n").expect("it has a user of its own");
        let lines = text[from..].lines().take_while(|line| *line != "[Install]");
        // The folder in /run goes when its service ends: it is the agent's alone.
        let lines = lines.filter(|line| !line.starts_with("RuntimeDirectory"));
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let agent = sandbox("milvus-backup-agent.service");
    assert!(agent.len() > 40, "{agent:?}");
    assert_eq!(agent, sandbox("milvus-backup-agent-oneshot@.service"));
}

/// Whether another process lives is told by its folder in /proc (`src/catalog/holder.rs`).
#[test]
fn no_process_is_hidden_from_the_agent() {
    for name in [AGENT, "milvus-backup-agent-oneshot@.service", "local-storage.conf"] {
        for hides in ["\nProtectProc=", "\nProcSubset=", "\nPrivatePIDs="] {
            assert!(!text(name).contains(hides), "{name} has {hides}");
        }
    }
}

#[test]
fn every_key_of_a_credential_is_a_secret() {
    use milvus_backup_agent::config::{KEYS, Kind};
    let text = text(AGENT);
    let named = text.lines().filter_map(|line| line.strip_prefix("#LoadCredential="));
    let named: Vec<_> = named.map(|line| line.split(':').next().unwrap_or_default()).collect();
    let secrets = KEYS.iter().filter(|key| key.kind == Kind::Secret).map(|key| key.path);
    for secret in secrets {
        assert!(named.contains(&secret), "{AGENT} shows no LoadCredential= for {secret}");
    }
    for key in named {
        assert!(KEYS.iter().any(|known| known.path == key), "{key} is no key");
    }
}

/// Needs root, as the installation does.
#[test]
fn the_user_and_the_folders_are_made() {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for (program, file) in [
        ("systemd-sysusers", "milvus-backup-agent.sysusers.conf"),
        ("systemd-tmpfiles", "milvus-backup-agent.tmpfiles.conf"),
    ] {
        let mut command = Command::new(systemd_analyze().with_file_name(program));
        command.arg(format!("--root={}", root.path().display()));
        if program == "systemd-tmpfiles" {
            command.arg("--create");
        }
        let made = command.arg(shipped(file)).output().expect("the program runs");
        assert!(made.status.success(), "{program}: {}", said(&made));
    }
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    let user = users.lines().find(|line| line.starts_with("milvus-backup:")).expect("a user");
    let id: u32 = user.split(':').nth(2).unwrap().parse().unwrap();
    for (folder, mode, owner) in [
        ("etc/milvus-backup-agent", 0o750, 0),
        ("etc/milvus-backup-agent/policies", 0o750, 0),
        ("etc/milvus-backup-agent/secrets", 0o700, 0),
        ("var/lib/milvus-backup-agent", 0o750, id),
    ] {
        let found = fs::metadata(root.path().join(folder)).expect(folder);
        assert_eq!((found.mode() & 0o777, found.uid()), (mode, owner), "{folder}");
    }
}

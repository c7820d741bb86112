//! Disks that are full or read-only: real ones, in a namespace of their own.

use std::sync::Mutex;
use std::thread;

use super::agent::Agent;
use super::mount::Namespace;
use super::server::server;

/// How many pages of 4 KiB a backup of `db2.books` may find free. It needs about fifteen.
const FREE_PAGES: std::ops::Range<u64> = 0..20;

const BOOKS: [&str; 2] = ["--collections", "db2.books"];

/// An agent whose repository is on an empty disk of 64 MiB.
fn on_small_disk(agent: &Agent) -> (Namespace, Agent) {
    let disk = agent.path("disk");
    std::fs::create_dir(&disk).expect("the folder is writable");
    let namespace = Namespace::new(&format!("mount -t tmpfs -o size=64m tmpfs {}", disk.display()));
    let agent = namespace.agent(&agent.with("REPOSITORY__LOCAL__PATH", disk.join("repository")));
    (namespace, agent)
}

/// The disk becomes full at every moment of a backup, one after the other.
#[test]
fn the_disk_is_full() {
    let server = server();
    let seen = Mutex::new(Vec::new());
    for some in FREE_PAGES.collect::<Vec<_>>().chunks(10) {
        thread::scope(|scope| {
            for &pages in some {
                let (agent, seen) = (server.agent.in_new_folder(), &seen);
                scope.spawn(move || {
                    let found = with_free_pages(&agent, pages);
                    seen.lock().expect("no holder panics").push((pages, found));
                });
            }
        });
    }
    let mut seen = seen.into_inner().expect("no holder panics");
    seen.sort_unstable();
    let hit = seen.iter().filter(|(_, full)| *full).count();
    assert!(hit >= 8, "the disk was rarely full: {seen:?}");
    assert!(!seen.last().expect("there are cases").1, "no backup had enough room: {seen:?}");
}

/// Whether the disk was too small.
fn with_free_pages(agent: &Agent, pages: u64) -> bool {
    let (namespace, agent) = on_small_disk(agent);
    let ballast = agent.path("disk/ballast");
    let ballast = ballast.display();
    namespace.shell(&format!("head -c {} /dev/zero > {ballast}", (64 << 20) - pages * 4096));
    let said = agent.run(&[&["backup", "--name", "tight"], &BOOKS[..]].concat());
    let full = said.code != Some(0);
    if full {
        let repository = agent.repository();
        let repository = repository.to_str().expect("a plain name");
        let guarded = said.code == Some(15);
        let why = if guarded { "too little free space" } else { "No space left on device" };
        said.fails(if guarded { 15 } else { 1 }, &[repository, why, "hint: free space"]);
    }
    for backup in agent.listed() {
        assert_eq!(backup.state, if full { "failed" } else { "complete" }, "{backup:?} {said}");
    }
    namespace.shell(&format!("rm {ballast}"));
    agent.works(&[&["backup", "--name", "roomy"], &BOOKS[..]].concat());
    assert_eq!(agent.state_of("roomy").0, "complete");
    full
}

#[test]
fn the_guard_refuses_before_the_first_byte() {
    let server = server();
    let (namespace, agent) = on_small_disk(&server.agent);
    let agent = agent.with("REPOSITORY__LOCAL__MIN_FREE", "64MiB");
    let said = agent.run(&["backup", "--name", "guarded"]);
    let words =
        ["/disk/repository has 63.", "64.00 MiB are kept free", "repository.local.min_free"];
    said.fails(15, &words);
    let (state, reasons) = agent.state_of("guarded");
    assert_eq!(state, "failed");
    assert!(reasons.contains("too little free space"), "{reasons}");
    let said = agent.run(&["check"]);
    assert_eq!(said.code, Some(15), "{said}");
    namespace.shell(&format!("! test -e {}/lab/_segments", agent.repository().display()));
    agent.with("REPOSITORY__LOCAL__MIN_FREE", "1MiB").works(&["backup", "--name", "roomy"]);
}

#[test]
fn the_repository_is_mounted_read_only() {
    let server = server();
    let agent = &server.agent;
    agent.works(&["backup", "--name", "one"]);
    let repository = agent.repository();
    let place = repository.to_str().expect("a plain name");
    let namespace =
        Namespace::new(&format!("mount --bind {place} {place}\nmount -o remount,bind,ro {place}"));
    let inside = namespace.agent(agent);
    assert_eq!(inside.state_of("one").0, "complete");
    inside.works(&["show", "one"]);
    inside.works(&["verify", "one", "--depth", "content"]);
    inside.works(&["cluster", "list"]);
    inside.works(&["restore", "one", "--suffix", "_x", "--plan"]);
    let words = [place, "Read-only file system", "mount it read-write"];
    inside.refuses(&["backup", "--name", "two"], 1, &words);
    inside.refuses(&["restore", "one", "--suffix", "_x"], 1, &[&words[..], &["staging"]].concat());
    inside.refuses(&["cluster", "adopt", "lab", "--reason", "r"], 1, &words);
    let said = inside.run(&["check"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stdout.contains("FAILED  repository"), "{said}");
    assert_eq!(agent.listed().len(), 1);
}

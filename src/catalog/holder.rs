//! Who this process is, and whether another one is certainly gone.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::manifest::Holder;

/// This process, as others will judge it.
pub fn this_process() -> Holder {
    let pid = std::process::id();
    Holder {
        host: host(),
        machine: machine_id(),
        process_space: process_space(),
        pid,
        started: start_of(pid).unwrap_or_default(),
    }
}

/// The machine's id: `/etc/machine-id`, or the host name where there is none.
///
/// See <https://www.freedesktop.org/software/systemd/man/latest/machine-id.html>.
pub fn machine_id() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    if id.trim().is_empty() { host() } else { id.trim().to_owned() }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Boot and pid namespace. Empty if either is unknown, which compares equal to nothing.
fn process_space() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if boot.is_empty() || namespace.as_os_str().is_empty() {
        return String::new();
    }
    format!("{} {}", boot.trim(), namespace.display())
}

/// Field 22 of `/proc/<pid>/stat`, see proc(5). The command name before it may hold anything,
/// so fields are counted from its closing parenthesis.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// Whether a holder has certainly ended. `false` also means "cannot tell from here".
pub(super) fn is_gone(holder: &Holder) -> bool {
    let space = process_space();
    let comparable =
        !space.is_empty() && holder.process_space == space && holder.machine == machine_id();
    comparable && is_over(holder, start_of(holder.pid))
}

/// By when the process began that has this id now. That may be hidden from this user, see
/// `hidepid` in proc(5): then it is over only if there is no process of this id.
fn is_over(holder: &Holder, began: Option<u64>) -> bool {
    let pid = i32::try_from(holder.pid).ok().and_then(Pid::from_raw);
    match (began, pid) {
        (Some(began), _) => began != holder.started,
        (None, Some(pid)) => test_kill_process(pid) == Err(Errno::SRCH),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{is_gone, is_over, this_process};

    #[test]
    fn a_process_is_gone_only_when_that_is_certain() {
        let alive = this_process();
        assert!(!is_gone(&alive));
        let mut reused = alive.clone();
        reused.started += 1;
        assert!(is_gone(&reused), "another process has this id now");
        let mut elsewhere = reused.clone();
        elsewhere.machine = "other".to_owned();
        assert!(!is_gone(&elsewhere));
        let mut container = reused;
        container.process_space = "other".to_owned();
        assert!(!is_gone(&container));
    }

    #[test]
    fn a_process_that_is_hidden_from_this_user_lives() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let of = |pid| crate::manifest::Holder { pid, ..this_process() };
        for (pid, over) in [(1, false), (child.id(), true), (0, false), (u32::MAX, false)] {
            assert_eq!(is_over(&of(pid), None), over, "{pid}");
        }
        assert!(is_gone(&of(child.id())));
    }
}

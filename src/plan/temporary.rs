//! Names of collections that the agent makes for a while. A backup leaves them out: they
//! are half-filled, and gone a moment later.

/// `proxy.maxNameLength`, 255 by default.
pub(super) const MAX_NAME: usize = 255;

const RESTORING: &str = "__restoring_";

const CHECK: &str = "__mba_check_";

/// Digits of a restore's id.
const ID_DIGITS: usize = 8;

/// `<name>__restoring_<id>`, cut to the server's limit; the ledger has the full name.
pub(super) fn restoring_name(name: &str, id: &str) -> String {
    let mark = format!("{RESTORING}{id}");
    let kept = name.len().min(MAX_NAME - mark.len());
    format!("{}{mark}", &name[..kept])
}

/// The collection that `check --restore` makes and drops.
pub fn check_name(id: &str) -> String {
    format!("{CHECK}{id}")
}

/// Whether a collection is one of the agent's own.
pub fn is_temporary(name: &str) -> bool {
    let restoring = name.rsplit_once(RESTORING).is_some_and(|(_, id)| {
        id.len() == ID_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit())
    });
    restoring || name.starts_with(CHECK)
}

#[cfg(test)]
mod tests {
    use super::{check_name, is_temporary, restoring_name};

    #[test]
    fn the_name_that_is_filled_fits_the_server() {
        assert_eq!(restoring_name("films", "ab"), "films__restoring_ab");
        let long = restoring_name(&"f".repeat(255), "0123abcd");
        assert_eq!(long.len(), 255);
        assert!(long.ends_with("__restoring_0123abcd"));
    }

    #[test]
    fn a_backup_knows_what_is_only_there_for_a_while() {
        assert!(is_temporary(&restoring_name("films", "0123abcd")));
        assert!(is_temporary(&restoring_name(&"f".repeat(255), "0123abcd")));
        assert!(is_temporary(&check_name("x")));
        for name in ["films", "films__restoring_", "films__restoring_now", "restoring_0123abcd"] {
            assert!(!is_temporary(name), "{name}");
        }
    }
}

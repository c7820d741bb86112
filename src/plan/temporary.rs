//! Names of collections that the agent makes for a while. A backup leaves them out: they
//! are half-filled, and gone a moment later.

/// `proxy.maxNameLength`, 255 by default.
pub(super) const MAX_NAME: usize = 255;

const RESTORING: &str = "__restoring_";

const DRILL: &str = "__drill_";

const CHECK: &str = "__mba_check_";

/// Digits of the id of a restore or a drill.
const ID_DIGITS: usize = 8;

/// `<name>__restoring_<id>`, cut to the server's limit; the ledger has the full name.
pub(super) fn restoring_name(name: &str, id: &str) -> String {
    marked(name, &format!("{RESTORING}{id}"))
}

/// `<name>__drill_<id>`, cut to the server's limit. Of names that are the same as far as that goes,
/// those after the first have their number before the mark.
pub(super) fn drill_name(name: &str, number: usize, id: &str) -> String {
    let number = if number == 0 { String::new() } else { format!("_{number}") };
    marked(name, &format!("{number}{DRILL}{id}"))
}

/// Whether this is a name that the drill of this id may have given, and no user's.
pub fn is_of_drill(name: &str, id: &str) -> bool {
    is_drill_id(id) && name.rsplit_once(DRILL).is_some_and(|(_, of)| of == id)
}

/// Whether a drill may have this id: one of digits alone may be a date in a user's name.
pub fn is_drill_id(id: &str) -> bool {
    is_id(id) && id.bytes().any(|digit| digit.is_ascii_alphabetic())
}

fn is_id(id: &str) -> bool {
    id.len() == ID_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn marked(name: &str, mark: &str) -> String {
    let kept = name.len().min(MAX_NAME - mark.len());
    format!("{}{mark}", &name[..kept])
}

/// The collection that `check --restore` makes and drops.
pub fn check_name(id: &str) -> String {
    format!("{CHECK}{id}")
}

/// Whether a collection is one of the agent's own.
pub fn is_temporary(name: &str) -> bool {
    let has_id =
        |mark, is_id: fn(&str) -> bool| name.rsplit_once(mark).is_some_and(|(_, id)| is_id(id));
    has_id(RESTORING, is_id) || has_id(DRILL, is_drill_id) || name.starts_with(CHECK)
}

#[cfg(test)]
mod tests {
    use super::{check_name, drill_name, is_of_drill, is_temporary, restoring_name};

    #[test]
    fn the_name_that_is_filled_fits_the_server() {
        assert_eq!(restoring_name("films", "ab"), "films__restoring_ab");
        let long = restoring_name(&"f".repeat(255), "0123abcd");
        assert_eq!(long.len(), 255);
        assert!(long.ends_with("__restoring_0123abcd"));
    }

    #[test]
    fn a_drill_knows_its_own_names_and_no_others() {
        assert_eq!(drill_name("films", 0, "0123abcd"), "films__drill_0123abcd");
        let long = drill_name(&"f".repeat(255), 1, "0123abcd");
        assert_eq!(long.len(), 255);
        assert!(long.ends_with("f_1__drill_0123abcd"));
        assert!(is_of_drill(&long, "0123abcd"));
        for (name, id) in [
            ("films__drill_0123abcd", "0123abce"),
            ("films__drill_0123abcd_", "0123abcd"),
            ("films", "0123abcd"),
            ("films__drill_", ""),
            ("films__drill_20240101", "20240101"),
            ("films__restoring_0123abcd", "0123abcd"),
        ] {
            assert!(!is_of_drill(name, id), "{name} {id}");
        }
    }

    #[test]
    fn a_backup_knows_what_is_only_there_for_a_while() {
        assert!(is_temporary(&restoring_name("films", "0123abcd")));
        assert!(is_temporary(&restoring_name("films", "01234567")));
        assert!(is_temporary(&restoring_name(&"f".repeat(255), "0123abcd")));
        assert!(is_temporary(&check_name("x")));
        assert!(is_temporary(&drill_name(&"f".repeat(255), 12, "0123abcd")));
        for name in [
            "films",
            "films__drill_0123abc",
            "films__drill_of_june",
            "films__drill_20240101",
            "films__restoring_",
            "films__restoring_now",
            "restoring_0123abcd",
        ] {
            assert!(!is_temporary(name), "{name}");
        }
    }
}

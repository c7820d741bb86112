//! Where the dashboard comes from, and what Grafana makes of it.

use super::board::{FILE, python};

#[test]
fn the_file_is_what_the_generator_makes() {
    let (made, fine) = python("grafana", &["make.py"], "");
    assert!(fine, "the generator fails");
    let how = "\"$(tests/lab/setup.sh grafana)\" tests/lab/grafana/make.py \
               >dashboards/milvus-backup-agent.json";
    assert!(made == FILE, "the dashboard is old or was changed by hand; make it anew:\n{how}");
}

/// The models of the oldest line keep all of it and add nothing, those of the newest keep all.
#[test]
fn it_fits_the_models_of_grafana_10_and_11() {
    for arguments in [&["grafana", "check.py", "exact"][..], &["grafana-11", "check.py"]] {
        let (found, fine) = python(arguments[0], &arguments[1..], FILE);
        assert!(fine && found.is_empty(), "{arguments:?}:\n{found}");
    }
}

/// What would pass whatever it is given proves nothing.
#[test]
fn what_does_not_fit_is_told() {
    for (part, instead, told) in [
        (r#""colorMode": "background""#, r#""colourMode": "background""#, "colourMode: not known"),
        (r#""textMode": "value""#, r#""textMode": "values""#, "'values' is no BigValueTextMode"),
        (r#""h": 11"#, r#""h": "11""#, "'11' is no int"),
        (r#""id": "merge""#, r#""id": 5"#, "5 is no str"),
        (r#""graphTooltip": 1"#, r#""graphTooltip": 7"#, "7 is no DashboardCursorSync"),
        (r#""refId": "A""#, r#""refID": "A""#, "refID: not known"),
    ] {
        assert!(FILE.contains(part), "{part} is not in it");
        let (found, fine) = python("grafana", &["check.py"], &FILE.replace(part, instead));
        assert!(!fine && found.contains(told), "{instead}:\n{found}");
    }
}

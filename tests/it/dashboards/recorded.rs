//! No metric is documented and never set.

use milvus_backup_agent::metrics::FAMILIES;

use crate::source::{Source, sources};

/// What will be called by what is not here yet: drills and scheduled verification.
const COMING: [&str; 2] = ["drills", "readings"];

/// The code of these files, without blanks.
fn dense(files: &[&Source]) -> String {
    files.iter().flat_map(|file| file.code.split_whitespace()).collect()
}

/// Methods of `Metrics` that record, by their first words.
fn recorders(metrics: &[&Source]) -> Vec<String> {
    let texts = metrics.iter().map(|file| &file.code);
    let starts = texts.flat_map(|text| text.split("    pub fn ").skip(1));
    let methods = starts.filter(|rest| rest.contains("(&self"));
    let named = methods.filter_map(|rest| {
        let (name, rest) = rest.split_once('(')?;
        rest.starts_with("&self").then(|| name.to_owned())
    });
    named.collect()
}

/// Each family is set by some method of `Metrics`, and each of these is called by the agent
/// or a command.
#[test]
fn every_family_is_recorded_by_something_that_happens() {
    let sources = sources();
    let is_metrics = |file: &&Source| file.path.starts_with("metrics/");
    let inside: Vec<&Source> = sources.iter().filter(is_metrics).collect();
    let handles: Vec<&Source> =
        inside.iter().copied().filter(|file| file.path != "metrics/families.rs").collect();
    let outside: Vec<&Source> = sources.iter().filter(|file| !is_metrics(file)).collect();
    let (set, called) = (dense(&handles), dense(&outside));
    for family in FAMILIES {
        let field = format!("families.{}", &family.name()["milvus_backup_".len()..]);
        let field_of_call = field.replacen("families.", "families().", 1);
        let used = [&field, &field_of_call].iter().any(|form| {
            set.match_indices(form.as_str()).any(|(at, _)| {
                !set[at + form.len()..]
                    .starts_with(|next: char| next.is_alphanumeric() || next == '_')
            })
        });
        assert!(used, "{} is set by nothing in src/metrics", family.name());
    }
    let recorders = recorders(&handles);
    assert!(recorders.len() > 25, "{recorders:?}");
    for name in recorders {
        let call = format!("etrics.{name}(");
        let call_of = format!("etrics().{name}(");
        let happens = called.contains(&call) || called.contains(&call_of) || set.contains(&call);
        let coming = COMING.contains(&name.as_str());
        assert!(happens || coming, "nothing calls Metrics::{name}: what it records is never told");
        assert!(!(happens && coming), "Metrics::{name} is called now: take it out of COMING");
    }
}

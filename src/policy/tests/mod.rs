//! What a policy may say.

mod limits;
mod problems;
mod values;

use std::path::PathBuf;

use super::{Policy, PolicySet};
use crate::model::{ClusterName, Diagnostics};

/// The policies in these files.
pub(super) fn parse(files: &[(&str, &str)]) -> Result<PolicySet, Diagnostics> {
    let file = |(name, text): &(&str, &str)| {
        (PathBuf::from(format!("/policies/{name}")), Ok(text.as_bytes().to_vec()))
    };
    let files: Vec<_> = files.iter().map(file).collect();
    PolicySet::parse(&files, &ClusterName::new("c1").expect("a name"))
}

/// The policy `p.yaml` with this text.
pub(super) fn policy(text: &str) -> Policy {
    let set = parse(&[("p.yaml", text)]).unwrap_or_else(|problems| panic!("{problems}"));
    set.iter().next().expect("there is one").clone()
}
